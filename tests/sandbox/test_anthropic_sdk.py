"""The official Anthropic SDK against the sandbox. Its types judge everything that the sandbox sends."""

import base64
import json
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import BaseModel, TypeAdapter

from farebox_sandbox.process import RunningSandbox

from .conftest import Upstream

OLD = {"anthropic-version": "2023-06-01"}
THINKING: Any = {"type": "enabled", "budget_tokens": 1024}
TOOL: Any = {
    "name": "get_weather",
    "description": "Weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def said(text: str) -> Any:
    return [{"role": "user", "content": text}]


async def ask(client: AsyncAnthropic, messages: Any, **fields: Any) -> Message:
    message = await client.messages.create(**{"model": "any", "max_tokens": 2000, "messages": messages, **fields})
    return strictly(message)


def strictly(message: Message) -> Message:
    """The SDK builds its objects without looking; this looks."""
    return TypeAdapter(Message).validate_json(message.to_json())


async def refused(client: AsyncAnthropic, messages: Any, **fields: Any) -> str:
    with pytest.raises(anthropic.BadRequestError) as error:
        await ask(client, messages, **fields)
    return str(error.value)


def answered(message: Message, *results: str) -> Any:
    """The turns after an answer with tool uses."""
    uses = [block.id for block in message.content if block.type == "tool_use"]
    content = [
        {"type": "tool_result", "tool_use_id": use, "content": result}
        for use, result in zip(uses, results, strict=True)
    ]
    return [message.to_param(), {"role": "user", "content": content}]


@pytest.mark.parametrize("headers", [{}, OLD])
async def test_the_answer_is_exactly_what_was_asked_for(
    anthropic_client: AsyncAnthropic, headers: dict[str, str]
) -> None:
    message = await ask(anthropic_client, said("Reply exactly: XYZ é"), extra_headers=headers)
    assert [block.to_dict() for block in message.content] == [{"type": "text", "text": "XYZ é"}]
    assert (message.stop_reason, message.model) == ("end_turn", "any")
    assert message.usage.output_tokens == 3


async def test_all_three_ways_to_show_the_key_are_understood(sandbox: RunningSandbox, upstream: Upstream) -> None:
    body = {"model": "m", "max_tokens": 5, "messages": said("hi")}
    async with AsyncAnthropic(base_url=sandbox.url, auth_token=sandbox.api_key) as client:
        await ask(client, said("hi"))
    async with upstream.post(
        "/v1/messages", body, authorization="", x_api_key=sandbox.api_key, **OLD_FIELDS
    ) as response:
        assert response.status == 200
        assert response.headers["request-id"] == response.headers["x-request-id"]
    async with upstream.post("/v1/messages", body, authorization="Bearer wrong", **OLD_FIELDS) as response:
        assert (response.status, (await response.json())["error"]["type"]) == (401, "authentication_error")


OLD_FIELDS = {"anthropic_version": "2023-06-01"}


async def test_a_version_is_required_and_known(upstream: Upstream) -> None:
    body = {"model": "m", "max_tokens": 5, "messages": said("hi")}
    for headers in ({}, {"anthropic_version": "2030-01-01"}):
        async with upstream.post("/v1/messages", body, **headers) as response:
            assert response.status == 400
            answer = await response.json()
            assert (answer["type"], answer["error"]["type"]) == ("error", "invalid_request_error")
            assert "anthropic-version" in answer["error"]["message"]


async def test_the_newer_version_refuses_what_it_has_dropped(anthropic_client: AsyncAnthropic) -> None:
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
    citation = {"type": "char_location", "cited_text": "x", "document_index": 0, "document_title": None}
    citation |= {"start_char_index": 0, "end_char_index": 1}
    cases: list[tuple[Any, dict[str, Any]]] = [
        (said("hi"), {"extra_body": {"temperature": 0.5}}),
        (said("hi"), {"extra_body": {"top_p": 0.5}}),
        (said("hi"), {"extra_body": {"top_k": 5}}),
        ([*said("hi"), {"role": "assistant", "content": [document]}, *said("go on")], {}),
        ([{"role": "user", "content": [{"type": "text", "text": "x", "citations": [citation]}]}], {}),
    ]
    for messages, fields in cases:
        assert "2026-10-21" in await refused(anthropic_client, messages, **fields)
        await ask(anthropic_client, messages, extra_headers=OLD, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"max_tokens": 5},
        {"thinking": {"type": "adaptive"}},
        {"tools": [TOOL]},
        {"stop_sequences": ["real"]},
        {"thinking": {"type": "adaptive", "display": "omitted"}, "tools": [TOOL]},
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"extra_body": {"sandbox": {"citations": 2, "service_tier": "priority"}}},
        {"thinking": {"type": "adaptive"}, "extra_body": {"sandbox": {"redacted_thinking": True}}},
        {"extra_body": {"sandbox": {"refusal": "I will not."}}},
        {"tools": [TOOL], "extra_body": {"sandbox": {"preamble": "Let me see.", "chunks": 2}}},
    ],
)
async def test_a_stream_folds_to_what_the_json_answer_is(
    anthropic_client: AsyncAnthropic, fields: dict[str, Any]
) -> None:
    messages = said("Please use tool get_weather, use web search, às ondas.")
    whole = await ask(anthropic_client, messages, **fields)
    asked = {"model": "any", "max_tokens": 2000, "messages": messages, **fields}
    async with anthropic_client.messages.stream(**asked) as stream:
        async for event in stream:
            assert event.type
        folded = strictly(await stream.get_final_message())
    assert shape(folded) == shape(whole)


def shape(message: Message) -> Any:
    """All but the ids, which are new each time, and the fields of usage that only the start tells."""
    told = json.loads(message.to_json())
    told["id"] = ""
    for block in told["content"]:
        for name in ("id", "tool_use_id"):
            if name in block:
                block[name] = ""
    return told


async def test_each_event_fits_the_types_and_ends_with_a_stop(upstream: Upstream) -> None:
    body = {
        "model": "m",
        "max_tokens": 2000,
        "messages": said("use tool get_weather"),
        "tools": [TOOL],
        "thinking": THINKING,
        "stream": True,
    }
    async with upstream.post("/v1/messages", body, **OLD_FIELDS) as response:
        lines = (await response.read()).decode().split("\n")
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert names == [event["type"] for event in events]
    for event in events:
        if event["type"] != "ping":
            TypeAdapter(RawMessageStreamEvent).validate_python(event)
    assert (names[0], names[-2:]) == ("message_start", ["message_delta", "message_stop"])


async def test_tools_go_over_three_turns_with_their_thinking(anthropic_client: AsyncAnthropic) -> None:
    fields: Any = {"tools": [TOOL], "thinking": THINKING}
    messages = said("use tool get_weather and use tool get_weather")
    first = await ask(anthropic_client, messages, **fields)
    assert [block.type for block in first.content] == ["thinking", "tool_use", "tool_use"]
    assert first.stop_reason == "tool_use"
    messages += [*answered(first, "sunny, 21", "rain"), {"role": "assistant", "content": "Done."}]
    messages += said("Now use tool get_weather")
    second = await ask(anthropic_client, messages, **fields)
    messages += answered(second, "snow!")
    third = await ask(anthropic_client, messages, **fields)
    assert third.content[-1].type == "text"
    assert "5 characters" in third.content[-1].text


async def test_thinking_that_comes_back_altered_is_refused(anthropic_client: AsyncAnthropic) -> None:
    fields: Any = {"tools": [TOOL], "thinking": THINKING}
    first = await ask(anthropic_client, said("use tool get_weather"), **fields)
    thought, use = (block.to_dict() for block in first.content)
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": "sunny"}

    def turns(*blocks: Any) -> Any:
        content = {"role": "user", "content": [result]}
        return [*said("use tool get_weather"), {"role": "assistant", "content": list(blocks)}, content]

    await ask(anthropic_client, turns(thought, use), **fields)
    for altered in ({"thinking": ""}, {"thinking": "other"}, {"signature": "AAAA"}):
        assert "signature" in await refused(anthropic_client, turns({**thought, **altered}, use), **fields)
    assert "Expected `thinking`" in await refused(anthropic_client, turns(use), **fields)
    await ask(anthropic_client, turns(use), tools=[TOOL])


async def test_redacted_and_omitted_thinking_come_back_as_they_were(anthropic_client: AsyncAnthropic) -> None:
    for fields, kind in (
        ({"thinking": THINKING, "extra_body": {"sandbox": {"redacted_thinking": True}}}, "redacted_thinking"),
        ({"thinking": {**THINKING, "display": "omitted"}}, "thinking"),
    ):
        asked: Any = {**fields, "tools": [TOOL]}
        first = await ask(anthropic_client, said("use tool get_weather"), **asked)
        assert first.content[0].type == kind
        messages = [*said("use tool get_weather"), *answered(first, "sunny")]
        await ask(anthropic_client, messages, **asked)
        messages[1]["content"][0] = {"type": "redacted_thinking", "data": "AAAA"}
        assert "Invalid `data`" in await refused(anthropic_client, messages, **asked)


async def test_tool_uses_and_results_must_fit(anthropic_client: AsyncAnthropic) -> None:
    first = await ask(anthropic_client, said("use tool get_weather"), tools=[TOOL])
    start = said("use tool get_weather")
    assert "without `tool_result`" in await refused(anthropic_client, [*start, first.to_param(), *said("well?")])
    _, results = answered(first, "sunny")
    assert "unexpected `tool_use_id`" in await refused(anthropic_client, [*start, results])


async def test_media_is_counted_and_described(anthropic_client: AsyncAnthropic) -> None:
    data = base64.b64encode(b"x" * 60).decode()
    parts: Any = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data}},
    ]
    text: Any = {"type": "text", "text": "Describe what you got"}
    plain = await ask(anthropic_client, [{"role": "user", "content": [text]}], system="Be kind")
    message = await ask(anthropic_client, [{"role": "user", "content": [*parts, text]}], system="Be kind")
    assert message.usage.input_tokens - plain.usage.input_tokens == 3 * 85
    assert message.content[0].type == "text"
    assert message.content[0].text == (
        "Roles: system, user. Media: image image/png of 60 bytes; image by url; document application/pdf of 60 bytes. "
        "Tools: none. System text: 7 characters."
    )


class Person(BaseModel):
    name: str
    age: int


async def test_a_structured_answer_is_valid_for_its_schema(anthropic_client: AsyncAnthropic) -> None:
    asked: Any = {"model": "any", "max_tokens": 500, "messages": said("Who?"), "output_format": Person}
    message = await anthropic_client.messages.parse(**asked)
    assert isinstance(message.parsed_output, Person)


async def test_the_token_count_is_that_of_the_message(anthropic_client: AsyncAnthropic) -> None:
    asked: Any = {"model": "any", "messages": said("Tell me"), "system": "Be kind", "tools": [TOOL]}
    counted = await anthropic_client.messages.count_tokens(**asked)
    message = await anthropic_client.messages.create(max_tokens=9, **asked)
    assert counted.input_tokens == message.usage.input_tokens > 20


async def test_a_marked_prefix_is_written_once_and_read_again(anthropic_client: AsyncAnthropic) -> None:
    hour: Any = {"type": "ephemeral", "ttl": "1h"}
    system: Any = [{"type": "text", "text": "A long and unique instruction", "cache_control": hour}]
    marked: Any = [{"type": "text", "text": "Question", "cache_control": {"type": "ephemeral"}}]
    first = (await ask(anthropic_client, [{"role": "user", "content": marked}], system=system)).usage
    assert first.cache_creation is not None
    assert (first.input_tokens, first.cache_read_input_tokens) == (0, 0)
    written = (first.cache_creation.ephemeral_5m_input_tokens, first.cache_creation.ephemeral_1h_input_tokens)
    assert min(written) > 0
    assert sum(written) == first.cache_creation_input_tokens
    moved: Any = [{"type": "text", "text": "Question"}]
    later = [
        {"role": "user", "content": moved},
        {"role": "assistant", "content": "So"},
        {"role": "user", "content": marked},
    ]
    second = (await ask(anthropic_client, later, system=system)).usage
    assert second.cache_read_input_tokens == first.cache_creation_input_tokens
    assert second.cache_creation is not None
    assert second.cache_creation.ephemeral_1h_input_tokens == 0
    assert second.cache_creation.ephemeral_5m_input_tokens > 0
    third = (await ask(anthropic_client, said("other"), system=system)).usage
    assert third.cache_read_input_tokens == written[1]
    assert third.input_tokens > 0


async def test_a_web_search_is_told_and_billed(anthropic_client: AsyncAnthropic) -> None:
    tool: Any = {"type": "web_search_20260318", "name": "web_search"}
    message = await ask(anthropic_client, said("use web search"), tools=[tool])
    assert [block.type for block in message.content] == ["server_tool_use", "web_search_tool_result", "text"]
    assert message.usage.server_tool_use is not None
    assert message.usage.server_tool_use.web_search_requests == 1
    assert message.content[2].type == "text"
    assert message.content[2].citations is not None
    # What it found comes back in the next turn.
    await ask(anthropic_client, [*said("use web search"), message.to_param(), *said("thanks")], tools=[tool])


@pytest.mark.parametrize(
    ("status", "kind", "error_type"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (402, anthropic.APIStatusError, "billing_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (529, anthropic.APIStatusError, "overloaded_error"),
    ],
)
async def test_errors_have_anthropic_shape(
    anthropic_client: AsyncAnthropic, status: int, kind: type[anthropic.APIStatusError], error_type: str
) -> None:
    with pytest.raises(kind) as error:
        await ask(anthropic_client, said("hi"), extra_body={"sandbox": {"status": status}})
    assert error.value.status_code == status
    assert error.value.type == error_type


async def test_an_error_in_a_stream_is_raised_by_the_sdk(anthropic_client: AsyncAnthropic) -> None:
    asked: Any = {"model": "any", "max_tokens": 99, "messages": said("hi"), "stream": True}
    stream: Any = await anthropic_client.messages.create(**asked, extra_body={"sandbox": {"error_mid_stream": 2}})
    seen: list[str] = []
    with pytest.raises(anthropic.APIStatusError) as error:
        async for event in stream:
            seen += [event.type]
    assert seen.count("content_block_delta") == 2
    assert "middle of a stream" in str(error.value)


async def test_the_models_are_listed_in_anthropic_shape(anthropic_client: AsyncAnthropic) -> None:
    assert [model.id async for model in anthropic_client.models.list()] == ["sandbox-1", "sandbox-1-mini"]
