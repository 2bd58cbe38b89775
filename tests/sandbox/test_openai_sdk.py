"""The official SDK against the sandbox: what a client that knows nothing of directives sees."""

import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from farebox_sandbox.process import RunningSandbox

WEATHER_TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
            "required": ["city", "days"],
        },
    },
}


def said(text: str) -> Any:
    return [{"role": "user", "content": text}]


async def test_the_answer_is_exactly_what_was_asked_for(openai_client: AsyncOpenAI) -> None:
    answer = await openai_client.chat.completions.create(model="any", messages=said("Reply exactly: XYZ é"))
    assert answer.choices[0].message.content == "XYZ é"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "any"


async def test_an_ordinary_message_gets_the_same_sentence_every_time(openai_client: AsyncOpenAI) -> None:
    first, second = [
        await openai_client.chat.completions.create(model="any", messages=said("Hello from Tokeo")) for _ in range(2)
    ]
    assert first.choices[0].message.content == second.choices[0].message.content
    assert "sandbox" in (first.choices[0].message.content or "")
    assert first.id != second.id


@pytest.mark.parametrize("options", [{}, {"max_tokens": 5}, {"n": 3}, {"reasoning_effort": "low"}])
async def test_stream_and_json_agree_on_text_and_usage(openai_client: AsyncOpenAI, options: dict[str, Any]) -> None:
    messages = said("Tell me about the sea, às ondas.")
    whole = await openai_client.chat.completions.create(model="any", messages=messages, **options)
    stream: Any = await openai_client.chat.completions.create(
        model="any", messages=messages, stream=True, stream_options={"include_usage": True}, **options
    )
    chunks = [chunk async for chunk in stream]
    for index, choice in enumerate(whole.choices):
        parts = [one for chunk in chunks for one in chunk.choices if one.index == index]
        assert "".join(part.delta.content or "" for part in parts) == choice.message.content
        assert parts[-1].finish_reason == choice.finish_reason
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])


async def test_usage_never_exceeds_the_bytes_of_the_texts_plus_the_documented_overhead(
    openai_client: AsyncOpenAI,
) -> None:
    text = "Grüße, 世界! 🎈 A few words;\n and  blanks 12345678."
    answer = await openai_client.chat.completions.create(model="any", messages=said("Reply exactly: " + text))
    usage = answer.usage
    assert usage is not None
    assert 0 < usage.completion_tokens <= len(text.encode())
    assert 7 < usage.prompt_tokens <= len(("Reply exactly: " + text).encode()) + 7
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


async def test_an_image_counts_a_fixed_number_of_tokens(openai_client: AsyncOpenAI) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    prompts = []
    for parts in ([], [image], [image, image]):
        messages: Any = [{"role": "user", "content": [{"type": "text", "text": "Look"}, *parts]}]
        answer = await openai_client.chat.completions.create(model="any", messages=messages)
        assert answer.usage is not None
        prompts.append(answer.usage.prompt_tokens)
    assert [prompts[1] - prompts[0], prompts[2] - prompts[1]] == [85, 85]


async def test_a_tool_call_streams_as_fragments_that_join_to_the_whole_one(openai_client: AsyncOpenAI) -> None:
    asked: Any = {"model": "any", "messages": said("Please use tool get_weather"), "tools": [WEATHER_TOOL]}
    whole = await openai_client.chat.completions.create(**asked)
    assert whole.choices[0].message.tool_calls is not None
    called: Any = whole.choices[0].message.tool_calls[0]
    assert (called.function.name, whole.choices[0].finish_reason) == ("get_weather", "tool_calls")
    assert json.loads(called.function.arguments) == {"city": "sandbox", "days": 2}
    async with openai_client.chat.completions.stream(**asked) as stream:
        fragments = [event async for event in stream if event.type == "tool_calls.function.arguments.delta"]
        final: Any = (await stream.get_final_completion()).choices[0]
    assert len(fragments) > 3
    assert final.message.tool_calls[0].function.arguments == called.function.arguments


async def test_a_forced_tool_is_called_and_its_result_is_answered_with_text(openai_client: AsyncOpenAI) -> None:
    forced: Any = {"type": "function", "function": {"name": "get_weather"}}
    asked: Any = {"model": "any", "tools": [WEATHER_TOOL], "tool_choice": forced}
    first = await openai_client.chat.completions.create(messages=said("Porto?"), **asked)
    message: Any = first.choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny, 21"}
    messages = [*said("Porto?"), message.model_dump(exclude_none=True), result]
    second = await openai_client.chat.completions.create(messages=messages, **asked)
    assert "9 characters" in (second.choices[0].message.content or "")


class Person(BaseModel):
    name: str
    age: int
    tags: list[str]
    parent: "Person | None"


async def test_a_structured_answer_is_valid_for_its_schema(openai_client: AsyncOpenAI) -> None:
    answer = await openai_client.chat.completions.parse(model="any", messages=said("Who?"), response_format=Person)
    assert isinstance(answer.choices[0].message.parsed, Person)


async def test_reasoning_comes_first_and_is_part_of_the_completion(openai_client: AsyncOpenAI) -> None:
    asked: Any = {"model": "any", "messages": said("Reply exactly: ok"), "reasoning_effort": "high"}
    whole = await openai_client.chat.completions.create(**asked)
    assert whole.usage is not None
    assert whole.usage.completion_tokens_details is not None
    assert whole.usage.completion_tokens_details.reasoning_tokens == 32
    assert whole.usage.completion_tokens == 33
    stream: Any = await openai_client.chat.completions.create(stream=True, **asked)
    deltas = [chunk.choices[0].delta.model_dump(exclude_none=True) async for chunk in stream]
    kinds = [name for delta in deltas for name in ("reasoning_content", "content") if delta.get(name)]
    assert kinds == ["reasoning_content"] * 32 + ["content"]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_output_is_cut_at_the_limit(openai_client: AsyncOpenAI, name: str) -> None:
    answer = await openai_client.chat.completions.create(
        model="any", messages=said("Reply exactly: one two six"), extra_body={name: 2}
    )
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("one two", "length")
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 2


async def test_the_models_are_listed(openai_client: AsyncOpenAI) -> None:
    assert [model.id async for model in openai_client.models.list()] == ["sandbox-1", "sandbox-1-mini"]


async def test_a_wrong_key_is_refused_in_openai_shape(sandbox: RunningSandbox) -> None:
    async with AsyncOpenAI(base_url=sandbox.base_url, api_key="wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            await client.chat.completions.create(model="any", messages=said("hi"))
    assert refused.value.code == "invalid_api_key"


async def test_a_malformed_request_is_refused_in_openai_shape(openai_client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await openai_client.chat.completions.create(model="any", messages=said("hi"), max_tokens=0)
    assert refused.value.type == "invalid_request_error"
