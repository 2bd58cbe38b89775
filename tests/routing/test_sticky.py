"""Conversations and the routes that know them."""

from hypothesis import given
from hypothesis import strategies as st

from farebox.routing.sticky import Sticky
from tests.routing.offers import Hand


def test_a_conversation_is_remembered_until_it_was_quiet_for_long_enough() -> None:
    clock = Hand()
    sticky = Sticky(clock, ttl_seconds=600)
    sticky.keep(1, "plain", 7, "acme/plain")
    clock.tick(599)
    assert sticky.get(1, "plain", 7) == "acme/plain"
    sticky.keep(1, "plain", 7, "acme/plain")
    clock.tick(599)
    assert sticky.get(1, "plain", 7) == "acme/plain"
    clock.tick(1)
    assert sticky.get(1, "plain", 7) is None


def test_it_is_the_workspaces_own_and_the_models() -> None:
    sticky = Sticky(Hand())
    sticky.keep(1, "plain", 7, "acme/plain")
    assert sticky.get(2, "plain", 7) is None
    assert sticky.get(1, "other", 7) is None
    assert sticky.get(1, "plain", 8) is None


def test_it_moves_to_the_route_that_answered_last() -> None:
    sticky = Sticky(Hand())
    sticky.keep(1, "plain", 7, "acme/plain")
    sticky.keep(1, "plain", 7, "bolt/plain")
    assert sticky.get(1, "plain", 7) == "bolt/plain"


_kept = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5), st.sampled_from(["acme", "bolt"])), max_size=60)


@given(_kept)
def test_it_remembers_the_latest_conversations_and_no_more_than_it_may(kept: list[tuple[int, int, str]]) -> None:
    clock = Hand()
    sticky = Sticky(clock, max_conversations=4, ttl_seconds=10)
    latest: dict[int, tuple[str, int]] = {}
    for affinity, seconds, route_id in kept:
        clock.tick(seconds)
        sticky.keep(1, "plain", affinity, route_id)
        latest.pop(affinity, None)
        latest[affinity] = (route_id, clock() + 10_000_000)
        assert len(sticky) <= 4
        known = dict(list(latest.items())[-4:])
        for other in range(10):
            where, over_micros = known.get(other, ("", 0))
            assert sticky.get(1, "plain", other) == (where if over_micros > clock() else None)


def test_conversations_that_are_over_do_not_pile_up() -> None:
    clock = Hand()
    sticky = Sticky(clock, ttl_seconds=10)
    for affinity in range(1_000):
        sticky.keep(1, "plain", affinity, "acme/plain")
    clock.tick(10)
    for affinity in range(1_000):
        sticky.keep(2, "plain", affinity, "acme/plain")
    assert len(sticky) == 1_000
