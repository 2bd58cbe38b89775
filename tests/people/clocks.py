"""A clock that tests set forward."""

from farebox.base.clock import MICROS_PER_SECOND, monotone_clock


class TravellingClock:
    """The machine's, so many seconds ahead."""

    def __init__(self) -> None:
        self._clock = monotone_clock()
        self.ahead_seconds = 0

    def __call__(self) -> int:
        return self._clock() + self.ahead_seconds * MICROS_PER_SECOND

    def travel(self, *, seconds: float) -> None:
        """Set it forward."""
        self.ahead_seconds += round(seconds)
