"""Every reason for which a route cannot serve, through the real interface: what explains it, and what a call is told.

Reasons of the moment that need pools, keys or a provider that refuses are shown in tests/pools and tests/matrix.
"""

import json
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from farebox.catalog.policy import Policy, Rule
from farebox.identity.policies import write_rule
from farebox.routing.rules import Exclusion, Stage
from tests.database import TestCluster
from tests.gateway import Customer, RunningGateway, serve_gateway
from tests.terms import TERMS

_MODEL = """
[models.{name}]
display_name      = "{name}"
context_tokens    = 200_000
max_output_tokens = 1_000
{model}

[routes."one/{name}"]
provider = "{provider}"
model    = "{name}"
{price}
{route}
"""
_PRICE = 'cost = { input = "0.50", output = "2.50" }\nprice = { input = "1.00", output = "5.00" }'
_OFF = 'status = "disabled"\nstatus_reason = "Not today"'
_PROVIDERS = """
[providers.one]
display_name = "One"
base_url     = "https://one.example/v1"
api_key_env  = "FAREBOX_TEST_NO_SUCH_KEY"
unsupported  = ["seed"]

[providers.claude]
display_name = "Claude"
base_url     = "https://claude.example/v1"
api_key_env  = "FAREBOX_TEST_NO_SUCH_KEY"
dialects     = ["anthropic_messages"]

[providers.off]
display_name  = "Off"
base_url      = "https://off.example/v1"
api_key_env   = "FAREBOX_TEST_NO_SUCH_KEY"
status        = "disabled"
status_reason = "Not today"
"""


def _model(name: str, *, model: str = "", route: str = "", price: str = _PRICE, provider: str = "one") -> str:
    return _MODEL.format(name=name, model=model, route=route, price=price, provider=provider)


CATALOG = (
    TERMS
    + _PROVIDERS
    + _model("plain")
    + _model("modeloff", model=_OFF)
    + _model("routeoff", route=_OFF)
    + _model("provideroff", provider="off")
    + _model("unpriced", price="")
    + _model("unfinished", route='contract_review = "pending"')
    + _model("chatonly", route='key_scopes = ["responses"]')
    + _model("internal", route='resale = "not_required"')
    + _model("foreign", provider="claude")
)


class Case(NamedTuple):
    """What keeps a model from serving, and the status and code of a call. `rule`: of the workspace."""

    reason: Exclusion
    model: str
    status: int
    code: str
    rule: Rule = Rule()
    wishes: Mapping[str, Any] = MappingProxyType({})
    fields: Mapping[str, Any] = MappingProxyType({})


_CLOSED = (503, "provider_not_configured")
_FORBIDDEN = (403, "policy_no_route")
CASES = (
    Case(Exclusion.MODEL_DISABLED, "modeloff", *_CLOSED),
    Case(Exclusion.ROUTE_DISABLED, "routeoff", *_CLOSED),
    Case(Exclusion.PROVIDER_DISABLED, "provideroff", *_CLOSED),
    Case(Exclusion.PRICE_UNKNOWN, "unpriced", *_CLOSED),
    Case(Exclusion.CHECKLIST_INCOMPLETE, "unfinished", *_CLOSED),
    Case(Exclusion.MODEL_NOT_ALLOWED, "plain", *_FORBIDDEN, Rule(policy=Policy(models=frozenset({"other"})))),
    Case(Exclusion.WORKLOAD_NOT_ALLOWED, "plain", *_FORBIDDEN, Rule(policy=Policy(workloads=frozenset({"image"})))),
    Case(Exclusion.PROVIDER_NOT_ALLOWED, "plain", *_FORBIDDEN, wishes={"ignore": ["one"]}),
    Case(Exclusion.REGION_NOT_ALLOWED, "plain", *_FORBIDDEN, wishes={"regions": ["SG"]}),
    Case(Exclusion.RETENTION_NOT_ALLOWED, "plain", *_FORBIDDEN, wishes={"zdr": True}),
    Case(Exclusion.RESALE_NOT_APPROVED, "internal", *_FORBIDDEN, wishes={"resale_approved": True}),
    Case(Exclusion.SCOPE_NOT_ALLOWED, "chatonly", *_FORBIDDEN),
    Case(Exclusion.PRICE_ABOVE_MAXIMUM, "plain", *_FORBIDDEN, wishes={"max_price": {"prompt": 0.5}}),
    Case(Exclusion.TIER_UNPRICED, "plain", 400, "invalid_request", fields={"service_tier": "priority"}),
    Case(Exclusion.INEXPRESSIBLE, "foreign", 400, "invalid_request", fields={"n": 2}),
    Case(
        Exclusion.PARAMETERS_DROPPED,
        "foreign",
        400,
        "invalid_request",
        wishes={"require_parameters": True},
        fields={"seed": 7},
    ),
    Case(Exclusion.COST_ABOVE_MAXIMUM, "plain", 400, "max_cost_exceeded", fields={"max_cost": "0.0000001"}),
)
_ELSEWHERE = {
    Exclusion.NOT_CONFIGURED,
    Exclusion.RESTING,
    Exclusion.COOLING_DOWN,
    Exclusion.BUDGET_CAP_REACHED,
    Exclusion.NO_CAPACITY,
}


@pytest.fixture(scope="module")
async def gateway(cluster: TestCluster) -> AsyncIterator[RunningGateway]:
    async with serve_gateway(cluster, catalog=CATALOG) as running:
        yield running


async def _customer(gateway: RunningGateway, rule: Rule) -> Customer:
    customer = await gateway.new_customer()
    if rule != Rule():
        async with gateway.connect() as connection:
            await write_rule(connection, customer.workspace_id, 0, rule=rule, now_micros=gateway.clock())
    return customer


def test_no_reason_is_left_out() -> None:
    assert {case.reason for case in CASES} | _ELSEWHERE == set(Exclusion)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.reason.value)
async def test_each_reason_is_told_by_the_refusal_and_by_what_explains_it(gateway: RunningGateway, case: Case) -> None:
    customer = await _customer(gateway, case.rule)
    wished: dict[str, Any] = {"provider": dict(case.wishes)} if case.wishes else {}
    async with customer.chat(model=case.model, max_tokens=5, **wished, **case.fields) as response:
        error = (await response.json())["error"]
        assert (response.status, error["code"]) == (case.status, case.code)
        assert error["excluded"] == {case.reason.value: 1}
    assert await customer.call_ids() == [] and await customer.held_nanos() == 0
    told = await _explained(customer, case, wished)
    assert (told["remaining"], [one["reason"] for one in told["excluded"]]) == (0, [case.reason.value])
    assert told["excluded"][0]["meaning"] and f"{case.reason.value} (1)" in told["sentence"]


async def test_a_wish_that_is_null_is_no_wish(gateway: RunningGateway) -> None:
    customer = await _customer(gateway, Rule())
    async with customer.chat(model="plain", max_tokens=5, provider=None, max_cost=None, session_id=None) as response:
        assert response.status == 200


async def _explained(customer: Customer, case: Case, wished: dict[str, Any]) -> Any:
    """By the address for it; what depends on the request by its estimate."""
    if case.reason.stage is not Stage.REQUEST:
        provider = f"&provider={json.dumps(dict(case.wishes))}" if case.wishes else ""
        return await customer.get(f"/api/route/explain?model={case.model}&scope=chat.completions{provider}")
    body = {"model": case.model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
    async with customer.post("/api/estimate?surface=chat.completions", {**body, **wished, **case.fields}) as response:
        assert response.status == 200
        return (await response.json())["explanation"]
