"""Gates of several processes on one database, with a clock that stands still until it is moved."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from farebox.base.errors import Problem
from farebox.base.limits import RateLimits
from farebox.identity.model import KeyRecord, RateLimit
from farebox.routing.rates import RateGate, RateTicket
from farebox.storage.pool import Pool, connected

WORKSPACE, KEY, OTHER_KEY = 7, 70, 71
# 2026-11-20T20:02:00Z, the first moment of a minute.
START = 1_795_204_920_000_000
SECOND, MINUTE = 1_000_000, 60_000_000
OWNERS = (1_001, 1_002, 1_003)


def key_with(*rates: RateLimit, key_id: int = KEY) -> KeyRecord:
    """A key of the workspace under these limits."""
    return KeyRecord(WORKSPACE, key_id, "", "", frozenset(), None, None, True, True, rates=rates)


@dataclass
class Stage:
    """What the tests of this folder play on. `clock` is moved by hand."""

    pool: Pool
    now_micros: int = START
    gates: list[RateGate] = field(default_factory=list)

    def clock(self) -> int:
        return self.now_micros

    def gate(self, owner_id: int, defaults: RateLimits | None = None) -> RateGate:
        """The gate of one more process."""
        gate = RateGate(
            lambda: connected(self.pool), owner_id=owner_id, clock=self.clock, defaults=defaults or RateLimits()
        )
        self.gates.append(gate)
        return gate

    async def execute(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        async with connected(self.pool) as connection:
            cursor = await connection.execute(statement.encode(), parameters)
            return await cursor.fetchall() if cursor.description else []

    async def leased(self) -> int:
        """What all processes together have of every window."""
        [(total,)] = await self.execute("SELECT coalesce(sum(leased), 0)::bigint FROM rate_window")
        return int(str(total))

    async def granted(self) -> int:
        """The slots that all processes together have."""
        [(total,)] = await self.execute("SELECT coalesce(sum(granted), 0)::bigint FROM rate_slot")
        return int(str(total))


@asynccontextmanager
async def staged(pool: Pool) -> AsyncIterator[Stage]:
    """A stage on which three processes live."""
    stage = Stage(pool)
    for owner_id in OWNERS:
        await stage.execute("INSERT INTO ledger_owner (owner_id, process) VALUES (%s, 'worker')", owner_id)
    try:
        yield stage
    finally:
        for gate in stage.gates:
            await gate.stop()


async def take(gate: RateGate, key: KeyRecord, *, model_id: str = "plain", tokens: int = 10) -> RateTicket | Problem:
    """The ticket, or why there is none."""
    try:
        return await gate.take(key, model_id, tokens)
    except Problem as problem:
        return problem


async def take_many(gates: list[RateGate], key: KeyRecord, count: int, *, tokens: int = 10) -> list[RateTicket]:
    """So many calls at once through each gate in turn; the tickets of those that passed."""
    answers = await asyncio.gather(*(take(gates[n % len(gates)], key, tokens=tokens) for n in range(count)))
    refused = {answer.code for answer in answers if isinstance(answer, Problem)}
    assert refused <= {"rate_limit_exceeded"}
    return [answer for answer in answers if isinstance(answer, RateTicket)]


async def settled(stage: Stage) -> None:
    """Until nothing is under way in the background."""
    async with asyncio.timeout(10):
        while any(stock.is_busy for gate in stage.gates for stock in gate._stocks.values()):
            await asyncio.sleep(0.002)


async def dies(stage: Stage, owner_id: int) -> None:
    """A process was gone for longer than the grace period when the sweeper looked."""
    await stage.execute("UPDATE ledger_owner SET gone_since = now() - interval '1 hour' WHERE owner_id = %s", owner_id)


def refused(answer: RateTicket | Problem) -> Problem:
    """The refusal that it has to be."""
    assert isinstance(answer, Problem)
    assert answer.code == "rate_limit_exceeded", answer.message
    return answer


def admitted(answer: RateTicket | Problem) -> RateTicket:
    """The ticket that it has to be."""
    assert isinstance(answer, RateTicket), answer
    return answer
