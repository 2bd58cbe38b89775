import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.catalog.model import Catalog, Model, Provider, Route, build_catalog
from farebox.catalog.policy import NO_RULE, MaxPrice, Policy, Preference, Rule
from farebox.catalog.rules import Tier
from farebox.catalog.terms import Terms
from farebox.routing.explain import MAX_SHOWN, Explanation, explanation
from farebox.routing.rules import MEANINGS, Exclusion
from farebox.routing.shown import MAX_TIERS_SHOWN, route_view, rule_view, usd_of_picos
from farebox.routing.wishes import read_policy
from tests.policy.routers import ask_for, router
from tests.policy.rules_of_any_kind import MODELS, catalogs, finished_route, price_of, rules

_reasons = st.dictionaries(
    st.sampled_from([f"r{number}" for number in range(8)]),
    st.sampled_from([Exclusion.NOT_CONFIGURED, Exclusion.RESTING, Exclusion.NO_CAPACITY]),
    max_size=3,
)


@given(catalogs(), rules, _reasons, st.sampled_from([None, "chat.completions", "images"]))
def test_what_is_explained_is_what_is_routed(
    catalog: Catalog, rule: Rule, reasons: dict[str, Exclusion], scope: str | None
) -> None:
    one = router(reasons)
    for model_id in MODELS:
        ask = ask_for(catalog, model_id, policy=rule.policy, preference=rule.preference, scope=scope)
        told = explanation(catalog, ask, one.choose(catalog, ask, most=None))
        tried = one.choose(catalog, ask).routes[: told.tried_at_most]
        assert [route.route_id for route in told.routes[: told.tried_at_most]] == [route.route_id for route in tried]
        shown = [route.route_id for route in told.routes] + [out.route.route_id for out in told.excluded]
        assert sorted(shown) == sorted(route.route_id for route in catalog.routes_of(model_id))
        assert told.total == told.remaining + len(told.excluded)


@given(rules)
def test_a_policy_that_is_shown_can_be_set_again(rule: Rule) -> None:
    shown = rule_view(rule)
    if shown.only == [] or shown.models == [] or shown.workloads == [] or shown.regions == []:
        return  # only ever the outcome of policies that contradict each other
    assert read_policy(msgspec.json.encode(shown), param="policy") == rule


def test_what_is_shown_of_no_rule_allows_everything() -> None:
    assert read_policy(msgspec.json.encode(rule_view(NO_RULE)), param="policy") == NO_RULE


def _catalog(*routes: Route) -> Catalog:
    provider = Provider(
        provider_id="one", display_name="One", base_url="https://inside.example/v1", api_key_env="THE_KEY_OF_ONE"
    )
    model = Model(model_id="plain", display_name="Plain")
    return build_catalog(
        "1", providers={"one": provider}, models={"plain": model}, routes={route.route_id: route for route in routes}
    )


def _explain(catalog: Catalog, rule: Rule = NO_RULE, reasons: dict[str, Exclusion] | None = None) -> Explanation:
    ask = ask_for(catalog, "plain", policy=rule.policy, preference=rule.preference)
    return explanation(catalog, ask, router(reasons).choose(catalog, ask, most=None))


def test_the_sentence_counts_what_remains_and_why_the_others_do_not() -> None:
    catalog = _catalog(
        finished_route("a", region="sg"),
        finished_route("b", region="us"),
        finished_route("c", region="us"),
        Route(route_id="d", model_id="plain", provider_id="one", upstream_model="m", price=price_of(1, 1)),
    )
    told = _explain(catalog, Rule(policy=Policy(regions=frozenset({"sg"}))))
    assert told.sentence == "of 4 routes 1 remains; excluded by region_not_allowed (2), checklist_incomplete (1)"
    assert [route.route_id for route in told.routes] == ["a"]
    out = {excluded.route.route_id: excluded for excluded in told.excluded}
    assert (out["b"].reason, out["b"].stage) == ("region_not_allowed", "policy")
    assert out["b"].meaning == MEANINGS[Exclusion.REGION_NOT_ALLOWED]
    assert (out["d"].stage, out["d"].missing[0]) == ("operator", "region")
    assert told.policy.regions == ["sg"]


def test_who_allows_no_fallbacks_is_told_that_one_route_is_tried() -> None:
    catalog = _catalog(*(finished_route(name) for name in "abc"))
    told = _explain(catalog, Rule(policy=Policy(allow_fallbacks=False)))
    assert (told.total, told.remaining, told.tried_at_most) == (3, 3, 1)
    assert _explain(catalog).tried_at_most == 3


def test_a_route_shows_its_terms_and_its_price_and_nothing_of_the_inside() -> None:
    route = finished_route("one/plain", region="sg", price=price_of(3_000_000, 15_000_000))
    told = msgspec.json.encode(_explain(_catalog(route)))
    view = msgspec.json.decode(told)["routes"][0]
    assert (view["provider_name"], view["region"], view["retention"], view["sla"]) == ("One", "sg", "none", "99.9")
    tier = view["price"][0]
    assert (tier["usd_per_million_tokens"], tier["usd_per_unit"]) == ({"input": "3.00", "output": "15.00"}, {})
    for secret in (b"upstream", b"secret-model", b"inside.example", b"THE_KEY_OF_ONE", b"pool", b"credential"):
        assert secret not in told


def test_long_answers_are_cut_and_say_so() -> None:
    told = _explain(_catalog(*(finished_route(f"r{number:03}") for number in range(MAX_SHOWN + 7))))
    assert (told.remaining, len(told.routes), told.routes_not_shown) == (MAX_SHOWN + 7, MAX_SHOWN, 7)
    told = _explain(
        _catalog(*(finished_route(f"r{number:03}") for number in range(MAX_SHOWN + 7))),
        Rule(policy=Policy(models=frozenset({"other"}))),
    )
    assert (told.remaining, len(told.excluded), told.excluded_not_shown) == (0, MAX_SHOWN, 7)


def test_a_price_of_many_variants_is_cut_and_says_so() -> None:
    price = price_of(1, 1)
    price = msgspec.structs.replace(price, tiers=price.tiers * (MAX_TIERS_SHOWN + 3))
    route = finished_route("a", price=price)
    view = route_view(_catalog(route), route)
    assert (len(view.price), view.price_tiers_not_shown) == (MAX_TIERS_SHOWN, 3)


def test_rates_of_their_own_are_shown_and_others_follow_from_text() -> None:
    price = price_of(3_000_000, 15_000_000)
    rates = msgspec.structs.replace(
        price.tiers[0].rates,
        cached_input_picos=300_000,
        cache_write_5m_picos=0,
        audio_output_picos=60_000_000,
        image_picos=40_000_000_000,
    )
    route = finished_route("a", price=msgspec.structs.replace(price, tiers=(Tier("default", 0, rates),)))
    shown = route_view(_catalog(route), route).price[0]
    assert shown.usd_per_million_tokens == {
        "input": "3.00", "cached_input": "0.30", "cache_write_5m": "0.00", "output": "15.00", "audio_output": "60.00",
    }  # fmt: skip
    assert shown.usd_per_unit == {"image": "0.04"}


def test_a_route_of_which_nothing_is_known_shows_that() -> None:
    route = Route(route_id="a", model_id="plain", provider_id="one", upstream_model="m", terms=Terms())
    view = route_view(_catalog(route), route)
    assert (view.region, view.retention, view.resale, view.price, view.price_version) == (None, None, None, [], None)


@pytest.mark.parametrize(
    ("picos", "dollars"),
    [(0, "0.00"), (1, "0.000000000001"), (1_500_000_000_000, "1.50"), (10**15, "1000.00"), (20_000, "0.00000002")],
)
def test_small_amounts_are_shown_exactly(picos: int, dollars: str) -> None:
    assert usd_of_picos(picos) == dollars


def test_a_maximum_price_is_shown_by_the_million_tokens() -> None:
    most = MaxPrice(prompt_picos=1_250_000, image_picos=40_000_000_000)
    view = rule_view(Rule(policy=Policy(max_price=most), preference=Preference(order=("b", "a"))))
    assert (view.max_price.prompt, view.max_price.image, view.max_price.completion) == ("1.25", "0.04", None)
    assert view.order == ["b", "a"]
