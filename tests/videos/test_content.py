"""Films on their way to the customer: whole, in ranges, cut, and from nowhere but their provider."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from farebox.base.clock import MICROS_PER_SECOND
from farebox.dataplane.videos.content import MAX_DOWNLOADS
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway, until
from tests.terms import TERMS
from tests.videos.conftest import QUICK
from tests.videos.films import Films, films_of, prompt
from tests.videos.shop import SECOND

BOTH = pytest.mark.parametrize("model", ["film", "veo"])
ENDED = {"completed", "failed"}


async def made(films: Films, *, model: str = "film", seconds: str = "4", **directives: Any) -> str:
    """The id of a film that is done."""
    video = await films.order(prompt(job_seconds=0.1, **directives), model=model, seconds=seconds)
    assert (await films.ended(video.id)).status in ENDED
    return video.id


async def fetch(films: Films, video_id: str, query: str = "", **headers: str) -> tuple[int, bytes, Any]:
    url = f"{films.customer.gateway.base_url}/videos/{video_id}/content{query}"
    named = {**films.customer.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with films.customer.gateway.session.get(url, headers=named, allow_redirects=False) as response:
        return response.status, await response.read(), response.headers


@BOTH
async def test_a_film_comes_whole_and_in_ranges(films: Films, model: str) -> None:
    video_id = await made(films, model=model)
    whole = await films.content(video_id)
    assert whole[4:8] == b"ftyp" and len(whole) > 100_000
    status, body, headers = await fetch(films, video_id)
    assert (status, headers["content-type"], headers["content-length"]) == (200, "video/mp4", str(len(whole)))
    assert body == whole and headers["accept-ranges"] == "bytes"
    status, body, headers = await fetch(films, video_id, range="bytes=100-199")
    assert (status, body, headers["content-range"]) == (206, whole[100:200], f"bytes 100-199/{len(whole)}")
    status, body, _ = await fetch(films, video_id, range="bytes=-7")
    assert (status, body) == (206, whole[-7:])
    status, body, headers = await fetch(films, video_id, range=f"bytes={len(whole)}-")
    assert (status, body, headers["content-range"]) == (416, b"", f"bytes */{len(whole)}")
    session, url = films.customer.gateway.session, f"{films.customer.gateway.base_url}/videos/{video_id}/content"
    async with session.head(url, headers=films.customer.headers) as response:
        assert (response.status, response.headers["content-length"]) == (200, str(len(whole)))


async def test_previews_are_there_where_the_provider_has_them(films: Films) -> None:
    video_id = await made(films)
    for variant in ("thumbnail", "spritesheet"):
        status, body, headers = await fetch(films, video_id, f"?variant={variant}")
        assert (status, headers["content-type"], body[:4]) == (200, "image/png", b"\x89PNG")
    google = await made(films, model="veo")
    for asked, query in ((google, "?variant=thumbnail"), (video_id, "?variant=poster")):
        answer = await films.customer.get(f"/v1/videos/{asked}/content{query}", status=400)
        assert (answer["error"]["code"], answer["error"]["param"]) == ("invalid_request", "variant")


async def test_there_is_nothing_to_fetch_before_the_end_and_of_a_failure(films: Films) -> None:
    video = await films.order(prompt(job_seconds=1.5))
    error = (await films.customer.get(f"/v1/videos/{video.id}/content", status=409))["error"]
    assert error["code"] == "job_not_finished" and error["status"] in ("queued", "in_progress")
    await films.ended(video.id)
    failed = await made(films, job_fails={})
    assert "failed" in (await films.customer.get(f"/v1/videos/{failed}/content", status=404))["error"]["message"]


@BOTH
async def test_a_film_that_the_provider_let_go_is_gone_here_as_well(films: Films, model: str) -> None:
    video_id = await made(films, model=model, job_expires_seconds=4.0)
    assert (await fetch(films, video_id))[0] == 200
    await asyncio.sleep(4.0)
    error = (await films.customer.get(f"/v1/videos/{video_id}/content", status=404))["error"]
    assert error["code"] == "not_found" and "gone" in error["message"]
    assert (await films.show(video_id)).status == "completed"


async def test_a_film_that_was_cut_never_looks_whole(films: Films, gateway: RunningGateway) -> None:
    video_id = await made(films)
    await gateway.set_faults("film-up", {"cut_at_byte": 70_000})
    try:
        with pytest.raises(aiohttp.ClientPayloadError):
            await fetch(films, video_id)
    finally:
        await gateway.set_faults("film-up", {})
    assert (await fetch(films, video_id))[0] == 200


@pytest.mark.parametrize(
    "fault, status, code",
    [
        ({"status": 500}, 502, "upstream_exception"),
        ({"status": 429, "retry_after_seconds": 9}, 429, "rate_limit_exceeded"),
        ({"redirect": "http://127.0.0.1:9/"}, 502, "upstream_exception"),
        ({"drop_before_headers": True}, 502, "upstream_exception"),
    ],
)
async def test_a_provider_that_fails_to_send_a_film_is_told(
    films: Films, gateway: RunningGateway, fault: dict[str, Any], status: int, code: str
) -> None:
    video_id = await made(films)
    await gateway.set_faults("film-up", fault)
    try:
        answer = await films.customer.get(f"/v1/videos/{video_id}/content", status=status)
    finally:
        await gateway.set_faults("film-up", {})
    assert answer["error"]["code"] == code


async def test_a_client_that_leaves_ends_the_providers_side(films: Films, gateway: RunningGateway) -> None:
    video_id = await made(films, seconds="60")
    await gateway.set_faults("film-up", {"chunk_delay_seconds": 0.2})
    url = f"{gateway.base_url}/videos/{video_id}/content"
    async with gateway.session.get(url, headers=films.customer.headers) as response:
        await response.content.readany()
        assert await open_requests(gateway) >= 1
        response.close()
    await gateway.set_faults("film-up", {})
    async with asyncio.timeout(5):
        while await open_requests(gateway):
            await asyncio.sleep(0.05)
    await until(lambda: not gateway.parts.calls.taken)


async def test_a_workspace_does_not_take_all_places_by_fetching_slowly(films: Films, gateway: RunningGateway) -> None:
    video_id = await made(films, seconds="60")
    await gateway.set_faults("film-up", {"chunk_delay_seconds": 0.2})
    url = f"{gateway.base_url}/videos/{video_id}/content"
    async with contextlib.AsyncExitStack() as slow:
        for _ in range(MAX_DOWNLOADS):
            response = await slow.enter_async_context(gateway.session.get(url, headers=films.customer.headers))
            assert response.status == 200
        status, body, headers = await fetch(films, video_id)
        assert (status, headers["retry-after"]) == (503, "5") and b"capacity_exhausted" in body
        async with films_of(await gateway.new_customer()) as others:
            assert (await fetch(others, await made(others, model="veo")))[0] == 200
    await gateway.set_faults("film-up", {})
    await until(lambda: not gateway.parts.calls.taken)
    assert not gateway.parts.downloads
    assert (await fetch(films, video_id))[0] == 200


async def open_requests(gateway: RunningGateway) -> int:
    async with gateway.session.get(f"{gateway.sandbox.url}/sandbox/open") as response:
        found = await response.json()
    return int(found["open_requests"]) + int(found["open_streams"])


# ── a provider that names strange addresses ───────────────────────────────────────────────────────────────────────

KEY = "raw-provider-key"
RAW_CATALOG = (
    TERMS
    + """
[providers.raw]
display_name  = "raw"
base_url      = "{url}/v1"
api_key_env   = "FAREBOX_TEST_RAW_KEY"
video_dialect = "veo"
auth          = "x-goog-api-key"

[providers.raw-open]
display_name  = "raw-open"
base_url      = "{url}/v1"

[models.raw-open]
display_name = "raw-open"
workload     = "video"

[routes."raw-open/raw-open"]
price = {{ per_second_video = "0.10" }}
cost  = {{ per_second_video = "0.05" }}

[models.raw]
display_name = "raw"
workload     = "video"

[routes."raw/raw"]
price = {{ per_second_video = "0.10" }}
cost  = {{ per_second_video = "0.05" }}
"""
)


class Raw:
    """A provider whose film is wherever the test says (Google's form) or gone when the test says (OpenAI's), and a
    neighbour that nobody should ask."""

    def __init__(self) -> None:
        self.uri = ""
        self.redirect = ""
        self.expires_at = 0
        self.asked: list[tuple[str, str | None, str | None]] = []  # path, key, range
        self.strange: list[str] = []
        self.url = self.elsewhere = ""

    async def _provider(self, request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            return web.json_response({"name": "models/raw/operations/one", "id": "one"})
        if request.path == "/v1/videos/one":
            return web.json_response({"id": "one", "status": "completed", "expires_at": self.expires_at})
        if "operations" in request.path:
            answer = {"generateVideoResponse": {"generatedSamples": [{"video": {"uri": self.uri}}]}}
            return web.json_response({"name": "models/raw/operations/one", "done": True, "response": answer})
        self.asked.append((request.path, request.headers.get("x-goog-api-key"), request.headers.get("range")))
        if request.path == "/v1/files/moved":
            return web.Response(status=302, headers={"location": self.redirect})
        return web.Response(body=b"a film", content_type="text/html")

    async def _neighbour(self, request: web.Request) -> web.StreamResponse:
        self.strange.append(request.path)
        return web.Response(body=b"secrets")

    async def serve(self, stack: list[web.AppRunner]) -> None:
        for name, handler in (("url", self._provider), ("elsewhere", self._neighbour)):
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", handler)
            runner = web.AppRunner(app)
            await runner.setup()
            stack.append(runner)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            setattr(self, name, f"http://127.0.0.1:{runner.addresses[0][1]}")


@pytest.fixture(scope="module")
async def raw(cluster: TestCluster, sandbox: RunningSandbox) -> AsyncIterator[tuple[Raw, RunningGateway]]:
    upstream, runners = Raw(), list[web.AppRunner]()
    await upstream.serve(runners)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAREBOX_TEST_RAW_KEY", KEY)
        catalog = RAW_CATALOG.format(url=upstream.url)
        async with serve_gateway(cluster, sandbox=sandbox, catalog=catalog, videos=QUICK) as gateway:
            yield upstream, gateway
    for runner in runners:
        await runner.cleanup()


async def test_a_film_is_fetched_at_its_provider_with_the_key_in_a_header(raw: tuple[Raw, RunningGateway]) -> None:
    upstream, gateway = raw
    upstream.uri = f"{upstream.url}/v1/files/moved?alt=media"
    upstream.redirect = "/v1/download/real?alt=media"
    upstream.asked.clear()
    async with films_of(await gateway.new_customer()) as films:
        video_id = await made(films, model="raw")
        status, body, headers = await fetch(films, video_id, range="bytes=0-2")
    assert (status, body) == (200, b"a film")
    assert upstream.asked == [("/v1/files/moved", KEY, "bytes=0-2"), ("/v1/download/real", KEY, "bytes=0-2")]
    # No browser is to run what a provider sends.
    assert (headers["content-type"], headers["x-content-type-options"]) == ("application/octet-stream", "nosniff")


async def test_nobody_else_is_asked_whatever_a_provider_says(raw: tuple[Raw, RunningGateway]) -> None:
    upstream, gateway = raw
    host = upstream.url.removeprefix("http://")
    async with films_of(await gateway.new_customer()) as films:
        for uri in (
            f"{upstream.elsewhere}/internal",
            f"http://{host}@{upstream.elsewhere.removeprefix('http://')}/",
            f"https://{host}/other-scheme",
            "file:///etc/passwd",
            "//169.254.169.254/latest",
        ):
            # Nobody can have such a film, so nobody pays for it.
            upstream.uri = uri
            video_id = await made(films, model="raw")
            assert (await fetch(films, video_id))[0] == 404, uri
            receipt = await films.receipt(video_id)
            cost = (receipt.rule, receipt.call.charge_nanos, receipt.operator.cost_nanos)
            assert cost == ("job_failed", 0, 2 * SECOND), uri
        upstream.uri = f"{upstream.url}/v1/files/moved"
        for target in (f"{upstream.elsewhere}/internal", "http://169.254.169.254/", "/v1/files/moved", ""):
            upstream.redirect = target
            video_id = await made(films, model="raw")
            assert (await fetch(films, video_id))[0] == 502, target
    assert upstream.strange == []


@pytest.mark.parametrize(("lasting_seconds", "rule"), [(-1, "job_expired"), (3_600, "job_completed")])
async def test_a_film_that_was_gone_before_anybody_could_fetch_it_is_not_charged(
    raw: tuple[Raw, RunningGateway], lasting_seconds: int, rule: str
) -> None:
    upstream, gateway = raw
    upstream.expires_at = gateway.clock() // MICROS_PER_SECOND + lasting_seconds
    async with films_of(await gateway.new_customer()) as films:
        video_id = await made(films, model="raw-open")
        receipt = await films.receipt(video_id)
    charged = 4 * SECOND if rule == "job_completed" else 0
    assert (receipt.rule, receipt.call.charge_nanos, receipt.operator.cost_nanos) == (rule, charged, 2 * SECOND)
