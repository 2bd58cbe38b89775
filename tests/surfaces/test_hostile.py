"""Hostile clients and hostile providers, through real HTTP: whatever comes, nothing of ours breaks, every hold ends,
and the books agree. Bodies and answers are rich ones of each dialect with something wrong in random places.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest

from farebox.dialects.registry import UPSTREAMS
from farebox.dialects.sse import EventSplitter, data_of
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.gateway import Customer, RunningGateway, serve_gateway
from tests.surfaces.hostile import CHAT, MESSAGES, RESPONSES, raw_spoilt, spoilt
from tests.surfaces.shop import CATALOG
from tests.workloads.raw import RawExchange, RawUpstream, serve_raw_upstream

_BODIES = {"/v1/chat/completions": CHAT, "/v1/responses": RESPONSES, "/v1/messages": MESSAGES}
_REQUESTS = 100
_ANSWERS = 40
_AT_ONCE = 10
_HI = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4_000}
_LOOK: dict[str, Any] = {"name": "look", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}
# For an answer with everything in it: a thought, a text with a citation, and a call.
_ASKED: dict[str, dict[str, Any]] = {
    "openai_chat": _HI
    | {"tools": [{"type": "function", "function": _LOOK}], "tool_choice": "required", "reasoning_effort": "low"}
    | {"stream_options": {"include_usage": True}},
    "openai_responses": {
        "input": "hi",
        "tools": [{"type": "function", **_LOOK}],
        "tool_choice": "required",
        "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    },
    "anthropic_messages": _HI
    | {
        "tools": [{"name": "look", "input_schema": _LOOK["parameters"]}],
        "thinking": {"type": "enabled", "budget_tokens": 2_000},
    },
    "gemini": {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "tools": [{"functionDeclarations": [_LOOK]}],
        "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
    },
}
_SAMPLE = {"preamble": "A b c d e.", "citations": 1}
_RAW = """
[providers."raw-{name}"]
display_name = "{name}"
base_url     = "{base_url}"
dialects     = ["{name}"]

[models."raw-{name}"]
display_name      = "{name}"
context_tokens    = 200_000
max_output_tokens = 8_192
media_ceiling_tokens = {{ image = 1_000, file = 2_000, audio = 2_000 }}

[routes."raw/{name}"]
provider = "raw-{name}"
model    = "raw-{name}"
cost  = {{ input = "0.50", output = "2.50" }}
price = {{ input = "1.00", output = "5.00" }}
"""


@pytest.fixture(scope="module")
async def raw() -> AsyncIterator[RawUpstream]:
    async with serve_raw_upstream() as running:
        yield running


@pytest.fixture(scope="module")
async def hostile_gateway(
    cluster: TestCluster, sandbox: RunningSandbox, raw: RawUpstream
) -> AsyncIterator[RunningGateway]:
    entries = "".join(_RAW.format(name=name, base_url=raw.base_url) for name in UPSTREAMS)
    async with serve_gateway(cluster, sandbox=sandbox, catalog=CATALOG + entries) as running:
        yield running


@pytest.fixture
async def customer(hostile_gateway: RunningGateway) -> AsyncIterator[Customer]:
    yield await hostile_gateway.new_customer(balance_usd="1000")
    await hostile_gateway.idle()
    report = await hostile_gateway.verify()
    assert report.open_holds == 0


def _judge(status: int, content_type: str, body: bytes) -> str | None:
    """What is wrong with an answer of ours: a fault that we call our own, or an end that is none."""
    if b'"internal_error"' in body or status == 500:
        return f"{status}: {body[:300]!r}"
    if content_type.startswith("application/json"):
        found = msgspec.json.decode(body)
        return None if status == 200 or "error" in found or "detail" in found else f"{status}: {body[:300]!r}"
    splitter = EventSplitter(32_000_000)
    events = [data for event in splitter.feed(body) if (data := data_of(event)) is not None]
    ends = (b"[DONE]", b"response.completed", b"response.incomplete", b"message_stop", b'"error"', b"response.failed")
    whole = bool(events) and not splitter.rest and any(end in events[-1] for end in ends)
    return None if whole else f"the stream ends with {body[-300:]!r}"


async def _faults(customer: Customer, sent: list[tuple[str, bytes]]) -> list[str]:
    """Send everything, some at once; what was wrong with the answers."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(path: str, body: bytes) -> str | None:
        async with places, customer.post(path, body) as response:
            content_type = response.headers.get("content-type", "")
            found = _judge(response.status, content_type, await response.read())
            return None if found is None else f"{path} {body[:2_000]!r}: {found}"

    return [fault for fault in await asyncio.gather(*(one(*each) for each in sent)) if fault is not None]


def _requests(upstream: str, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    for path, rich in _BODIES.items():
        for number in range(_REQUESTS):
            body = spoilt(rich, chance, times=1 + number % 3)
            if isinstance(body, dict):
                body = {**body, "model": upstream, "stream": number % 2 == 0}
            encoded = msgspec.json.encode(body)
            yield path, raw_spoilt(encoded, chance) if number % 6 == 5 else encoded


@pytest.mark.parametrize("upstream", UPSTREAMS)
async def test_whatever_a_client_sends_nothing_of_ours_breaks(customer: Customer, upstream: str) -> None:
    chance = random.Random(f"clients of {upstream}")
    faults = await _faults(customer, list(_requests(upstream, chance)))
    assert not faults, "\n".join(faults)


async def _sample(gateway: RunningGateway, dialect: str, *, stream: bool) -> bytes:
    """A good answer of a dialect, by the sandbox."""
    sandbox = gateway.sandbox
    asked = {**_ASKED[dialect], "sandbox": _SAMPLE}
    if dialect != "gemini":
        asked |= {"model": "m", "stream": stream}
    key = {"authorization": f"Bearer {sandbox.api_key}", "x-api-key": sandbox.api_key}
    target = UPSTREAMS[dialect].target("m", stream)  # type: ignore[index]  # a name of ours
    headers = {**key, "x-goog-api-key": sandbox.api_key, **dict(target.headers)}
    async with gateway.session.post(sandbox.base_url + target.path, json=asked, headers=headers) as response:
        assert response.status == 200, await response.text()
        return await response.read()


def _spoilt_stream(sample: bytes, chance: random.Random) -> bytes:
    """A stream with events spoilt, lost, doubled or swapped, or cut anywhere."""
    events = EventSplitter(32_000_000).feed(sample)
    for _ in range(chance.choice((1, 1, 2))):
        place = chance.randrange(len(events))
        match chance.randrange(6):
            case 0:
                del events[place]
                events = events or [b": nothing\n\n"]
            case 1:
                events.insert(place, events[chance.randrange(len(events))])
            case 2:
                events[place] = raw_spoilt(events[place], chance)
            case _ if (data := data_of(events[place])) and data.startswith(b"{"):
                document = spoilt(msgspec.json.decode(data), chance, times=1)
                events[place] = events[place].replace(data, msgspec.json.encode(document))
            case _:
                events = events[: place + 1]
    return b"".join(events)


async def _play(raw: RawUpstream, content_type: str, bodies: Iterator[bytes], chance: random.Random) -> None:
    """Have the provider answer with these bodies, one after the other, in chunks of any size, some of them cut."""

    async def script(exchange: RawExchange) -> None:
        await exchange.read_body()
        body = next(bodies)
        await exchange.start(content_type)
        while body:
            size = chance.choice((1, 7, 100, 100_000))
            piece, body = body[:size], body[size:]
            await exchange.chunk(piece)
        if chance.random() < 0.9:
            await exchange.chunk(b"")

    raw.script = script


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_whatever_a_provider_answers_nothing_of_ours_breaks(
    hostile_gateway: RunningGateway, customer: Customer, raw: RawUpstream, upstream: str, stream: bool
) -> None:
    chance = random.Random(f"{upstream} {stream}")
    sample = await _sample(hostile_gateway, upstream, stream=stream)

    def bodies() -> Iterator[bytes]:
        while True:
            if stream:
                yield _spoilt_stream(sample, chance)
            elif chance.random() < 0.2:
                yield raw_spoilt(sample, chance)
            else:
                yield msgspec.json.encode(spoilt(msgspec.json.decode(sample), chance, times=chance.choice((1, 1, 3))))

    await _play(raw, "text/event-stream" if stream else "application/json", bodies(), chance)
    texts: dict[str, Any] = {path: {"messages": [{"role": "user", "content": "hi"}]} for path in _BODIES}
    texts["/v1/responses"] = {"input": "hi"}
    sent = [
        (path, msgspec.json.encode({**text, "model": f"raw-{upstream}", "stream": stream, "max_tokens": 40}))
        for path, text in texts.items()
        for _ in range(_ANSWERS)
    ]
    faults = await _faults(customer, sent)
    assert not faults, "\n".join(faults)
