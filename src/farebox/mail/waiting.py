"""Letters that wait for being sent, and those who send them: what SMTP and the demo have in common."""

import asyncio
import time
from abc import ABC, abstractmethod
from typing import Final, NamedTuple

import structlog

from farebox.base.errors import Problem
from farebox.mail.letter import Letter, MailState, Postman, domain_of, require_plain

# A minute of a busy day. More wait only where nothing is sent at all, and then a refusal tells more than waiting.
MAX_WAITING: Final = 1_000
# A letter that waited so long is given up: its code is void, and its reader has asked again or given up, too.
MAX_WAIT_SECONDS: Final = 600.0
# On the way down: long enough for what waits where the server answers, short enough for whoever restarts.
STOP_SECONDS: Final = 5.0

_log = structlog.get_logger(__name__)


class CannotSend(Exception):
    """The letter was not sent. Its text names no recipient and repeats nothing of the letter. `is_final`: sending it
    again would not help."""

    def __init__(self, why: str, *, is_final: bool = False) -> None:
        super().__init__(why)
        self.is_final = is_final


class _Waiting(NamedTuple):
    letter: Letter
    taken_at: float
    is_feigned: bool


class Mailing(ABC):
    """A postman with a bounded queue and a few senders."""

    works = True

    def __init__(self, *, senders: int, max_wait_seconds: float = MAX_WAIT_SECONDS) -> None:
        self._senders = senders
        self._max_wait_seconds = max_wait_seconds
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue(MAX_WAITING)
        self._working: list[asyncio.Task[None]] = []
        self._failure = ""

    @abstractmethod
    async def deliver(self, letter: Letter) -> None:
        """Send one letter. Raises CannotSend."""

    @abstractmethod
    async def pretend(self, letter: Letter) -> None:
        """What `deliver` does, up to where the letter would be handed over. Raises CannotSend."""

    @property
    @abstractmethod
    def state(self) -> MailState:
        """How sending goes."""

    @property
    def postman(self) -> Postman:
        """Itself."""
        return self

    def take(self, letter: Letter) -> None:
        """Send it soon. Raises Problem(`sign_in_unavailable`) where too many wait, and ValueError for an address or a
        subject that is more than one line."""
        self._queue(letter, is_feigned=False)

    def feign(self, letter: Letter) -> None:
        """Do the work of sending it, and send nothing. Raises as `take` does."""
        self._queue(letter, is_feigned=True)

    def _queue(self, letter: Letter, *, is_feigned: bool) -> None:
        require_plain(letter)
        if self._waiting.full():
            raise Problem("sign_in_unavailable", "Too many letters wait to be sent. Try again later.")
        self._waiting.put_nowait(_Waiting(letter, time.monotonic(), is_feigned))

    def start(self) -> None:
        """Begin sending in the running event loop."""
        self._working = [asyncio.create_task(self._send(), name=f"letters {n}") for n in range(self._senders)]

    async def stop(self) -> None:
        """Send what waits, within STOP_SECONDS, and end."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._waiting.join()
        except TimeoutError:
            _log.warning("letters were given up", waiting=self._waiting.qsize())
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    async def _send(self) -> None:
        while True:
            letter, taken_at, is_feigned = await self._waiting.get()
            try:
                if time.monotonic() - taken_at > self._max_wait_seconds:
                    raise CannotSend("it waited too long", is_final=True)
                await (self.pretend if is_feigned else self.deliver)(letter)
                self._failure = ""
            except CannotSend as error:
                self._failed(letter, str(error))
            except Exception as error:  # one letter that breaks something must not end all the others
                self._failed(letter, type(error).__name__)
            finally:
                self._waiting.task_done()

    def _failed(self, letter: Letter, why: str) -> None:
        self._failure = why
        _log.warning("a letter could not be sent", domain=domain_of(letter), why=why)
