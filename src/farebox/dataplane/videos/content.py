"""A film on its way to the customer: streamed through from the provider, whole or in ranges, never kept."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Final, cast, get_args
from urllib.parse import parse_qs

import structlog

from farebox.base.errors import Problem
from farebox.base.ids import show_call
from farebox.catalog.model import Provider
from farebox.dataplane.asgi import Exchange, call_headers, header
from farebox.dataplane.forward import DEFAULT_RETRY_SECONDS, MAX_RETRY_SECONDS
from farebox.dataplane.jobs.job import Job
from farebox.dataplane.jobs.states import OPEN_STATES, JobState
from farebox.dataplane.parts import Parts
from farebox.dataplane.spend import place
from farebox.dataplane.videos.show import find_job, key_for_videos, not_finished
from farebox.dialects.port import Inexpressible
from farebox.dialects.videos import VIDEO_UPSTREAMS
from farebox.dialects.videos.addresses import Hop, first_hop, next_hop
from farebox.dialects.videos.port import Variant
from farebox.providers.accounts import Endpoint
from farebox.providers.client import FailureKind, UpstreamFailure, UpstreamResponse, Waits, waits_for
from farebox.providers.pools import Credential

# A download is at most one redirect away where it is known; more is a loop.
MAX_REDIRECTS: Final = 3
# Films that one workspace fetches at once from this process. Fetching costs nothing and may be slow, so without a bound
# one film would be enough to take all places of a process from paid calls.
MAX_DOWNLOADS: Final = 20
MAX_RANGE_CHARS: Final = 200

_PASSED_UP: Final = (b"range", b"if-range")
_PASSED_DOWN: Final = ("content-length", "content-range", "accept-ranges", "etag", "last-modified")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_REFUSED_KEY: Final = frozenset({401, 402, 403})
# A provider's word for the kind of file is repeated only where no browser would run what it names.
_KINDS: Final = ("video/", "image/")

_log = structlog.get_logger(__name__)


async def send_content(parts: Parts, exchange: Exchange, video_id: str, *, only_headers: bool = False) -> None:
    """`GET /v1/videos/{id}/content`, HEAD as well. Raises Problem before anything was sent."""
    key = await key_for_videos(parts, exchange)
    job = await find_job(parts, key, video_id)
    variant = _variant(exchange.query)
    if job.state in OPEN_STATES:
        raise not_finished(job, "downloaded")
    if job.state is not JobState.COMPLETED:
        raise Problem("not_found", "This video failed, so there is nothing to download.")
    if job.expires_at is not None and job.expires_at <= parts.clock():
        raise _gone()
    with _turn(parts.downloads, key.workspace_id), place(parts):
        response, waits = await _open(parts, exchange, job, variant)
        try:
            await _send(parts, exchange, job, response=response, waits=waits, only_headers=only_headers)
        finally:
            response.close()


@contextlib.contextmanager
def _turn(downloads: Counter[int], workspace_id: int) -> Iterator[None]:
    """One of the workspace's downloads. Raises Problem `capacity_exhausted`."""
    if downloads[workspace_id] >= MAX_DOWNLOADS:
        message = f"This workspace fetches {MAX_DOWNLOADS} films at once already; wait for one of them."
        raise Problem("capacity_exhausted", message, retry_after_seconds=5)
    downloads[workspace_id] += 1
    try:
        yield
    finally:
        downloads[workspace_id] -= 1
        if not downloads[workspace_id]:
            del downloads[workspace_id]


def _variant(query: str) -> Variant:
    found = parse_qs(query).get("variant", ["video"])[0]
    if found not in get_args(Variant):
        raise Problem("invalid_request", "`variant` must be video, thumbnail or spritesheet.", param="variant")
    return cast(Variant, found)


def _gone() -> Problem:
    return Problem("not_found", "The provider keeps films for a while only, and this one is gone.")


# ── the provider's side ───────────────────────────────────────────────────────────────────────────────────────────


async def _open(parts: Parts, exchange: Exchange, job: Job, variant: Variant) -> tuple[UpstreamResponse, Waits]:
    """The provider's answer with the film, or with the part of it that was asked for. Raises Problem."""
    provider = parts.catalog().provider(job.provider_id)
    credential = None if provider is None else parts.accounts.again(provider, job.credential_id, job.workspace_id)
    endpoint = None if provider is None else parts.accounts.endpoint(provider, credential)
    if provider is None or credential is None or endpoint is None:
        raise Problem("provider_not_configured", "The provider of this video is not configured any more.")
    waits = waits_for(provider, parts.timeouts)
    hop: Hop | None = _first(job, provider, endpoint, variant)
    asked = _ranges(exchange)
    for _ in range(MAX_REDIRECTS + 1):
        if hop is None:
            break
        response = await _ask(parts, endpoint, hop, headers=asked, waits=waits)
        if response.status not in _REDIRECTS:
            return _checked(parts, job, response, credential=credential if hop.with_key else None), waits
        response.close()
        hop = next_hop(response.header("location") or "", base_url=endpoint.base_url, current=hop.url)
    _log.error("a film's address is not followed", call_id=show_call(job.job_id), provider=job.provider_id)
    raise Problem("upstream_exception", "The provider named an address for this video that is not asked.")


def _first(job: Job, provider: Provider, endpoint: Endpoint, variant: Variant) -> Hop | None:
    assert job.upstream_id is not None, "a job that is complete was accepted"
    try:
        found = VIDEO_UPSTREAMS[provider.video_dialect].content(job.upstream_id, job.content_uri, variant)
    except Inexpressible as error:
        raise Problem("invalid_request", "The provider of this video has no previews.", param=error.param) from error
    if found.path is not None:
        return Hop(endpoint.base_url.rstrip("/") + found.path, with_key=True)
    return None if found.uri is None else first_hop(found.uri, endpoint.base_url)


def _ranges(exchange: Exchange) -> dict[str, str]:
    found = {}
    for name in _PASSED_UP:
        value = header(exchange.headers, name)
        if value is not None and len(value) <= MAX_RANGE_CHARS:
            found[name.decode()] = value.decode("latin-1")
    return found


async def _ask(
    parts: Parts, endpoint: Endpoint, hop: Hop, *, headers: dict[str, str], waits: Waits
) -> UpstreamResponse:
    credential = dict([endpoint.credential]) if hop.with_key and endpoint.api_key is not None else {}
    try:
        return await parts.client.fetch("GET", hop.url, {**headers, **credential}, waits)
    except UpstreamFailure as failure:
        if failure.kind.timed_out:
            raise Problem("upstream_timeout", "The provider did not answer in time.") from failure
        raise Problem("upstream_exception", "The provider cannot be reached.") from failure


def _checked(parts: Parts, job: Job, response: UpstreamResponse, *, credential: Credential | None) -> UpstreamResponse:
    """The answer, if it is one that clients get; `credential`: whose key went with the question, None for no key.
    Raises Problem, and closes what is none."""
    status = response.status
    if status in (200, 206, 416):
        return response
    response.close()
    if status in (404, 410):
        raise _gone()
    if status in _REFUSED_KEY and credential is not None and credential.credential_id == job.credential_id:
        # A store of files refuses an address that is too old, another account what is not its own: no word on a key.
        parts.accounts.rest(credential.credential_id)
        _log.error("provider refused our key", provider=job.provider_id, status=status)
    if status == 429:
        wait = min(response.retry_after_seconds or DEFAULT_RETRY_SECONDS, MAX_RETRY_SECONDS)
        raise Problem("rate_limit_exceeded", "The provider is at its rate limit.", retry_after_seconds=wait)
    raise Problem("upstream_exception", "The provider failed to send this video.")


# ── the client's side ─────────────────────────────────────────────────────────────────────────────────────────────


async def _send(
    parts: Parts, exchange: Exchange, job: Job, *, response: UpstreamResponse, waits: Waits, only_headers: bool
) -> None:
    """Headers and bytes, as fast as the client takes them; its leaving closes the provider's side.

    What breaks off is left unfinished, so that the server closes the connection: a film that was cut never looks whole.
    """
    headers = [*call_headers(parts.brand, job.job_id), *_answer_headers(response)]
    await exchange.send({"type": "http.response.start", "status": response.status, "headers": headers})
    if only_headers or response.status == 416:
        await exchange.send({"type": "http.response.body", "body": b""})
        return
    watch = asyncio.create_task(_left(exchange), name="client watch")
    pump = asyncio.create_task(_pump(exchange, response, waits), name="film")
    try:
        await asyncio.wait({watch, pump}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (watch, pump):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _answer_headers(response: UpstreamResponse) -> list[tuple[bytes, bytes]]:
    headers = [(b"cache-control", b"private"), (b"x-content-type-options", b"nosniff")]
    kind = response.content_type
    headers.append((b"content-type", (kind if kind.startswith(_KINDS) else "application/octet-stream").encode()))
    for name in _PASSED_DOWN:
        value = response.header(name)
        if value is not None and value.isascii() and value.isprintable():
            headers.append((name.encode(), value.encode()))
    if response.status == 416:
        headers = [pair for pair in headers if pair[0] != b"content-length"] + [(b"content-length", b"0")]
    return headers


async def _left(exchange: Exchange) -> None:
    while (await exchange.receive())["type"] != "http.disconnect":
        pass


async def _pump(exchange: Exchange, response: UpstreamResponse, waits: Waits) -> None:
    """One chunk at a time; neither side may be silent for longer than the idle time."""
    chunks = aiter(response.chunks())
    try:
        while True:
            async with asyncio.timeout(waits.idle):
                chunk = await anext(chunks, b"")
            if not chunk:
                break
            async with asyncio.timeout(waits.idle):
                await exchange.send({"type": "http.response.body", "body": chunk, "more_body": True})
    except (UpstreamFailure, TimeoutError) as error:
        kind = error.kind if isinstance(error, UpstreamFailure) else FailureKind.IDLE_TIMEOUT
        _log.warning("a film broke off", outcome=kind.value)
        return
    await exchange.send({"type": "http.response.body", "body": b""})
