"""The fault matrix of routing, through real HTTP: each fault, as JSON and as a stream, at each place among the routes,
with and without fallbacks, with one key and with two.

For each: the attempts, what the client is told, one charge at the price of the route that answered, the costs of the
others, the receipt's audit, and what routes and keys are known for afterwards.
"""

from collections import Counter
from typing import Any, NamedTuple

import pytest

from farebox.records.receipt import Receipt
from tests.dataplane.outcomes import Seen, books_of, see, together
from tests.gateway import RunningGateway
from tests.matrix.outcomes import FAULTS, PLAIN, Fault, Outcome
from tests.matrix.worlds import World, cost, price, worlds

# The prompt and its role; what a provider may bill without saying so is taken high, a token for two bytes.
PROMPT_BYTES = len("Reply exactly: hi") + len("user")
COST_TOKENS = -(-PROMPT_BYTES // 2)
PROMPT_TOKENS, ANSWER_TOKENS = 14, 1
NEVER_ARRIVED = ("connect_failed", "connect_timeout")
# What a client is told to wait where the provider did not say.
DEFAULT_RETRY_SECONDS = 5


class Step(NamedTuple):
    """An attempt as it should be; `outcome` None: it answers."""

    number: int
    outcome: Outcome | None


def expected_steps(world: World, outcome: Outcome) -> list[Step]:
    """The rule of the matrix: key after key where the provider refused the key, route after route while nothing has
    reached the client, never beyond the first route without fallbacks, never on after an answer or a rejection."""
    steps: list[Step] = []
    routes = list(zip(world.numbers, world.does, strict=True))
    for number, does in routes if world.fallbacks else routes[:1]:
        if does == "answer":
            return [*steps, Step(number, None)]
        met = outcome if does == "fault" else PLAIN
        steps += [Step(number, met)] * (world.keys if met.then == "key" else 1)
        if met.then == "nothing" or (met.then == "route in time" and number == 1):
            break
    return steps


def scenarios() -> list[Any]:
    return [
        pytest.param(fault, stream, id=f"{fault.name}, {'stream' if stream else 'JSON'}")
        for fault in FAULTS
        for stream in (False, True)
        if (fault.stream if stream else fault.json) is not None
    ]


@pytest.mark.parametrize(("fault", "stream"), scenarios())
async def test_a_fault_at_any_place_among_the_routes(gateway: RunningGateway, fault: Fault, stream: bool) -> None:
    outcome = fault.stream if stream else fault.json
    assert outcome is not None

    async def one(world: World) -> None:
        await _set_faults(gateway, world, fault)
        customer = await gateway.new_customer()
        await customer.set_limit(requests=100, usd="50")
        wishes: dict[str, Any] = {} if world.fallbacks else {"provider": {"allow_fallbacks": False}}
        seen = await see(customer.chat(model=world.model, stream=stream, **wishes))
        receipt = (await books_of(customer, seen.call_id)).receipt
        steps = expected_steps(world, outcome)
        what = f"{world.model}: {[(each.route, each.outcome) for each in receipt.attempts]} {seen.body[:200]!r}"
        _check_attempts(world, steps, receipt, what)
        _check_told(fault, steps, seen, what)
        _check_money(world, steps, receipt, what)
        await _check_ledger(gateway, receipt, what)
        _check_audit(world, receipt, what)
        await _check_counters(gateway, world, steps, what)
        _check_learnt(gateway, world, steps, receipt)
        told = await customer.get(f"/api/usage/{seen.call_id}")
        assert "cred_" not in str(told) and "sandbox:" not in str(told), what
        explained = await customer.get(f"/api/route/explain?model={world.model}")
        assert {each["route"]["route_id"]: each["reason"] for each in explained["excluded"]} == _excluded(world, steps)

    await together((one(world) for world in worlds(fault.address)), most=16)


async def _set_faults(gateway: RunningGateway, world: World, fault: Fault) -> None:
    for number, does in zip(world.numbers, world.does, strict=True):
        if does == "plain fault":
            await gateway.set_faults(world.upstream(number), {"status": PLAIN.upstream})
        elif does == "fault" and fault.directives:
            await gateway.set_faults(world.upstream(number), fault.directives)


def _check_attempts(world: World, steps: list[Step], receipt: Receipt, what: str) -> None:
    found = [(each.route, each.provider, each.outcome, each.status) for each in receipt.attempts]
    assert found == [
        (world.route(step.number), world.provider(step.number), *(_noted(step.outcome))) for step in steps
    ], what
    used: dict[str, list[str]] = {}
    for each in receipt.attempts:
        used.setdefault(each.route, []).append(each.credential)
    for route, credentials in used.items():
        assert all(credentials) and len(set(credentials)) == len(credentials), f"{route} {credentials} {what}"


def _noted(outcome: Outcome | None) -> tuple[str, int | None]:
    return ("answered", 200) if outcome is None else (outcome.attempt, outcome.upstream)


def _check_told(fault: Fault, steps: list[Step], seen: Seen, what: str) -> None:
    last, stream = steps[-1].outcome, seen.headers["content-type"].startswith("text/event-stream")
    if last is None:
        assert seen.status == 200 and not seen.error, what
        assert (seen.whole and seen.text == "hi") if stream else seen.document["choices"], what
        return
    assert seen.status == last.status and not seen.whole, what
    if last.attempt == "rejected":
        # In the provider's own words.
        assert "The sandbox was asked" in seen.error["message"] and seen.error["code"] != last.code, what
    else:
        assert (seen.error["code"], seen.error["request_id"]) == (last.code, seen.call_id), what
    waits = {"cooling": str(fault.directives.get("retry_after_seconds", DEFAULT_RETRY_SECONDS))}
    assert seen.headers.get("retry-after") == waits.get(last.learnt), what


def _check_money(world: World, steps: list[Step], receipt: Receipt, what: str) -> None:
    last = steps[-1]
    answered = last.outcome is None
    charge = price(last.number, PROMPT_TOKENS, ANSWER_TOKENS) if answered else 0
    rule = "provider_usage" if last.outcome is None else last.outcome.rule
    assert (receipt.rule, receipt.call.charge_nanos) == (rule, charge), what
    assert receipt.call.error_code == (None if last.outcome is None else last.outcome.code), what
    assert receipt.call.status == ("settled" if answered else "released"), what
    assert receipt.operator.route_id == world.route(last.number), what
    known = cost(last.number, PROMPT_TOKENS, ANSWER_TOKENS) if answered else 0
    failed = sum(cost(step.number, COST_TOKENS, 0) for step in steps if step.outcome is not None and step.outcome.costs)
    if last.outcome is not None and last.outcome.begun:
        # What had come of the answer before it broke off costs something, too.
        assert receipt.operator.cost_nanos >= failed + cost(last.number, COST_TOKENS, 0) * (not last.outcome.costs), (
            what
        )
    else:
        assert receipt.operator.cost_nanos == known + failed, what


async def _check_ledger(gateway: RunningGateway, receipt: Receipt, what: str) -> None:
    """The customer pays once, and what the providers may bill is booked under the name of each."""
    rows = await gateway.rows(
        "SELECT debit_account, credit_account, amount_nanos FROM ledger_entry WHERE workspace_id = %s"
        " AND hold_id IS NOT NULL",
        receipt.operator.workspace_id,
    )
    revenue = [amount for _, credit, amount in rows if credit.startswith("usage_revenue:")]
    assert revenue == ([receipt.call.charge_nanos] if receipt.call.charge_nanos else []), what
    costs = [(debit, credit, amount) for debit, credit, amount in rows if debit.startswith("provider_cost")]
    assert sum(amount for _, _, amount in costs) == receipt.operator.cost_nanos, what
    for debit, credit, _ in costs:
        kind, _, provider = debit.partition(":")
        assert credit == f"provider_payable:{provider}", what
        answered = receipt.rule == "provider_usage" and provider == receipt.operator.provider_id
        assert kind == ("provider_cost" if answered else "provider_cost_unbilled"), what


def _check_audit(world: World, receipt: Receipt, what: str) -> None:
    audit = receipt.routing
    assert audit is not None, what
    numbers = world.numbers if world.fallbacks else world.numbers[:1]
    assert audit.routes == tuple(world.route(number) for number in numbers), what
    assert (audit.excluded, audit.excluded_by_reason, audit.passed_over) == ((), {}, ()), what
    assert (audit.sort, audit.order, audit.sticky) == ("order", (), False), what
    assert (audit.region, audit.retention) == ("global", "standard"), what


async def _check_counters(gateway: RunningGateway, world: World, steps: list[Step], what: str) -> None:
    """No provider was asked more often than the receipt says, and none that it does not name."""
    arrived = [step.number for step in steps if step.outcome is None or step.outcome.attempt not in NEVER_ARRIVED]
    tried = Counter(arrived)
    for number in world.numbers:
        assert len(await gateway.upstream_calls(world.upstream(number))) == tried[number], what


def _check_learnt(gateway: RunningGateway, world: World, steps: list[Step], receipt: Receipt) -> None:
    parts = gateway.parts
    learnt = {step.number: step.outcome.learnt for step in steps if step.outcome is not None}
    for number in world.numbers:
        known, route = learnt.get(number, "nothing"), world.route(number)
        seen = parts.health.seen(route)
        assert (seen.fault_permille > 0, seen.broken) == (known == "fault", False), (route, seen)
        assert (parts.health.cooling_seconds(route) is not None) == (known == "cooling"), route
        used = [each.credential for each in receipt.attempts if each.route == route]
        provider = parts.catalog().providers[world.provider(number)]
        keys = [key for pool in parts.accounts.pools(provider) for key in pool.credentials]
        assert len(keys) == world.keys
        resting = {key.credential_id for key in keys if not parts.accounts.awake(key)}
        if known == "resting":
            assert resting == set(used), route
        elif known == "cooling":
            # The last key stays awake for the provider's other models: the limit may be this one's alone.
            assert resting == set(used[:-1]), route
        else:
            assert resting == set(), route


def _excluded(world: World, steps: list[Step]) -> dict[str, str]:
    """What the router leaves out now."""
    reasons = {"cooling": "cooling_down", "resting": "provider_resting"}
    found = {step.number: step.outcome.learnt for step in steps if step.outcome is not None}
    return {world.route(number): reasons[learnt] for number, learnt in found.items() if learnt in reasons}
