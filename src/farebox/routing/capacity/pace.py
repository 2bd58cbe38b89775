"""A credential's requests per minute, as one worker keeps to them."""

from typing import Final

from farebox.base.clock import MICROS_PER_SECOND

_MICROS_PER_MINUTE: Final = 60 * MICROS_PER_SECOND
# Requests that may go out at once, as a part of a minute's: three seconds of them.
_BURSTS_PER_MINUTE: Final = 20


class Pace:
    """A token bucket that lets no more than this worker's part out in any minute.

    The part is the limit divided by the living workers: exact while all are equally busy, less than the whole
    otherwise. A worker that starts or dies changes it within seconds.
    """

    def __init__(self, per_minute: int, workers: int) -> None:
        self.per_minute = per_minute
        self._workers = 0
        self._full_at_micros = 0
        # Since when the bucket has not been full. None: not known.
        self._busy_since_micros: int | None = None
        self.divide(workers)

    def divide(self, workers: int) -> None:
        """So many workers share the limit from now on."""
        if workers == self._workers:
            return
        self._workers = workers
        burst = max(1, self.per_minute // workers // _BURSTS_PER_MINUTE)
        # In microseconds for one request. A burst and what comes after it in the same minute are together the part.
        self._gap = -(-_MICROS_PER_MINUTE * workers // (self.per_minute - workers * (burst - 1)))
        self._slack = self._gap * (burst - 1)
        self._busy_since_micros = None

    def wait_micros(self, now_micros: int) -> int:
        """0 when a request may go out now."""
        return max(0, self._full_at_micros - self._slack - now_micros)

    def ready(self, now_micros: int) -> bool:
        """Whether a request may go out now."""
        return self._full_at_micros - self._slack <= now_micros

    def spend(self, now_micros: int) -> None:
        """A request is about to go out."""
        if self._full_at_micros <= now_micros:
            self._full_at_micros = self._busy_since_micros = now_micros
        self._full_at_micros += self._gap

    def take_back(self, spent_micros: int) -> None:
        """The request of that moment did not go out. Where the bucket was full again meanwhile, it is as good as made
        up for."""
        if self._busy_since_micros is not None and self._busy_since_micros <= spent_micros:
            self._full_at_micros -= self._gap
