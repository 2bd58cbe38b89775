"""No call to a provider reaches an address that is not public, unless the operator named its host."""

import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from farebox.base.limits import Upstream
from farebox.dialects.port import Target
from farebox.providers.accounts import Endpoint
from farebox.providers.client import FailureKind, UpstreamClient, UpstreamFailure, Waits, host_of
from farebox.providers.guard import LookUp, look_up_name
from farebox.wiring.settings import Settings
from farebox.wiring.upstream import private_hosts

WAITS = Waits(connect=5, first_byte=5, idle=5, total=10)


class _Inside:
    """A server on this machine, which nobody outside should reach."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.headers["host"])
        return web.Response(text="inside")


@pytest.fixture
async def inside() -> AsyncIterator[_Inside]:
    server = _Inside()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.port = runner.addresses[0][1]
    yield server
    await runner.cleanup()


@contextlib.asynccontextmanager
async def _client(*allowed: str, look_up: LookUp = look_up_name) -> AsyncIterator[UpstreamClient]:
    client = UpstreamClient(max_connections=4, allowed_private=frozenset(allowed), look_up=look_up)
    try:
        yield client
    finally:
        await client.close()


async def _ask(client: UpstreamClient, base_url: str) -> bytes:
    response = await client.post(Endpoint(base_url, None), Target("/chat"), b"{}", WAITS)
    try:
        return await response.body(1_000)
    finally:
        response.close()


async def _refusal(client: UpstreamClient, base_url: str) -> FailureKind:
    with pytest.raises(UpstreamFailure) as posted:
        await _ask(client, base_url)
    with pytest.raises(UpstreamFailure) as fetched:
        await client.fetch("GET", base_url, {}, WAITS)
    assert posted.value.kind is fetched.value.kind
    return posted.value.kind


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
async def test_nothing_is_sent_to_this_machine(inside: _Inside, host: str) -> None:
    async with _client() as client:
        assert await _refusal(client, f"http://{host}:{inside.port}") is FailureKind.REFUSED_ADDRESS
    assert not inside.asked


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "0177.0.0.1"])
async def test_no_other_spelling_of_this_machine_is_reached(inside: _Inside, host: str) -> None:
    async with _client("localhost", "127.0.0.1") as client:
        assert not (await _refusal(client, f"http://{host}:{inside.port}")).may_have_cost
    assert not inside.asked


async def test_nothing_is_sent_to_the_metadata_of_a_cloud() -> None:
    async with _client("localhost") as client:
        assert await _refusal(client, "http://169.254.169.254/latest") is FailureKind.REFUSED_ADDRESS


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:127.0.0.1"], ["fe80::1%lo"]])
async def test_a_name_is_refused_for_any_address_that_is_private(inside: _Inside, addresses: list[str]) -> None:
    async with _client(look_up=lambda host, port: addresses) as client:
        assert await _refusal(client, f"http://models.example:{inside.port}") is FailureKind.REFUSED_ADDRESS
    assert not inside.asked


async def test_a_host_that_the_operator_named_may_be_private(inside: _Inside) -> None:
    async with _client("models.example", look_up=lambda host, port: ["127.0.0.1"]) as client:
        assert await _ask(client, f"http://Models.Example:{inside.port}") == b"inside"
        # The connection that is open now belongs to that name: another one does not get it.
        assert await _refusal(client, f"http://other.example:{inside.port}") is FailureKind.REFUSED_ADDRESS
        assert await _refusal(client, f"http://127.0.0.1:{inside.port}") is FailureKind.REFUSED_ADDRESS
    assert len(inside.asked) == 1


async def test_a_name_that_changes_its_mind_is_refused_when_it_is_looked_up_again(inside: _Inside) -> None:
    answers = [["8.8.8.8", "127.0.0.1"], ["127.0.0.1"]]
    async with _client(look_up=lambda host, port: answers.pop(0)) as client:
        assert await _refusal(client, f"http://models.example:{inside.port}") is FailureKind.REFUSED_ADDRESS
    assert not answers and not inside.asked


async def test_a_name_without_an_address_is_not_refused_but_unreachable() -> None:
    async with _client(look_up=lambda host, port: []) as client:
        assert await _refusal(client, "http://nowhere.example") is FailureKind.CONNECT


def test_a_refused_address_costs_nothing() -> None:
    assert not FailureKind.REFUSED_ADDRESS.may_have_cost and not FailureKind.REFUSED_ADDRESS.timed_out


def test_by_default_only_this_machine_may_be_private() -> None:
    settings = Settings(config_path="farebox.toml", home_path="home")
    assert private_hosts(settings) == {"127.0.0.1", "::1", "localhost"}
    named = Settings(config_path="c", home_path="h", upstream=Upstream(private_hosts=("[fd00::7]", "GPU.lan")))
    assert private_hosts(named, "http://127.0.0.1:9/v1") == {"fd00::7", "gpu.lan", "127.0.0.1"}
    assert host_of("http://[fd00::7]:8000/v1") == "fd00::7" and host_of("https://GPU.lan/v1") == "gpu.lan"
