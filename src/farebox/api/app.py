"""The JSON API as one ASGI app: handlers, their parts, and what every answer has in common."""

from functools import cache
from typing import Final

import msgspec
from litestar import Litestar, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.routes import HTTPRoute

import farebox
from farebox.access.asking import COOKIE
from farebox.access.depend import VERB
from farebox.api import (
    auth_code,
    auth_email,
    auth_passkey,
    auth_wallet,
    events,
    holding_wallets,
    me,
    me_second_factor,
    me_sessions,
    operator_events,
    operator_requests,
    operator_roles,
    operator_workspaces,
    requests,
    team,
    workspaces,
)
from farebox.api.balance import show_balance
from farebox.api.depend import providers_of
from farebox.api.describe import mended, name_workspaces
from farebox.api.explain import estimate_call, explain_route
from farebox.api.health import show_health, show_ready
from farebox.api.key_usage import list_key_usage
from farebox.api.keys import change_key, list_keys, make_key, revoke_key, roll_key, show_key
from farebox.api.limits import set_key_limits, show_limits
from farebox.api.metrics import show_metrics
from farebox.api.operator import (
    list_operator_routes,
    set_workspace_limits,
    set_workspace_policy,
    show_workspace_limits,
    show_workspace_policy,
)
from farebox.api.parts import Parts
from farebox.api.policy import set_key_policy, set_own_policy, show_policy
from farebox.api.problems import HANDLERS
from farebox.api.receipts import list_postings
from farebox.api.routes import list_routes
from farebox.api.setup import list_errors, show_setup
from farebox.api.usage import list_usage, show_receipt
from farebox.api.webhooks import show_webhooks
from farebox.identity.roles import Verb
from farebox.web.envelope import App, Envelope
from farebox.web.security import API_HEADERS, HSTS

ROUTES = (
    show_balance,
    list_usage,
    show_receipt,
    list_postings,
    show_setup,
    list_errors,
    show_webhooks,
    explain_route,
    estimate_call,
    list_routes,
    list_keys,
    list_key_usage,
    show_key,
    make_key,
    change_key,
    roll_key,
    revoke_key,
    show_policy,
    set_own_policy,
    set_key_policy,
    show_limits,
    set_key_limits,
    show_workspace_limits,
    set_workspace_limits,
    show_workspace_policy,
    set_workspace_policy,
    list_operator_routes,
    show_health,
    show_ready,
    show_metrics,
    *auth_email.ROUTES,
    *auth_passkey.ROUTES,
    *auth_wallet.ROUTES,
    *holding_wallets.ROUTES,
    *auth_code.ROUTES,
    *me.ROUTES,
    *me_sessions.ROUTES,
    *me_second_factor.ROUTES,
    *workspaces.ROUTES,
    *team.ROUTES,
    *events.ROUTES,
    *requests.ROUTES,
    *operator_workspaces.ROUTES,
    *operator_requests.ROUTES,
    *operator_roles.ROUTES,
    *operator_events.ROUTES,
)


_SESSION: Final = (
    "The session of somebody who signed in, as a browser keeps it. What changes something with it has to come from the "
    "gateway's own pages: `Sec-Fetch-Site: same-origin`, or `Origin` with the gateway's own address."
)


def build_api(parts: Parts) -> App:
    """The app for `/api`, `/healthz`, `/readyz` and `/metrics`. It has no lifespan: its parts outlive it."""
    app = _app(parts, openapi_config=None)
    site = parts.access.site
    # Who asks here by a name may come to its pages next: a browser that was told of https once asks no other way.
    headers = [*API_HEADERS, *([HSTS] if site is not None and site.is_https else [])]
    return Envelope(app, parts.clock, headers=headers)  # type: ignore[arg-type]


def _app(parts: Parts, *, openapi_config: OpenAPIConfig | None) -> Litestar:
    return Litestar(
        route_handlers=[*ROUTES, _openapi_route(parts)],
        dependencies=providers_of(parts),
        exception_handlers=HANDLERS,
        # The framework would add pages in HTML that load scripts from elsewhere; the document alone is ours.
        openapi_config=openapi_config,
        # Errors are answered and logged by `problems.py`; the framework's own logging would repeat them.
        logging_config=None,
        debug=False,
    )


def _openapi_route(parts: Parts) -> HTTPRouteHandler:
    @cache
    def document() -> bytes:
        schemes = {
            "key": SecurityScheme(type="http", scheme="bearer", description="A key of this gateway"),
            "operator": SecurityScheme(type="http", scheme="bearer", description="The operator's token"),
            "session": SecurityScheme(type="apiKey", name=COOKIE, security_scheme_in="cookie", description=_SESSION),
        }
        config = OpenAPIConfig(
            title=f"{parts.brand.name} API",
            version=farebox.__version__,
            components=Components(security_schemes=dict(schemes)),
        )
        app = _app(parts, openapi_config=config)
        document = mended(app.openapi_schema.to_schema())
        name_workspaces(document, _of_workspaces(app), header=f"X-{parts.brand.header_prefix}-Workspace")
        return msgspec.json.encode(document)

    @get("/api/openapi.json", include_in_schema=False)
    async def show_openapi() -> Response[bytes]:
        """This API, described; made when it is first asked for."""
        return Response(document(), media_type="application/json")

    return show_openapi


def _of_workspaces(app: Litestar) -> set[tuple[str, str]]:
    """Path and method of what is done in one workspace."""
    return {
        (route.path_format, str(method).lower())
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if isinstance(handler.opt.get(VERB), Verb)
    }
