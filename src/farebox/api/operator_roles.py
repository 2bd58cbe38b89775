"""/api/operator/roles: who works on the whole installation."""

from typing import Any, Final

from litestar import Response, delete, get, post
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.params import FromPath

from farebox.access import platform_roles
from farebox.access.depend import TheAccess, TheOperator
from farebox.api.bodies import fields_of, refuse, value_of
from farebox.api.depend import AnyRequest
from farebox.api.describe import PLATFORM, PLATFORM_ERRORS, answers, taking
from farebox.api.operator_shapes import RoleList, RoleShape, role_shape
from farebox.identity.roles import PlatformRole, PlatformVerb

MAX_BODY_BYTES: Final = 16_384
_ROLES: Final = tuple(PlatformRole)
_TAGS: Final = ["operator"]
_CHANGED: Final = PLATFORM_ERRORS.fresh().plus(
    conflict="This is the last superadmin; give the role to somebody else first."
)
_BODY: Final = taking(
    "Whom, and what.",
    {
        "email": Schema(type=OpenAPIType.STRING, description="What they sign in with; it need not be known yet"),
        "role": Schema(type=OpenAPIType.STRING, enum=list(_ROLES), description="In place of the one they may have"),
    },
    required=("email", "role"),
    example={"email": "ada@example.com", "role": "finance"},
)


@get(
    "/api/operator/roles",
    summary="Who has a role in the whole installation",
    security=PLATFORM,
    opt={"verb": PlatformVerb.ROLES_READ},
    responses=answers(RoleList, "All of them", errors=PLATFORM_ERRORS),
    tags=_TAGS,
)
async def list_roles(access: TheAccess, operator: TheOperator) -> Response[Any]:
    """At most 500."""
    del operator
    return Response(RoleList(data=[role_shape(holder) for holder in await platform_roles.list_roles(access)]))


@post(
    "/api/operator/roles",
    summary="Give a role",
    security=PLATFORM,
    opt={"verb": PlatformVerb.ROLES_MANAGE},
    responses=answers(RoleShape, "They have it", errors=_CHANGED.with_body()),
    operation_class=_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    status_code=200,
    tags=_TAGS,
)
async def grant_role(request: AnyRequest, access: TheAccess, operator: TheOperator) -> Response[Any]:
    """To whoever signs in with that address; somebody unknown can sign in from then on. It counts once they have set up
    a second factor. The last superadmin stays one."""
    fields = fields_of(await request.body(), ("email", "role"))
    for name in ("email", "role"):
        if name not in fields:
            raise refuse(name, "is missing")
    email, role = value_of(fields["email"], "email"), value_of(fields["role"], "role")
    if not isinstance(email, str):
        raise refuse("email", "is a text")
    if role not in _ROLES:
        raise refuse("role", f"is one of {', '.join(_ROLES)}")
    return Response(role_shape(await platform_roles.grant_role(access, operator, email, PlatformRole(role))))


@delete(
    "/api/operator/roles/{person_id:str}",
    summary="Take a role",
    security=PLATFORM,
    opt={"verb": PlatformVerb.ROLES_MANAGE},
    responses=_CHANGED.plus(not_found="Nobody of that id has a role here."),
    status_code=204,
    tags=_TAGS,
)
async def take_role(access: TheAccess, operator: TheOperator, person_id: FromPath[str]) -> None:
    """It is gone with their next request. The account stays."""
    await platform_roles.take_role(access, operator, person_id)


ROUTES: Final = (list_roles, grant_role, take_role)
