"""What chat completions send besides text and function calls, judged by the SDK's types."""

from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

CUSTOM: Any = {"type": "custom", "custom": {"name": "run_code"}}
FUNCTION: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


def said(text: str) -> Any:
    return [{"role": "user", "content": text}]


async def both(client: AsyncOpenAI, text: str, **fields: Any) -> tuple[ChatCompletion, list[ChatCompletionChunk]]:
    """The JSON answer and the chunks of the stream, both looked at by the types."""
    asked: dict[str, Any] = {"model": "any", "messages": said(text), **fields}
    whole = await client.chat.completions.create(**asked)
    stream = await client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    chunks = [TypeAdapter(ChatCompletionChunk).validate_json(chunk.to_json()) async for chunk in stream]
    assert chunks[-1].usage == whole.usage
    return TypeAdapter(ChatCompletion).validate_json(whole.to_json()), chunks


def deltas(chunks: list[ChatCompletionChunk]) -> list[Any]:
    return [choice.delta for chunk in chunks for choice in chunk.choices]


async def test_log_probabilities_are_the_same_in_json_and_in_a_stream(openai_client: AsyncOpenAI) -> None:
    fields = {"logprobs": True, "top_logprobs": 2}
    whole, chunks = await both(openai_client, "Reply exactly: one two six", **fields)
    told = whole.choices[0].logprobs
    assert told is not None
    assert told.content is not None
    assert [one.token for one in told.content] == ["one", " two", " six"]
    assert [len(one.top_logprobs) for one in told.content] == [2, 2, 2]
    streamed = [
        one for chunk in chunks for choice in chunk.choices if choice.logprobs for one in choice.logprobs.content or ()
    ]
    assert streamed == told.content
    plain, _ = await both(openai_client, "Reply exactly: one")
    assert plain.choices[0].logprobs is None


async def test_a_refusal_takes_the_place_of_the_content(openai_client: AsyncOpenAI) -> None:
    whole, chunks = await both(openai_client, "hi", extra_body={"sandbox": {"refusal": "I will not."}})
    message = whole.choices[0].message
    assert (message.content, message.refusal) == (None, "I will not.")
    assert "".join(delta.refusal or "" for delta in deltas(chunks)) == "I will not."


async def test_citations_are_annotations_of_the_text(openai_client: AsyncOpenAI) -> None:
    whole, chunks = await both(openai_client, "use web search", web_search_options={})
    annotations = whole.choices[0].message.annotations
    assert annotations is not None
    assert annotations[0].url_citation.end_index == len(whole.choices[0].message.content or "")
    assert [delta.annotations for delta in deltas(chunks) if getattr(delta, "annotations", None)]


async def test_custom_tools_get_free_text(openai_client: AsyncOpenAI) -> None:
    asked: dict[str, Any] = {
        "model": "any",
        "messages": said("use tool run_code and use tool look"),
        "tools": [CUSTOM, FUNCTION],
        "extra_body": {"sandbox": {"preamble": "Let me see."}},
    }
    whole = await openai_client.chat.completions.create(**asked)
    message = TypeAdapter(ChatCompletion).validate_json(whole.to_json()).choices[0].message
    calls: Any = message.tool_calls
    assert [call.type for call in calls] == ["custom", "function"]
    assert (calls[0].custom.input, message.content) == ("sandbox", "Let me see.")
    # The types know custom calls in whole answers only.
    stream = await openai_client.chat.completions.create(**asked, stream=True)
    found: list[Any] = [delta.to_dict() for delta in deltas([chunk async for chunk in stream])]
    assert "".join(delta.get("content") or "" for delta in found) == "Let me see."
    pieces = [
        call["custom"].get("input") for delta in found for call in delta.get("tool_calls", ()) if "custom" in call
    ]
    assert "".join(pieces) == "sandbox"


@pytest.mark.parametrize("stop", ["two", ["never", "two"]])
async def test_a_stop_sequence_ends_the_answer_before_it(openai_client: AsyncOpenAI, stop: Any) -> None:
    whole, _ = await both(openai_client, "Reply exactly: one two six", stop=stop)
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == ("one ", "stop")


async def test_only_allowed_tools_are_called(openai_client: AsyncOpenAI) -> None:
    other = {"type": "function", "function": {"name": "other"}}
    allowed: Any = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [FUNCTION]}}
    whole, _ = await both(openai_client, "use tool look, use tool other", tools=[FUNCTION, other], tool_choice=allowed)
    calls: Any = whole.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["look"]


async def test_sound_is_counted_apart(openai_client: AsyncOpenAI) -> None:
    sound: Any = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    text: Any = {"type": "text", "text": "Describe what you got"}
    answer = await openai_client.chat.completions.create(
        model="any", messages=[{"role": "user", "content": [sound, text]}]
    )
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.audio_tokens == 85
    assert "audio audio/wav of 3 bytes" in (answer.choices[0].message.content or "")
