"""Wallets that people sign in with, and the texts they were asked to sign. Addresses are in lower case.

A wallet is an address and how it was proved: by its key (`chain_id` None; the same wallet on every chain) or by a
contract, which may belong to somebody else on another chain.
"""

import secrets
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg

from farebox.base.ids import random_id
from farebox.identity.people.model import Purpose
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

# 128 bits as 32 letters and digits; EIP-4361 takes nothing else.
NONCE_BYTES: Final = 16
# More than anybody uses, few enough to be read at one look.
MAX_WALLETS: Final = 20

_QUERIES = load_queries("farebox.identity.people", "wallets.sql")


class StoredChallenge(msgspec.Struct, frozen=True, kw_only=True):
    """A text to be signed, and what for. `session_id`: the only session that can answer it; None: anybody's answer is
    taken, since it signs in. `workspace_id`: of a holding wallet."""

    challenge_id: UUID
    nonce: str
    message: str
    address: str
    chain_id: int
    purpose: Purpose
    person_id: int | None
    session_id: int | None
    workspace_id: int | None
    created_at: int
    expires_at: int


class WalletProof(msgspec.Struct, frozen=True):
    """Whose a signature is: an address, by its key (`chain_id` None) or by a contract on one chain."""

    address: str
    chain_id: int | None


class KnownWallet(msgspec.Struct, frozen=True):
    """A wallet that somebody signs in with. `is_active`: whether that person may."""

    wallet_id: int
    person_id: int
    is_active: bool


def new_nonce() -> str:
    """What makes a text different from every other one."""
    return secrets.token_hex(NONCE_BYTES)


async def keep_challenge(connection: Connection, challenge: StoredChallenge) -> None:
    """Remember a text until it is answered or too old."""
    await connection.execute(_QUERIES["keep_challenge"], msgspec.structs.asdict(challenge))


async def use_challenge(connection: Connection, challenge_id: UUID, *, now_micros: int) -> StoredChallenge | None:
    """The challenge, used up by this very call; None: there is none, or it was used up, or it is too old.

    Commit it before the answer is looked at: a wrong one uses it up, too.
    """
    wanted = {"challenge_id": challenge_id, "now_micros": now_micros}
    row = await (await connection.execute(_QUERIES["use_challenge"], wanted)).fetchone()
    if row is None:
        return None
    return msgspec.convert(dict(zip(StoredChallenge.__struct_fields__, row, strict=True)), StoredChallenge)


async def give_back(connection: Connection, challenge_id: UUID) -> None:
    """Let a used challenge be answered again, until it is too old: nobody could tell whether its answer was right."""
    await connection.execute(_QUERIES["give_back"], {"challenge_id": challenge_id})


async def lock_address(connection: Connection, address: str) -> None:
    """Until the transaction ends nobody else links that address: whoever signs in twice at first becomes one person."""
    await connection.execute(_QUERIES["lock_address"], {"address": address})


async def wallet_of(connection: Connection, proof: WalletProof) -> KnownWallet | None:
    """Who signs in with that wallet; None: nobody."""
    row = await (await connection.execute(_QUERIES["wallet_of"], msgspec.structs.asdict(proof))).fetchone()
    return None if row is None else KnownWallet(*row)


async def note_used(connection: Connection, wallet_id: int, *, now_micros: int) -> None:
    """Remember when it signed somebody in."""
    await connection.execute(_QUERIES["note_used"], {"wallet_id": wallet_id, "now_micros": now_micros})


async def link_wallet(connection: Connection, person_id: int, proof: WalletProof, *, now_micros: int) -> int | None:
    """A new way to sign in; returns the wallet's id. None: somebody signs in with it already."""
    wallet_id = random_id()
    wanted = {"wallet_id": wallet_id, "person_id": person_id, "now_micros": now_micros}
    cursor = await connection.execute(_QUERIES["link_wallet"], {**wanted, **msgspec.structs.asdict(proof)})
    return wallet_id if cursor.rowcount else None


async def count_wallets(connection: Connection, person_id: int) -> int:
    """How many somebody signs in with now. How they are listed and unlinked stands in ways.py."""
    row = await (await connection.execute(_QUERIES["count_wallets"], {"person_id": person_id})).fetchone()
    assert row is not None
    return int(row[0])
