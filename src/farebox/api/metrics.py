"""GET /metrics for Prometheus: from this machine, or with the operator's token."""

import asyncio
import hmac
import ipaddress
import os
from typing import Final

from litestar import Response, get
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from farebox.api.depend import AnyRequest, TheParts
from farebox.base.errors import Problem

# A proxy on this machine speaks for others: its address is then no proof.
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


@get("/metrics", summary="Prometheus metrics, for the operator", security=[], include_in_schema=False)
async def show_metrics(request: AnyRequest, parts: TheParts) -> Response[bytes]:
    """404 to everybody else, as if there were nothing."""
    if not (_is_local(request) or _bears(request, parts.metrics_token)):
        raise Problem("not_found", "There is nothing at this address.")
    text = await asyncio.to_thread(_render, parts.registry)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def _is_local(request: AnyRequest) -> bool:
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        address = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _bears(request: AnyRequest, token: str | None) -> bool:
    sent = request.headers.get("authorization", "")
    return bool(token) and hmac.compare_digest(sent.encode(), f"Bearer {token}".encode())


def _render(registry: CollectorRegistry) -> bytes:
    """All workers' numbers where they share a folder, this process's otherwise."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
