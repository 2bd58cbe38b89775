"""The batcher: commands that wait while a commit runs go together in the next one.

One connection, one batch at a time: lock and read, decide in memory, write, commit, then answer. A command is answered
only after the commit. When the connection is lost, whether the batch was committed is not known, so the same commands
are sent again under the same ids: those that were committed answer from the record.

Two lanes: commands that end a hold always enter and go first; new holds enter a bounded queue and are refused when it
is full. The session also holds the advisory lock that proves this worker alive (see `owners.py`).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import psycopg

from farebox.base.ids import step_id
from farebox.ledger.book import Book
from farebox.ledger.commands import Command, HoldCommand, Release, Reserve
from farebox.ledger.outcomes import Answer, Effects, Outcome, Refusal
from farebox.ledger.owners import REGISTER_OWNER
from farebox.ledger.rules import apply, decide
from farebox.ledger.store import (
    SESSION_SETTINGS,
    STATEMENTS,
    Writes,
    add_recorded,
    books_of,
    facts_step,
    make_books_steps,
    open_step,
    recorded_step,
    with_facts,
)
from farebox.ledger.wire import Step, Wire

# Above this a batch holds its locks so long that the latency of everybody in it suffers more than throughput gains.
MAX_BATCH_COMMANDS = 128
# Under load the next batch waits this long for company: a batch costs the same whether it holds four commands or forty.
# A quiet gateway never waits.
LINGER_ABOVE_COMMANDS = 3
LINGER_BELOW_WAITING = 32
LINGER_SECONDS = 0.001
# New holds waiting for a batch: about a quarter of a second of work at the rate one worker can settle.
MAX_WAITING_RESERVES = 2_048
# How long a lost database may come back before the commands that wait for it are told so.
GIVE_UP_AFTER_SECONDS = 8.0
RECONNECT_PAUSE_SECONDS = 0.2

RESERVE_STEP, LAST_STEP = 0, 15


class LedgerUnavailable(Exception):
    """The database cannot be reached. Whether the command took effect is not known; ask again with the same id."""


class LedgerBusy(Exception):
    """Too many new holds wait already; nothing was done."""


class LedgerFault(Exception):
    """The ledger could not apply a command that it should have refused. Nothing was done."""


class Rider(NamedTuple):
    """A row of another room that is written in the same transaction, if and only if the command is accepted.

    `statement` names SQL that the batcher was given; it takes all rows of a batch as one JSON array.
    """

    statement: str
    row: Callable[[Answer], msgspec.Struct]


class _Waiting(NamedTuple):
    command: Command
    rider: Rider | None
    answer: "asyncio.Future[Outcome]"


Batch = Sequence[tuple[Command, Rider | None]]


class Batcher:
    """Makes commands durable. `run()` is its life; `submit()` asks."""

    def __init__(
        self,
        dsn: str,
        *,
        owner_id: int,
        process: str | None = None,
        rider_statements: Mapping[str, str] | None = None,
        give_up_after_seconds: float = GIVE_UP_AFTER_SECONDS,
    ) -> None:
        """`process` names a worker, whose holds are looked after when it dies; None makes no holds of its own."""
        self._dsn = dsn
        self._owner_id = owner_id
        self._process = process
        self._riders = dict(rider_statements or {})
        self._give_up_after_seconds = give_up_after_seconds
        self._serving: list[_Waiting] = []
        self._ending: deque[_Waiting] = deque()
        self._reserving: deque[_Waiting] = deque()
        self._doubtful: list[Reserve] = []
        self._wake = asyncio.Event()
        self._wire: Wire | None = None
        self._closing = False
        self._stopped = False
        self._was_connected = False
        self.batches = 0
        self.commands = 0

    @property
    def waiting_reserves(self) -> int:
        """New holds that wait for a batch."""
        return len(self._reserving)

    @property
    def connected(self) -> bool:
        """Whether the session stands."""
        return self._wire is not None and not self._wire.broken

    async def submit(self, command: Command, rider: Rider | None = None) -> Outcome:
        """Answer the command after it is durable.

        Raises LedgerBusy (nothing was done), LedgerUnavailable (not known) and LedgerFault (a bug here; nothing done).
        """
        return await self.enqueue(command, rider)

    def enqueue(self, command: Command, rider: Rider | None = None) -> "asyncio.Future[Outcome]":
        """`submit` without the waiting: the future raises what it would. Raises LedgerBusy and LedgerUnavailable."""
        if self._stopped:
            raise LedgerUnavailable("this worker has stopped")
        waiting = _Waiting(command, rider, asyncio.get_running_loop().create_future())
        if isinstance(command, Reserve):
            if len(self._reserving) >= MAX_WAITING_RESERVES or self._closing:
                raise LedgerBusy
            self._reserving.append(waiting)
        else:
            self._ending.append(waiting)
        self._wake.set()
        return waiting.answer

    async def run(self) -> None:
        """Work until cancelled; close() lets what waits finish first."""
        try:
            while True:
                batch = self._serving = self._next_batch()
                if batch:
                    await self._serve(batch)
                    if len(batch) > LINGER_ABOVE_COMMANDS and self._waiting_commands() < LINGER_BELOW_WAITING:
                        await asyncio.sleep(LINGER_SECONDS)
                elif self._closing:
                    return
                elif self._was_connected and not self.connected:
                    await self._reconnect()
                else:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            self._stopped = True
            for waiting in (*self._serving, *self._ending, *self._reserving):
                if not waiting.answer.done():
                    waiting.answer.set_exception(LedgerUnavailable("this worker is stopping"))
            if self._wire is not None:
                await self._wire.close()

    async def close(self) -> None:
        """Take no new holds; `run()` returns when nothing waits."""
        self._closing = True
        self._wake.set()

    async def connect(self) -> None:
        """Open the session ahead of the first command. Raises psycopg.Error."""
        if self._wire is None:
            statements = {**STATEMENTS, **self._riders}
            wire = await Wire.open(self._dsn, statements, settings=SESSION_SETTINGS, on_lost=self._wake.set)
            try:
                await wire.run([("begin", ()), ("commit", ())])
                await self._prove_alive(wire)
            except BaseException:
                await wire.close()
                raise
            self._wire, self._was_connected = wire, True

    async def _prove_alive(self, wire: Wire) -> None:
        # The statement is built from our own integer.
        await wire.prepare_and_run("owner", f"SELECT pg_advisory_lock({self._owner_id:d})")
        if self._process is not None:
            # At every connection: while ours was lost the sweeper may have forgotten us, and with the row it would
            # never find the holds that we still make.
            await wire.prepare_and_run("register", REGISTER_OWNER, [b"%d" % self._owner_id, self._process.encode()])

    async def _reconnect(self) -> None:
        """The session was lost while nobody calls, and with it the lock that proves us alive: take it again."""
        await self._hang_up()
        try:
            await self.connect()
            await self._settle_doubts()
        except Exception:  # whatever it was, this loop is what everybody waits for
            await self._hang_up()
            await asyncio.sleep(RECONNECT_PAUSE_SECONDS)

    async def _hang_up(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()

    def _waiting_commands(self) -> int:
        return len(self._ending) + len(self._reserving)

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        for lane in (self._ending, self._reserving):
            while lane and len(batch) < MAX_BATCH_COMMANDS:
                batch.append(lane.popleft())
        return batch

    async def _serve(self, batch: list[_Waiting]) -> None:
        """Answer a batch whatever happens: outcome, or LedgerUnavailable when the database stays away."""
        deadline = asyncio.get_running_loop().time() + self._give_up_after_seconds
        again = False
        while True:
            try:
                await self.connect()
                await self._settle_doubts()
                outcomes = await self._commit([(w.command, w.rider) for w in batch], look_up=again)
            except Exception as error:  # a bug in one command must not end the loop that everybody waits for
                again = True
                if not await self._recover(error, batch, deadline):
                    return
            else:
                for waiting, outcome in zip(batch, outcomes, strict=True):
                    if not waiting.answer.done():
                        waiting.answer.set_result(outcome)
                return

    async def _recover(self, error: Exception, batch: list[_Waiting], deadline: float) -> bool:
        """After a failed batch: True to try the same batch again, False when all of it has been answered."""
        lost = self._wire is None or self._wire.broken or isinstance(error, psycopg.OperationalError | OSError)
        await self._hang_up()
        if not lost and len(batch) > 1:
            # Something that decide() should have refused: find it without hurting its neighbours.
            for waiting in batch:
                await self._serve([waiting])
            return False
        if lost and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(RECONNECT_PAUSE_SECONDS)
            return True
        for waiting in batch:
            if lost and isinstance(waiting.command, Reserve):
                self._doubtful.append(waiting.command)
            if not waiting.answer.done():
                waiting.answer.set_exception(LedgerUnavailable(str(error)) if lost else LedgerFault(repr(error)))
        return False

    async def _settle_doubts(self) -> None:
        """Holds whose makers were told 'unavailable' may exist all the same: give them back before anything else."""
        if self._doubtful:
            await self._commit([(_release_of(reserve), None) for reserve in self._doubtful[:MAX_BATCH_COMMANDS]])
            del self._doubtful[:MAX_BATCH_COMMANDS]

    async def _commit(self, batch: Batch, *, look_up: bool = False) -> list[Outcome]:
        """Decide and write a batch. Commands about holds are looked up in the record only when refused or when their
        row exists already: their ids are random, so looking up each would nearly always find nothing."""
        assert self._wire is not None
        if not look_up:
            try:
                return await self._attempt(self._wire, batch, [c for c, _ in batch if not _about_a_hold(c)])
            except psycopg.errors.UniqueViolation:
                await self._wire.run([("rollback", ())])
        return await self._attempt(self._wire, batch, [command for command, _ in batch])

    async def _attempt(self, wire: Wire, batch: Batch, looked_up: Sequence[Command]) -> list[Outcome]:
        commands = [command for command, _ in batch]
        steps = [("begin", ()), *make_books_steps(commands), open_step(commands, looked_up)]
        _, *made, reply = await wire.run(steps)
        assert reply is not None
        books = books_of(reply, commands, *made)
        outcomes: list[Outcome] = []
        writes = Writes()
        rows: dict[str, list[msgspec.Struct]] = {}
        for bare, rider in batch:
            command = await _with_facts(wire, bare, writes)
            outcome = _decide_and_apply(books[command.workspace_id], command, writes)
            if rider is not None and isinstance(outcome, Effects):
                rows.setdefault(rider.statement, []).append(rider.row(outcome.answer))
            outcomes.append(outcome)
        if len(looked_up) < len(commands):
            await self._look_up_refused(wire, books, commands, outcomes)
        await self._finish(wire, writes, rows)
        self.batches += 1
        self.commands += len(batch)
        return outcomes

    async def _look_up_refused(
        self, wire: Wire, books: Mapping[int, Book], commands: Sequence[Command], outcomes: list[Outcome]
    ) -> None:
        """A refusal may only mean that the command was accepted before: then the record answers."""
        refused = [place for place, outcome in enumerate(outcomes) if isinstance(outcome, Refusal)]
        if not refused:
            return
        reply = (await wire.run([recorded_step([commands[place] for place in refused])]))[0]
        found = add_recorded(reply, books)
        for place in refused:
            command = commands[place]
            # Not what this batch itself accepted under the id after the refusal: a refusal leaves its id free.
            if (command.workspace_id, command.command_id) in found:
                outcomes[place] = decide(books[command.workspace_id], command)

    async def _finish(self, wire: Wire, writes: Writes, rows: Mapping[str, list[msgspec.Struct]]) -> None:
        if writes.empty:
            await wire.run([("rollback", ())])
            return
        steps: list[Step] = [writes.close_step()]
        steps.extend((statement, [msgspec.json.encode(listed)]) for statement, listed in rows.items())
        await wire.run([*steps, ("commit", ())])


async def _with_facts(wire: Wire, command: Command, writes: Writes) -> Command:
    step = facts_step(command)
    return command if step is None else with_facts(command, (await wire.run([step]))[0], writes)


def _about_a_hold(command: Command) -> bool:
    return isinstance(command, Reserve | HoldCommand)


def _decide_and_apply(book: Book, command: Command, writes: Writes) -> Outcome:
    outcome = decide(book, command)
    if isinstance(outcome, Effects):
        writes.add(command, outcome, apply(book, command, outcome))
    return outcome


def _release_of(reserve: Reserve) -> Release:
    return Release(
        workspace_id=reserve.workspace_id,
        command_id=step_id(reserve.command_id, LAST_STEP),
        now_micros=reserve.now_micros,
        hold_id=reserve.hold_id,
        count_request=False,
    )
