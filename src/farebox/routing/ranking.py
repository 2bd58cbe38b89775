"""In which order routes are tried: by what a workspace prefers, made worse by what was seen of their health. Pure.

It never adds or removes a route: one that is broken goes last, and is still tried when it is the last.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

from farebox.catalog.model import Route
from farebox.catalog.policy import Preference
from farebox.catalog.rules import ORDINARY_NAMES, Rates, Tier
from farebox.routing.health import UNSEEN, UNWELL_PERMILLE, Seen

# Of two routes with the same priority the one with more faults than this goes second; fewer are left to chance, or all
# calls would crowd on the other one after a single fault.
FAULTY_PERMILLE: Final = 100
# A call to compare prices by: three parts of input to one of output, as most calls have it or more, and one unit of
# whatever else is priced: a request, a picture, ten seconds of film, a minute of sound, a page of text to speak.
_INPUT_TOKENS: Final = 750
_OUTPUT_TOKENS: Final = 250
_VIDEO_MILLISECONDS: Final = 10_000
_AUDIO_MILLISECONDS: Final = 60_000
_CHARACTERS: Final = 2_000
# A route that failed before it was ever measured stands behind all that were.
_UNKNOWN_MS: Final = 10**9
# More than any number of tokens per second.
_BEST: Final = 10**18

_Rank = tuple[bool, bool, int, int, int, bool]


class Ranking:
    """The routes of one choice. What was worked out is kept, so that only those of which something else is seen now are
    ranked anew."""

    def __init__(self, routes: Sequence[Route], preference: Preference) -> None:
        self._places = {provider_id: place for place, provider_id in enumerate(dict.fromkeys(preference.order))}
        self._sort = preference.sort or "order"
        self._picos = {route.route_id: comparable_picos(route) for route in routes} if self._sort == "price" else {}
        self.by_speed = self._sort in ("latency", "throughput")
        # No two have the same id, so routes themselves are never compared.
        self._ranks = sorted((self._rank(route, UNSEEN), route.route_id, route) for route in routes)
        self._seen = {route.route_id: UNSEEN for route in routes}
        self._groups = self._grouped()

    def groups(self, seen: Callable[[str], Seen]) -> tuple[tuple[Route, ...], ...]:
        """All routes in groups of equals, best first.

        First those that are well, then those of which half of the calls fail, last those whose breaker is open. Within
        each: the preferred providers as listed, then the sort, then the operator's priority.
        """
        changed = False
        for place, (rank, route_id, route) in enumerate(self._ranks):
            found = seen(route_id)
            if found is self._seen[route_id]:
                continue
            self._seen[route_id] = found
            now = self._rank(route, found)
            if now != rank:
                self._ranks[place] = (now, route_id, route)
                changed = True
        if changed:
            self._ranks.sort()
            self._groups = self._grouped()
        return self._groups

    def _grouped(self) -> tuple[tuple[Route, ...], ...]:
        return tuple(tuple(one[2] for one in group) for _, group in groupby(self._ranks, key=itemgetter(0)))

    def _rank(self, route: Route, seen: Seen) -> _Rank:
        return (
            seen.broken,
            seen.fault_permille >= UNWELL_PERMILLE,
            self._places.get(route.provider_id, len(self._places)),
            self._weight(route, seen),
            route.priority,
            seen.fault_permille >= FAULTY_PERMILLE,
        )

    def _weight(self, route: Route, seen: Seen) -> int:
        if self._sort == "price":
            return _worsened(self._picos[route.route_id], seen)
        if self._sort == "latency":
            return _latency(seen)
        return _throughput(seen) if self._sort == "throughput" else 0


def ranked(
    routes: Sequence[Route], preference: Preference, seen: Callable[[str], Seen]
) -> tuple[tuple[Route, ...], ...]:
    """All routes in groups of equals, best first, whatever order they come in."""
    return Ranking(routes, preference).groups(seen)


def comparable_picos(route: Route) -> int:
    """What a customer pays for the call to compare by, in pico-USD; 0 without a price.

    At the tier that everybody gets; a price that has only variants counts as its dearest.
    """
    if route.price is None:
        return 0
    usual = [tier for tier in route.price.tiers if _is_usual(tier)]
    return max((_picos(tier.rates) for tier in usual or route.price.tiers), default=0)


def _is_usual(tier: Tier) -> bool:
    return tier.service_tier in ORDINARY_NAMES and tier.above_input_tokens == 0


def _picos(rates: Rates) -> int:
    # Models that only draw or only speak have no rate for text.
    output_picos = rates.output_picos or rates.image_output_picos or rates.audio_output_picos
    return (
        _INPUT_TOKENS * rates.input_picos
        + _OUTPUT_TOKENS * output_picos
        + rates.request_picos
        + rates.image_picos
        + _VIDEO_MILLISECONDS * rates.video_millisecond_picos
        + _AUDIO_MILLISECONDS * rates.audio_millisecond_picos
        + _CHARACTERS * rates.character_picos
    )


def _latency(seen: Seen) -> int:
    if seen.first_token_ms is None and not seen.fault_permille:
        return -1  # one call finds out
    return _worsened(seen.first_token_ms or _UNKNOWN_MS, seen)


def _throughput(seen: Seen) -> int:
    if seen.tokens_per_second is None and not seen.fault_permille:
        return -_BEST  # one call finds out
    return -(seen.tokens_per_second or 0) * _answered_squared(seen)


def _worsened(value: int, seen: Seen) -> int:
    """In thousandths, by the square of the share that was answered: half as many answers, four times as bad."""
    return value * 10**9 // _answered_squared(seen)


def _answered_squared(seen: Seen) -> int:
    return max(1_000 - seen.fault_permille, 1) ** 2
