"""A route's budget cap: when it is reached another route serves, or the client is told; a new day opens it again."""

import asyncio

import pytest

from farebox.base.money import format_usd
from farebox.routing.capacity.budgets import PAUSE_SECONDS
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.dataplane.outcomes import Seen, see
from tests.gateway import Customer
from tests.pools.house import House, all_is_given_back, serve_house
from tests.terms import TERMS

DAY_SECONDS = 86_400
# Each call costs the operator 14 input tokens of 0.50 and 100 output tokens of 2.50 per million.
COST_NANOS = 14 * 500 + 100 * 2_500
CALLS_IN_CAP = 200
CAP_NANOS = CALLS_IN_CAP * COST_NANOS
# A worker may be a block beyond what it has leased, when it has not heard from the database yet.
BLOCK_NANOS = CAP_NANOS // 20
WORKERS, AT_ONCE = 2, 8

_ROUTE = """
[providers.{name}]
display_name = "{name}"
base_url     = "{base_url}"
api_key_env  = "FAREBOX_TEST_NO_SUCH_KEY"

[routes."{name}/{model}"]
provider       = "{name}"
model          = "{model}"
upstream_model = "{model}-{name}"
priority       = {priority}
cost  = {{ input = "0.50", output = "2.50" }}
price = {{ input = "1.00", output = "5.00" }}
{cap}
"""
_MODEL = '[models.{0}]\ndisplay_name = "{0}"\ncontext_tokens = 200_000\nmax_output_tokens = 1_000\n'


def catalog_text(base_url: str) -> str:
    """`lonely` has a capped route; `pair` has one and another without a cap."""
    cap = f'budget_cap = {{ usd = "{format_usd(CAP_NANOS)}", per = "day" }}'
    text = [TERMS, _MODEL.format("lonely"), _MODEL.format("pair")]
    offers = [("capped", "lonely", 1, cap), ("first", "pair", 1, cap), ("second", "pair", 2, "")]
    text += [
        _ROUTE.format(name=name, model=model, priority=priority, cap=capped, base_url=base_url)
        for name, model, priority, capped in offers
    ]
    return "".join(text)


async def spend(house: House, customer: Customer, model: str, calls: int) -> list[Seen]:
    """So many calls, a few at once, at both workers in turn."""
    numbers = iter(range(calls))
    found: list[Seen] = []

    async def client() -> None:
        for number in numbers:
            request = customer.chat(model=model, worker=number % WORKERS, sandbox={"words": 100})
            found.append(await see(request))
            # Of this cap a call is a two-hundredth: ten of them must not pass between two reports.
            await asyncio.sleep(PAUSE_SECONDS)

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    return found


@pytest.fixture
def catalog(sandbox: RunningSandbox) -> str:
    return catalog_text(sandbox.base_url)


async def test_a_cap_that_is_reached_refuses_until_the_next_day(
    cluster: TestCluster, sandbox: RunningSandbox, catalog: str
) -> None:
    async with serve_house(cluster, sandbox, workers=WORKERS, catalog=catalog) as house:
        customer = await house.gateway.new_customer(balance_usd="100")
        seen = await spend(house, customer, "lonely", 2 * CALLS_IN_CAP)
        served = sum(each.status == 200 for each in seen)
        refused = [each for each in seen if each.status != 200]
        assert refused and {(each.status, each.error["code"]) for each in refused} == {(503, "capacity_exhausted")}
        assert all(each.error["excluded"] == {"budget_cap_reached": 1} for each in refused)
        assert all(int(each.headers["retry-after"]) >= 1 for each in refused)
        assert len(await customer.call_ids()) == served
        excess = served - CALLS_IN_CAP
        print(f"a cap of {CALLS_IN_CAP} calls: {served} were served by {WORKERS} workers")
        # A block each, and what calls that ran already still cost.
        assert excess * COST_NANOS <= WORKERS * BLOCK_NANOS + AT_ONCE * COST_NANOS
        assert excess >= -CALLS_IN_CAP // 10
        house.pass_seconds(DAY_SECONDS)
        again = await spend(house, customer, "lonely", 20)
        assert {each.status for each in again} == {200}
        await all_is_given_back(house)


async def test_another_route_serves_when_the_cap_is_reached(
    cluster: TestCluster, sandbox: RunningSandbox, catalog: str
) -> None:
    async with serve_house(cluster, sandbox, workers=WORKERS, catalog=catalog) as house:
        customer = await house.gateway.new_customer(balance_usd="100")
        seen = await spend(house, customer, "pair", 2 * CALLS_IN_CAP)
        assert {each.status for each in seen} == {200}
        receipts = [await customer.receipt(each.call_id) for each in seen]
        by_route = [receipt.attempts[-1].route for receipt in receipts]
        first, second = by_route.count("first/pair"), by_route.count("second/pair")
        print(f"{first} by the capped route, {second} by the other")
        assert first + second == 2 * CALLS_IN_CAP
        assert abs(first - CALLS_IN_CAP) * COST_NANOS <= WORKERS * BLOCK_NANOS + AT_ONCE * COST_NANOS
        explained = await customer.get("/api/route/explain?model=pair")
        assert "budget_cap_reached" in str(explained)
        house.pass_seconds(DAY_SECONDS)
        later = await see(customer.chat(model="pair"))
        assert (await customer.receipt(later.call_id)).attempts[-1].route == "first/pair"
        await all_is_given_back(house)


async def test_a_restart_forgets_nothing_of_a_cap(cluster: TestCluster, sandbox: RunningSandbox, catalog: str) -> None:
    async with serve_house(cluster, sandbox, workers=WORKERS, catalog=catalog) as house:
        customer = await house.gateway.new_customer(balance_usd="100")
        await spend(house, customer, "lonely", CALLS_IN_CAP * 3 // 4)
        await house.gateway.restart()
        seen = await spend(house, customer, "lonely", CALLS_IN_CAP)
        served = CALLS_IN_CAP * 3 // 4 + sum(each.status == 200 for each in seen)
        assert abs(served - CALLS_IN_CAP) * COST_NANOS <= WORKERS * BLOCK_NANOS + AT_ONCE * COST_NANOS
