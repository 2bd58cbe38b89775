"""The HTTP client of all providers, and which hosts it may reach on private addresses."""

from farebox.providers.client import UpstreamClient, host_of
from farebox.wiring.settings import Settings


def private_hosts(settings: Settings, sandbox_base_url: str | None = None) -> frozenset[str]:
    """The hosts that may stand for private addresses: those that the operator named, and the sandbox's."""
    named = {host.strip("[]").lower() for host in settings.upstream.private_hosts}
    return frozenset(named if sandbox_base_url is None else {*named, host_of(sandbox_base_url)})


def upstream_client(settings: Settings, *, max_connections: int, sandbox_base_url: str | None = None) -> UpstreamClient:
    """To be closed by whoever asked for it."""
    allowed = private_hosts(settings, sandbox_base_url)
    return UpstreamClient(max_connections=max_connections, allowed_private=allowed)
