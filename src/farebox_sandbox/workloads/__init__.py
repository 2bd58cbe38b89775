"""What the sandbox does besides text: images, audio, video jobs, embeddings. Each is a few routes."""

from farebox_sandbox.core import Core
from farebox_sandbox.routing import Routes


def routes(sandbox: Core) -> Routes:
    """The routes of all workloads. A path may have `{name}` segments; they arrive in `exchange.parameters`."""
    return {}
