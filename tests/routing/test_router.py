"""One router: what it explains is what it does."""

from collections.abc import Callable
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from farebox.catalog.model import Catalog, Route
from farebox.catalog.policy import MaxPrice, Policy, Preference
from farebox.routing.router import MAX_REMEMBERED_ROUTES
from farebox.routing.rules import Ask, Choice, Excluded, Exclusion, Test
from tests.routing.offers import (
    MODELS,
    PROVIDERS,
    Attempt,
    Stage,
    attempts,
    catalogs,
    loose_policies,
    make_catalog,
    make_route,
    policies,
    preferences,
    price,
    sold_catalogs,
    tier,
)

_route_ids = st.frozensets(
    st.sampled_from([f"{provider}/plain/{number}" for provider in PROVIDERS for number in range(5)]), max_size=4
)
_stages = st.builds(
    lambda catalog, full, draw: Stage(catalog, full=full, draw=draw),
    sold_catalogs | catalogs,
    _route_ids,
    st.integers(0, 20),
)
_asks: st.SearchStrategy[Callable[[Stage], Ask]] = st.builds(
    lambda policy, preference, affinity, tokens: (
        lambda stage: stage.ask(policy=policy, preference=preference, affinity=affinity, input_tokens=tokens)
    ),
    loose_policies | policies,
    preferences,
    st.none() | st.integers(0, 2**64),
    st.sampled_from([0, 5_000]),
)
# Each refuses some of the routes, as what a request asks for does.
_tests = st.lists(_route_ids, max_size=2).map(lambda refused: [_refusing(route_ids) for route_ids in refused])


def _refusing(route_ids: frozenset[str]) -> Test:
    def test(route: Route) -> Excluded | None:
        return Excluded(route, Exclusion.INEXPRESSIBLE) if route.route_id in route_ids else None

    return test


def _ids(choice: Choice) -> list[str]:
    return [route.route_id for route in choice.routes]


def _set_off(stage: Stage, happened: list[Attempt], kept: int | None, ask: Ask) -> None:
    for attempt in happened:
        stage.play(attempt)
    routes = stage.catalog.routes_of("plain")
    if kept is not None and routes and ask.affinity is not None:
        stage.sticky.keep(1, "plain", ask.affinity, routes[kept % len(routes)].route_id)


_kept = st.none() | st.integers(0, 20)


@given(_stages, _asks, _tests, attempts, _kept)
def test_every_route_is_either_chosen_or_excluded_for_one_reason(
    stage: Stage, asked: Callable[[Stage], Ask], tests: list[Test], happened: list[Attempt], kept: int | None
) -> None:
    ask = asked(stage)
    _set_off(stage, happened, kept, ask)
    choice = stage.router.choose(stage.catalog, ask, tests, most=None)
    mentioned = [*_ids(choice), *(excluded.route.route_id for excluded in choice.excluded)]
    assert sorted(mentioned) == sorted(route.route_id for route in stage.catalog.routes_of("plain"))


@given(_stages, _asks, _tests, attempts, _kept)
def test_the_first_routes_that_are_explained_are_the_ones_that_are_tried(
    stage: Stage, asked: Callable[[Stage], Ask], tests: list[Test], happened: list[Attempt], kept: int | None
) -> None:
    ask = asked(stage)
    _set_off(stage, happened, kept, ask)
    explained = stage.router.choose(stage.catalog, ask, tests, most=None)
    for most in range(1, len(explained.routes) + 2):
        routed = stage.router.choose(stage.catalog, ask, tests, most=most)
        assert routed.routes == explained.routes[:most]
        assert routed.sticky == explained.sticky
        assert set(routed.excluded) <= set(explained.excluded)


@given(_stages, _asks, _tests, attempts, _kept)
def test_what_is_explained_is_what_would_ever_be_tried_whatever_was_seen_before(
    stage: Stage, asked: Callable[[Stage], Ask], tests: list[Test], happened: list[Attempt], kept: int | None
) -> None:
    ask = asked(stage)
    explained = stage.router.choose(stage.catalog, ask, tests, most=None)
    _set_off(stage, happened, kept, ask)
    tried: set[str] = set()
    # As a call does that every route fails: one after the other, each time another draw.
    while found := stage.router.choose(stage.catalog, ask, [*tests, _refusing(frozenset(tried))], most=1).routes:
        assert len(found) == 1
        tried.add(found[0].route_id)
        stage.draw += 1
    assert tried == set(_ids(explained))


@given(_stages, _asks, _tests, st.integers(1, 5))
def test_a_call_gets_no_more_routes_than_it_asked_for_and_none_that_a_test_excludes(
    stage: Stage, asked: Callable[[Stage], Ask], tests: list[Test], most: int
) -> None:
    choice = stage.router.choose(stage.catalog, asked(stage), tests, most=most)
    assert len(choice.routes) <= most
    assert len(set(_ids(choice))) == len(choice.routes)
    assert not [route for route in choice.routes for test in tests if test(route) is not None]


@given(_stages, st.lists(st.tuples(_asks, attempts), max_size=6))
def test_a_remembered_order_is_the_one_that_would_be_worked_out_anew(
    stage: Stage, happened: list[tuple[Callable[[Stage], Ask], list[Attempt]]]
) -> None:
    for asked, some in happened:
        ask = asked(stage)
        for attempt in some:
            stage.play(attempt)
            remembered = stage.router.choose(stage.catalog, ask, most=None)
            assert remembered == stage.new_router().choose(stage.catalog, ask, most=None)


@given(sold_catalogs, attempts)
def test_open_breakers_never_hide_a_route(catalog: Catalog, happened: list[Attempt]) -> None:
    stage = Stage(catalog)
    before = {model_id: set(_ids(stage.router.choose(catalog, stage.ask(model_id), most=None))) for model_id in MODELS}
    for model_id in MODELS:
        for route in catalog.routes_of(model_id):
            for _ in range(3):
                stage.health.ended(route.route_id, "faulted")
            assert stage.health.seen(route.route_id).broken
    for model_id in MODELS:
        assert set(_ids(stage.router.choose(catalog, stage.ask(model_id), most=None))) == before[model_id]


def test_a_route_that_recovers_is_chosen_again_without_anything_else_happening() -> None:
    stage = Stage(make_catalog([make_route("acme", priority=1), make_route("bolt", priority=2)]))
    ask = stage.ask()
    for _ in range(3):
        stage.health.ended("acme/plain/0", "faulted")
    assert _ids(stage.router.choose(stage.catalog, ask)) == ["bolt/plain/0", "acme/plain/0"]
    stage.clock.tick(5)
    assert _ids(stage.router.choose(stage.catalog, ask)) == ["acme/plain/0", "bolt/plain/0"]
    stage.health.began("acme/plain/0")
    assert _ids(stage.router.choose(stage.catalog, ask)) == ["bolt/plain/0", "acme/plain/0"]
    stage.health.ended("acme/plain/0", "answered")
    assert _ids(stage.router.choose(stage.catalog, ask)) == ["acme/plain/0", "bolt/plain/0"]


def test_only_one_call_at_a_time_finds_out_how_fast_a_route_is() -> None:
    stage = Stage(make_catalog([make_route("acme"), make_route("bolt")]))
    ask = stage.ask(preference=Preference(sort="latency"))
    stage.health.ended("bolt/plain/0", "answered", first_token_ms=2_000)
    assert _ids(stage.router.choose(stage.catalog, ask, most=1)) == ["acme/plain/0"]
    stage.health.began("acme/plain/0")
    assert _ids(stage.router.choose(stage.catalog, ask, most=1)) == ["bolt/plain/0"]
    stage.health.ended("acme/plain/0", "answered", first_token_ms=300)
    assert _ids(stage.router.choose(stage.catalog, ask, most=1)) == ["acme/plain/0"]


def test_equals_are_drawn_and_each_of_them_can_be_first() -> None:
    stage = Stage(make_catalog([make_route("acme"), make_route("bolt"), make_route("core")]))
    firsts = set()
    for stage.draw in range(3):
        firsts.add(_ids(stage.router.choose(stage.catalog, stage.ask()))[0])
    assert firsts == {"acme/plain/0", "bolt/plain/0", "core/plain/0"}


def test_a_conversation_begins_at_the_same_route_whichever_process_it_comes_to() -> None:
    stage = Stage(make_catalog([make_route("acme"), make_route("bolt"), make_route("core")]))
    firsts = set()
    for stage.draw in range(3):
        firsts.add(_ids(stage.new_router().choose(stage.catalog, stage.ask(affinity=7)))[0])
    assert len(firsts) == 1


def _conversation() -> tuple[Stage, Ask]:
    """A conversation that went on at the route that nobody would choose first."""
    stage = Stage(make_catalog([make_route("acme", priority=1), make_route("bolt", priority=2)]))
    stage.sticky.keep(1, "plain", 7, "bolt/plain/0")
    return stage, stage.ask(affinity=7)


def test_a_conversation_stays_where_it_was() -> None:
    stage, ask = _conversation()
    choice = stage.router.choose(stage.catalog, ask)
    assert _ids(choice) == ["bolt/plain/0", "acme/plain/0"]
    assert choice.sticky
    other = stage.router.choose(stage.catalog, ask._replace(affinity=8))
    assert _ids(other) == ["acme/plain/0", "bolt/plain/0"]
    assert not other.sticky


def test_a_conversation_of_one_workspace_says_nothing_about_another() -> None:
    stage, ask = _conversation()
    assert not stage.router.choose(stage.catalog, ask._replace(workspace_id=2)).sticky


def test_a_conversation_leaves_a_route_that_fails() -> None:
    stage, ask = _conversation()
    for _ in range(3):
        stage.health.ended("bolt/plain/0", "faulted")
    choice = stage.router.choose(stage.catalog, ask)
    assert _ids(choice) == ["acme/plain/0", "bolt/plain/0"]
    assert not choice.sticky


def test_a_conversation_does_not_go_to_a_route_that_cools_down_and_comes_back_after() -> None:
    stage, ask = _conversation()
    stage.health.cool_down("bolt/plain/0", 20)
    choice = stage.router.choose(stage.catalog, ask)
    assert _ids(choice) == ["acme/plain/0"]
    assert [excluded.retry_after_seconds for excluded in choice.excluded] == [20]
    stage.clock.tick(20)
    assert stage.router.choose(stage.catalog, ask).sticky


def test_a_conversation_never_goes_where_the_policy_does_not_allow_it() -> None:
    stage, ask = _conversation()
    choice = stage.router.choose(stage.catalog, ask._replace(policy=Policy(ignored_providers=frozenset({"bolt"}))))
    assert _ids(choice) == ["acme/plain/0"]
    assert not choice.sticky


def test_who_lists_providers_gets_them_in_that_order_wherever_the_conversation_was() -> None:
    stage, ask = _conversation()
    choice = stage.router.choose(stage.catalog, ask._replace(preference=Preference(order=("acme",))))
    assert _ids(choice) == ["acme/plain/0", "bolt/plain/0"]


def test_a_maximum_price_of_each_request_finds_the_same_order_and_is_heeded() -> None:
    routes = [make_route("acme", rates=price(tier(3, 3))), make_route("bolt", rates=price(tier(5, 5)))]
    stage = Stage(make_catalog(routes))
    seen = set()
    for most_picos in range(2, 7):
        ask = stage.ask(policy=Policy(max_price=MaxPrice(prompt_picos=most_picos)))
        choice = stage.router.choose(stage.catalog, ask, most=None)
        assert set(_ids(choice)) == {one.route_id for one in routes if _input_picos(one) <= most_picos}
        seen.add(stage.router.remembered_routes)
    assert len(seen) == 1


def _input_picos(route: Route) -> int:
    assert route.price is not None
    return route.price.tiers[0].rates.input_picos


def test_what_is_remembered_is_bounded_whatever_customers_ask() -> None:
    stage = Stage(make_catalog([make_route("acme", number) for number in range(1_000)]))
    orders = [order for length in range(len(PROVIDERS) + 1) for order in permutations(PROVIDERS, length)]
    assert len(orders) * 1_000 > MAX_REMEMBERED_ROUTES
    for order in orders:
        stage.router.choose(stage.catalog, stage.ask(preference=Preference(order=order)))
        assert 1_000 <= stage.router.remembered_routes <= MAX_REMEMBERED_ROUTES


def test_another_version_of_the_catalog_is_another_order() -> None:
    stage = Stage(make_catalog([make_route("acme")]))
    assert _ids(stage.router.choose(stage.catalog, stage.ask())) == ["acme/plain/0"]
    later = make_catalog([make_route("bolt")], version="2")
    assert _ids(stage.router.choose(later, stage.ask())) == ["bolt/plain/0"]
