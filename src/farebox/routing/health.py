"""How well each route does, measured on this process's own calls, and the breaker that leaves it alone. Pure.

What a ranking sees of it comes in steps, so that rankings are remembered between two changes: `epoch` grows with each,
also with those that come by time alone.
"""

import heapq
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from farebox.base.clock import MICROS_PER_SECOND, Clock

Verdict = Literal["answered", "faulted", "neutral"]
"""How an attempt ended. Neutral says nothing about the route: a request that was refused, a client that left, a rate
limit, our own stop."""

# What was seen half a minute ago weighs half: an outage shows within seconds, one bad call is soon forgotten.
HALF_LIFE_SECONDS: Final = 30
# Without traffic for so long nothing is known any more: the route is measured anew.
FORGET_SECONDS: Final = 600
# Routes that a process remembers; then the one without traffic for the longest time goes. A kilobyte each.
MAX_KNOWN_ROUTES: Final = 10_000

# A breaker opens after so many faults in a row,
TRIP_IN_A_ROW: Final = 3
# or when so many attempts weigh in, and half of them or more are faults.
TRIP_ATTEMPTS: Final = 5
TRIP_PERMILLE: Final = 500
# It stays open for so long, twice as long each time that its probe fails too, up to the longest.
OPEN_SECONDS: Final = 5
MAX_OPEN_SECONDS: Final = 60
# Who was well for so long after a recovery starts again at the shortest.
FORGIVEN_SECONDS: Final = 60
# The one call that tells how a route does gets so long; then the next one may try. Most answers begin within it.
TRIAL_SECONDS: Final = 30

# After a 429 that says nothing about when to come back, and the most that is believed of one that does.
COOL_SECONDS: Final = 5
MAX_COOL_SECONDS: Final = 120

# A share of faults is rounded down to one of these: below one in a hundred it is noise.
FAULT_STEPS_PERMILLE: Final = (0, 10, 50, 100, 200, 350, 500)
# From here on a route is not well: others go first.
UNWELL_PERMILLE: Final = 500
# Weighs in as answers that never were, so that one fault of an idle route is not a share of all.
_BENEFIT_OF_DOUBT: Final = 2
# What weighs less was seen longer ago than anything is remembered.
_NOTHING: Final = 2 ** (-FORGET_SECONDS / HALF_LIFE_SECONDS)
# How often a share of faults that fades with time is looked at.
_FADE_SECONDS: Final = 1

# Speeds move in steps of a quarter: less is noise between two calls.
_SPEED_STEP: Final = 1.25
# Instead of a speed while the first call is under way, and for answers that tell none: behind all that are measured.
SLOWEST_FIRST_TOKEN_MS: Final = 3_600_000
SLOWEST_TOKENS_PER_SECOND: Final = 0


class Breaker(StrEnum):
    """Whether calls should go to a route."""

    CLOSED = "closed"
    OPEN = "open"
    DUE = "due"  # half open: the next call is the probe
    PROBING = "probing"  # half open: the probe is under way, nobody else follows it


class Step(StrEnum):
    """What happens to a breaker."""

    TRIP = "trip"
    TIME = "time"
    BEGAN = "began"
    ANSWERED = "answered"
    FAULTED = "faulted"
    NEUTRAL = "neutral"


# The life of a breaker: one table. What is not in it changes nothing: calls that went out before it opened end at any
# time, and as a last resort calls go out while it is open.
MOVES: Final[dict[tuple[Breaker, Step], Breaker]] = {
    (Breaker.CLOSED, Step.TRIP): Breaker.OPEN,
    (Breaker.OPEN, Step.TIME): Breaker.DUE,
    (Breaker.DUE, Step.BEGAN): Breaker.PROBING,
    (Breaker.DUE, Step.ANSWERED): Breaker.CLOSED,  # a probe that was given up answered after all
    (Breaker.PROBING, Step.ANSWERED): Breaker.CLOSED,
    (Breaker.PROBING, Step.FAULTED): Breaker.OPEN,
    (Breaker.PROBING, Step.NEUTRAL): Breaker.DUE,
    (Breaker.PROBING, Step.TIME): Breaker.DUE,  # given up: it may never end
}


class Seen(NamedTuple):
    """What a ranking sees of a route. None: not measured yet, and nobody is at it. `broken`: its breaker is open and no
    probe is due."""

    fault_permille: int
    first_token_ms: int | None
    tokens_per_second: int | None
    broken: bool


UNSEEN: Final = Seen(0, None, None, False)


@dataclass(slots=True)
class _Average:
    """A mean in which what is older weighs less."""

    total: float = 0.0
    weight: float = 0.0

    def fade(self, factor: float) -> None:
        self.total *= factor
        self.weight *= factor

    def add(self, value: int | None) -> None:
        if value is not None:
            self.total += max(value, 1)
            self.weight += 1.0

    def stepped(self, shown: int | None) -> int | None:
        """The mean as it is shown: as before, unless it went a whole step away from that."""
        if self.weight < _NOTHING:
            return None
        mean = self.total / self.weight
        if shown and mean < shown * _SPEED_STEP and shown < mean * _SPEED_STEP:
            return shown
        return max(1, round(_SPEED_STEP ** round(math.log(mean, _SPEED_STEP))))


@dataclass(slots=True)
class _Known:
    """What is known of one route. Moments in microseconds."""

    traffic_micros: int
    faded_micros: int
    faults: float = 0.0
    answers: float = 0.0
    faults_in_a_row: int = 0
    first_token: _Average = field(default_factory=_Average)
    speed: _Average = field(default_factory=_Average)
    breaker: Breaker = Breaker.CLOSED
    # When an open breaker becomes due, or a probe is given up.
    until_micros: int = 0
    openings: int = 0
    closed_micros: int = 0
    # Until then one call is finding out how fast it is.
    measured_until_micros: int = 0
    cool_until_micros: int = 0
    # Only the workspace whose request was limited without a word on the route keeps away until then.
    limited_until_micros: int = 0
    limited_workspace_id: int = 0
    look_micros: int | None = None

    def fade(self, now: int) -> None:
        factor = math.exp2((self.faded_micros - now) / (HALF_LIFE_SECONDS * MICROS_PER_SECOND))
        self.faded_micros = now
        self.faults *= factor
        self.answers *= factor
        self.first_token.fade(factor)
        self.speed.fade(factor)

    def count(self, verdict: Verdict) -> None:
        if verdict == "answered":
            self.answers += 1
            self.faults_in_a_row = 0
        elif verdict == "faulted":
            self.faults += 1
            self.faults_in_a_row += 1

    def has_answered(self) -> bool:
        return self.answers >= _NOTHING

    def trips(self) -> bool:
        attempts = self.faults + self.answers
        most = attempts >= TRIP_ATTEMPTS and self.faults * 1_000 >= attempts * TRIP_PERMILLE
        return most or self.faults_in_a_row >= TRIP_IN_A_ROW

    def fault_permille(self) -> int:
        if self.faults < _NOTHING:
            return 0
        if self.breaker is Breaker.DUE:
            return 0  # or the probe would never be sent there
        share = 1_000 * self.faults / (self.faults + self.answers + _BENEFIT_OF_DOUBT)
        return max(step for step in FAULT_STEPS_PERMILLE if step <= share)

    def shown(self, before: Seen, now: int) -> Seen:
        tried = self.has_answered() or self.measured_until_micros > now
        first_token_ms = self.first_token.stepped(before.first_token_ms)
        tokens_per_second = self.speed.stepped(before.tokens_per_second)
        if tried and first_token_ms is None:
            first_token_ms = SLOWEST_FIRST_TOKEN_MS
        if tried and tokens_per_second is None:
            tokens_per_second = SLOWEST_TOKENS_PER_SECOND
        broken = self.breaker in (Breaker.OPEN, Breaker.PROBING)
        return Seen(self.fault_permille(), first_token_ms, tokens_per_second, broken)


class Health:
    """The health of all routes in this process. `jitter` gives a number from 0 to 1: many processes that lost a
    provider at one moment do not come back to it at one moment."""

    def __init__(self, clock: Clock, jitter: Callable[[], float], *, max_routes: int = MAX_KNOWN_ROUTES) -> None:
        self._clock = clock
        self._jitter = jitter
        self._max_routes = max_routes
        # From the one without traffic for the longest time to the latest.
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._shown: dict[str, Seen] = {}
        self._epoch = 0
        self._fault_epoch = 0
        # Moments at which a route changes by itself. At most a few for each route, none further than an open breaker.
        self._agenda: list[tuple[int, str]] = []

    @property
    def epoch(self) -> int:
        """Grows whenever a ranking could change."""
        self._catch_up()
        return self._epoch

    @property
    def fault_epoch(self) -> int:
        """Grows whenever a ranking that does not look at speed could change."""
        self._catch_up()
        return self._fault_epoch

    def seen(self, route_id: str) -> Seen:
        """What is known of the route now."""
        return self.look()(route_id)

    def __len__(self) -> int:
        return len(self._known)

    def look(self) -> Callable[[str], Seen]:
        """`seen` as of now for many routes at once; to be used at once."""
        self._catch_up()
        shown = self._shown
        return lambda route_id: shown.get(route_id, UNSEEN)

    def is_well(self, route_id: str) -> bool:
        """Whether a conversation should stay there: a closed breaker and few faults."""
        self._catch_up()
        known = self._known.get(route_id)
        if known is None:
            return True
        return known.breaker is Breaker.CLOSED and known.fault_permille() < UNWELL_PERMILLE

    def began(self, route_id: str) -> None:
        """An attempt goes out: it takes the one probe of a half-open breaker, or the first measurement of its speed."""
        now = self._catch_up()
        known = self._met(route_id, now)
        if known.breaker is Breaker.CLOSED and known.has_answered():
            return  # nothing to find out
        if not known.has_answered() and known.measured_until_micros <= now:
            known.measured_until_micros = now + TRIAL_SECONDS * MICROS_PER_SECOND
        self._move(known, Step.BEGAN, now)
        self._show(route_id, known, now)

    def ended(
        self,
        route_id: str,
        verdict: Verdict,
        *,
        first_token_ms: int | None = None,
        tokens_per_second: int | None = None,
    ) -> None:
        """An attempt is over. Speeds count only of those that answered."""
        now = self._catch_up()
        known = self._met(route_id, now)
        known.fade(now)
        known.count(verdict)
        known.measured_until_micros = 0
        if verdict == "answered":
            known.first_token.add(first_token_ms)
            known.speed.add(tokens_per_second)
        self._move(known, Step(verdict), now)
        if verdict == "faulted" and known.trips():
            self._move(known, Step.TRIP, now)
        self._show(route_id, known, now)

    def cool_down(self, route_id: str, seconds: int | None = None) -> None:
        """The provider asked to be left alone for so long (429). None: it did not say. A shorter wish does not end a
        longer one."""
        now = self._catch_up()
        wanted = COOL_SECONDS if seconds is None else min(max(seconds, 1), MAX_COOL_SECONDS)
        known = self._met(route_id, now)
        known.cool_until_micros = max(known.cool_until_micros, now + wanted * MICROS_PER_SECOND)

    def limit(self, route_id: str, workspace_id: int) -> None:
        """The provider refused a call of the workspace for its limits (429) and did not say for how long. It may mean
        the route, or only a request that is larger than any limit: the workspace keeps away for a while, everybody does
        as soon as another one met the same. So nobody closes a route for all others by what one request asks for."""
        now = self._catch_up()
        known = self._met(route_id, now)
        if known.limited_until_micros > now and known.limited_workspace_id != workspace_id:
            self.cool_down(route_id)
        known.limited_until_micros = now + COOL_SECONDS * MICROS_PER_SECOND
        known.limited_workspace_id = workspace_id

    def cooling_seconds(self, route_id: str, workspace_id: int | None = None) -> int | None:
        """For how much longer, rounded up, for that workspace (None: for whichever has to wait longest); None when it
        is not cooling."""
        known = self._known.get(route_id)
        if known is None:
            return None
        until_micros = known.cool_until_micros
        if workspace_id is None or workspace_id == known.limited_workspace_id:
            until_micros = max(until_micros, known.limited_until_micros)
        if not until_micros:
            return None
        left = until_micros - self._clock()
        return -(-left // MICROS_PER_SECOND) if left > 0 else None

    def forget(self) -> None:
        """Measure all routes anew, as after a start."""
        for route_id in list(self._known):
            self._forget(route_id)

    def _met(self, route_id: str, now: int) -> _Known:
        known = self._known.get(route_id)
        if known is None:
            known = self._known[route_id] = _Known(now, now)
            if len(self._known) > self._max_routes:
                self._forget(next(iter(self._known)))
        known.traffic_micros = now
        self._known.move_to_end(route_id)
        return known

    def _forget(self, route_id: str) -> None:
        del self._known[route_id]
        self._put(route_id, UNSEEN)

    def _move(self, known: _Known, step: Step, now: int) -> None:
        """What the table says, and what comes with it."""
        to = MOVES.get((known.breaker, step))
        if to is None:
            return
        known.breaker = to
        if to is Breaker.OPEN:
            if step is Step.TRIP and now - known.closed_micros > FORGIVEN_SECONDS * MICROS_PER_SECOND:
                known.openings = 0
            known.until_micros = now + self._open_micros(known.openings)
            known.openings += 1
        elif to is Breaker.PROBING:
            known.until_micros = now + TRIAL_SECONDS * MICROS_PER_SECOND
        elif to is Breaker.CLOSED:
            # It starts afresh: faults of the outage would open it again at the next one.
            known.faults, known.answers, known.faults_in_a_row = 0.0, 1.0, 0
            known.closed_micros = now

    def _open_micros(self, openings: int) -> int:
        # Beyond ten doublings the longest is long reached.
        seconds = min(MAX_OPEN_SECONDS, OPEN_SECONDS << min(openings, 10))
        return round(seconds * MICROS_PER_SECOND * (0.75 + self._jitter() / 2))

    def _catch_up(self) -> int:
        """Let happen what time alone does. Returns now."""
        now = self._clock()
        agenda = self._agenda
        while agenda and agenda[0][0] <= now:
            moment, route_id = heapq.heappop(agenda)
            known = self._known.get(route_id)
            if known is not None and known.look_micros == moment:
                known.look_micros = None
                self._pass_time(route_id, known, now)
        while self._known:
            route_id, known = next(iter(self._known.items()))
            if known.traffic_micros + FORGET_SECONDS * MICROS_PER_SECOND > now:
                break
            self._forget(route_id)
        return now

    def _pass_time(self, route_id: str, known: _Known, now: int) -> None:
        if known.until_micros <= now:
            self._move(known, Step.TIME, now)
        known.fade(now)
        self._show(route_id, known, now)

    def _show(self, route_id: str, known: _Known, now: int) -> None:
        seen = known.shown(self._shown.get(route_id, UNSEEN), now)
        self._put(route_id, seen)
        moments = []
        if seen.broken:
            moments.append(known.until_micros)
        if seen.fault_permille:
            moments.append(now + _FADE_SECONDS * MICROS_PER_SECOND)
        if known.measured_until_micros > now:
            moments.append(known.measured_until_micros)
        if moments:
            self._plan(route_id, known, min(moments))

    def _put(self, route_id: str, seen: Seen) -> None:
        before = self._shown.get(route_id, UNSEEN)
        if seen == before:
            return
        self._epoch += 1
        if (seen.fault_permille, seen.broken) != (before.fault_permille, before.broken):
            self._fault_epoch += 1
        if seen == UNSEEN:
            del self._shown[route_id]
        else:
            self._shown[route_id] = seen

    def _plan(self, route_id: str, known: _Known, moment: int) -> None:
        """Look at the route at that moment, unless it is looked at before: then the next look is planned."""
        if known.look_micros is None or moment < known.look_micros:
            known.look_micros = moment
            heapq.heappush(self._agenda, (moment, route_id))
