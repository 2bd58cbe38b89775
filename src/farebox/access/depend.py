"""What handlers of Litestar ask for by parameter to know who asks. A handler says with `opt` what it does:

    @post("/api/keys", opt={"verb": Verb.KEYS_MANAGE})        async def make_key(caller: TheCaller) -> …
    @get("/api/operator/requests", opt={"verb": PlatformVerb.REQUESTS_READ})   … (operator: TheOperator)
    @delete("/api/me/emails/{email_id:str}", opt={"fresh": True})              … (session: TheSession)
    @post("/api/auth/code", opt={"pending": True})            … (session: TheSession)

A path parameter `workspace` names the workspace of a page. What changes something for anybody (signing in) says
`opt={"open": "why"}`; a test walks all handlers and finds those that say nothing.
"""

from typing import Any, Final

from litestar import Request
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from farebox.access.asking import Asked, Caller, Operator, require_caller, require_operator, require_session, visit_of
from farebox.access.parts import Access
from farebox.identity.people.model import Session, Visit

AnyRequest = Request[Any, Any, Any]
TheAccess = NamedDependency[SkipValidation[Access]]
TheAsked = NamedDependency[SkipValidation[Asked]]
TheVisit = NamedDependency[SkipValidation[Visit]]
TheCaller = NamedDependency[SkipValidation[Caller]]
TheSession = NamedDependency[SkipValidation[Session]]
TheOperator = NamedDependency[SkipValidation[Operator]]

VERB: Final = "verb"
FRESH: Final = "fresh"
PENDING: Final = "pending"
OPEN: Final = "open"


def asked_of(request: AnyRequest, *, is_page: bool = False) -> Asked:
    """The request, as far as it matters who sent it."""
    raw = list(request.scope["headers"])
    return Asked(
        method=request.method,
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(raw)},
        cookies=dict(request.cookies),
        raw_headers=raw,
        peer=None if request.client is None else request.client.host,
        is_page=is_page,
    )


def providers_of(access: Access, *, pages: bool = False) -> dict[str, Provide]:
    """`access`, `asked`, `visit`; `caller`, `session` and `operator` for those handlers that name them."""

    def asking(request: AnyRequest) -> Asked:
        return asked_of(request, is_page=pages)

    def the_access() -> Access:
        return access

    def the_asked(request: AnyRequest) -> Asked:
        return asking(request)

    def the_visit(request: AnyRequest) -> Visit:
        return visit_of(access, asking(request))

    async def the_caller(request: AnyRequest) -> Caller:
        named = request.path_params.get("workspace")
        return await require_caller(access, asking(request), _opt(request)[VERB], workspace_id=named)

    async def the_session(request: AnyRequest) -> Session:
        opt = _opt(request)
        fresh, pending = bool(opt.get(FRESH)), bool(opt.get(PENDING))
        return await require_session(access, asking(request), fresh=fresh, pending=pending)

    async def the_operator(request: AnyRequest) -> Operator:
        return await require_operator(access, asking(request), _opt(request)[VERB])

    return {
        "access": Provide(the_access, sync_to_thread=False, use_cache=True),
        "asked": Provide(the_asked, sync_to_thread=False),
        "visit": Provide(the_visit, sync_to_thread=False),
        "caller": Provide(the_caller),
        "session": Provide(the_session),
        "operator": Provide(the_operator),
    }


def _opt(request: AnyRequest) -> dict[str, Any]:
    return dict(request.scope["route_handler"].opt)
