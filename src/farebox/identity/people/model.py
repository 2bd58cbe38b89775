"""What a person, a session and a proof are. Moments are microseconds since 1970 UTC."""

from enum import StrEnum
from typing import Final

import msgspec

from farebox.base.ids import show_short

MAX_USER_AGENT_CHARS: Final = 300
MAX_NAME_CHARS: Final = 100


class Method(StrEnum):
    """By what somebody proved who they are."""

    EMAIL = "email"
    WALLET = "wallet"
    PASSKEY = "passkey"
    TOTP = "totp"
    RECOVERY = "recovery"


# A passkey is something one has and, as we ask for user verification, something one knows or is.
SECOND_FACTORS: Final = frozenset({Method.PASSKEY, Method.TOTP, Method.RECOVERY})


class Purpose(StrEnum):
    """What a challenge is for. Its answer is good for nothing else."""

    SIGN_IN = "sign_in"
    LINK = "link"
    STEP_UP = "step_up"
    HOLDING = "holding"  # wallets only: a holding wallet of a workspace


class SessionState(StrEnum):
    """Where a session stands; the moves are in session_life.py."""

    PENDING = "pending"  # the second factor is missing: good for nothing but giving it
    ACTIVE = "active"
    ENDED = "ended"


class Visit(msgspec.Struct, frozen=True):
    """Whence a request came: the client's address in figures ('': not known) and what its program calls itself."""

    address: str = ""
    user_agent: str = ""


class Person(msgspec.Struct, frozen=True):
    """Somebody who can sign in."""

    person_id: int
    name: str
    is_active: bool
    created_at: int


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One browser that somebody signed in with. It holds no token: nobody can be given one from the row.

    `wants_second_factor`: its person has one (an authenticator app or a passkey); not told in lists."""

    session_id: int
    person_id: int
    state: SessionState
    methods: tuple[Method, ...]
    created_at: int
    seen_at: int
    proved_at: int
    second_factor_at: int | None
    expires_at: int
    address: str
    user_agent: str
    wants_second_factor: bool = False

    @property
    def actor(self) -> str:
        """How records name who did it."""
        return show_person(self.person_id)


class OpenedSession(msgspec.Struct, frozen=True):
    """A session and its token, which exists only here: it belongs into the cookie and nowhere else."""

    session: Session
    token: str

    def __repr__(self) -> str:
        return f"OpenedSession({self.session.session_id})"


def show_person(person_id: int) -> str:
    """`person_…`"""
    return show_short("person", person_id)
