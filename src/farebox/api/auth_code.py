"""POST /api/auth/code: the second factor, by a code of an authenticator app or a recovery code."""

from typing import Any, Final

import msgspec
from litestar import Response, post

from farebox.access.cookies import session_cookie
from farebox.access.depend import TheAccess, TheSession, TheVisit
from farebox.access.second_factor import MAX_CODE_CHARS, give_code, recovery_codes_left
from farebox.api.bodies import fields_of, read_text, refuse
from farebox.api.depend import AnyRequest
from farebox.api.describe import SIGNED_IN, SIGNED_IN_ERRORS, answers, taking
from farebox.base.clock import rfc3339
from farebox.base.ids import show_short
from farebox.identity.people.model import show_person
from farebox.identity.people.recovery import is_recovery_code

# A code, and room for how its writer groups it.
MAX_BODY_BYTES: Final = 1_000
CODE_BODY: Final = taking("A code", {"code": "Six digits of the app, or a recovery code"}, required=("code",))


class CodeShape(msgspec.Struct, frozen=True, kw_only=True):
    """Who is signed in, with the second factor. `recovery_codes_left`: where a recovery code was used."""

    person_id: str
    session_id: str
    state: str
    expires_at: str
    recovery_codes_left: int | None


@post(
    "/api/auth/code",
    summary="Give the second factor",
    security=SIGNED_IN,
    opt={"pending": True},
    responses=answers(
        CodeShape,
        "The session has its second factor",
        errors=SIGNED_IN_ERRORS.with_body().plus(
            invalid_request="code is missing.",
            sign_in_failed="This is wrong, was used before, or is too old. Begin again.",
            conflict="You have no authenticator app; prove who you are in another way.",
            too_many_attempts="This was tried too often. Try again in 5 minutes.",
        ),
    ),
    operation_class=CODE_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    status_code=200,
    tags=["signing in"],
)
async def answer_code(request: AnyRequest, access: TheAccess, session: TheSession, visit: TheVisit) -> Response[Any]:
    """Completes a pending session, and proves an active one again. Each code is good once; a recovery code tells how
    many are left."""
    code = await read_code(request)
    opened = await give_code(access, session, code, visit=visit)
    left = await recovery_codes_left(access, session.person_id) if is_recovery_code(code) else None
    shape = CodeShape(
        person_id=show_person(opened.session.person_id),
        session_id=show_short("session", opened.session.session_id),
        state=opened.session.state,
        expires_at=rfc3339(opened.session.expires_at),
        recovery_codes_left=left,
    )
    return Response(shape, cookies=[session_cookie(access, opened)])


async def read_code(request: AnyRequest) -> str:
    """The `code` of the body. Raises Problem(`invalid_request`)."""
    fields = fields_of(await request.body(), ("code",))
    if "code" not in fields:
        raise refuse("code", "is missing")
    return read_text(fields["code"], "code", least=1, most=MAX_CODE_CHARS)


ROUTES: Final = (answer_code,)
