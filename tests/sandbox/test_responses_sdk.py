"""The official OpenAI SDK against the sandbox's Responses. Its types judge everything that the sandbox sends."""

import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from .conftest import Upstream

TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather of a city",
    "strict": True,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CUSTOM: Any = {"type": "custom", "name": "run_code", "description": "Runs code"}
SEALED: Any = {"store": False, "include": ["reasoning.encrypted_content"], "reasoning": {"summary": "auto"}}


async def ask(client: AsyncOpenAI, given: Any, **fields: Any) -> Response:
    return strictly(await client.responses.create(**{"model": "any", "input": given, **fields}))


def strictly(response: Any) -> Response:
    """The SDK builds its objects without looking; this looks."""
    return TypeAdapter(Response).validate_json(response.to_json())


async def refused(client: AsyncOpenAI, given: Any, **fields: Any) -> str:
    with pytest.raises(openai.APIStatusError) as error:
        await ask(client, given, **fields)
    assert error.value.status_code in (400, 404)
    return f"{error.value.code} {error.value}"


def said(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def returned(response: Response) -> list[Any]:
    """The output as the next input."""
    return [item.to_dict() for item in response.output]


def outputs(response: Response, *results: Any) -> list[Any]:
    calls = [item for item in response.output if item.type in ("function_call", "custom_tool_call")]
    return [
        {"type": f"{call.type}_output", "call_id": getattr(call, "call_id"), "output": result}  # noqa: B009
        for call, result in zip(calls, results, strict=True)
    ]


async def test_the_answer_is_exactly_what_was_asked_for(openai_client: AsyncOpenAI) -> None:
    response = await ask(openai_client, "Reply exactly: XYZ é", instructions="Be kind")
    assert (response.output_text, response.status, response.model) == ("XYZ é", "completed", "any")
    assert response.instructions == "Be kind"
    assert response.usage is not None
    assert response.usage.output_tokens == 3


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"max_output_tokens": 5},
        SEALED,
        {"reasoning": {"effort": "low"}, "max_output_tokens": 12},
        {"tools": [TOOL, CUSTOM], **SEALED},
        {"tools": [{"type": "web_search"}]},
        {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
        {"extra_body": {"sandbox": {"citations": 2, "service_tier": "flex", "chunks": 3}}},
        {"extra_body": {"sandbox": {"refusal": "I will not."}}},
        {"tools": [TOOL], "extra_body": {"sandbox": {"preamble": "Let me see.", "keepalive_comments": True}}},
        {"text": {"format": {"type": "json_object"}, "verbosity": "low"}, "metadata": {"a": "b"}},
    ],
)
async def test_a_stream_ends_with_what_the_json_answer_is(openai_client: AsyncOpenAI, fields: dict[str, Any]) -> None:
    given = "Please use tool get_weather, use tool run_code, use web search, às ondas."
    whole = await ask(openai_client, given, **fields)
    stream: Any = await openai_client.responses.create(model="any", input=given, stream=True, **fields)
    events = [event async for event in stream]
    for event in events:
        if event.type != "keepalive":
            TypeAdapter(ResponseStreamEvent).validate_json(event.to_json())
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == f"response.{whole.status}"
    assert shape(strictly(events[-1].response)) == shape(whole)
    items = [event.item.to_dict() for event in events if event.type == "response.output_item.done"]
    assert items == [item.to_dict() for item in events[-1].response.output]
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert deltas == whole.output_text


def shape(response: Response) -> Any:
    """All but ids and times."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            hidden = ("id", "call_id", "created_at", "completed_at")
            return {name: without(one) for name, one in value.items() if name not in hidden}
        return [without(one) for one in value] if isinstance(value, list) else value

    return without(json.loads(response.to_json()))


async def test_the_streaming_helper_folds_to_the_whole(openai_client: AsyncOpenAI) -> None:
    asked: Any = {"model": "any", "input": "use tool get_weather", "tools": [TOOL], **SEALED}
    async with openai_client.responses.stream(**asked) as stream:
        async for event in stream:
            assert event.type
        final = await stream.get_final_response()
    assert [item.type for item in final.output] == ["reasoning", "function_call"]


async def test_tools_go_over_three_turns_with_their_reasoning(openai_client: AsyncOpenAI) -> None:
    fields: Any = {"tools": [TOOL, CUSTOM], **SEALED}
    given = said("use tool get_weather and use tool run_code")
    first = await ask(openai_client, given, **fields)
    assert [item.type for item in first.output] == ["reasoning", "function_call", "custom_tool_call"]
    given += [*returned(first), *outputs(first, "sunny, 21", "done")]
    second = await ask(openai_client, given, **fields)
    given += [*returned(second), *said("use tool get_weather")]
    third = await ask(openai_client, given, **fields)
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"}
    given += [*returned(third), *outputs(third, [{"type": "input_text", "text": "snow!"}, image])]
    fourth = await ask(openai_client, given, **fields)
    assert "5 characters" in fourth.output_text
    assert fourth.usage is not None
    assert fourth.usage.input_tokens > 85


async def test_reasoning_that_comes_back_altered_is_refused(openai_client: AsyncOpenAI) -> None:
    fields: Any = {"tools": [TOOL], **SEALED}
    start = said("use tool get_weather")
    first = await ask(openai_client, start, **fields)
    thought, call = returned(first)
    rest = [call, *outputs(first, "sunny")]
    await ask(openai_client, [*start, thought, *rest], **fields)
    alterations: list[dict[str, Any]] = [{"summary": []}, {"encrypted_content": "AAAA"}]
    for altered in alterations:
        assert "could not be verified" in await refused(
            openai_client, [*start, {**thought, **altered}, *rest], **fields
        )
    assert "not persisted" in await refused(openai_client, [*start, {**thought, "encrypted_content": None}, *rest])
    assert "required 'reasoning' item" in await refused(openai_client, [*start, *rest])
    assert "required following item" in await refused(openai_client, [*start, thought, *said("well?")])
    # Without the id of the item nobody knows that reasoning came before it, at OpenAI's neither.
    del call["id"]
    await ask(openai_client, [*start, *rest])


async def test_stored_reasoning_comes_back_by_its_id(openai_client: AsyncOpenAI) -> None:
    first = await ask(openai_client, said("hi"), reasoning={"effort": "low"})
    assert returned(first)[0].get("encrypted_content") is None
    await ask(openai_client, [*said("hi"), *returned(first), *said("and?")])


async def test_calls_and_outputs_must_fit(openai_client: AsyncOpenAI) -> None:
    first = await ask(openai_client, said("use tool get_weather"), tools=[TOOL])
    start = said("use tool get_weather")
    assert "No tool output" in await refused(openai_client, [*start, *returned(first)])
    assert "No tool call" in await refused(openai_client, [*start, *outputs(first, "sunny")])


async def test_state_is_refused_clearly(openai_client: AsyncOpenAI) -> None:
    assert "previous_response_not_found" in await refused(openai_client, "hi", previous_response_id="resp_1")
    assert "background" in await refused(openai_client, "hi", background=True)
    assert "unknown_parameter" in await refused(openai_client, "hi", extra_body={"messages": []})


async def test_a_forced_tool_is_called(openai_client: AsyncOpenAI) -> None:
    choices: list[Any] = [
        "required",
        {"type": "function", "name": "get_weather"},
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_weather"}]},
    ]
    for choice in choices:
        response = await ask(openai_client, "Porto?", tools=[TOOL], tool_choice=choice)
        assert [item.type for item in response.output] == ["function_call"]


async def test_media_is_counted_and_described(openai_client: AsyncOpenAI) -> None:
    parts: list[Any] = [
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"},
        {"type": "input_file", "file_url": "https://example.com/b.pdf"},
        {"type": "input_text", "text": "Describe what you got"},
    ]
    response = await ask(openai_client, [{"role": "user", "content": parts}])
    assert "image image/png of 3 bytes; document application/pdf of 3 bytes; document by url" in response.output_text
    assert response.usage is not None
    assert response.usage.input_tokens > 3 * 85


class Person(BaseModel):
    name: str
    age: int


async def test_a_structured_answer_is_valid_for_its_schema(openai_client: AsyncOpenAI) -> None:
    response = await openai_client.responses.parse(model="any", input="Who?", text_format=Person)
    assert isinstance(response.output_parsed, Person)


async def test_an_error_in_a_stream_is_an_error_event_and_a_failed_response(openai_client: AsyncOpenAI) -> None:
    stream: Any = await openai_client.responses.create(
        model="any", input="hi", stream=True, extra_body={"sandbox": {"error_mid_stream": 2}}
    )
    events = [event async for event in stream]
    for event in events:
        TypeAdapter(ResponseStreamEvent).validate_json(event.to_json())
    assert [event.type for event in events].count("response.output_text.delta") == 2
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]
    assert events[-1].response.error.code == "server_error"


async def test_a_status_is_an_error_in_openai_shape(openai_client: AsyncOpenAI) -> None:
    with pytest.raises(openai.RateLimitError):
        await ask(openai_client, "hi", extra_body={"sandbox": {"status": 429}})


async def test_the_call_log_knows_the_dialect_and_the_limit(openai_client: AsyncOpenAI, upstream: Upstream) -> None:
    response = await ask(openai_client, "hi", model="logged", max_output_tokens=7)
    call = (await upstream.calls("logged"))[0]
    assert (call["id"], call["dialect"], call["max_output_tokens"]) == (response.id, "openai_responses", 7)
