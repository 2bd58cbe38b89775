"""What a letter is, and who takes it."""

from typing import Final, Literal, Protocol

import msgspec

# Of an address and of a subject in a letter's head: what one line of it may have.
MAX_HEADER_CHARS: Final = 900


class Letter(msgspec.Struct, frozen=True):
    """Plain text to one address. It may hold a code or a link that lets its reader in, so it is never logged."""

    to: str
    subject: str
    body: str

    def __repr__(self) -> str:
        return f"Letter({self.subject!r})"


class Postman(Protocol):
    """Takes letters and sends them in the background. Who asks for one learns from neither the answer nor how busy the
    gateway is afterwards whether one was sent."""

    @property
    def works(self) -> bool:
        """Whether there is a way to send letters at all."""

    def take(self, letter: Letter) -> None:
        """Send it soon. Raises Problem(`sign_in_unavailable`) where none can be sent, or too many wait."""

    def feign(self, letter: Letter) -> None:
        """Do the work of sending it and send nothing: for those who get none. Raises as `take` does."""


class MailState(msgspec.Struct, frozen=True):
    """How sending goes. `failure`: why the newest letter could not be sent, without whose it was; '': it was."""

    kind: Literal["smtp", "demo", "none"]
    failure: str = ""


def require_plain(letter: Letter) -> None:
    """Raises ValueError for an address or a subject that would write other lines into the letter's head, or name other
    recipients."""
    for text in (letter.to, letter.subject):
        if not text.isprintable() or not 0 < len(text) <= MAX_HEADER_CHARS:
            raise ValueError("an address or a subject is no single line of printable text")
    if letter.to.count("@") != 1 or any(sign in letter.to for sign in ' ,;:<>()[]"\\'):
        raise ValueError("an address is not a single one")


def domain_of(letter: Letter) -> str:
    """What logs say of the recipient."""
    return letter.to.rpartition("@")[2]
