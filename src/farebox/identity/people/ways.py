"""The ways in of a person: addresses, wallets and passkeys, listed and unlinked. Rows stay, so there is a history."""

from typing import Any, Literal

import msgspec
import psycopg

from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Way = Literal["email", "wallet", "passkey"]

_QUERIES = load_queries("farebox.identity.people", "ways.sql")


class LinkedEmail(msgspec.Struct, frozen=True):
    """An address that somebody signs in with."""

    email_id: int
    email: str
    linked_at: int


class LinkedWallet(msgspec.Struct, frozen=True):
    """A wallet that somebody signs in with. `chain_id` None: it is the same on every chain."""

    wallet_id: int
    address: str
    chain_id: int | None
    name: str
    linked_at: int
    last_used_at: int | None


class LinkedPasskey(msgspec.Struct, frozen=True):
    """A passkey. `is_backed_up`: it is kept by a service too, and not on one device alone."""

    passkey_id: int
    name: str
    is_backed_up: bool
    linked_at: int
    last_used_at: int | None


class Ways(msgspec.Struct, frozen=True, kw_only=True):
    """All ways in of a person, the oldest first, and what there is as a second factor."""

    emails: list[LinkedEmail]
    wallets: list[LinkedWallet]
    passkeys: list[LinkedPasskey]
    has_totp: bool
    recovery_codes_left: int


async def ways_of(connection: Connection, person_id: int) -> Ways:
    """How a person can sign in now."""
    wanted = {"person_id": person_id}
    emails = await (await connection.execute(_QUERIES["list_emails"], wanted)).fetchall()
    wallets = await (await connection.execute(_QUERIES["list_wallets"], wanted)).fetchall()
    passkeys = await (await connection.execute(_QUERIES["list_passkeys"], wanted)).fetchall()
    row = await (await connection.execute(_QUERIES["second_factors"], wanted)).fetchone()
    assert row is not None
    return Ways(
        emails=[LinkedEmail(*email) for email in emails],
        wallets=[LinkedWallet(*wallet) for wallet in wallets],
        passkeys=[LinkedPasskey(*passkey) for passkey in passkeys],
        has_totp=row[0],
        recovery_codes_left=row[1],
    )


async def unlink(connection: Connection, person_id: int, way: Way, way_id: int, *, now_micros: int) -> bool:
    """End one way in; whether there was such a one. Whoever calls it holds `lock_person` and sees that one is left."""
    wanted = {"person_id": person_id, "way_id": way_id, "now_micros": now_micros}
    return (await connection.execute(_QUERIES[f"unlink_{way}"], wanted)).rowcount == 1
