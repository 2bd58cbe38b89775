"""How often something may be tried. Counted in PostgreSQL, so that several processes count together.

A bucket is a hash of what is counted (`email:a@b.example`, `address:192.0.2.1`): the table tells nobody whose it is.
Windows are fixed: twice the number may pass around a window's end, and no more.
"""

import hashlib
import ipaddress
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import psycopg

from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.errors import Problem
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_QUERIES = load_queries("farebox.identity.people", "attempts.sql")


class Attempt(msgspec.Struct, frozen=True):
    """Something that may happen `most` times in so many seconds."""

    bucket: str
    most: int
    seconds: int


class TriedTooOften(Problem):
    """`too_many_attempts`. `is_first`: the first refusal of its window, which is worth a line in the record; the many
    that may follow are not."""

    def __init__(self, message: str, *, retry_after_seconds: int, is_first: bool) -> None:
        super().__init__("too_many_attempts", message, retry_after_seconds=retry_after_seconds)
        self.is_first = is_first


def whence(address: str) -> str:
    """What is counted as one client: an IPv4 address, or the /64 of an IPv6 one, of which each client has that many.
    Where the address is not known all such clients are one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))


async def count_attempts(connection: Connection, attempts: Sequence[Attempt], *, now_micros: int) -> None:
    """Count each once. Raises TriedTooOften with Retry-After when one is above its number.

    Call it outside the transaction of what is tried: a refusal is counted, too.
    """
    for attempt in sorted(attempts, key=lambda each: each.bucket):
        window = attempt.seconds * MICROS_PER_SECOND
        start = now_micros - now_micros % window
        bucket = hashlib.sha256(f"{attempt.seconds}:{attempt.bucket}".encode()).digest()
        cursor = await connection.execute(_QUERIES["count_attempt"], {"bucket": bucket, "window_start": start})
        row = await cursor.fetchone()
        assert row is not None
        if row[0] > attempt.most:
            wait_seconds = max(1, (start + window - now_micros) // MICROS_PER_SECOND)
            message = f"This was tried too often. Try again in {_in_words(wait_seconds)}."
            raise TriedTooOften(message, retry_after_seconds=wait_seconds, is_first=row[0] == attempt.most + 1)


async def forget_attempts(connection: Connection, *, before_micros: int) -> int:
    """Delete what was counted in windows that began before that moment; returns how many rows."""
    cursor = await connection.execute(_QUERIES["forget_attempts"], {"before": before_micros})
    return cursor.rowcount


_MINUTE: Final = 60


def _in_words(seconds: int) -> str:
    minutes = -(-seconds // _MINUTE)
    return f"{seconds} seconds" if seconds < _MINUTE else f"{minutes} minute{'s' if minutes > 1 else ''}"
