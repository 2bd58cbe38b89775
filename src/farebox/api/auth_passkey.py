"""/api/auth/passkey: signing in with a passkey, linking one, proving oneself again with one."""

from typing import Any, Final

import msgspec
from litestar import Response, post

from farebox.access.asking import open_session_of, refuse_cross_site
from farebox.access.depend import TheAccess, TheAsked, TheVisit
from farebox.access.passkey_sign_in import begin_passkey, finish_passkey
from farebox.api.auth_email import CHALLENGE_ID, PURPOSE, SessionShape, read_challenge_id, read_purpose, signed_in
from farebox.api.bodies import fields_of, read_text, refuse
from farebox.api.depend import AnyRequest
from farebox.api.describe import OPEN_ERRORS, answers, taking
from farebox.base.clock import rfc3339
from farebox.identity.people.model import MAX_NAME_CHARS

# A credential of MAX_CREDENTIAL_BYTES with what stands around it; less than that is refused as a credential.
MAX_BODY_BYTES: Final = 40_000
_TAGS: Final = ["signing in"]
_ERRORS: Final = OPEN_ERRORS.with_body().plus(
    invalid_request="purpose is one of sign_in, link, step_up.",
    not_signed_in="Sign in first.",
    second_factor_required="The second factor is still missing.",
    step_up_required="This needs a proof of who you are that is not older than 15 minutes.",
    conflict="You have no passkey.",
    too_many_attempts="This was tried too often. Try again in 5 minutes.",
)


class PasskeyChallengeShape(msgspec.Struct, frozen=True, kw_only=True):
    """`options`: what navigator.credentials.get (link: create) takes as `publicKey`, in the JSON form of WebAuthn."""

    challenge_id: str
    options: dict[str, Any]
    expires_at: str


@post(
    "/api/auth/passkey/challenge",
    summary="Ask for a challenge that a passkey signs",
    security=[],
    opt={"open": "signing in"},
    responses=answers(PasskeyChallengeShape, "A challenge, good once", errors=_ERRORS),
    operation_class=taking("What for", {"purpose": PURPOSE}, is_required=False),
    request_max_body_size=MAX_BODY_BYTES,
    status_code=200,
    tags=_TAGS,
)
async def ask_passkey(request: AnyRequest, access: TheAccess, asked: TheAsked, visit: TheVisit) -> Response[Any]:
    """To sign in nobody says first who they are: the browser offers what it has. link and step_up are for whoever is
    signed in, and link wants a fresh proof."""
    refuse_cross_site(access, asked)
    fields = fields_of(await request.body() or b"{}", ("purpose",))
    session = await open_session_of(access, asked)
    challenge = await begin_passkey(access, visit=visit, purpose=read_purpose(fields), session=session)
    return Response(
        PasskeyChallengeShape(
            challenge_id=str(challenge.challenge_id),
            options=challenge.options,
            expires_at=rfc3339(challenge.expires_at),
        )
    )


@post(
    "/api/auth/passkey/verify",
    summary="Answer it",
    security=[],
    opt={"open": "signing in"},
    responses=answers(
        SessionShape,
        "Signed in, or linked",
        errors=_ERRORS.plus(
            invalid_request="credential is missing.",
            sign_in_failed="This is wrong, was used before, or is too old. Begin again.",
            conflict="This passkey is linked already.",
        ),
    ),
    operation_class=taking(
        "The answer of a passkey",
        {
            "challenge_id": CHALLENGE_ID,
            "credential": "What `PublicKeyCredential.toJSON()` makes of the browser's answer",
            "name": "What a new passkey is called; left out: after the browser",
        },
        required=("challenge_id", "credential"),
    ),
    request_max_body_size=MAX_BODY_BYTES,
    status_code=200,
    tags=_TAGS,
)
async def answer_passkey(request: AnyRequest, access: TheAccess, asked: TheAsked, visit: TheVisit) -> Response[Any]:
    """The answer's cookie is the session, under a new token. A challenge is used up by its first answer, right or
    wrong."""
    refuse_cross_site(access, asked)
    fields = fields_of(await request.body(), ("challenge_id", "credential", "name"))
    challenge_id = read_challenge_id(fields)
    if "credential" not in fields:
        raise refuse("credential", "is missing")
    name = read_text(fields["name"], "name", least=1, most=MAX_NAME_CHARS) if "name" in fields else ""
    session = await open_session_of(access, asked)
    opened = await finish_passkey(access, challenge_id, fields["credential"], visit=visit, session=session, name=name)
    return signed_in(access, opened)


ROUTES: Final = (ask_passkey, answer_passkey)
