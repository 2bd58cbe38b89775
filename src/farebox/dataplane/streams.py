"""Running streams of this process, looked after once a second together: keep-alive comments, timeouts, watermarks.

One ticker for all of them, so that a relayed chunk pays for no timer of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol
from uuid import UUID

import msgspec
import structlog

TICK_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class Progress(msgspec.Struct, gc=False):
    """A delivered-output watermark, kept on the hold so that an orphan can be settled for what was delivered."""

    workspace_id: int
    hold_id: UUID
    progress: str


class Stream(Protocol):
    """What the ticker needs of a stream."""

    def tick(self, now_seconds: float) -> None:
        """Begin to send a comment, or end what has waited too long. Never waits: all streams share one ticker."""

    def progress(self) -> Progress | None:
        """The watermark, if it moved since it was last asked for."""


WriteProgress = Callable[[list[Progress]], Awaitable[None]]


class Streams:
    """The streams of this process."""

    def __init__(self, write_progress: WriteProgress) -> None:
        self._streams: set[Stream] = set()
        self._write_progress = write_progress
        self._task: asyncio.Task[None] | None = None

    def add(self, stream: Stream) -> None:
        """Look after a stream from now on."""
        self._streams.add(stream)

    def remove(self, stream: Stream) -> None:
        """A stream has ended."""
        self._streams.discard(stream)

    def __len__(self) -> int:
        return len(self._streams)

    def start(self) -> None:
        """Begin ticking in the running event loop."""
        self._task = asyncio.create_task(self._run(), name="streams")

    async def stop(self) -> None:
        """End the ticker."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now_seconds = asyncio.get_running_loop().time()
            for stream in list(self._streams):
                try:
                    stream.tick(now_seconds)
                except Exception as error:  # the other streams need their ticks
                    _log.error("tick failed", why=type(error).__name__)
            moved = [progress for stream in list(self._streams) if (progress := stream.progress()) is not None]
            if moved:
                try:
                    await self._write_progress(moved)
                except Exception as error:  # a watermark is a help for later, not a condition of the stream
                    _log.warning("watermarks not written", streams=len(moved), why=type(error).__name__)
