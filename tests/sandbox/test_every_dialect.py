"""Directives mean the same in every dialect, each in its own form, seen from a raw HTTP client."""

import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import aiohttp
import pytest

from .conftest import Upstream


class Dialect(NamedTuple):
    """How a test speaks one dialect: where, with what body, and where in an answer things are."""

    path: Callable[[bool], str]
    body: dict[str, Any]
    error_code: Callable[[Any], Any]
    finish: Callable[[Any], Any]
    usage_name: str
    end: bytes | None
    keepalive: bytes
    streams_in_body: bool = True


def messages(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


DIALECTS = {
    "openai_chat": Dialect(
        path=lambda stream: "/v1/chat/completions",
        body={"model": "m", "messages": messages("hi there"), "stream_options": {"include_usage": True}},
        error_code=lambda error: error["error"]["code"],
        finish=lambda answer: answer["choices"][0]["finish_reason"],
        usage_name="usage",
        end=b"data: [DONE]",
        keepalive=b": sandbox keep-alive",
    ),
    "openai_responses": Dialect(
        path=lambda stream: "/v1/responses",
        body={"model": "m", "input": "hi there"},
        error_code=lambda error: error["error"]["code"],
        finish=lambda answer: answer["status"].replace("in_progress", "") or None,
        usage_name="usage",
        end=b"event: response.completed",
        keepalive=b"event: keepalive",
    ),
    "anthropic_messages": Dialect(
        path=lambda stream: "/v1/messages?beta=true",
        body={"model": "m", "max_tokens": 5000, "messages": messages("hi there")},
        error_code=lambda error: error["error"]["type"],
        finish=lambda answer: answer["stop_reason"],
        usage_name="usage",
        end=b"event: message_stop",
        keepalive=b"event: ping",
    ),
    "gemini": Dialect(
        path=lambda stream: f"/v1beta/models/m:{'streamGenerateContent?alt=sse' if stream else 'generateContent'}",
        body={"contents": [{"role": "user", "parts": [{"text": "hi there"}]}]},
        error_code=lambda error: error["error"]["details"][0]["reason"],
        finish=lambda answer: answer["candidates"][0].get("finishReason"),
        usage_name="usageMetadata",
        end=None,
        keepalive=b": sandbox keep-alive",
        streams_in_body=False,
    ),
}


class Client:
    def __init__(self, upstream: Upstream, dialect: Dialect) -> None:
        self.upstream = upstream
        self.dialect = dialect

    def post(self, *, stream: bool = False, **directives: Any) -> Any:
        body = {**self.dialect.body, "sandbox": directives}
        if self.dialect.streams_in_body:
            body["stream"] = stream
        if not stream:
            body.pop("stream_options", None)
        return self.upstream.post(self.dialect.path(stream), body, anthropic_version="2026-10-21")

    async def whole(self, status: int = 200, **directives: Any) -> Any:
        async with self.post(**directives) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def lines(self, **directives: Any) -> list[bytes]:
        async with self.post(stream=True, **directives) as response:
            assert response.status == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            body: bytes = await response.read()
            return body.split(b"\n")


@pytest.fixture(params=DIALECTS)
def client(request: pytest.FixtureRequest, upstream: Upstream) -> Client:
    return Client(upstream, DIALECTS[request.param])


def events(lines: list[bytes]) -> list[Any]:
    return [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]


def texts(value: Any) -> list[str]:
    """Every string in a JSON value."""
    if isinstance(value, dict):
        return [text for one in value.values() for text in texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    return [value] if isinstance(value, str) else []


async def test_text_words_and_chunks_decide_the_answer(client: Client) -> None:
    assert "só isto" in texts(await client.whole(text="só isto"))
    await client.lines(words=50, chunks=7)
    await client.lines(words=50)
    assert [call["chunks_sent"] for call in await client.upstream.calls()] == [0, 7, 50]
    assert [call["completion_tokens"] for call in await client.upstream.calls()][1:] == [50, 50]


async def test_a_status_is_an_error_of_the_dialect(client: Client) -> None:
    directives: dict[str, Any] = {
        "status": 429,
        "retry_after_seconds": 7,
        "error_message": "slow down",
        "error_code": "busy",
    }
    async with client.post(**directives) as response:
        assert (response.status, response.headers["retry-after"]) == (429, "7")
        error = await response.json()
    assert client.dialect.error_code(error) == "busy"
    assert error["error"]["message"] == "slow down"


async def test_a_malformed_request_is_an_error_of_the_dialect(client: Client) -> None:
    path = client.dialect.path(False)
    bodies: list[Any] = [[], {}, {"model": 5}, {"contents": 5, "model": "m", "messages": 5, "input": 5}]
    for body in bodies:
        async with client.upstream.post(path, body, anthropic_version="2023-06-01") as response:
            assert response.status == 400
            assert (await response.json())["error"]["message"]


# fmt: off
_NAMES = (
    "type", "role", "content", "text", "parts", "messages", "input", "contents", "tools", "tool_choice", "function",
    "functionCall", "name", "id", "call_id", "args", "arguments", "output", "system", "thinking", "reasoning",
    "source", "data", "url", "image_url", "file", "functionResponse", "response", "inlineData", "generationConfig",
    "thinkingConfig", "response_format", "schema", "format", "stop", "n", "stream", "max_tokens", "toolConfig",
    "summary",
)
# fmt: on
_WORDS = (
    "",
    "text",
    "user",
    "assistant",
    "tool_result",
    "function_call",
    "reasoning",
    "image",
    "auto",
    "[[sandbox {",
    "x",
)


def anything(source: random.Random, depth: int = 0) -> Any:
    """A JSON value that is made of words which readers know, in places where they do not belong."""
    match source.randrange(8 if depth < 5 else 5):
        case 0:
            return source.choice((None, True, -1, 0, 1, 2.5, 10**30))
        case 1 | 2 | 3 | 4:
            return source.choice(_WORDS)
        case 5:
            return [anything(source, depth + 1) for _ in range(source.randrange(3))]
    return {source.choice(_NAMES): anything(source, depth + 1) for _ in range(source.randrange(5))}


async def test_no_shape_of_a_request_breaks_it(client: Client) -> None:
    source = random.Random(7)
    for _ in range(300):
        body = {**client.dialect.body, source.choice(_NAMES): anything(source)}
        for name in ("messages", "input", "contents"):
            if name in body and source.random() < 0.7:
                body[name] = [anything(source, 1) for _ in range(source.randrange(1, 4))]
        async with client.upstream.post(client.dialect.path(False), body, anthropic_version="2023-06-01") as response:
            assert response.status in (200, 400, 404), body
            await response.read()
    deep = b'{"messages":' + b"[" * 5000 + b"]" * 5000 + b"}"
    headers = {"authorization": f"Bearer {client.upstream.sandbox.api_key}"}
    url = client.upstream.sandbox.url + client.dialect.path(False)
    async with client.upstream.session.post(url, data=deep, headers=headers) as response:
        assert response.status == 400


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cut_is_a_truncated_transfer(client: Client, stream: bool) -> None:
    async with client.post(stream=stream, cut_at_byte=100, words=100) as response:
        received = b""
        with pytest.raises(aiohttp.ClientPayloadError):
            async for data in response.content.iter_any():
                received += data
    assert len(received) == 100


async def test_a_dropped_request_gets_no_byte_and_a_redirect_its_location(client: Client) -> None:
    with pytest.raises(aiohttp.ServerDisconnectedError):
        async with client.post(drop_before_headers=True):
            pass
    async with client.post(redirect="http://127.0.0.1:9/x") as response:
        assert (response.status, response.headers["location"]) == (302, "http://127.0.0.1:9/x")


async def test_garbage_is_not_json(client: Client) -> None:
    async with client.post(garbage=True) as response:
        assert (await response.read()).startswith(b"<html>")
    lines = await client.lines(garbage=True)
    assert b"not a field of any event" in lines
    with pytest.raises(json.JSONDecodeError):
        events(lines)


async def test_oversize_is_one_huge_body_or_one_huge_event(client: Client) -> None:
    size = 1_000_000
    assert max(map(len, texts(await client.whole(oversize_bytes=size)))) > size
    lines = await client.lines(oversize_bytes=size)
    assert sum(len(line) > size for line in lines) == 1
    assert events(lines)


async def test_an_error_event_ends_the_stream_in_its_middle(client: Client) -> None:
    lines = await client.lines(error_mid_stream=2, words=5, error_message="gone wrong", error_code="odd")
    assert "gone wrong" in texts(events(lines)[-1])
    assert "odd" in texts(events(lines)[-1])
    assert not [line for line in lines if client.dialect.end and line.startswith(client.dialect.end)]
    assert (await client.upstream.calls())[0]["chunks_sent"] == 2


async def test_a_stream_may_end_without_its_marker(client: Client) -> None:
    end = client.dialect.end
    if end is None:  # Gemini has none: nothing is missing
        assert len(await client.lines()) == len(await client.lines(no_done=True))
        return
    assert [line for line in await client.lines() if line.startswith(end)]
    assert not [line for line in await client.lines(no_done=True) if line.startswith(end)]


async def test_an_answer_may_lack_its_reason(client: Client) -> None:
    assert client.dialect.finish(await client.whole()) is not None
    assert client.dialect.finish(await client.whole(no_finish=True)) is None
    whole = b"\n".join(await client.lines(no_finish=True))
    for reason in (b'"finish_reason":"', b'"stop_reason":"', b'finishReason":"', b'"status":"completed","error"'):
        assert reason not in whole


async def test_an_answer_can_end_for_any_reason(client: Client) -> None:
    assert "odd_reason" in texts(await client.whole(finish="odd_reason"))
    assert "odd_reason" in texts(events(await client.lines(finish="odd_reason")))


async def test_usage_can_be_missing_or_replaced(client: Client) -> None:
    name = client.dialect.usage_name.encode()
    assert client.dialect.usage_name in await client.whole()
    assert client.dialect.usage_name not in await client.whole(no_usage=True)
    values: list[Any] = [None, [], "many", {"input_tokens": -1, "promptTokenCount": 10**30}]
    for usage in values:
        assert (await client.whole(usage=usage))[client.dialect.usage_name] == usage
        assert b'"%b":%b' % (name, json.dumps(usage, separators=(",", ":")).encode()) in b"".join(
            await client.lines(usage=usage)
        )
    assert b'"%b":{' % name not in b"".join(await client.lines(no_usage=True))


async def test_bytes_can_come_in_unusual_ways(client: Client) -> None:
    plain = await client.lines(text="Grüße 🎈")
    with_crlf = await client.lines(text="Grüße 🎈", crlf=True)
    assert all(line.endswith(b"\r") for line in with_crlf[:-1])
    assert len(with_crlf) == len(plain)
    async with client.post(stream=True, text="Grüße 🎈", split_bytes=1) as response:
        pieces = [data async for data, _ in response.content.iter_chunks()]
    assert max(map(len, pieces)) == 1
    assert len(b"".join(pieces).split(b"\n")) == len(plain)


async def test_keepalives_come_in_the_form_of_the_dialect(client: Client) -> None:
    usual = (await client.lines(words=3)).count(client.dialect.keepalive)
    assert (await client.lines(words=3, keepalive_comments=True)).count(client.dialect.keepalive) == usual + 3


async def test_something_unknown_comes_in_json_and_in_streams(client: Client) -> None:
    assert "unknown" in " ".join(texts(await client.whole(unknown_event=True)))
    found = [event for event in events(await client.lines(unknown_event=True)) if "unknown" in " ".join(texts(event))]
    assert found


async def test_headers_and_service_tier_are_what_was_asked_for(client: Client) -> None:
    async with client.post(extra_headers={"X-Org": "secret"}, wrong_content_type="text/html") as response:
        assert (response.headers["x-org"], response.headers["content-type"]) == ("secret", "text/html")
    assert "priority" in texts(await client.whole(service_tier="priority"))


async def test_an_unknown_directive_is_refused(client: Client) -> None:
    assert "chunk_delay" in (await client.whole(400, chunk_delay=1))["error"]["message"]


async def test_cached_and_written_tokens_are_counted_once(client: Client) -> None:
    usage = (await client.whole(cached_tokens=3, cache_write_tokens=2, cache_write_1h_tokens=1))[
        client.dialect.usage_name
    ]
    prompt = (await client.upstream.calls())[0]["prompt_tokens"]
    if "cache_creation" in usage:
        assert usage["cache_creation"] == {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 1}
        assert (usage["cache_read_input_tokens"], usage["input_tokens"]) == (3, prompt - 6)
        return
    told = usage.get("prompt_tokens", usage.get("input_tokens", usage.get("promptTokenCount")))
    assert told == prompt
    details = usage.get("prompt_tokens_details", usage.get("input_tokens_details", {}))
    assert details.get("cached_tokens", usage.get("cachedContentTokenCount")) == 3
    assert details.get("cache_write_tokens", 3) == 3
