"""POST /api/auth/code: the second factor, by a code of an authenticator app or a recovery code."""

from typing import Any, Final

from litestar import Response, post

from farebox.access.depend import TheAccess, TheSession, TheVisit
from farebox.access.second_factor import MAX_CODE_CHARS, give_code, recovery_codes_left
from farebox.api.bodies import fields_of, read_text, refuse
from farebox.api.depend import AnyRequest
from farebox.api.describe import SIGNED_IN, SIGNED_IN_ERRORS, answers, taking
from farebox.api.signed_in import MAX_BODY_BYTES, SignedInShape, signed_in
from farebox.identity.people.model import Method

CODE_BODY: Final = taking("A code", {"code": "Six digits of the app, or a recovery code"}, required=("code",))


@post(
    "/api/auth/code",
    summary="Give the second factor",
    security=SIGNED_IN,
    opt={"pending": True},
    responses=answers(
        SignedInShape,
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
    tags=["sign-in"],
)
async def answer_code(request: AnyRequest, access: TheAccess, session: TheSession, visit: TheVisit) -> Response[Any]:
    """Completes a pending session, and proves an active one again. Each code is good once; a recovery code tells how
    many are left."""
    code = await read_code(request)
    opened = await give_code(access, session, code, visit=visit)
    is_recovery = Method.RECOVERY in opened.session.methods and Method.RECOVERY not in session.methods
    left = await recovery_codes_left(access, session.person_id) if is_recovery else None
    return signed_in(access, opened, recovery_codes_left=left)


async def read_code(request: AnyRequest) -> str:
    """The `code` of the body. Raises Problem(`invalid_request`)."""
    fields = fields_of(await request.body(), ("code",))
    if "code" not in fields:
        raise refuse("code", "is missing")
    return read_text(fields["code"], "code", least=1, most=MAX_CODE_CHARS)


ROUTES: Final = (answer_code,)
