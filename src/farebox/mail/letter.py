"""What a letter is, and who takes it."""

from typing import Protocol

import msgspec


class Letter(msgspec.Struct, frozen=True):
    """Plain text to one address. It may hold a code or a link that lets its reader in, so it is never logged."""

    to: str
    subject: str
    body: str

    def __repr__(self) -> str:
        return f"Letter({self.subject!r})"


class Postman(Protocol):
    """Takes letters and sends them in the background, so that nobody can tell by the time it takes whether one was
    sent."""

    @property
    def works(self) -> bool:
        """Whether there is a way to send letters at all."""

    def take(self, letter: Letter) -> None:
        """Send it soon. Raises Problem(`sign_in_unavailable`) where none can be sent, or too many wait."""
