"""/api/auth/email and /api/auth/sign-out: signing in by e-mail, and out.

Asking for a letter is answered the same whoever's the address is. What changes something for anybody must come from our
own pages, or from no page at all.
"""

from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Response, post
from litestar.openapi.spec import OpenAPIFormat, OpenAPIType, Schema

from farebox.access.account import sign_out
from farebox.access.asking import open_session_of, refuse_cross_site
from farebox.access.cookies import no_cookie, session_cookie
from farebox.access.depend import TheAccess, TheAsked, TheSession, TheVisit
from farebox.access.email_sign_in import begin_email, finish_email, finish_link
from farebox.access.parts import Access
from farebox.api.bodies import fields_of, read_text, refuse
from farebox.api.depend import AnyRequest
from farebox.api.describe import OPEN_ERRORS, SIGNED_IN, SIGNED_IN_ERRORS, answers, taking
from farebox.base.clock import rfc3339
from farebox.base.ids import show_short
from farebox.identity.people.model import OpenedSession, Purpose, show_person

MAX_BODY_BYTES: Final = 4_000
_TAGS: Final = ["signing in"]
_PURPOSES: Final = (Purpose.SIGN_IN, Purpose.LINK, Purpose.STEP_UP)


class ChallengeShape(msgspec.Struct, frozen=True, kw_only=True):
    """A challenge to be answered until `expires_at`."""

    challenge_id: str
    expires_at: str


class SessionShape(msgspec.Struct, frozen=True, kw_only=True):
    """Who is signed in; the session itself is in the cookie. `pending`: the second factor is missing."""

    person_id: str
    session_id: str
    state: str
    expires_at: str


PURPOSE: Final = Schema(
    type=OpenAPIType.STRING,
    enum=[str(purpose) for purpose in _PURPOSES],
    description="What the proof is for; link and step_up need a session. Default sign_in",
)
CHALLENGE_ID: Final = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.UUID, description="Of the challenge")
_ERRORS: Final = OPEN_ERRORS.plus(
    sign_in_failed="This is wrong, was used before, or is too old. Begin again.",
    too_many_attempts="This was tried too often. Try again in 10 minutes.",
    not_signed_in="Nobody is signed in.",
    second_factor_required="The second factor is still missing.",
    step_up_required="This needs a proof of who you are that is not older than 15 minutes.",
    conflict="This address signs in to another account. Unlink it there first, or use another one.",
).with_body()
_BEGIN: Final = taking(
    "To whom to send a letter",
    {
        "email": Schema(type=OpenAPIType.STRING, description="The address", max_length=254),
        "purpose": PURPOSE,
    },
    required=("email",),
    example={"email": "anna@example.com"},
)
_VERIFY: Final = taking(
    "The code of a challenge, or the token of a link",
    {
        "challenge_id": CHALLENGE_ID,
        "code": Schema(type=OpenAPIType.STRING, description="The six digits of the letter; with `challenge_id`"),
        "token": Schema(type=OpenAPIType.STRING, description="The token of the letter's link; alone"),
    },
    example={"challenge_id": "5f0c2d53-6a0f-4f4e-8f0a-0d7a1c7f1b11", "code": "123456"},
)


@post(
    "/api/auth/email",
    summary="Send a code and a link",
    security=[],
    opt={"open": "whoever wants to sign in has no session yet"},
    status_code=200,
    responses=answers(ChallengeShape, "The same whoever's the address is", errors=_ERRORS),
    operation_class=_BEGIN,
    request_max_body_size=MAX_BODY_BYTES,
    tags=_TAGS,
)
async def send_letter(request: AnyRequest, access: TheAccess, asked: TheAsked, visit: TheVisit) -> Response[Any]:
    """Whether a letter goes out is not told."""
    refuse_cross_site(access, asked)
    fields = fields_of(await request.body(), ("email", "purpose"))
    email = read_text(fields.get("email", b'""'), "email", least=1, most=254)
    purpose = read_purpose(fields)
    session = await open_session_of(access, asked)
    challenge = await begin_email(access, email, visit=visit, purpose=purpose, session=session)
    return Response(ChallengeShape(challenge_id=str(challenge.challenge_id), expires_at=rfc3339(challenge.expires_at)))


@post(
    "/api/auth/email/verify",
    summary="Answer with the code or the link",
    security=[],
    opt={"open": "whoever signs in has no session yet"},
    status_code=200,
    responses=answers(SessionShape, "The session is in the cookie", errors=_ERRORS),
    operation_class=_VERIFY,
    request_max_body_size=MAX_BODY_BYTES,
    tags=_TAGS,
)
async def verify_letter(request: AnyRequest, access: TheAccess, asked: TheAsked, visit: TheVisit) -> Response[Any]:
    """A code may be tried five times, a link is good once; the one uses up the other."""
    refuse_cross_site(access, asked)
    fields = fields_of(await request.body(), ("challenge_id", "code", "token"))
    session = await open_session_of(access, asked)
    if "token" in fields:
        if len(fields) > 1:
            raise refuse("token", "stands alone, without challenge_id and code")
        token = read_text(fields["token"], "token", least=1, most=100)
        return signed_in(access, await finish_link(access, token, visit=visit, session=session))
    challenge_id = read_challenge_id(fields)
    code = read_text(fields.get("code", b'""'), "code", least=1, most=40)
    return signed_in(access, await finish_email(access, challenge_id, code, visit=visit, session=session))


@post(
    "/api/auth/sign-out",
    summary="Sign out of this browser",
    security=SIGNED_IN,
    opt={"pending": True},
    status_code=204,
    responses=SIGNED_IN_ERRORS,
    tags=_TAGS,
)
async def leave(access: TheAccess, session: TheSession, visit: TheVisit) -> Response[None]:
    """The session ends here and at once."""
    await sign_out(access, session, visit=visit)
    return Response(None, status_code=204, cookies=[no_cookie()])


def signed_in(access: Access, opened: OpenedSession) -> Response[Any]:
    """The answer of every way to sign in."""
    session = opened.session
    shape = SessionShape(
        person_id=show_person(session.person_id),
        session_id=show_short("session", session.session_id),
        state=session.state,
        expires_at=rfc3339(session.expires_at),
    )
    return Response(shape, status_code=200, cookies=[session_cookie(access, opened)])


def read_purpose(fields: dict[str, bytes]) -> Purpose:
    """`purpose`, by default sign_in. Raises Problem(`invalid_request`)."""
    text = read_text(fields.get("purpose", b'"sign_in"'), "purpose", least=1, most=20)
    if text not in _PURPOSES:
        raise refuse("purpose", f"is one of {', '.join(_PURPOSES)}")
    return Purpose(text)


def read_challenge_id(fields: dict[str, bytes]) -> UUID:
    """`challenge_id`. Raises Problem(`invalid_request`)."""
    text = read_text(fields.get("challenge_id", b'""'), "challenge_id", least=1, most=50)
    try:
        return UUID(text)
    except ValueError:
        raise refuse("challenge_id", "is the one that was given with the challenge") from None


ROUTES: Final = (send_letter, verify_letter, leave)
