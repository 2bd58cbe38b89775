"""Where commands of the tests are played: in memory, or through a batcher on PostgreSQL. Both answer the same."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol
from uuid import UUID

import psycopg

from farebox.ledger.batcher import Batcher
from farebox.ledger.book import Book, Entry
from farebox.ledger.commands import Command
from farebox.ledger.outcomes import Effects, Outcome
from farebox.ledger.rules import apply, decide

OWNER = 77
DAY_MICROS = 86_400_000_000


def make_id(now_micros: int, number: int) -> UUID:
    """The number's UUIDv7 of a moment, with its low four bits zero: a hold's id that is the same in every run."""
    # Spread by an odd factor: the ids of entries are made from those of commands and rely on distance between them.
    spread = number * 0x9E3779B97F4A7C15 % (1 << 58)
    return UUID(int=(now_micros // 1_000 << 80) | (0x7 << 76) | (0b10 << 62) | spread << 4)


class Stage(Protocol):
    """Plays one workspace's commands and shows what became of its rows."""

    async def submit(self, command: Command) -> Outcome: ...

    async def account(self, account_id: int) -> tuple[int, int] | None:
        """Posted and held, None if there is no such account."""

    async def window(self, place: tuple[int, int, int]) -> tuple[int, int, int, int] | None:
        """Requests used and held, dollars used and held of (key, span, day)."""

    async def sums(self) -> dict[str, int]:
        """Credits minus debits of every account that entries name."""


def sums_of(entries: Iterable[tuple[str, str, int]]) -> dict[str, int]:
    """Credits minus debits by account name, of (debit, credit, amount)."""
    sums: Counter[str] = Counter()
    for debit, credit, amount_nanos in entries:
        sums[credit] += amount_nanos
        sums[debit] -= amount_nanos
    return dict(sums)


class PureStage:
    """`decide` and `apply` on a book in memory, keeping the entries."""

    def __init__(self, workspace_id: int) -> None:
        self.book = Book(workspace_id)
        self.entries: list[Entry] = []

    def play(self, command: Command) -> Outcome:
        outcome = decide(self.book, command)
        if isinstance(outcome, Effects):
            apply(self.book, command, outcome)
            self.entries.extend(outcome.entries)
        return outcome

    async def submit(self, command: Command) -> Outcome:
        return self.play(command)

    async def account(self, account_id: int) -> tuple[int, int] | None:
        found = self.book.accounts.get(account_id)
        return (found.posted_nanos, found.held_nanos) if found else None

    async def window(self, place: tuple[int, int, int]) -> tuple[int, int, int, int] | None:
        w = self.book.windows.get(place)
        return (w.used_requests, w.held_requests, w.used_nanos, w.held_nanos) if w else None

    async def sums(self) -> dict[str, int]:
        return sums_of((e.debit_account, e.credit_account, e.amount_nanos) for e in self.entries)


class StoredStage:
    """A batcher, and a connection that reads what it wrote."""

    def __init__(self, workspace_id: int, batcher: Batcher, dsn: str) -> None:
        self._workspace_id = workspace_id
        self._batcher = batcher
        self._dsn = dsn

    async def submit(self, command: Command) -> Outcome:
        return await self._batcher.submit(command)

    async def account(self, account_id: int) -> tuple[int, int] | None:
        rows = await self._read(
            "SELECT posted_nanos, held_nanos FROM ledger_account WHERE workspace_id = %s AND account_id = %s",
            account_id,
        )
        return rows[0] if rows else None  # type: ignore[return-value]

    async def window(self, place: tuple[int, int, int]) -> tuple[int, int, int, int] | None:
        rows = await self._read(
            "SELECT used_requests, held_requests, used_nanos, held_nanos FROM ledger_window"
            " WHERE workspace_id = %s AND key_id = %s AND span = %s AND day = %s",
            *place,
        )
        return rows[0] if rows else None  # type: ignore[return-value]

    async def sums(self) -> dict[str, int]:
        rows = await self._read(
            "SELECT debit_account, credit_account, amount_nanos FROM ledger_entry WHERE workspace_id = %s"
        )
        return sums_of(rows)  # type: ignore[arg-type]

    async def _read(self, statement: str, *parameters: int) -> Sequence[tuple[object, ...]]:
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as connection:
            cursor = await connection.execute(statement, (self._workspace_id, *parameters))
            return await cursor.fetchall()


@asynccontextmanager
async def running(batcher: Batcher) -> AsyncIterator[Batcher]:
    """The batcher at work; in the end it finishes what waits."""
    life = asyncio.create_task(batcher.run())
    try:
        yield batcher
        await batcher.close()
        await life
    finally:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
