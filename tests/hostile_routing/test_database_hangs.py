"""A database that takes a statement and never answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from farebox.base.clock import monotone_clock
from farebox.base.errors import Problem
from farebox.base.limits import RateLimits
from farebox.identity.model import KeyRecord
from farebox.routing.rates import RateGate
from farebox.storage.errors import DatabaseUnavailable

KEY = KeyRecord(7, 70, "", "", frozenset(), None, None, True, True)


async def test_no_call_waits_for_a_lease_until_a_hanging_statement_lets_go() -> None:
    """What is cancelled tells the server first, and waits for its answer."""
    released = asyncio.Event()

    @asynccontextmanager
    async def hanging() -> AsyncIterator[psycopg.AsyncConnection[tuple[object, ...]]]:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue
        raise DatabaseUnavailable("gone")
        yield  # what makes it a generator

    gate = RateGate(hanging, owner_id=1, clock=monotone_clock(), defaults=RateLimits(requests_per_minute=100))
    try:
        first = asyncio.create_task(gate.take(KEY, "m", 1))
        await asyncio.sleep(1.0)
        for call in (first, asyncio.create_task(gate.take(KEY, "m", 1))):
            with pytest.raises(Problem) as refusal:
                await asyncio.wait_for(call, 20)
            assert refusal.value.code == "database_unavailable"
        assert not released.is_set()
    finally:
        released.set()
        await gate.stop()
