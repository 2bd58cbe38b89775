"""In which order routes are tried: by what a workspace prefers, made worse by what was seen of their health. Pure.

It never adds or removes a route: one that is broken goes last, and is still tried when it is the last.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final

from farebox.catalog.model import Route
from farebox.catalog.policy import Preference
from farebox.catalog.rules import ORDINARY_NAMES, Rates, Tier
from farebox.routing.health import UNWELL_PERMILLE, Seen

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

Rank = tuple[bool, bool, int, int, int, int]


def ranked(
    routes: Sequence[Route], preference: Preference, seen: Callable[[str], Seen]
) -> tuple[tuple[Route, ...], ...]:
    """All routes in groups of equals, best first. The same whatever order they come in.

    First those that are well, then those of which half of the calls fail, last those whose breaker is open. Within
    each: the preferred providers as listed, then the sort, then the operator's priority.
    """
    places = {provider_id: place for place, provider_id in reversed(list(enumerate(preference.order)))}
    weigh = _WEIGHTS[preference.sort or "order"]
    decorated: list[tuple[Rank, str, Route]] = []
    for route in routes:
        found = seen(route.route_id)
        rank = (
            found.broken,
            found.fault_permille >= UNWELL_PERMILLE,
            places.get(route.provider_id, len(places)) if places else 0,
            weigh(route, found),
            route.priority,
            int(found.fault_permille >= FAULTY_PERMILLE),
        )
        decorated.append((rank, route.route_id, route))
    decorated.sort(key=lambda one: one[:2])
    return tuple(tuple(one[2] for one in group) for _, group in groupby(decorated, key=lambda one: one[0]))


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


def _by_operator(_route: Route, _seen: Seen) -> int:
    return 0  # priority comes next anyway


def _by_price(route: Route, seen: Seen) -> int:
    return _worsened(comparable_picos(route), seen)


def _by_latency(_route: Route, seen: Seen) -> int:
    if seen.first_token_ms is None and not seen.fault_permille:
        return -1  # one call finds out
    return _worsened(seen.first_token_ms or _UNKNOWN_MS, seen)


def _by_throughput(_route: Route, seen: Seen) -> int:
    if seen.tokens_per_second is None and not seen.fault_permille:
        return -_BEST  # one call finds out
    return -(seen.tokens_per_second or 0) * _answered_squared(seen)


# A route that failed before it was ever measured stands behind all that were.
_UNKNOWN_MS: Final = 10**9
_BEST: Final = 10**18


def _worsened(value: int, seen: Seen) -> int:
    """In thousandths, by the square of the share that was answered: half as many answers, four times as bad."""
    return value * 10**9 // _answered_squared(seen)


def _answered_squared(seen: Seen) -> int:
    return max(1_000 - seen.fault_permille, 1) ** 2


_WEIGHTS: Final[dict[str, Callable[[Route, Seen], int]]] = {
    "order": _by_operator,
    "price": _by_price,
    "latency": _by_latency,
    "throughput": _by_throughput,
}
