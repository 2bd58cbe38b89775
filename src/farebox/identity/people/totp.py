"""Codes of authenticator apps (RFC 6238: six digits, a new one every 30 seconds) as a second factor.

The secret is stored sealed, for this person alone. A code is good once, and so is every earlier one from then on: who
looks over a shoulder has nothing.
"""

import hmac
from typing import Any, Final

import msgspec
import psycopg
import pyotp

from farebox.base.clock import MICROS_PER_SECOND
from farebox.identity.people.model import show_person
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

STEP_SECONDS: Final = 30
# Codes of the step before and after count, too: clocks of telephones go wrong by seconds, and people type slowly.
WINDOW_STEPS: Final = 1
DIGITS: Final = 6
# Who has shown the secret to an app confirms it at once; one that lay about for longer is not trusted.
SETUP_SECONDS: Final = 3_600

_QUERIES = load_queries("farebox.identity.people", "totp.sql")


class StoredTotp(msgspec.Struct, frozen=True):
    """A secret as it is stored: sealed. `confirmed_at` None: shown, but no code of it was given yet."""

    sealed: bytes
    created_at: int
    confirmed_at: int | None
    last_step: int

    def __repr__(self) -> str:
        return "StoredTotp()"


def new_secret() -> str:
    """160 random bits in base32, as apps take them."""
    return pyotp.random_base32()


def bound_to(person_id: int) -> str:
    """What a secret is sealed for: in another person's row it does not open."""
    return f"totp {show_person(person_id)}"


def setup_uri(secret: str, *, account: str, issuer: str) -> str:
    """The address that a QR code shows to an app."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def matching_step(secret: str, code: str, *, last_step: int, now_micros: int) -> int | None:
    """The step that a code is of, among those that still count; None: it is wrong, used or too old."""
    now_step = now_micros // (STEP_SECONDS * MICROS_PER_SECOND)
    otp = pyotp.TOTP(secret)
    found = None
    for step in range(now_step - WINDOW_STEPS, now_step + WINDOW_STEPS + 1):
        # All are compared, each in constant time: how long it takes tells nothing.
        if hmac.compare_digest(otp.generate_otp(step).encode(), code.encode()) and step > last_step:
            found = step
    return found


async def begin_totp(connection: Connection, person_id: int, sealed: bytes, *, now_micros: int) -> bool:
    """Store a secret that is still to be confirmed, in place of a former such one. False: one is confirmed already."""
    wanted = {"person_id": person_id, "sealed": sealed, "now_micros": now_micros}
    return (await connection.execute(_QUERIES["begin_totp"], wanted)).rowcount == 1


async def lock_totp(connection: Connection, person_id: int) -> StoredTotp | None:
    """A person's secret, which nobody else uses until the transaction ends; None: there is none."""
    row = await (await connection.execute(_QUERIES["lock_totp"], {"person_id": person_id})).fetchone()
    return None if row is None else StoredTotp(*row)


async def confirm_totp(connection: Connection, person_id: int, *, step: int, now_micros: int) -> None:
    """From now on it is the second factor."""
    await connection.execute(_QUERIES["confirm_totp"], {"person_id": person_id, "step": step, "now_micros": now_micros})


async def use_step(connection: Connection, person_id: int, step: int) -> bool:
    """Use up the codes to that step. False: it was used already."""
    return (await connection.execute(_QUERIES["use_step"], {"person_id": person_id, "step": step})).rowcount == 1


async def end_totp(connection: Connection, person_id: int) -> bool:
    """Forget the secret. False: there was none."""
    return (await connection.execute(_QUERIES["end_totp"], {"person_id": person_id})).rowcount == 1


async def sealed_secrets(connection: Connection) -> list[tuple[int, bytes]]:
    """Every person with a secret, and the secret as it is stored."""
    cursor = await connection.execute(_QUERIES["sealed_secrets"])
    return [(row[0], row[1]) for row in await cursor.fetchall()]


async def reseal(connection: Connection, person_id: int, sealed: bytes, *, former: bytes) -> bool:
    """Store the same secret sealed anew. False: another came between."""
    wanted = {"person_id": person_id, "sealed": sealed, "former": former}
    return (await connection.execute(_QUERIES["reseal"], wanted)).rowcount == 1
