"""/api/me/totp, /api/me/recovery-codes, /api/me/step-up: the second factor of whoever is signed in."""

from typing import Any, Final

import msgspec
from litestar import Response, delete, get, post

from farebox.access.cookies import session_cookie
from farebox.access.depend import TheAccess, TheSession, TheVisit
from farebox.access.second_factor import begin_totp, confirm_totp, end_totp, renew_recovery_codes
from farebox.access.step_up import ways_to_step_up
from farebox.api.auth_code import CODE_BODY, MAX_BODY_BYTES, read_code
from farebox.api.depend import AnyRequest
from farebox.api.describe import SIGNED_IN, SIGNED_IN_ERRORS, answers

_TAGS: Final = ["me"]
_FRESH: Final = SIGNED_IN_ERRORS.fresh()
_NO_APP: Final = _FRESH.plus(not_found="You have no authenticator app.")


class TotpSetupShape(msgspec.Struct, frozen=True, kw_only=True):
    """What an authenticator app is given: `secret` to type, or `uri` as a QR code. Shown once."""

    secret: str
    uri: str


class RecoveryCodesShape(msgspec.Struct, frozen=True, kw_only=True):
    """Each is good once. They are shown this once."""

    recovery_codes: list[str]


class WaysShape(msgspec.Struct, frozen=True, kw_only=True):
    """By what to prove again who one is. `totp`: a code of the app or a recovery code at /api/auth/code; the others by
    a challenge with the purpose step_up."""

    totp: bool
    passkey: bool
    email: list[str]
    wallet: bool


@get(
    "/api/me/step-up",
    summary="By what to prove oneself again",
    security=SIGNED_IN,
    opt={"pending": True},
    responses=SIGNED_IN_ERRORS,
    tags=_TAGS,
)
async def show_step_up(access: TheAccess, session: TheSession) -> WaysShape:
    """Who has a second factor does it with that alone. Also for a session whose second factor is still missing."""
    ways = await ways_to_step_up(access, session)
    return WaysShape(totp=ways.totp, passkey=ways.passkey, email=ways.email, wallet=ways.wallet)


@post(
    "/api/me/totp",
    summary="Begin to set up an authenticator app",
    security=SIGNED_IN,
    opt={"fresh": True},
    responses=answers(
        TotpSetupShape,
        "What the app is given",
        errors=_FRESH.plus(conflict="You have an authenticator app; turn it off before you set up another."),
    ),
    status_code=200,
    tags=_TAGS,
)
async def begin_app(access: TheAccess, session: TheSession) -> TotpSetupShape:
    """It counts for nothing until a first code of it is sent to /api/me/totp/confirm, within an hour."""
    setup = await begin_totp(access, session)
    return TotpSetupShape(secret=setup.secret, uri=setup.uri)


@post(
    "/api/me/totp/confirm",
    summary="Turn the authenticator app on",
    security=SIGNED_IN,
    opt={"fresh": True},
    responses=answers(
        RecoveryCodesShape,
        "It is on",
        errors=_FRESH.with_body().plus(
            invalid_request="code is missing.",
            sign_in_failed="This is wrong, was used before, or is too old. Begin again.",
            conflict="There is no authenticator app to confirm; begin again.",
            too_many_attempts="This was tried too often. Try again in 5 minutes.",
        ),
    ),
    operation_class=CODE_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    status_code=200,
    tags=_TAGS,
)
async def confirm_app(request: AnyRequest, access: TheAccess, session: TheSession, visit: TheVisit) -> Response[Any]:
    """From now on signing in wants a code of it. Other sessions of yours that never gave a second factor end."""
    opened, codes = await confirm_totp(access, session, await read_code(request), visit=visit)
    return Response(RecoveryCodesShape(recovery_codes=codes), cookies=[session_cookie(access, opened)])


@delete(
    "/api/me/totp",
    summary="Turn the authenticator app off",
    security=SIGNED_IN,
    opt={"fresh": True},
    responses=_NO_APP.plus(
        conflict="Operators always have a second factor: add another one before you take this one away."
    ),
    status_code=204,
    tags=_TAGS,
)
async def end_app(access: TheAccess, session: TheSession, visit: TheVisit) -> None:
    """The recovery codes are void with it."""
    await end_totp(access, session, visit=visit)


@post(
    "/api/me/recovery-codes",
    summary="Make new recovery codes",
    security=SIGNED_IN,
    opt={"fresh": True},
    responses=answers(RecoveryCodesShape, "New codes", errors=_NO_APP),
    status_code=200,
    tags=_TAGS,
)
async def renew_codes(access: TheAccess, session: TheSession, visit: TheVisit) -> RecoveryCodesShape:
    """The former ones are void."""
    return RecoveryCodesShape(recovery_codes=await renew_recovery_codes(access, session, visit=visit))


ROUTES: Final = (show_step_up, begin_app, confirm_app, end_app, renew_codes)
