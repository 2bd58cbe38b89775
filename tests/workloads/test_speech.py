"""Speech through the official SDK: as bytes and as events, by character, second and token; and what breaks it off."""

import asyncio
import contextlib
from typing import Any

import aiohttp
import openai
import pytest

from tests.dataplane.outcomes import Books, books_of, see
from tests.gateway import Customer, RunningGateway, until
from tests.workloads.raw import RawExchange, RawUpstream
from tests.workloads.shop import CHARACTER, SECOND, SOUND_OUT, TEXT_IN

TEXT = "It is a truth universally acknowledged."
SOUND = bytes(range(256)) * 40


async def books(customer: Customer) -> Books:
    (call,) = await customer.call_ids()
    return await books_of(customer, call)


@pytest.mark.parametrize("form", ["mp3", "wav", "pcm", "opus", "aac", "flac"])
async def test_speech_is_charged_by_character(
    client: openai.AsyncOpenAI, customer: Customer, gateway: RunningGateway, form: Any
) -> None:
    answer = await client.audio.speech.with_raw_response.create(
        model="speak", input=TEXT, voice="alloy", response_format=form
    )
    sound = answer.parse().content
    assert len(sound) > 1_000
    assert answer.headers["content-type"].startswith("audio/")
    assert answer.headers["x-farebox-held-usd"] == "0.000585"
    found = await books(customer)
    assert (found.receipt.rule, found.receipt.call.evidence) == ("counted_units", "C")
    assert found.receipt.call.charge_nanos == found.receipt.call.held_nanos == len(TEXT) * CHARACTER
    assert found.receipt.call.dialect == "audio"
    assert (await gateway.upstream_calls("speak-up"))[-1]["bytes_sent"] == len(sound)


async def test_speech_without_a_report_of_tokens_is_estimated_low(
    client: openai.AsyncOpenAI, customer: Customer
) -> None:
    await client.audio.speech.create(model="speak-tokens", input=TEXT, voice="alloy", instructions="be calm")
    found = await books(customer)
    assert (found.receipt.rule, found.receipt.call.evidence) == ("usage_missing_estimated", "C")
    # 39 characters and 7 of instructions: 46 bytes read are 12 tokens; each character that is spoken is one.
    assert found.receipt.call.charge_nanos == 12 * TEXT_IN + 39 * SOUND_OUT
    assert found.receipt.call.held_nanos == (46 + 64) * TEXT_IN + (64 + 39 * 12) * SOUND_OUT


@pytest.mark.parametrize(("speed", "spoken"), [(0.25, 39), (1, 39), (1.5, 26), (4, 10)])
async def test_who_hurries_gets_fewer_tokens(customer: Customer, speed: Any, spoken: int) -> None:
    await see(customer.post("/v1/audio/speech", speech("speak-tokens", input=TEXT, speed=speed)))
    assert (await books(customer)).receipt.call.charge_nanos == 10 * TEXT_IN + spoken * SOUND_OUT


async def test_speech_by_the_second_is_estimated_low(client: openai.AsyncOpenAI, customer: Customer) -> None:
    await client.audio.speech.create(model="speak-seconds", input=TEXT, voice="alloy")
    found = await books(customer)
    # 39 characters at 25 a second are 1.56 seconds.
    assert found.receipt.call.charge_nanos == 156 * SECOND // 100
    assert found.receipt.call.held_nanos == (39 + 10) * SECOND


async def speak_events(client: openai.AsyncOpenAI, model: str, **sandbox: Any) -> list[bytes]:
    async with client.audio.speech.with_streaming_response.create(
        model=model, input=TEXT, voice="alloy", stream_format="sse", extra_body={"sandbox": sandbox}
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [line.encode() async for line in answer.iter_lines() if line.startswith("data:")]


async def test_events_of_speech_tell_the_tokens(client: openai.AsyncOpenAI, customer: Customer) -> None:
    usage = {"input_tokens": 9, "output_tokens": 50, "total_tokens": 59}
    events = await speak_events(client, "speak-tokens", usage=usage)
    assert len(events) > 2 and b"speech.audio.done" in events[-1] and b"speech.audio.delta" in events[0]
    found = await books(customer)
    assert (found.receipt.rule, found.receipt.call.charge_nanos) == ("provider_usage", 9 * TEXT_IN + 50 * SOUND_OUT)


@pytest.mark.parametrize("report", ["many", {}, {"input_tokens": -1, "output_tokens": 1}])
async def test_a_malformed_report_of_speech_is_no_report(
    client: openai.AsyncOpenAI, customer: Customer, report: Any
) -> None:
    await speak_events(client, "speak-tokens", usage=report)
    found = await books(customer)
    assert found.receipt.rule == "usage_malformed_estimated"
    assert found.receipt.call.charge_nanos == 10 * TEXT_IN + 39 * SOUND_OUT


async def test_the_last_byte_waits_for_the_settlement(customer: Customer, raw: RawUpstream) -> None:
    go_on = asyncio.Event()

    async def script(exchange: RawExchange) -> None:
        await exchange.read_body()
        await exchange.start("audio/mpeg")
        await exchange.chunk(b"one")
        await exchange.chunk(b"two")
        await go_on.wait()
        await exchange.chunk(b"")

    raw.script = script
    async with customer.post("/v1/audio/speech", speech("speak:raw")) as response:
        assert response.headers["content-type"] == "audio/mpeg"
        assert await response.content.readexactly(5) == b"onetw"
        await asyncio.sleep(0.2)
        assert not response.content._buffer, "the last byte came too early"
        assert await customer.held_nanos() > 0
        go_on.set()
        assert await response.content.read() == b"o"
    assert (await books(customer)).receipt.rule == "counted_units"


def speech(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "input": TEXT, "voice": "alloy", **fields}


@pytest.mark.parametrize("how", ["cut", "stalled"])
async def test_speech_that_breaks_off_is_never_taken_for_whole(customer: Customer, raw: RawUpstream, how: str) -> None:
    async def script(exchange: RawExchange) -> None:
        await exchange.read_body()
        await exchange.start("audio/mpeg")
        for _ in range(3):
            await exchange.chunk(SOUND)
            await asyncio.sleep(0.02)
        if how == "stalled":
            await exchange.wait_until_left()

    raw.script = script
    with pytest.raises(aiohttp.ClientError):
        async with customer.post("/v1/audio/speech", speech("speak:raw-hasty")) as response:
            assert response.status == 200
            await response.read()
    found = await books(customer)
    assert found.receipt.rule == {"cut": "upstream_cut", "stalled": "upstream_timeout"}[how]
    assert found.receipt.call.charge_nanos == 0
    # The provider may bill for the whole text.
    assert found.receipt.operator.cost_nanos == len(TEXT) * CHARACTER


async def test_the_next_route_speaks_while_nothing_has_reached_the_client(
    customer: Customer, gateway: RunningGateway
) -> None:
    for faults in ({"status": 500}, {"drop_before_headers": True}, {"wrong_content_type": "text/html"}):
        await gateway.set_faults("speak-up-second", faults, times=1)
        seen = await see(customer.post("/v1/audio/speech", speech("speak:second")))
        assert seen.status == 200 and len(seen.body) > 1_000, faults
        receipt = await customer.receipt(seen.call_id)
        assert [attempt.provider for attempt in receipt.attempts] == ["plain", "second"]


async def test_who_leaves_during_speech_pays_for_the_text_once(customer: Customer, raw: RawUpstream) -> None:
    go_on = asyncio.Event()

    async def script(exchange: RawExchange) -> None:
        await exchange.read_body()
        await exchange.start("audio/mpeg")
        await exchange.chunk(SOUND)
        await exchange.chunk(SOUND)
        await go_on.wait()
        await exchange.chunk(b"")

    raw.script = script
    async with customer.post("/v1/audio/speech", speech("speak:raw")) as response:
        assert await response.content.readany()
    go_on.set()
    found = await books(customer)
    assert (found.receipt.rule, found.receipt.call.charge_nanos) == ("counted_units", len(TEXT) * CHARACTER)
    assert found.receipt.call.request_counted


@pytest.mark.parametrize(("after", "rule"), [(0, "client_left_undelivered"), (3, "counted_units")])
async def test_leaving_ends_speech_where_that_stops_the_bill(
    customer: Customer, gateway: RunningGateway, after: int, rule: str
) -> None:
    faults = {"words": 400, "chunk_delay_seconds": 0.05} if after else {"first_byte_delay_seconds": 5}
    request = customer.post("/v1/audio/speech", speech("speak:cancels", sandbox=faults))
    if after:
        async with request as response:
            for _ in range(after):
                await response.content.readany()
    else:
        task = asyncio.ensure_future(see(request))
        await until(lambda: gateway.parts.calls.taken)
        await asyncio.sleep(0.2)
        task.cancel()
    found = await books(customer)
    assert found.receipt.rule == rule
    assert found.receipt.call.charge_nanos == (len(TEXT) * CHARACTER if after else 0)


@pytest.mark.parametrize(
    ("faults", "status", "code", "rule"),
    [
        ({"status": 400}, 400, "", "upstream_rejected"),
        ({"status": 429}, 429, "rate_limit_exceeded", "upstream_limited"),
        ({"status": 500}, 502, "upstream_exception", "upstream_failed"),
        ({"drop_before_headers": True}, 502, "upstream_exception", "upstream_failed"),
        ({"cut_at_byte": 0}, 502, "upstream_exception", "upstream_failed"),
        ({"wrong_content_type": "text/html"}, 502, "upstream_exception", "upstream_failed"),
    ],
)
async def test_speech_that_does_not_begin_is_an_error_with_its_status(
    customer: Customer, faults: dict[str, Any], status: int, code: str, rule: str
) -> None:
    seen = await see(customer.post("/v1/audio/speech", speech("speak", sandbox=faults)))
    assert seen.status == status and (not code or seen.error["code"] == code)
    found = await books(customer)
    assert (found.receipt.rule, found.receipt.call.charge_nanos) == (rule, 0)


async def test_a_provider_that_is_too_slow_to_speak_is_told(customer: Customer) -> None:
    seen = await see(customer.post("/v1/audio/speech", speech("speak:hasty", sandbox={"delay_seconds": 5})))
    assert (seen.status, seen.error["code"]) == (504, "upstream_timeout")


@pytest.mark.parametrize("faults", [{"no_finish": True}, {"error_mid_stream": 1}, {"garbage": True}])
async def test_events_of_speech_that_break_off_end_with_an_error(customer: Customer, faults: dict[str, Any]) -> None:
    body = speech("speak-tokens", stream_format="sse", sandbox={"words": 40, **faults})
    seen = await see(customer.post("/v1/audio/speech", body))
    assert seen.error["code"] == "upstream_exception"
    assert b"speech.audio.done" not in seen.body
    found = await books(customer)
    assert (found.receipt.rule, found.receipt.call.charge_nanos) == ("upstream_cut", 0)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"input": "x" * 2_001}, "request_limit_exceeded", "input"),
        ({"input": ""}, "invalid_request", "input"),
        ({"input": ["x"]}, "invalid_request", "input"),
        ({"stream_format": "tape"}, "invalid_request", "stream_format"),
        ({"model": "hear-tokens"}, "invalid_request", "model"),
        ({"model": "embed"}, "invalid_request", "model"),
    ],
)
async def test_what_cannot_be_spoken_is_refused_before_anything_is_held(
    customer: Customer, fields: dict[str, Any], code: str, param: str
) -> None:
    seen = await see(customer.post("/v1/audio/speech", {**speech("speak"), **fields}))
    assert (seen.error["code"], seen.error["param"]) == (code, param)
    assert await customer.call_ids() == []


async def test_speech_needs_its_scope_and_its_money(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer(scopes=frozenset({"images", "embeddings"}))
    seen = await see(customer.post("/v1/audio/speech", speech("speak")))
    assert (seen.status, seen.error["required_scope"]) == (403, "audio")
    poor = await gateway.new_customer(balance_usd="0.000584")
    seen = await see(poor.post("/v1/audio/speech", speech("speak")))
    assert (seen.status, seen.error["code"], seen.error["required_usd"]) == (402, "insufficient_balance", "0.000585")


async def test_a_client_that_reads_slowly_does_not_make_the_provider_late(customer: Customer, raw: RawUpstream) -> None:
    async def script(exchange: RawExchange) -> None:
        await exchange.read_body()
        await exchange.start("audio/mpeg")
        for _ in range(300):
            await exchange.chunk(bytes(100_000))
        # From here on it is the provider who is waited for, in each of whose pauses it might be taken for late.
        for _ in range(8):
            await exchange.chunk(b"sound")
            await asyncio.sleep(0.2)
        await exchange.chunk(b"")

    raw.script = script
    async with customer.post("/v1/audio/speech", speech("speak:raw-hasty", input=TEXT)) as response:
        assert response.status == 200
        with contextlib.suppress(aiohttp.ClientError):
            for _ in range(20):
                await response.content.read(1_000_000)
                await asyncio.sleep(0.1)
            await response.content.read()
    async with asyncio.timeout(10):
        while await customer.held_nanos():
            await asyncio.sleep(0.1)
    (call,) = await customer.call_ids()
    assert (await customer.receipt(call)).call.charge_nanos == len(TEXT) * CHARACTER
