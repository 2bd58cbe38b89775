"""Prove the invariants from the rows alone. Nothing here trusts `rules.py`: the checks are SQL over what is stored."""

from typing import NamedTuple

import psycopg

from farebox.storage.queries import load_queries

# Breaches listed per invariant: enough to see the pattern, few enough to read.
MAX_BREACHES_SHOWN = 20

CHECKS = load_queries("farebox.ledger", "verify.sql")


class Breach(NamedTuple):
    """A row that breaks an invariant."""

    invariant: str
    row: str
    problem: str


class Report(NamedTuple):
    """What was looked at and what was found."""

    breaches: list[Breach]
    checks: int
    accounts: int
    holds: int
    open_holds: int
    entries: int
    commands: int

    @property
    def sound(self) -> bool:
        """Whether no invariant is broken."""
        return not self.breaches


async def verify(connection: "psycopg.AsyncConnection[tuple[object, ...]]") -> Report:
    """Run every check in one snapshot, so a busy gateway may go on meanwhile."""
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        breaches: list[Breach] = []
        for invariant, sql in CHECKS.items():
            cursor = await connection.execute(sql)
            rows = await cursor.fetchmany(MAX_BREACHES_SHOWN)
            breaches.extend(Breach(invariant, str(row), str(problem)) for row, problem in rows)
        counts = [await _count(connection, table) for table in _COUNTED]
    accounts, holds, open_holds, entries, commands = counts
    return Report(breaches, len(CHECKS), accounts, holds, open_holds, entries, commands)


_COUNTED = (
    "ledger_account",
    "ledger_hold",
    "ledger_hold WHERE state IN (1, 2, 5)",
    "ledger_entry",
    "ledger_command",
)


async def _count(connection: "psycopg.AsyncConnection[tuple[object, ...]]", what: str) -> int:
    cursor = await connection.execute(f"SELECT count(*) FROM {what}")  # noqa: S608 - from the constant list above
    row = await cursor.fetchone()
    return int(str(row[0])) if row else 0
