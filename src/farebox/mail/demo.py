"""Letters of a demo: kept where everybody who reaches the demo can read them, and printed to the terminal."""

import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import msgspec
import psycopg

from farebox.base.clock import Clock
from farebox.mail.letter import Letter, MailState
from farebox.mail.waiting import Mailing
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

# What fits on a page that somebody looks through.
MAX_KEPT: Final = 100

_QUERIES = load_queries("farebox.mail", "demo.sql")


class KeptLetter(msgspec.Struct, frozen=True):
    """A letter as the demo keeps it. `sent_at`: microseconds since 1970 UTC."""

    letter_id: int
    recipient: str
    subject: str
    body: str
    sent_at: int

    def __repr__(self) -> str:
        return f"KeptLetter({self.letter_id})"


class DemoMailing(Mailing):
    """Keeps letters in the table `demo_letter`, and prints each to the terminal."""

    def __init__(
        self,
        connect: Callable[[], AbstractAsyncContextManager[Connection]],
        clock: Clock,
        *,
        report: Callable[[str], None] | None = None,
    ) -> None:
        """`report`: takes a line for the terminal; None: standard error."""
        super().__init__(senders=1)
        self._connect = connect
        self._clock = clock
        self._report = report or _to_terminal

    @property
    def state(self) -> MailState:
        """How keeping them goes."""
        return MailState("demo", self._failure)

    async def deliver(self, letter: Letter) -> None:
        """Print it first: it can be read there even if the database is away."""
        self._report(_shown(letter))
        kept = {"recipient": letter.to, "subject": letter.subject, "body": letter.body, "sent_at": self._clock()}
        async with self._connect() as connection:
            await connection.execute(_QUERIES["keep_letter"], kept)
            await connection.execute(_QUERIES["drop_oldest"], {"most": MAX_KEPT})

    async def pretend(self, letter: Letter) -> None:
        """Nothing: a demo's mailbox is open to everybody, so there is nothing to hide in how long it takes."""


async def list_letters(connection: Connection) -> list[KeptLetter]:
    """The newest first, at most MAX_KEPT."""
    cursor = await connection.execute(_QUERIES["list_letters"], {"most": MAX_KEPT})
    return [KeptLetter(*row) for row in await cursor.fetchall()]


def _shown(letter: Letter) -> str:
    """Recipient, subject, and those lines that are set apart: codes and links."""
    apart = [line.strip() for line in letter.body.splitlines() if line.startswith("    ")]
    return f"letter to {letter.to}: {letter.subject}" + "".join(f"\n    {line}" for line in apart)


def _to_terminal(text: str) -> None:
    print(f"farebox: {text}", file=sys.stderr, flush=True)  # noqa: T201 - what a demo is for
