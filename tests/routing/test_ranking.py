"""The order of routes, from prices and what was seen of them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from farebox.catalog.model import Route
from farebox.catalog.policy import Preference, Sort
from farebox.catalog.rules import Rates, Tier
from farebox.routing.health import FAULT_STEPS_PERMILLE, SLOWEST_FIRST_TOKEN_MS, UNSEEN, UNWELL_PERMILLE, Seen
from farebox.routing.ranking import comparable_picos, ranked
from tests.routing.offers import PROVIDERS, make_route, preferences, price, sorts, tier

_seen = st.builds(
    Seen,
    st.sampled_from([0, 0, *FAULT_STEPS_PERMILLE, 1_000]),
    st.none() | st.integers(1, 5_000),
    st.none() | st.integers(0, 500),
    st.sampled_from([False, False, True]),
)
_routes = st.lists(
    st.builds(
        make_route,
        st.sampled_from(PROVIDERS),
        st.integers(0, 5),
        priority=st.integers(1, 3),
        rates=st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda picos: price(tier(*picos))),
    ),
    max_size=15,
    unique_by=lambda route: route.route_id,
)
_healths = st.dictionaries(st.sampled_from([f"{p}/plain/{n}" for p in PROVIDERS for n in range(6)]), _seen)


def order(routes: list[Route], healths: dict[str, Seen], preference: Preference | None = None) -> list[Route]:
    groups = ranked(routes, preference or Preference(), lambda route_id: healths.get(route_id, UNSEEN))
    return [route for group in groups for route in group]


def by(sort: Sort, routes: list[Route], healths: dict[str, Seen] | None = None) -> list[str]:
    return [route.provider_id for route in order(routes, healths or {}, Preference(sort=sort))]


@given(_routes, _healths, preferences)
def test_a_ranking_loses_and_adds_no_route(
    routes: list[Route], healths: dict[str, Seen], preference: Preference
) -> None:
    groups = ranked(routes, preference, lambda route_id: healths.get(route_id, UNSEEN))
    assert all(groups)
    assert sorted(route.route_id for group in groups for route in group) == sorted(route.route_id for route in routes)


@given(st.data(), _routes, _healths, preferences)
def test_the_order_in_which_routes_come_does_not_matter(
    data: st.DataObject, routes: list[Route], healths: dict[str, Seen], preference: Preference
) -> None:
    shuffled = data.draw(st.permutations(routes))
    seen = healths.get
    first = ranked(routes, preference, lambda route_id: seen(route_id, UNSEEN))
    assert first == ranked(shuffled, preference, lambda route_id: seen(route_id, UNSEEN))


@given(_routes, _healths, preferences)
def test_broken_routes_come_after_all_others_and_failing_ones_after_all_that_are_well(
    routes: list[Route], healths: dict[str, Seen], preference: Preference
) -> None:
    seen = [healths.get(route.route_id, UNSEEN) for route in order(routes, healths, preference)]
    classes = [2 if one.broken else int(one.fault_permille >= UNWELL_PERMILLE) for one in seen]
    assert classes == sorted(classes)


@given(_routes, _healths, sorts, st.lists(st.sampled_from(PROVIDERS), min_size=1, max_size=3))
def test_preferred_providers_go_first_among_the_well_as_listed(
    routes: list[Route], healths: dict[str, Seen], sort: Sort | None, listed: list[str]
) -> None:
    found = order(routes, healths, Preference(sort=sort, order=tuple(listed)))
    well = [route for route in found if _is_well(healths.get(route.route_id, UNSEEN))]
    places = [listed.index(route.provider_id) if route.provider_id in listed else len(listed) for route in well]
    assert places == sorted(places)


@given(_routes, _healths)
def test_by_price_no_healthy_route_goes_before_a_cheaper_healthy_one(
    routes: list[Route], healths: dict[str, Seen]
) -> None:
    found = order(routes, healths, Preference(sort="price"))
    healthy = [route for route in found if healths.get(route.route_id, UNSEEN)[::3] == (0, False)]
    assert all(comparable_picos(one) <= comparable_picos(next_one) for one, next_one in pairwise(healthy))


@given(_routes, _healths, sorts)
def test_equals_of_a_group_differ_in_nothing_that_counts(
    routes: list[Route], healths: dict[str, Seen], sort: Sort | None
) -> None:
    for group in ranked(routes, Preference(sort=sort), lambda route_id: healths.get(route_id, UNSEEN)):
        assert len({route.priority for route in group}) == 1
        if sort == "price" and all(healths.get(route.route_id, UNSEEN).fault_permille == 0 for route in group):
            assert len({comparable_picos(route) for route in group}) == 1


def _is_well(seen: Seen) -> bool:
    return not seen.broken and seen.fault_permille < UNWELL_PERMILLE


def test_without_a_wish_the_operators_priority_decides_and_prices_do_not() -> None:
    routes = [
        make_route("acme", priority=2, rates=price(tier(1, 1))),
        make_route("bolt", priority=1, rates=price(tier(9, 9))),
        make_route("core", priority=2, rates=price(tier(5, 5))),
    ]
    groups = ranked(routes, Preference(), lambda _: UNSEEN)
    assert [[route.provider_id for route in group] for group in groups] == [["bolt"], ["acme", "core"]]


def test_of_two_alike_the_one_that_often_fails_goes_second_and_one_that_rarely_does_stays_equal() -> None:
    routes = [make_route("acme"), make_route("bolt")]
    often = order(routes, {"acme/plain/0": Seen(200, 300, 50, False)})
    assert [route.provider_id for route in often] == ["bolt", "acme"]
    groups = ranked(routes, Preference(), lambda route_id: Seen(50, 1, 1, False) if "acme" in route_id else UNSEEN)
    assert len(groups) == 1


def test_prices_are_compared_by_three_parts_of_input_and_one_of_output() -> None:
    routes = [make_route("acme", rates=price(tier(10, 50))), make_route("bolt", rates=price(tier(20, 19)))]
    assert by("price", routes) == ["bolt", "acme"]
    routes = [make_route("acme", rates=price(tier(10, 48))), make_route("bolt", rates=price(tier(20, 19)))]
    assert by("price", routes) == ["acme", "bolt"]


def test_prices_of_long_input_and_of_other_service_tiers_do_not_count() -> None:
    usual = price(tier(5, 5), tier(99, 99, above=1_000), tier(99, 99, service_tier="priority"))
    routes = [make_route("acme", rates=price(tier(6, 6))), make_route("bolt", rates=usual)]
    assert by("price", routes) == ["bolt", "acme"]


def test_pictures_films_sound_and_requests_are_compared_by_their_own_rates() -> None:
    for name in (
        "image_picos",
        "request_picos",
        "video_millisecond_picos",
        "audio_millisecond_picos",
        "character_picos",
    ):
        dear, cheap = _only(name, 9), _only(name, 7)
        assert by("price", [make_route("acme", rates=price(dear)), make_route("bolt", rates=price(cheap))]) == [
            "bolt",
            "acme",
        ]
    drawn = [_only("image_output_picos", 9), _only("image_output_picos", 7)]
    assert comparable_picos(make_route(rates=price(drawn[0]))) > comparable_picos(make_route(rates=price(drawn[1])))


def test_a_price_that_has_only_variants_is_compared_by_its_dearest() -> None:
    variants = price(tier(1, 1, service_tier="small"), tier(9, 9, service_tier="large"))
    routes = [make_route("acme", rates=variants), make_route("bolt", rates=price(tier(5, 5)))]
    assert by("price", routes) == ["bolt", "acme"]


def _only(name: str, picos: int) -> Tier:
    rates = dict.fromkeys(("input", "cached_input", "cache_write_5m", "cache_write_1h", "output", "reasoning"), 0)
    fields = {f"{key}_picos": value for key, value in rates.items()} | {"request_picos": 0} | {name: picos}
    return Tier("default", 0, Rates(**fields))


def test_faults_make_a_cheap_route_as_dear_as_it_is() -> None:
    routes = [make_route("acme", rates=price(tier(10, 10))), make_route("bolt", rates=price(tier(15, 15)))]
    assert by("price", routes, {"acme/plain/0": Seen(100, None, None, False)}) == ["acme", "bolt"]
    assert by("price", routes, {"acme/plain/0": Seen(200, None, None, False)}) == ["bolt", "acme"]


def test_the_fastest_to_its_first_token_goes_first_and_faults_make_it_slower() -> None:
    routes = [make_route("acme"), make_route("bolt")]
    fast, slow = Seen(0, 200, 10, False), Seen(0, 300, 90, False)
    assert by("latency", routes, {"acme/plain/0": slow, "bolt/plain/0": fast}) == ["bolt", "acme"]
    failing = Seen(350, 200, 10, False)
    assert by("latency", routes, {"acme/plain/0": slow, "bolt/plain/0": failing}) == ["acme", "bolt"]


def test_the_most_tokens_per_second_go_first_and_faults_make_them_fewer() -> None:
    routes = [make_route("acme"), make_route("bolt")]
    fast, slow = Seen(0, 900, 90, False), Seen(0, 100, 60, False)
    assert by("throughput", routes, {"acme/plain/0": slow, "bolt/plain/0": fast}) == ["bolt", "acme"]
    failing = Seen(350, 900, 90, False)
    assert by("throughput", routes, {"acme/plain/0": slow, "bolt/plain/0": failing}) == ["acme", "bolt"]


def test_by_speed_a_route_that_nobody_measured_goes_first_and_one_that_only_failed_goes_last() -> None:
    routes = [make_route(provider) for provider in ("acme", "bolt", "core")]
    measured = Seen(0, 1, 10_000, False)
    healths = {"acme/plain/0": Seen(200, None, None, False), "bolt/plain/0": measured}
    assert by("latency", routes, healths) == ["core", "bolt", "acme"]
    assert by("throughput", routes, healths) == ["core", "bolt", "acme"]


def test_by_speed_a_route_that_is_just_being_measured_goes_behind_the_measured() -> None:
    routes = [make_route("acme"), make_route("bolt")]
    healths = {"acme/plain/0": Seen(0, SLOWEST_FIRST_TOKEN_MS, 0, False), "bolt/plain/0": Seen(0, 5_000, 1, False)}
    assert by("latency", routes, healths) == ["bolt", "acme"]
    assert by("throughput", routes, healths) == ["bolt", "acme"]
