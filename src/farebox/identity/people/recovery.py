"""Recovery codes: what stands in for an authenticator app that is lost. Each is good once; only hashes are stored.

A code has 80 random bits, so a plain hash is enough: nobody tries them all.
"""

import hashlib
import secrets
from typing import Any, Final

import psycopg

from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

CODES: Final = 10
_LETTERS: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base32: 5 bits each, none looks like another
_GROUPS, _GROUP_LETTERS = 4, 4
CODE_LETTERS: Final = _GROUPS * _GROUP_LETTERS
# What people take for other letters when they copy from paper.
_MISREAD: Final = str.maketrans({"o": "0", "i": "1", "l": "1"})

_QUERIES = load_queries("farebox.identity.people", "totp.sql")


async def renew_codes(connection: Connection, person_id: int, *, now_micros: int) -> list[str]:
    """New codes like `7k3m-9pqr-x0ab-c2de`; the former are void. Lock the person before."""
    codes = [_new_code() for _ in range(CODES)]
    await forget_codes(connection, person_id)
    hashes = [_hash(_plain(code)) for code in codes]
    wanted = {"person_id": person_id, "hashes": hashes, "now_micros": now_micros}
    await connection.execute(_QUERIES["save_codes"], wanted)
    return codes


async def use_code(connection: Connection, person_id: int, code: str, *, now_micros: int) -> bool:
    """Use one up, however it is grouped and written. False: it is none of this person's, or was used."""
    wanted = {"person_id": person_id, "code_hash": _hash(_plain(code)), "now_micros": now_micros}
    return (await connection.execute(_QUERIES["use_code"], wanted)).rowcount == 1


async def codes_left(connection: Connection, person_id: int) -> int:
    """How many are still good."""
    row = await (await connection.execute(_QUERIES["codes_left"], {"person_id": person_id})).fetchone()
    assert row is not None
    return int(row[0])


async def forget_codes(connection: Connection, person_id: int) -> None:
    """Make all void."""
    await connection.execute(_QUERIES["forget_codes"], {"person_id": person_id})


def is_recovery_code(text: str) -> bool:
    """Whether it has the form of one."""
    return len(_plain(text)) == CODE_LETTERS


def _new_code() -> str:
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LETTERS)) for _ in range(_GROUPS))
    return "-".join(groups)


def _plain(code: str) -> str:
    kept = "".join(letter for letter in code.lower() if letter.isascii() and letter.isalnum())
    return kept.translate(_MISREAD)


def _hash(plain: str) -> bytes:
    return hashlib.sha256(plain.encode()).digest()
