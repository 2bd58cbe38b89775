"""The JSON API as one ASGI app: handlers, their parts, and what every answer has in common."""

from litestar import Litestar
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

import farebox
from farebox.api.balance import show_balance
from farebox.api.depend import providers_of
from farebox.api.health import show_health, show_ready
from farebox.api.metrics import show_metrics
from farebox.api.parts import Parts
from farebox.api.problems import HANDLERS
from farebox.api.receipts import list_postings
from farebox.api.setup import list_errors, show_setup
from farebox.api.usage import list_usage, show_receipt
from farebox.web.envelope import App, Envelope

_ROUTES = (
    show_balance,
    list_usage,
    show_receipt,
    list_postings,
    show_setup,
    list_errors,
    show_health,
    show_ready,
    show_metrics,
)


def build_api(parts: Parts) -> App:
    """The app for `/api`, `/healthz`, `/readyz` and `/metrics`. It has no lifespan: its parts outlive it."""
    app = Litestar(
        route_handlers=list(_ROUTES),
        dependencies=providers_of(parts),
        exception_handlers=HANDLERS,
        openapi_config=_openapi(parts),
        # Errors are answered and logged by `problems.py`; the framework's own logging would repeat them.
        logging_config=None,
        debug=False,
    )
    return Envelope(app, parts.clock)  # type: ignore[arg-type]


def _openapi(parts: Parts) -> OpenAPIConfig:
    """JSON alone: a page that shows it would load scripts from elsewhere."""
    scheme = SecurityScheme(type="http", scheme="bearer", description="A key of this gateway")
    return OpenAPIConfig(
        title=f"{parts.brand.name} API",
        version=getattr(farebox, "__version__", "0"),
        path="/api",
        components=Components(security_schemes={"key": scheme}),
        render_plugins=[JsonRenderPlugin(path="/openapi.json", media_type="application/json")],  # type: ignore[arg-type]
    )
