"""Calls under way at once, over several processes on one PostgreSQL."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farebox.identity.model import RateLimit
from farebox.ledger.batcher import Batcher
from farebox.ledger.owners import find_gone_owners
from farebox.routing.rates import RateTicket, forget_past_rates
from farebox.storage.pool import connected
from tests.rates.gates import KEY, OWNERS, SECOND, Stage, admitted, dies, key_with, refused, settled, take, take_many


def _at_once(most: int, *, key_id: int = KEY, model_id: str = "") -> RateLimit:
    return RateLimit(key_id, model_id, concurrent_calls=most)


@pytest.mark.parametrize("most", [1, 3, 39, 100])
async def test_three_processes_together_never_have_more_under_way_than_the_limit(stage: Stage, most: int) -> None:
    gates = [stage.gate(owner_id) for owner_id in OWNERS]
    key = key_with(_at_once(most))
    for _ in range(3):
        tickets = await take_many(gates, key, 3 * most + 20)
        assert len(tickets) == most
        for ticket in tickets:
            ticket.finish(0)
            ticket.finish(0)
        await settled(stage)
        assert await stage.granted() <= 3 * (most // 20)


async def test_a_refused_call_may_come_again_when_one_has_ended(stage: Stage) -> None:
    gates = [stage.gate(owner_id) for owner_id in OWNERS]
    key = key_with(_at_once(2))
    first, second = [admitted(await take(gate, key)) for gate in gates[:2]]
    problem = refused(await take(gates[2], key))
    assert problem.facts == {
        "limit": {"holder": "key", "model": None, "unit": "concurrent_calls", "max": 2},
        "remaining": 0,
        "resets_at": None,
    }
    assert (problem.retryable, problem.retry_after_seconds) == (True, 1)
    first.finish(0)
    await settled(stage)
    stage.now_micros += SECOND
    third = admitted(await take(gates[2], key))
    refused(await take(gates[0], key))
    second.finish(0)
    third.finish(0)


async def test_slots_of_a_model_and_of_the_workspace_are_counted_apart(stage: Stage) -> None:
    gate = stage.gate(OWNERS[0])
    key = key_with(_at_once(3, key_id=0), _at_once(1, model_id="dear"))
    dear = admitted(await take(gate, key, model_id="dear"))
    refused(await take(gate, key, model_id="dear"))
    await settled(stage)
    tickets = [admitted(await take(gate, key)) for _ in range(2)]
    assert refused(await take(gate, key)).facts["limit"] == {
        "holder": "workspace",
        "model": None,
        "unit": "concurrent_calls",
        "max": 3,
    }
    for ticket in (dear, *tickets):
        ticket.finish(0)


async def test_the_slots_of_a_process_that_died_come_back(stage: Stage) -> None:
    gates = [stage.gate(owner_id) for owner_id in OWNERS]
    key = key_with(_at_once(3))
    assert len(await take_many(gates[:1], key, 5)) == 3
    refused(await take(gates[1], key))
    await dies(stage, OWNERS[0])
    stage.now_micros += SECOND
    tickets = await take_many(gates[1:], key, 8)
    assert len(tickets) == 3
    async with connected(stage.pool) as connection:
        await find_gone_owners(connection)
        await forget_past_rates(connection, stage.now_micros)
    assert await stage.execute("SELECT DISTINCT owner_id FROM rate_slot WHERE owner_id = %s", OWNERS[0]) == []
    assert await stage.granted() == 3


async def test_a_process_counts_from_the_moment_its_ledger_is_connected(stage: Stage, dsn: str) -> None:
    # As the composition root does it: the gate has the owner id of the process's ledger.
    ledger = Batcher(dsn, owner_id=4_004, process="worker")
    await ledger.connect()
    working = asyncio.create_task(ledger.run())
    key = key_with(_at_once(1))
    ticket = admitted(await take(stage.gate(4_004), key))
    refused(await take(stage.gate(OWNERS[0]), key))
    ticket.finish(0)
    await settled(stage)
    await ledger.close()
    await working


async def test_a_process_that_was_taken_for_dead_puts_its_slots_right_with_the_next_lease(stage: Stage) -> None:
    gates = [stage.gate(owner_id) for owner_id in OWNERS]
    key = key_with(_at_once(4))
    tickets = await take_many(gates[:1], key, 3)
    await stage.execute("DELETE FROM rate_slot")
    tickets.append(admitted(await take(gates[0], key)))
    assert await stage.granted() == 4
    refused(await take(gates[1], key))
    for ticket in tickets:
        ticket.finish(0)


async def test_a_process_that_stops_leaves_nothing_behind(stage: Stage) -> None:
    gate = stage.gate(OWNERS[0])
    gate.start()
    tickets = await take_many([gate], key_with(_at_once(50)), 30)
    for ticket in tickets:
        ticket.finish(0)
    await gate.stop()
    assert await stage.execute("SELECT * FROM rate_slot") == []


async def test_slots_that_nobody_used_for_a_while_are_given_back_and_forgotten(stage: Stage) -> None:
    gate = stage.gate(OWNERS[0])
    for ticket in await take_many([gate], key_with(_at_once(100)), 3):
        ticket.finish(0)
    await settled(stage)
    assert 0 < await stage.granted() <= 5
    stage.now_micros += 60 * SECOND
    for _ in range(2):
        gate.tend()
        await settled(stage)
    gate.tend()
    assert await stage.granted() == 0
    assert len(gate) == 0


async def test_a_lowered_limit_lets_nobody_in_until_enough_calls_have_ended(stage: Stage) -> None:
    gate = stage.gate(OWNERS[0])
    tickets = await take_many([gate], key_with(_at_once(60)), 10)
    lower = key_with(_at_once(4))
    for left in range(10, 3, -1):
        refused(await take(gate, lower))
        tickets.pop().finish(0)
        await settled(stage)
        assert len(tickets) == left - 1
        stage.now_micros += SECOND
    tickets.append(admitted(await take(gate, lower)))
    refused(await take(gate, lower))
    for ticket in tickets:
        ticket.finish(0)


async def test_slots_that_were_kept_under_a_higher_limit_let_nobody_in_under_the_lower_one(stage: Stage) -> None:
    gates = [stage.gate(owner_id) for owner_id in OWNERS]
    for ticket in await take_many(gates, key_with(_at_once(90)), 9):
        ticket.finish(0)
    await settled(stage)
    lower = key_with(_at_once(1))
    stage.now_micros += SECOND
    under_way = [answer for gate in gates if isinstance(answer := await take(gate, lower), RateTicket)]
    assert len(under_way) <= 1
    for ticket in under_way:
        ticket.finish(0)


async def test_a_caller_that_leaves_while_it_waits_holds_no_slot(stage: Stage) -> None:
    gate, key = stage.gate(OWNERS[0]), key_with(_at_once(1))
    for ticks in range(12):
        caller = asyncio.create_task(gate.take(key, "plain", 0))
        for _ in range(ticks):
            await asyncio.sleep(0)
        caller.cancel()
        [answer] = await asyncio.gather(caller, return_exceptions=True)
        if isinstance(answer, RateTicket):  # it was faster than we were
            answer.finish(0)
    await settled(stage)
    admitted(await take(stage.gate(OWNERS[1]), key)).finish(0)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(most=st.integers(1, 90), steps=st.lists(st.tuples(st.integers(0, 2), st.integers(-20, 20)), max_size=15))
async def test_whatever_begins_and_ends_where_the_limit_holds(
    stage: Stage, most: int, steps: list[tuple[int, int]]
) -> None:
    gates = stage.gates[-3:] if len(stage.gates) >= 3 else [stage.gate(owner_id) for owner_id in OWNERS]
    key = key_with(_at_once(most, model_id="plain"), _at_once(1_000))
    under_way: list[RateTicket] = []
    for which, change in steps:
        stage.now_micros += SECOND
        if change > 0:
            under_way += await take_many([gates[which]], key, change)
        for _ in range(min(-change, len(under_way))):
            under_way.pop(0).finish(0)
        assert len(under_way) <= most
        await settled(stage)
    for ticket in under_way:
        ticket.finish(0)
    await settled(stage)
