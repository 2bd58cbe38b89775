"""A clock that tests set forward, and tests that have to end within a window."""

import asyncio
import time

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


async def in_one_window(window_seconds: int, *, needed_seconds: float = 10.0) -> None:
    """Wait until so much is left of a window in which something is counted: tries in minutes, requests in a day. A test
    that ran over its end would be let try anew. Windows begin where the time since 1970 is a multiple of them."""
    left_seconds = window_seconds - time.time() % window_seconds
    if left_seconds < needed_seconds:
        await asyncio.sleep(left_seconds)
