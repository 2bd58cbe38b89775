"""Child processes that get one order as a JSON line, answer in JSON lines, and never outlive this process.

A child's standard input stays open and silent; its end tells the child to go, however the parent died. Children have a
session of their own, so that Ctrl-C reaches only the parent, which ends them in order.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

ROOT = Path(__file__).parents[1]
# A gateway lets running calls settle and stops PostgreSQL; a slow disk needs some seconds for that.
STOP_SECONDS = 60.0
# The longest phase of a benchmark, with much room.
ANSWER_SECONDS = 600.0
SAMPLE_SECONDS = 0.25
_BLOCK_BYTES = 65_536

AnswerT = TypeVar("AnswerT")
OrderT = TypeVar("OrderT")


class Listening(msgspec.Struct):
    """The first answer of a child that serves: its port on 127.0.0.1."""

    port: int


class ChildFailed(Exception):
    """A child ended, or said nothing for too long."""


class Child:
    """A running child."""

    def __init__(self, process: "subprocess.Popen[bytes]", name: str) -> None:
        self._process = process
        self._name = name
        self.pid = process.pid

    def answer(self, kind: type[AnswerT], *, sample: Callable[[], None] = lambda: None) -> AnswerT:
        """The next answer; `sample` is called several times a second until it comes. Raises ChildFailed."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + ANSWER_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not selector.select(SAMPLE_SECONDS):
                sample()
                if time.monotonic() > deadline:
                    raise ChildFailed(f"{self._name} said nothing for {ANSWER_SECONDS:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise ChildFailed(f"{self._name} ended")
        return msgspec.json.decode(line, type=kind)


@contextlib.contextmanager
def child(module: str, order: msgspec.Struct) -> Iterator[Child]:
    """Run `python -m module` for the length of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        # A gateway's worker does not look into the current folder.
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        process.stdin.flush()
        yield Child(process, module)
    finally:
        stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM, time, SIGKILL."""
    process.terminate()
    try:
        process.communicate(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def take_order(kind: type[OrderT]) -> OrderT:
    """In the child: the order. From here on the end of standard input is a SIGTERM."""
    received = b""
    while not received.endswith(b"\n"):
        block = os.read(0, _BLOCK_BYTES)
        if not block:
            sys.exit(1)
        received += block
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return msgspec.json.decode(received, type=kind)


def give_answer(answer: msgspec.Struct) -> None:
    """In the child: one answer."""
    os.write(1, msgspec.json.encode(answer) + b"\n")


def _end_with_parent() -> None:
    while os.read(0, _BLOCK_BYTES):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
