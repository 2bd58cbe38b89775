"""The worker processes of one parent: started, watched, restarted, stopped. Main thread only."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from prometheus_client.multiprocess import mark_process_dead

from farebox.base.errors import OperatorError
from farebox.base.ids import random_id
from farebox.wiring.orders import APP_FACTORY, LIFESPAN_SHUTDOWN_SECONDS, Order, Status
from farebox.wiring.settings import Boot, Settings
from farebox.wiring.signals import StopSignals

# A worker that dies is started again at once first, then ever slower, so that a bug does not burn a core.
RESTART_DELAYS_SECONDS: Final = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
# One that stayed up this long was healthy: its next end counts as the first.
HEALTHY_AFTER_SECONDS: Final = 60.0
# Workers that never became ready end the parent after this many starts: nobody is served, and the cause is ours.
MAX_FUTILE_STARTS: Final = 3
# A start takes a second; after this somebody should look.
READY_PATIENCE_SECONDS: Final = 10.0
TICK_SECONDS: Final = 0.1
CHORES_EVERY_SECONDS: Final = 1.0
# Killed processes go at once, unless the kernel waits for a disk.
KILLED_SECONDS: Final = 5.0
_STATUS_BYTES: Final = 65_536


@dataclass(frozen=True)
class Plan:
    """What the workers shall run. `report` takes progress lines for the operator."""

    settings: Settings
    dsn: str
    workers: int
    listener: socket.socket
    metrics: Path
    report: Callable[[str], None]
    sandbox_base_url: str | None = None
    sandbox_api_key: str | None = field(default=None, repr=False)
    factory: str = APP_FACTORY


class _Seat:
    """One place in the crew, and the process that fills it now."""

    def __init__(self, plan: Plan, number: int) -> None:
        self._plan = plan
        self._number = number
        self._process: subprocess.Popen[bytes] | None = None
        self._status_fd = -1
        self._received = b""
        self._started_at = 0.0
        self._start_at = 0.0
        self._failures = 0
        self.futile_starts = 0  # in a row, none of which became ready
        self.ready = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start the process. Settings go through a pipe: a command line can be read by everybody on the machine."""
        status_fd, their_status_fd = os.pipe()
        order = Order(
            settings=self._plan.settings,
            dsn=self._plan.dsn,
            boot=self._boot(),
            listen_fd=self._plan.listener.fileno(),
            status_fd=their_status_fd,
            factory=self._plan.factory,
        )
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "farebox.wiring.worker"],
                stdin=subprocess.PIPE,
                pass_fds=(order.listen_fd, their_status_fd),
                env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(self._plan.metrics)},
                # Ctrl-C reaches the terminal's whole group; workers shall finish their calls when we say so.
                start_new_session=True,
            )
        finally:
            os.close(their_status_fd)
        os.set_blocking(status_fd, False)
        self._status_fd, self._received = status_fd, b""
        self._started_at = time.monotonic()
        self._start_at = 0.0
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died already, and `watch` will see that
            self._process.stdin.write(msgspec.json.encode(order) + b"\n")
            self._process.stdin.flush()

    def watch(self) -> None:
        """Read what it tells; when it has died, start it again in time. Raises OperatorError if it cannot start."""
        self._read_status()
        process = self._process
        if process is None:
            if time.monotonic() >= self._start_at:
                self.start()
            return
        code = process.poll()
        if code is not None:
            self._note_end(process, code)

    def send(self, number: signal.Signals) -> None:
        """Send a signal if it still lives."""
        if self._process is not None:
            self._process.send_signal(number)

    def dismiss(self) -> None:
        """Forget a process that has ended."""
        if self._process is not None:
            self._close(self._process)

    def _boot(self) -> Boot:
        return Boot(
            worker=self._number,
            workers=self._plan.workers,
            boot_id=random_id(),
            sandbox_base_url=self._plan.sandbox_base_url,
            sandbox_api_key=self._plan.sandbox_api_key,
        )

    def _read_status(self) -> None:
        if self._status_fd < 0:
            return
        with contextlib.suppress(BlockingIOError):
            self._received += os.read(self._status_fd, _STATUS_BYTES)
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            status = msgspec.json.decode(line, type=Status)
            if not status.ready:
                raise OperatorError(status.message, status.fix)
            self.ready = True

    def _note_end(self, process: subprocess.Popen[bytes], code: int) -> None:
        self._read_status()
        if self.ready and time.monotonic() - self._started_at > HEALTHY_AFTER_SECONDS:
            self._failures = 0
        delay_seconds = RESTART_DELAYS_SECONDS[min(self._failures, len(RESTART_DELAYS_SECONDS) - 1)]
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        again = f"in {delay_seconds:g} s" if delay_seconds else "now"
        self._plan.report(f"worker {self._number} {how}; starting it again {again}")
        self._failures += 1
        self.futile_starts = 0 if self.ready else self.futile_starts + 1
        self.ready = False
        self._start_at = time.monotonic() + delay_seconds
        self._close(process)

    def _close(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        os.close(self._status_fd)
        self._status_fd = -1
        self._process = None
        mark_process_dead(process.pid, str(self._plan.metrics))  # type: ignore[no-untyped-call]


class Crew:
    """All workers of a plan."""

    def __init__(self, plan: Plan, signals: StopSignals) -> None:
        self._plan = plan
        self._signals = signals
        self._seats = [_Seat(plan, number) for number in range(plan.workers)]

    def run(self, *, chores: Callable[[], None], on_ready: Callable[[], None]) -> None:
        """Serve until a stop signal, then stop in order. `chores` is called once a second, `on_ready` once.

        Raises OperatorError when the workers cannot start.
        """
        self._signals.only_count()
        try:
            for seat in self._seats:
                seat.start()
            self._supervise(chores, on_ready)
        finally:
            self._stop(chores)

    def _supervise(self, chores: Callable[[], None], on_ready: Callable[[], None]) -> None:
        told, chores_at, hint_at = False, 0.0, time.monotonic() + READY_PATIENCE_SECONDS
        while not self._signals.count:
            for seat in self._seats:
                seat.watch()
            now = time.monotonic()
            if not told:
                self._give_up_if_futile()
                if all(seat.ready for seat in self._seats):
                    told = True
                    on_ready()
                elif now >= hint_at:
                    hint_at = float("inf")
                    self._plan.report("not ready yet; GET /readyz says what is missing")
            if now >= chores_at:
                chores_at = now + CHORES_EVERY_SECONDS
                chores()
            time.sleep(TICK_SECONDS)

    def _give_up_if_futile(self) -> None:
        if any(seat.futile_starts >= MAX_FUTILE_STARTS for seat in self._seats):
            raise OperatorError(
                f"the workers ended {MAX_FUTILE_STARTS} times before they were ready",
                "read what they printed above; `farebox doctor` checks the rest",
            )

    def _stop(self, chores: Callable[[], None]) -> None:
        """SIGTERM, time for running calls to settle, SIGKILL. A second stop signal skips the time."""
        self._plan.listener.close()
        self._send_all(signal.SIGTERM)
        patience_seconds = self._plan.settings.server.graceful_shutdown_seconds + LIFESPAN_SHUTDOWN_SECONDS
        asked = self._signals.count
        started_at = time.monotonic()
        told = False
        while self._alive():
            waited_seconds = time.monotonic() - started_at
            if waited_seconds > patience_seconds or self._signals.count > asked:
                break
            if waited_seconds > 1 and not told:
                told = True
                self._plan.report("finishing running calls; press Ctrl-C again to cut them off")
            # The database must stay up: calls still settle.
            chores()
            time.sleep(TICK_SECONDS)
        self._send_all(signal.SIGKILL)
        deadline = time.monotonic() + KILLED_SECONDS
        while self._alive() and time.monotonic() < deadline:
            time.sleep(TICK_SECONDS / 10)
        for seat in self._seats:
            seat.dismiss()

    def _alive(self) -> bool:
        return any(seat.pid is not None for seat in self._seats)

    def _send_all(self, number: signal.Signals) -> None:
        for seat in self._seats:
            if seat.pid is not None:
                seat.send(number)
