"""Policies only ever narrow, whoever holds them and however many there are."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from farebox.catalog.model import Catalog
from farebox.catalog.policy import ANY, Policy, Preference, Rule, combined, narrowed
from tests.routing.offers import MODELS, Stage, catalogs, policies, preferences, sold_catalogs

_CATALOGS = sold_catalogs | catalogs


def allowed(catalog: Catalog, policy: Policy, preference: Preference | None = None) -> set[str]:
    """All routes of all models that the router would give to a call under that policy."""
    stage = Stage(catalog)
    asks = [stage.ask(model_id, policy=policy, preference=preference or Preference()) for model_id in MODELS]
    return {route.route_id for ask in asks for route in stage.router.choose(catalog, ask, most=None).routes}


def duties(policy: Policy) -> tuple[bool, bool]:
    """What a policy says of how a call is made."""
    return policy.allow_fallbacks, policy.require_parameters


@given(_CATALOGS, policies, policies)
def test_a_narrower_policy_never_gains_a_route(catalog: Catalog, wide: Policy, more: Policy) -> None:
    assert allowed(catalog, narrowed(wide, more)) <= allowed(catalog, wide)


@given(_CATALOGS, policies, policies)
def test_two_policies_allow_exactly_what_each_of_them_allows(catalog: Catalog, one: Policy, two: Policy) -> None:
    both = narrowed(one, two)
    assert allowed(catalog, both) == allowed(catalog, one) & allowed(catalog, two)
    assert both.allow_fallbacks == (one.allow_fallbacks and two.allow_fallbacks)
    assert both.require_parameters == (one.require_parameters or two.require_parameters)


@given(_CATALOGS, policies, policies)
def test_it_does_not_matter_which_of_two_policies_comes_first(catalog: Catalog, one: Policy, two: Policy) -> None:
    there, back = narrowed(one, two), narrowed(two, one)
    assert allowed(catalog, there) == allowed(catalog, back)
    assert duties(there) == duties(back)
    assert there.max_price == back.max_price


@given(_CATALOGS, policies, policies, policies)
def test_it_does_not_matter_how_three_policies_are_put_together(
    catalog: Catalog, one: Policy, two: Policy, three: Policy
) -> None:
    left, right = narrowed(narrowed(one, two), three), narrowed(one, narrowed(two, three))
    assert allowed(catalog, left) == allowed(catalog, right)
    assert duties(left) == duties(right)
    assert left.max_price == right.max_price


@given(policies, policies)
def test_saying_a_policy_twice_changes_nothing(one: Policy, two: Policy) -> None:
    assert narrowed(one, one) == one
    assert narrowed(narrowed(one, two), two) == narrowed(one, two)
    assert narrowed(one, ANY) == one == narrowed(ANY, one)


@given(_CATALOGS, st.lists(st.builds(Rule, policy=policies, preference=preferences), min_size=2, max_size=4))
def test_each_further_rule_only_narrows_whatever_it_prefers(catalog: Catalog, rules: list[Rule]) -> None:
    steps = [combined(*rules[:count]) for count in range(1, len(rules) + 1)]
    sets = [allowed(catalog, rule.policy, rule.preference) for rule in steps]
    assert all(later <= earlier for earlier, later in pairwise(sets))


@given(_CATALOGS, policies, preferences)
def test_a_preference_neither_adds_nor_removes_a_route(
    catalog: Catalog, policy: Policy, preference: Preference
) -> None:
    assert allowed(catalog, policy, preference) == allowed(catalog, policy)


@given(policies)
def test_a_route_of_which_nothing_is_known_counts_as_the_worst(policy: Policy) -> None:
    assert policy.allows_retention(None) == policy.allows_retention("unknown")
    assert policy.allows_retention("trains") or not policy.allows_retention(None)
    assert policy.allows_region("sg") or not policy.allows_region(None) or policy.regions == frozenset({"global"})
