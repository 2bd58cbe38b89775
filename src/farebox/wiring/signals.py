"""The stop signals of a parent process: Ctrl-C, `kill`, a closed terminal.

While things start or stop in straight lines, the first signal raises KeyboardInterrupt, so that every context manager
cleans up; later ones are only counted, so that nothing interrupts the cleaning. While the parent supervises, signals
are counted from the first.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# `timeout`, `make` and terminals may deliver one wish twice, to us and to our group.
ONE_WISH_SECONDS = 1.0
_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """How often we were asked to stop. Use `caught`, in the main thread."""

    def __init__(self) -> None:
        self.count = 0
        self._raising = True
        self._arrived_at = float("-inf")

    @classmethod
    @contextmanager
    def caught(cls) -> Iterator["StopSignals"]:
        """Catch the signals inside the block. A hangup that was to be ignored (`nohup`) stays ignored."""
        signals = cls()
        # SIGINT is caught even so: shells start background jobs with it ignored, and `kill -INT` shall still work.
        nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        numbers = [number for number in _NUMBERS if not (nohup and number == signal.SIGHUP)]
        before = {number: signal.signal(number, signals._arrived) for number in numbers}
        try:
            yield signals
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def only_count(self) -> None:
        """From here on no signal raises."""
        self._raising = False

    def _arrived(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._arrived_at > ONE_WISH_SECONDS:
            self.count += 1
            self._arrived_at = now
        if self._raising:
            self._raising = False
            raise KeyboardInterrupt
