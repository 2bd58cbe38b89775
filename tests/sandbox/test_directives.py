"""Every directive does what the README says, seen from a raw HTTP client."""

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import farebox_sandbox
from farebox_sandbox.faults import Directives

from .conftest import Upstream

USAGE: dict[str, Any] = {"stream_options": {"include_usage": True}}


def events(lines: list[bytes]) -> list[Any]:
    """The JSON events of a stream, without its end marker."""
    return [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]


def text_of(lines: list[bytes]) -> str:
    choices = [choice for event in events(lines) for choice in event["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def test_the_readme_lists_exactly_the_directives_of_the_code() -> None:
    readme = (Path(farebox_sandbox.__file__).parent / "README.md").read_text()
    section = readme.split("## Directives")[1].split("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == sorted(Directives.__struct_fields__)


async def test_text_and_words_decide_the_answer(upstream: Upstream) -> None:
    async with upstream.chat(sandbox={"text": "só isto"}) as response:
        assert (await response.json())["choices"][0]["message"]["content"] == "só isto"
    async with upstream.chat(sandbox={"words": 325}) as response:
        body = await response.read()
        assert json.loads(body)["usage"]["completion_tokens"] == 325
        assert 1300 < len(body) < 1800


async def test_chunks_decides_how_many_pieces_a_text_is_cut_into(upstream: Upstream) -> None:
    await upstream.stream_lines(sandbox={"words": 50, "chunks": 7})
    await upstream.stream_lines(sandbox={"words": 50})
    assert [call["chunks_sent"] for call in await upstream.calls()] == [7, 50]


async def test_cached_tokens_and_service_tier_are_reported(upstream: Upstream) -> None:
    async with upstream.chat(sandbox={"cached_tokens": 5, "service_tier": "flex"}) as response:
        answer = await response.json()
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == 5
    assert answer["service_tier"] == "flex"
    lines = await upstream.stream_lines(sandbox={"service_tier": "flex"})
    assert {event["service_tier"] for event in events(lines)} == {"flex"}


async def test_delay_comes_before_the_headers_and_first_byte_delay_after(upstream: Upstream) -> None:
    for directive, early in (("delay_seconds", False), ("first_byte_delay_seconds", True)):
        started = time.monotonic()
        async with upstream.chat(sandbox={directive: 0.15}) as response:
            headers_seconds = time.monotonic() - started
            await response.read()
        assert time.monotonic() - started >= 0.15
        assert (headers_seconds < 0.15) is early


async def test_chunks_are_paced(upstream: Upstream) -> None:
    started = time.monotonic()
    async with upstream.chat(stream=True, sandbox={"words": 4, "chunk_delay_seconds": 0.05}) as response:
        reads = [data async for data in response.content.iter_any()]
    assert time.monotonic() - started >= 0.15
    assert len(reads) >= 4


async def test_a_stream_can_stall_in_its_middle(upstream: Upstream) -> None:
    directives = {"words": 5, "idle_after_chunks": 2, "idle_seconds": 5}
    async with upstream.chat(stream=True, sandbox=directives) as response:
        received = b""
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                async for data in response.content.iter_any():
                    received += data
    assert text_of(received.split(b"\n")) == "the fox"


async def test_a_slow_reader_takes_its_time_for_the_request_body(upstream: Upstream) -> None:
    await upstream.control("PUT", "faults", {"slow_reader": 0.05})
    started = time.monotonic()
    async with upstream.chat("x" * 1_000_000) as response:
        assert response.status == 200
    assert time.monotonic() - started >= 0.15


async def test_a_status_is_an_error_in_openai_shape(upstream: Upstream) -> None:
    directives = {"status": 429, "retry_after_seconds": 7, "error_message": "slow down", "error_code": "busy"}
    async with upstream.chat(sandbox=directives) as response:
        assert (response.status, response.headers["retry-after"]) == (429, "7")
        error = {"message": "slow down", "type": "requests", "param": None, "code": "busy"}
        assert await response.json() == {"error": error}


async def test_a_redirect_names_its_location(upstream: Upstream) -> None:
    async with upstream.chat(sandbox={"redirect": "http://127.0.0.1:9/elsewhere"}) as response:
        assert (response.status, response.headers["location"]) == (302, "http://127.0.0.1:9/elsewhere")


async def test_a_dropped_request_gets_no_byte(upstream: Upstream) -> None:
    with pytest.raises(aiohttp.ServerDisconnectedError):
        async with upstream.chat(sandbox={"drop_before_headers": True}):
            pass
    assert [(call["status"], call["completed"]) for call in await upstream.calls()] == [(None, False)]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("cut", [0, 1, 300])
async def test_a_cut_is_a_truncated_transfer_of_exactly_that_many_bytes(
    upstream: Upstream, stream: bool, cut: int
) -> None:
    async with upstream.chat(stream=stream, sandbox={"cut_at_byte": cut, "words": 100}) as response:
        assert response.status == 200
        received = b""
        with pytest.raises(aiohttp.ClientPayloadError):
            async for data in response.content.iter_any():
                received += data
    assert len(received) == cut
    call = (await upstream.calls())[0]
    assert (call["bytes_sent"], call["completed"], call["client_disconnected"]) == (cut, False, False)


async def test_a_cut_closes_the_connection_although_the_length_was_announced(upstream: Upstream) -> None:
    host, port = upstream.sandbox.url.removeprefix("http://").split(":")
    body = json.dumps({"model": "m", "messages": [{"role": "user"}], "sandbox": {"cut_at_byte": 10}})
    reader, writer = await asyncio.open_connection(host, int(port))
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sandbox-key\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
    headers, _, received = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
    writer.close()
    announced = re.search(rb"content-length: (\d+)", headers)
    assert announced is not None
    assert int(announced[1]) > 10 == len(received)


async def test_garbage_is_not_json(upstream: Upstream) -> None:
    for directives, status in (({"garbage": True}, 200), ({"garbage": True, "status": 502}, 502)):
        async with upstream.chat(sandbox=directives) as response:
            assert response.status == status
            assert (await response.read()).startswith(b"<html>")
    lines = await upstream.stream_lines(sandbox={"garbage": True})
    assert b'data: {"id": "chatcmpl-garbage", "choices": [' in lines
    assert b"not a field of any event" in lines
    assert lines[-3] == b"data: [DONE]"


async def test_oversize_is_one_huge_body_or_one_huge_event(upstream: Upstream) -> None:
    size = 1_000_000
    async with upstream.chat(sandbox={"oversize_bytes": size}) as response:
        assert int(response.headers["content-length"]) > size
        assert (await response.json())["usage"]["completion_tokens"] < 100
    lines = await upstream.stream_lines(sandbox={"oversize_bytes": size})
    assert sum(len(line) > size for line in lines) == 1


async def test_an_error_event_ends_the_stream_in_its_middle(upstream: Upstream) -> None:
    lines = await upstream.stream_lines(sandbox={"error_mid_stream": 2, "words": 5, "error_code": "overloaded"})
    *chunks, last = events(lines)
    assert len(chunks) == 3  # the role and two pieces
    assert last["error"]["code"] == "overloaded"
    assert b"data: [DONE]" not in lines


async def test_a_stream_may_end_without_its_marker_or_its_finish_reason(upstream: Upstream) -> None:
    lines = await upstream.stream_lines(sandbox={"no_done": True})
    assert b"data: [DONE]" not in lines
    assert events(lines)[-1]["choices"][0]["finish_reason"] == "stop"
    lines = await upstream.stream_lines(sandbox={"no_finish": True})
    assert b"data: [DONE]" in lines
    assert all(event["choices"][0]["finish_reason"] is None for event in events(lines))
    async with upstream.chat(sandbox={"no_finish": True}) as response:
        assert (await response.json())["choices"][0]["finish_reason"] is None


async def test_headers_can_be_wrong_or_too_many(upstream: Upstream) -> None:
    directives = {"wrong_content_type": "text/html", "extra_headers": {"X-Upstream-Org": "org-secret"}}
    for stream in (False, True):
        async with upstream.chat(stream=stream, sandbox=directives) as response:
            assert response.headers["content-type"] == "text/html"
            assert response.headers["x-upstream-org"] == "org-secret"


async def test_usage_can_be_missing(upstream: Upstream) -> None:
    async with upstream.chat(sandbox={"no_usage": True}) as response:
        assert "usage" not in await response.json()
    lines = await upstream.stream_lines(sandbox={"no_usage": True}, **USAGE)
    assert all("usage" not in event and event["choices"] for event in events(lines))


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        "many",
        {},
        {"prompt_tokens": -1, "completion_tokens": "7", "total_tokens": 1.5},
        {"prompt_tokens": 10**30, "prompt_tokens_details": {"cached_tokens": 10**31}},
    ],
)
async def test_usage_can_be_replaced_by_anything(upstream: Upstream, usage: Any) -> None:
    async with upstream.chat(sandbox={"usage": usage}) as response:
        assert (await response.json())["usage"] == usage
    lines = await upstream.stream_lines(sandbox={"usage": usage}, **USAGE)
    assert events(lines)[-1]["usage"] == usage


async def test_usage_can_come_with_every_chunk(upstream: Upstream) -> None:
    lines = await upstream.stream_lines(sandbox={"usage_every_chunk": True, "words": 3})
    assert [event["usage"]["completion_tokens"] for event in events(lines)] == [0, 1, 2, 3, 3]
    assert all(event["choices"] for event in events(lines))


async def test_a_stream_without_the_option_has_no_usage_at_all(upstream: Upstream) -> None:
    assert all("usage" not in event for event in events(await upstream.stream_lines()))


async def test_line_ends_can_be_crlf(upstream: Upstream) -> None:
    lines = await upstream.stream_lines(sandbox={"crlf": True})
    assert all(line.endswith(b"\r") for line in lines[:-1])
    assert lines[-1] == b""


async def test_a_body_can_come_in_tiny_pieces(upstream: Upstream) -> None:
    plain = text_of(await upstream.stream_lines("Grüße 🎈"))
    async with upstream.chat("Grüße 🎈", stream=True, sandbox={"split_bytes": 1}) as response:
        pieces = [data async for data, _ in response.content.iter_chunks()]
    assert max(len(piece) for piece in pieces) == 1
    assert text_of(b"".join(pieces).split(b"\n")) == plain


async def test_comments_can_come_between_chunks(upstream: Upstream) -> None:
    lines = await upstream.stream_lines(sandbox={"keepalive_comments": True, "words": 3})
    assert lines.count(b": sandbox keep-alive") == 3


async def test_an_unknown_directive_is_refused(upstream: Upstream) -> None:
    async with upstream.chat(sandbox={"chunk_delay": 1}) as response:
        assert response.status == 400
        assert "chunk_delay" in (await response.json())["error"]["message"]
    await upstream.control("PUT", "faults", {"status": "bad"}, status=400)
