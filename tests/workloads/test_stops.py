"""A gateway that is told to stop, or dies, in the middle: every hold ends once, and nothing half is sold as whole."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest

from farebox.base.usage import Usage
from farebox.dataplane.call import Watermark
from farebox.dataplane.rules import Ending, Facts, judge
from farebox.dialects.usage import Reported
from farebox.wiring.settings import Server
from tests.database import TestCluster
from tests.gateway import serve_gateway, until
from tests.workloads.forms import CONTENT_TYPE, File, form
from tests.workloads.raw import RawExchange, RawUpstream
from tests.workloads.shop import catalog_text


async def test_a_stop_ends_speech_pictures_and_uploads_without_a_charge(cluster: TestCluster, raw: RawUpstream) -> None:
    async def script(exchange: RawExchange) -> None:
        if b"/audio/speech" in exchange.line:
            await exchange.read_body()
            await exchange.start("audio/mpeg")
            await exchange.chunk(bytes(10_000))
        await exchange.wait_until_left()

    async def unfinished() -> AsyncIterator[bytes]:
        yield form(("model", "hear:raw"), File("file", bytes(1_500_000)))[:1_300_000]
        await asyncio.sleep(60)

    raw.script = script
    server = Server(graceful_shutdown_seconds=1.0)
    async with serve_gateway(cluster, catalog=catalog_text(raw.base_url), server=server) as gateway:
        customer = await gateway.new_customer()
        url, headers = gateway.url, customer.headers
        speech = {"model": "speak:raw", "input": "a long story", "voice": "alloy"}

        async def ask(path: str, **fields: Any) -> tuple[int, bytes]:
            async with gateway.session.post(
                url + path, headers={**headers, **fields.pop("more", {})}, **fields
            ) as seen:
                return seen.status, await seen.read()

        calls = [
            asyncio.ensure_future(ask("/v1/audio/speech", json=speech)),
            asyncio.ensure_future(ask("/v1/images/generations", json={"model": "piece:raw", "prompt": "x"})),
            asyncio.ensure_future(ask("/v1/audio/transcriptions", data=unfinished(), more=CONTENT_TYPE)),
        ]
        await until(lambda: len(raw.exchanges) == 3)
        await asyncio.sleep(0.2)
        await gateway.workers[0].stop()
        spoken, drawn, heard = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(spoken, aiohttp.ClientError), "sound that was cut looks whole"
        assert not isinstance(drawn, tuple) or drawn[0] == 500
        assert not isinstance(heard, tuple) or heard[0] >= 400
        await gateway.restart()
        for call in await customer.call_ids():
            receipt = await customer.receipt(call)
            assert receipt.call.charge_nanos == 0
            assert receipt.rule in ("gateway_stopped", "client_left_undelivered")
        assert await customer.held_nanos() == 0 and await customer.balance() == "10.00"


@pytest.mark.parametrize(("delivered", "rule"), [(0, "lost_undelivered"), (9, "lost_delivered_estimated")])
def test_the_watermark_of_speech_says_what_is_owed_when_the_gateway_dies(delivered: int, rule: str) -> None:
    counted = Reported(Usage(characters=7), basis="counted")
    mark = Watermark(delivered, counted, None, "r", "p", "v")
    read = msgspec.json.decode(msgspec.json.encode(mark), type=Watermark)
    verdict = judge(Facts(Ending.LOST, read.reported, 7, read.delivered_bytes, True))
    assert verdict.rule == rule
    assert verdict.usage == (counted.usage if delivered else None)
    assert verdict.cost_usage == counted.usage


def test_what_was_estimated_is_a_cost_at_twice_of_it_and_what_was_counted_is_not() -> None:
    usage = Usage(input_tokens=3, audio_milliseconds=500, characters=7, images=2)
    verdict = judge(Facts(Ending.ANSWERED, Reported(usage, basis="estimated"), 7, 9, True))
    assert (verdict.rule, verdict.usage) == ("usage_missing_estimated", usage)
    assert verdict.cost_usage == Usage(input_tokens=6, audio_milliseconds=1_000, characters=7, images=2)
