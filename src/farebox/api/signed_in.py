"""What the addresses that sign somebody in have in common: their small bodies, their answer and its cookie."""

from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response

from farebox.access.asking import Asked, open_session_of, refuse_cross_site
from farebox.access.cookies import session_cookie
from farebox.access.parts import Access
from farebox.api.bodies import read_text, refuse
from farebox.base.clock import rfc3339
from farebox.identity.people.model import OpenedSession, Purpose, Session, show_person

# An id, a purpose, an address, a signature or what a passkey answers.
MAX_BODY_BYTES: Final = 65_536
PURPOSES: Final = (Purpose.SIGN_IN, Purpose.LINK, Purpose.STEP_UP)
PURPOSE_TEXT: Final = "What the challenge is for: sign_in (left out: this), link, or step_up"
_UUID_CHARS: Final = 36


class SignedInShape(msgspec.Struct, frozen=True, kw_only=True):
    """Who is signed in now; the cookie of the answer is their session. `state`: pending until the second factor is
    given. `recovery_codes_left`: where a recovery code was used."""

    person_id: str
    state: str
    expires_at: str
    recovery_codes_left: int | None = None


def signed_in(access: Access, opened: OpenedSession, *, recovery_codes_left: int | None = None) -> Response[Any]:
    """The answer to a proof, with the session's cookie."""
    session = opened.session
    shape = SignedInShape(
        person_id=show_person(session.person_id),
        state=session.state,
        expires_at=rfc3339(session.expires_at),
        recovery_codes_left=recovery_codes_left,
    )
    return Response(shape, cookies=[session_cookie(access, opened)])


async def browser_session(access: Access, asked: Asked) -> Session | None:
    """The session that the browser has already, if any. Raises Problem(`cross_site_request`): signing somebody in is
    for our own pages alone, or others could sign people in as somebody else."""
    refuse_cross_site(access, asked)
    return await open_session_of(access, asked)


def read_purpose(raw: bytes | None) -> Purpose:
    """Raises Problem(`invalid_request`)."""
    if raw is None:
        return Purpose.SIGN_IN
    text = read_text(raw, "purpose", least=1, most=20)
    if text not in PURPOSES:
        raise refuse("purpose", f"is one of {', '.join(PURPOSES)}")
    return Purpose(text)


def read_challenge_id(fields: dict[str, bytes]) -> UUID:
    """Raises Problem(`invalid_request`)."""
    if "challenge_id" not in fields:
        raise refuse("challenge_id", "is missing")
    text = read_text(fields["challenge_id"], "challenge_id", least=1, most=_UUID_CHARS)
    try:
        return UUID(text)
    except ValueError:
        raise refuse("challenge_id", "is the id that came with the challenge") from None
