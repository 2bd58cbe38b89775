"""Rows about signing in that are of no more use, deleted by a chore. Sessions stay, ended ones too: they tell a person
what was signed in."""

from typing import Any, Final

import psycopg

from farebox.base.clock import MICROS_PER_SECOND
from farebox.identity.people.attempts import forget_attempts
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

# A challenge that is over stays an hour longer, for whoever looks why somebody could not sign in.
CHALLENGES_STAY_MICROS: Final = 3_600 * MICROS_PER_SECOND
# The longest window in which something is counted is a day (access/email_sign_in.py); then it lies open to another day.
ATTEMPTS_STAY_MICROS: Final = 2 * 86_400 * MICROS_PER_SECOND

_QUERIES = load_queries("farebox.identity.people", "forgetting.sql")


async def forget_sign_ins(connection: Connection, *, now_micros: int) -> int:
    """Delete challenges and counted tries that are over; returns how many rows."""
    before = {"before": now_micros - CHALLENGES_STAY_MICROS}
    count = 0
    for statement in _QUERIES.values():
        count += (await connection.execute(statement, before)).rowcount
    return count + await forget_attempts(connection, before_micros=now_micros - ATTEMPTS_STAY_MICROS)
