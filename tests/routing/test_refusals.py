"""What a client is told when no route is left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from farebox.base.errors import CATALOGUE, Problem
from farebox.catalog.model import Catalog
from farebox.catalog.policy import MaxPrice, Policy
from farebox.routing.rules import Choice, Excluded, Exclusion, Stage, refuse_without_route, sentence
from tests.routing import offers
from tests.routing.offers import COMPLETE, Attempt, attempts, catalogs, make_catalog, make_route, policies

_CODES = {
    Exclusion.COOLING_DOWN: "rate_limit_exceeded",
    Exclusion.NO_CAPACITY: "capacity_exhausted",
    Exclusion.BUDGET_CAP_REACHED: "capacity_exhausted",
    Exclusion.COST_ABOVE_MAXIMUM: "max_cost_exceeded",
}
_CODES_OF_STAGE = {
    Stage.OPERATOR: "provider_not_configured",
    Stage.POLICY: "policy_no_route",
    Stage.MOMENT: "provider_not_configured",
    Stage.REQUEST: "invalid_request",
}
_ASK = offers.Stage(make_catalog([make_route()])).ask()


def refusal(*excluded: Excluded) -> Problem:
    with pytest.raises(Problem) as caught:
        refuse_without_route(_ASK, Choice((), excluded))
    return caught.value


def out(reason: Exclusion, wait_seconds: int | None = None, *, detail: str = "") -> Excluded:
    return Excluded(make_route(), reason, detail, retry_after_seconds=wait_seconds)


@pytest.mark.parametrize("reason", Exclusion)
def test_each_reason_has_its_code(reason: Exclusion) -> None:
    problem = refusal(out(reason))
    assert problem.code == _CODES.get(reason, _CODES_OF_STAGE[reason.stage])
    assert problem.code in CATALOGUE
    assert "plain" in problem.message


@given(st.lists(st.sampled_from(Exclusion), min_size=1, max_size=8))
def test_the_last_stage_that_any_route_came_to_decides(reasons: list[Exclusion]) -> None:
    last = max(reason.stage for reason in reasons)
    found = {reason for reason in reasons if reason.stage is last}
    assert refusal(*map(out, reasons)).code == refusal(*map(out, sorted(found))).code
    assert refusal(*map(out, reasons)).code == refusal(*map(out, reversed(reasons))).code


def test_a_model_without_any_route_is_the_operators_to_mend() -> None:
    assert refusal().code == "provider_not_configured"


def test_a_route_that_is_left_is_no_refusal() -> None:
    refuse_without_route(_ASK, Choice((make_route(),), (out(Exclusion.REGION_NOT_ALLOWED),)))


def test_clients_are_told_when_the_first_of_the_routes_may_be_back() -> None:
    assert refusal(out(Exclusion.COOLING_DOWN, 30), out(Exclusion.COOLING_DOWN, 8)).retry_after_seconds == 8
    assert refusal(out(Exclusion.NO_CAPACITY)).retry_after_seconds == 1
    # A route that a policy forbids is back no sooner for having been at its limit.
    assert refusal(out(Exclusion.REGION_NOT_ALLOWED), out(Exclusion.RESTING, 60)).retry_after_seconds == 60


def test_only_a_maximum_for_the_cost_alone_is_told_as_such() -> None:
    mixed = refusal(out(Exclusion.COST_ABOVE_MAXIMUM), out(Exclusion.INEXPRESSIBLE))
    assert mixed.code == "invalid_request"


def test_a_policy_that_leaves_none_is_told_with_all_reasons() -> None:
    problem = refusal(out(Exclusion.REGION_NOT_ALLOWED), out(Exclusion.PROVIDER_NOT_ALLOWED))
    assert problem.facts["excluded"] == {"region_not_allowed": 1, "provider_not_allowed": 1}
    assert "of 2 routes 0 remain; excluded by region_not_allowed (1), provider_not_allowed (1)" in problem.message


@given(catalogs, policies, attempts, st.none() | st.integers(0, 3))
def test_the_router_is_refused_with_the_code_of_its_last_stage_or_not_at_all(
    catalog: Catalog, policy: Policy, happened: list[Attempt], most_picos: int | None
) -> None:
    stage = offers.Stage(catalog, full=frozenset({"acme/plain/0", "bolt/plain/1"}))
    for attempt in happened:
        stage.play(attempt)
    limited = policy if most_picos is None else Policy(max_price=MaxPrice(prompt_picos=most_picos))
    ask = stage.ask(policy=limited)
    choice = stage.router.choose(catalog, ask)
    if choice.routes:
        refuse_without_route(ask, choice)
        return
    with pytest.raises(Problem) as caught:
        refuse_without_route(ask, choice)
    reasons = {excluded.reason for excluded in choice.excluded if excluded.reason.stage is choice.stage}
    codes = {_CODES.get(reason, _CODES_OF_STAGE[choice.stage]) for reason in reasons} or {"provider_not_configured"}
    assert caught.value.code in codes


def test_the_sentence_counts_all_routes_and_names_each_reason() -> None:
    routes = [
        make_route("acme"),
        make_route("bolt"),
        make_route("core", terms=replace(COMPLETE, region="us")),
    ]
    stage = offers.Stage(make_catalog(routes))
    policy = Policy(regions=frozenset({"sg"}), ignored_providers=frozenset({"bolt"}))
    choice = stage.router.choose(stage.catalog, stage.ask(policy=policy), most=None)
    told = "of 3 routes 1 remains; excluded by provider_not_allowed (1), region_not_allowed (1)"
    assert sentence(choice) == told
