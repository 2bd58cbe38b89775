"""Requests and tokens per minute, over several processes on one PostgreSQL."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farebox.base.limits import RateLimits
from farebox.identity.model import RateLimit
from farebox.routing.rates import UNLIMITED, RateTicket, forget_past_rates
from farebox.routing.rates.legs import kept_of
from farebox.storage.pool import connected
from tests.rates.gates import (
    KEY,
    MINUTE,
    OTHER_KEY,
    OWNERS,
    SECOND,
    START,
    Stage,
    admitted,
    key_with,
    refused,
    settled,
    take,
    take_many,
)


def _requests(most: int, *, key_id: int = KEY, model_id: str = "") -> RateLimit:
    return RateLimit(key_id, model_id, requests_per_minute=most)


def _tokens(most: int) -> RateLimit:
    return RateLimit(KEY, "", tokens_per_minute=most)


@pytest.mark.parametrize("most", [1, 7, 39, 60, 400])
async def test_three_processes_together_let_exactly_the_limit_through_in_a_minute(stage: Stage, most: int) -> None:
    gates = [stage.gate(owner_id) for owner_id in OWNERS]
    key = key_with(_requests(most))
    for minute in range(3):
        stage.now_micros = START + minute * MINUTE + 59 * SECOND
        assert len(await take_many(gates, key, 3 * most + 20)) == most


async def test_a_limit_of_a_few_requests_is_exact_even_where_each_comes_to_another_process(stage: Stage) -> None:
    gates = [stage.gate(owner_id) for owner_id in OWNERS]
    answers = [await take(gates[n % 3], key_with(_requests(10))) for n in range(13)]
    assert [answer for answer in answers[:10] if not admitted(answer)] == []
    for answer in answers[10:]:
        refused(answer)


@pytest.mark.parametrize("most", [60, 400, 1_000])
async def test_a_process_never_keeps_more_than_a_block_that_it_does_not_use(stage: Stage, most: int) -> None:
    gate = stage.gate(OWNERS[0])
    key = key_with(_requests(most))
    for taken in range(1, most // 2):
        admitted(await take(gate, key))
        if taken % 17 == 0:
            await settled(stage)
            assert taken <= await stage.leased() <= taken + most // 20


async def test_most_calls_ask_the_database_nothing(stage: Stage) -> None:
    gate, key = stage.gate(OWNERS[0]), key_with(_requests(100_000))
    await gate.take(key, "plain", 0)
    for _ in range(2_000):
        # It returns without ever having been suspended.
        with pytest.raises(StopIteration) as returned:
            gate.take(key, "plain", 0).send(None)
        assert admitted(returned.value.value)


async def test_a_key_and_its_workspace_and_a_model_each_have_limits_of_their_own(stage: Stage) -> None:
    gate = stage.gate(OWNERS[0])
    shared = (_requests(6, key_id=0), _requests(5, key_id=0, model_id="dear"))
    key = key_with(*shared, _requests(4), _requests(2, model_id="dear"))
    other = key_with(*shared, key_id=OTHER_KEY)
    for _ in range(2):
        admitted(await take(gate, key, model_id="dear"))
    limit = refused(await take(gate, key, model_id="dear")).facts["limit"]
    assert limit == {"holder": "key", "model": "dear", "unit": "requests_per_minute", "max": 2}
    for _ in range(2):
        admitted(await take(gate, key))
    assert refused(await take(gate, key)).facts["limit"] == {
        "holder": "key",
        "model": None,
        "unit": "requests_per_minute",
        "max": 4,
    }
    # The refused calls have taken nothing of the workspace's.
    for _ in range(2):
        admitted(await take(gate, other, model_id="dear"))
    assert refused(await take(gate, other, model_id="dear")).facts["limit"] == {
        "holder": "workspace",
        "model": None,
        "unit": "requests_per_minute",
        "max": 6,
    }


async def test_the_deployments_limits_hold_for_keys_without_one_of_their_own(stage: Stage) -> None:
    gate = stage.gate(OWNERS[0], RateLimits(requests_per_minute=2, concurrent_calls=9))
    plain, own = key_with(_requests(50, model_id="dear")), key_with(_requests(5), key_id=KEY)
    assert len(await take_many([gate], plain, 10)) == 2
    stage.now_micros += MINUTE
    assert len(await take_many([gate], own, 10)) == 5
    unlimited = stage.gate(OWNERS[1])
    assert await unlimited.take(key_with(), "plain", 5) is UNLIMITED
    assert await unlimited.take(key_with(_requests(1, model_id="dear")), "plain", 5) is UNLIMITED


async def test_a_changed_limit_holds_for_the_next_call(stage: Stage) -> None:
    gates = [stage.gate(owner_id) for owner_id in OWNERS]
    assert len(await take_many(gates, key_with(_requests(10)), 30)) == 10
    assert len(await take_many(gates, key_with(_requests(14)), 30)) == 4
    assert len(await take_many(gates, key_with(_requests(3)), 30)) == 0
    stage.now_micros += MINUTE
    assert len(await take_many(gates, key_with(_requests(3)), 30)) == 3


async def test_a_flood_of_refused_calls_costs_the_database_nothing(stage: Stage) -> None:
    gate, key = stage.gate(OWNERS[0]), key_with(_requests(3))
    await take_many([gate], key, 5)
    await settled(stage)
    for _ in range(500):
        with pytest.raises(Exception, match="used up"):
            gate.take(key, "plain", 0).send(None)


async def test_what_one_leg_refuses_is_given_back_to_the_others(stage: Stage) -> None:
    gates = [stage.gate(owner_id) for owner_id in OWNERS]
    key = key_with(RateLimit(KEY, "", 10, 100, None))
    admitted(await take(gates[0], key, tokens=90))
    for gate in gates:
        refused(await take(gate, key, tokens=50))
    await settled(stage)
    # Nine requests are left, and tokens for ten.
    passed = 0
    for n in range(30):
        passed += len(await take_many([gates[n % 3]], key, 1, tokens=1))
        await settled(stage)
    assert passed == 9


# ── tokens ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_estimated_input_never_exceeds_the_limit_over_three_processes(stage: Stage) -> None:
    gates = [stage.gate(owner_id) for owner_id in OWNERS]
    passed = await take_many(gates, key_with(_tokens(10_000)), 90, tokens=300)
    # Each process may keep a block of 500.
    assert 300 * len(passed) > 10_000 - 3 * 500 - 300
    await settled(stage)
    assert 300 * len(passed) <= await stage.leased() <= 10_000


async def test_what_a_call_really_used_counts_when_it_ends(stage: Stage) -> None:
    gates = [stage.gate(owner_id) for owner_id in OWNERS]
    key = key_with(_tokens(1_000))
    ticket = admitted(await take(gates[0], key, tokens=100))
    ticket.finish(950)
    ticket.finish(5_000)
    await settled(stage)
    assert 950 <= await stage.leased() <= 1_000
    assert refused(await take(gates[1], key, tokens=51)).facts["remaining"] in (0, 50)


async def test_output_beyond_the_limit_keeps_everybody_out_until_the_minute_is_over(stage: Stage) -> None:
    gates = [stage.gate(owner_id) for owner_id in OWNERS]
    key = key_with(_tokens(1_000))
    admitted(await take(gates[0], key, tokens=100)).finish(70_000)
    await settled(stage)
    assert await stage.leased() == 70_000
    for gate in gates:
        assert refused(await take(gate, key, tokens=1)).facts["remaining"] == 0
    stage.now_micros += MINUTE
    for gate in gates:
        admitted(await take(gate, key, tokens=300))


async def test_tokens_of_a_call_that_ends_in_a_later_minute_count_in_that_minute(stage: Stage) -> None:
    gate, key = stage.gate(OWNERS[0]), key_with(_tokens(1_000))
    ticket = admitted(await take(gate, key, tokens=100))
    stage.now_micros += MINUTE
    ticket.finish(800)
    await settled(stage)
    leased = await stage.execute("SELECT leased FROM rate_window ORDER BY minute")
    assert leased == [(150,), (700,)]  # a block of 50 was kept beside the estimate
    admitted(await take(gate, key, tokens=300))


async def test_an_estimate_that_was_too_high_is_given_back_to_all(stage: Stage) -> None:
    gates = [stage.gate(owner_id) for owner_id in OWNERS]
    key = key_with(_tokens(1_000))
    admitted(await take(gates[0], key, tokens=1_000)).finish(10)
    await settled(stage)
    # All but the block that the first one keeps.
    admitted(await take(gates[1], key, tokens=990 - kept_of(1_000)))


async def test_a_call_larger_than_the_limit_is_told_that_waiting_does_not_help(stage: Stage) -> None:
    problem = refused(await take(stage.gate(OWNERS[0]), key_with(_tokens(1_000)), tokens=1_001))
    assert (problem.retryable, problem.retry_after_seconds) == (False, None)
    assert await stage.leased() == 0


async def test_a_large_call_that_is_refused_strands_nothing(stage: Stage) -> None:
    gates = [stage.gate(owner_id) for owner_id in OWNERS]
    key = key_with(_tokens(1_000))
    admitted(await take(gates[0], key, tokens=500))
    refused(await take(gates[1], key, tokens=600))
    await settled(stage)
    admitted(await take(gates[2], key, tokens=400))


# ── the rest ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_caller_that_leaves_while_it_waits_takes_nothing_with_it(stage: Stage) -> None:
    gate, key = stage.gate(OWNERS[0]), key_with(_requests(9))
    passed = 0
    for ticks in range(12):
        caller = asyncio.create_task(gate.take(key, "plain", 0))
        for _ in range(ticks):
            await asyncio.sleep(0)
        caller.cancel()
        [answer] = await asyncio.gather(caller, return_exceptions=True)
        passed += isinstance(answer, RateTicket)  # one that was faster than we were
    await settled(stage)
    assert passed + len(await take_many([stage.gate(OWNERS[1])], key, 20)) == 9


async def test_without_the_database_what_is_leased_is_used_up_and_then_nothing_passes(stage: Stage) -> None:
    gate, key = stage.gate(OWNERS[0]), key_with(_requests(100))
    admitted(await take(gate, key))
    await settled(stage)
    await stage.pool.close()
    codes = [getattr(await take(gate, key), "code", "admitted") for _ in range(7)]
    assert codes == ["admitted"] * 5 + ["database_unavailable"] * 2


async def test_windows_that_are_over_are_forgotten_in_memory_and_in_the_database(stage: Stage) -> None:
    gate = stage.gate(OWNERS[0])
    for n in range(30):
        admitted(await take(gate, key_with(_requests(5, key_id=n + 1), key_id=n + 1)))
    await settled(stage)
    gate.tend()
    assert len(gate) == 30
    stage.now_micros += 3 * MINUTE
    gate.tend()
    assert len(gate) == 0
    async with connected(stage.pool) as connection:
        await forget_past_rates(connection, START + MINUTE)
        assert len(await stage.execute("SELECT 1 FROM rate_window")) == 30
        await forget_past_rates(connection, START + 2 * MINUTE)
    assert await stage.execute("SELECT 1 FROM rate_window") == []


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    most=st.integers(1, 2_000),
    calls=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 900), st.integers(0, 1_500)), max_size=25),
)
async def test_whatever_calls_do_no_estimate_passes_while_the_limit_is_used_up(
    stage: Stage, most: int, calls: list[tuple[int, int, int]]
) -> None:
    stage.now_micros = (stage.now_micros // MINUTE + 2) * MINUTE
    gates = stage.gates[-3:] if len(stage.gates) >= 3 else [stage.gate(owner_id) for owner_id in OWNERS]
    key = key_with(_tokens(most))
    used = 0
    for which, estimate, really in calls:
        stage.now_micros += SECOND
        answer = await take(gates[which], key, tokens=estimate)
        if not isinstance(answer, Exception):
            # Output that came unexpected does not take back the blocks that the others keep.
            assert used + estimate <= most + 2 * kept_of(most) if used < most else estimate <= kept_of(most)
            answer.finish(really)
            used += really
        else:
            assert used + estimate > most - 3 * kept_of(most)
        await settled(stage)
