"""The official google-genai SDK against the sandbox. Its types refuse fields that they do not know."""

import json
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from farebox_sandbox.process import RunningSandbox

from .conftest import Upstream, gemini_client_of

TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            description="Weather of a city",
            parameters=types.Schema(
                type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}, required=["city"]
            ),
        )
    ]
)
THINKING = types.ThinkingConfig(include_thoughts=True)


async def ask(client: genai.Client, contents: Any, model: str = "any", **config: Any) -> Any:
    answer = await client.aio.models.generate_content(
        model=model, contents=contents, config=types.GenerateContentConfig(**config)
    )
    return types.GenerateContentResponse.model_validate_json(answer.model_dump_json(exclude={"sdk_http_response"}))


async def refused(client: genai.Client, contents: Any, **config: Any) -> str:
    with pytest.raises(errors.ClientError) as error:
        await ask(client, contents, **config)
    assert (error.value.code, error.value.status) == (400, "INVALID_ARGUMENT")
    return str(error.value.message)


def said(text: str) -> types.Content:
    return types.Content(role="user", parts=[types.Part(text=text)])


def result(name: str, value: str, call_id: str | None = None) -> types.Part:
    response = types.FunctionResponse(name=name, response={"output": value}, id=call_id)
    return types.Part(function_response=response)


def parts(answer: Any) -> list[Any]:
    return list(answer.candidates[0].content.parts)


async def test_the_answer_is_exactly_what_was_asked_for(gemini_client: genai.Client) -> None:
    answer = await ask(gemini_client, "Reply exactly: XYZ é")
    assert (answer.text, answer.model_version) == ("XYZ é", "any")
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.usage_metadata.candidates_token_count == 3
    assert answer.usage_metadata.thoughts_token_count is None


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"max_output_tokens": 5},
        {"thinking_config": THINKING},
        {"thinking_config": types.ThinkingConfig(thinking_level=types.ThinkingLevel.LOW)},
        {"tools": [TOOL], "thinking_config": THINKING},
        {"stop_sequences": ["real"]},
        {"candidate_count": 2},
        {"tools": [types.Tool(google_search=types.GoogleSearch())]},
    ],
)
async def test_a_stream_folds_to_what_the_json_answer_is(gemini_client: genai.Client, config: dict[str, Any]) -> None:
    prompt = "Please use tool get_weather, use web search, às ondas."
    whole = await ask(gemini_client, prompt, **config)
    stream = await gemini_client.aio.models.generate_content_stream(
        model="any", contents=prompt, config=types.GenerateContentConfig(**config)
    )
    chunks = [chunk async for chunk in stream]
    assert shape([whole]) == shape(chunks)
    assert chunks[-1].usage_metadata == whole.usage_metadata


def shape(answers: list[Any]) -> Any:
    """Texts by candidate, whether they are thoughts, calls with their signatures, reasons and grounding."""
    told: dict[int, Any] = {}
    for answer in answers:
        for candidate in answer.candidates:
            one = told.setdefault(candidate.index, {"text": "", "thought": "", "calls": [], "signatures": []})
            for part in candidate.content.parts:
                one["thought" if part.thought else "text"] += part.text or ""
                one["calls"] += [part.function_call.name] if part.function_call else []
                one["signatures"] += [part.thought_signature] if part.thought_signature else []
            one["finish"] = candidate.finish_reason
            one["grounding"] = candidate.grounding_metadata
    return told


async def test_tools_go_over_three_turns(gemini_client: genai.Client) -> None:
    contents: list[Any] = [said("use tool get_weather and use tool get_weather")]
    first = await ask(gemini_client, contents, tools=[TOOL])
    calls = [part.function_call for part in parts(first)]
    assert [bool(part.thought_signature) for part in parts(first)] == [True, False]
    results = [result("get_weather", value, call.id) for value, call in zip(["sunny", "rain"], calls, strict=True)]
    contents += [first.candidates[0].content, types.Content(role="user", parts=results)]
    second = await ask(gemini_client, contents, tools=[TOOL])
    contents += [second.candidates[0].content, said("use tool get_weather")]
    third = await ask(gemini_client, contents, tools=[TOOL])
    # Without ids, the order tells what belongs together.
    third.candidates[0].content.parts[0].function_call.id = None
    contents += [third.candidates[0].content, types.Content(role="user", parts=[result("get_weather", "snow!")])]
    fourth = await ask(gemini_client, contents, tools=[TOOL])
    assert "5 characters" in fourth.text


async def test_a_call_without_its_signature_is_refused(gemini_client: genai.Client) -> None:
    first = await ask(gemini_client, [said("use tool get_weather")], tools=[TOOL])
    contents = [
        said("use tool get_weather"),
        first.candidates[0].content,
        types.Content(role="user", parts=[result("get_weather", "x")]),
    ]
    part = parts(first)[0]
    for signature, found in (
        (None, "missing a `thought_signature`"),
        (b"other", "Invalid thought signature"),
        (b"sandbox:anthropic_messages:thinking:0", "another provider"),
    ):
        part.thought_signature = signature
        assert found in await refused(gemini_client, contents, tools=[TOOL])
    part.thought_signature = b"\xb2\xb9\x9eskip"
    assert "Invalid" in await refused(gemini_client, contents, tools=[TOOL])


async def test_the_documented_placeholder_stands_for_a_signature(upstream: Upstream) -> None:
    call = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "skip_thought_signature_validator"}
    response = {"functionResponse": {"name": "f", "response": {"output": "abc"}}}
    contents = [
        {"role": "user", "parts": [{"text": "hi"}]},
        {"role": "model", "parts": [call]},
        {"role": "user", "parts": [response]},
    ]
    async with upstream.post("/v1beta/models/m:generateContent", {"contents": contents}) as answer:
        assert answer.status == 200
    del call["thoughtSignature"]
    for model, status in (("m", 400), ("gemini-3-pro", 400), ("gemini-2.5-flash", 200)):
        async with upstream.post(f"/v1/models/{model}:generateContent", {"contents": contents}) as answer:
            assert answer.status == status


async def test_an_altered_call_does_not_fit_its_signature(gemini_client: genai.Client) -> None:
    first = await ask(gemini_client, [said("use tool get_weather")], tools=[TOOL])
    parts(first)[0].function_call.args = {"city": "other"}
    later = types.Content(role="user", parts=[result("get_weather", "x")])
    contents = [said("use tool get_weather"), first.candidates[0].content, later]
    assert "does not fit" in await refused(gemini_client, contents, tools=[TOOL])


async def test_thinking_goes_over_two_turns(gemini_client: genai.Client) -> None:
    first = await ask(gemini_client, [said("hi")], thinking_config=THINKING)
    thought, text = parts(first)
    assert thought.thought
    assert text.thought_signature
    assert first.usage_metadata.thoughts_token_count == 16
    usage = first.usage_metadata
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count + 16
    contents = [said("hi"), first.candidates[0].content, said("Reply exactly: ok")]
    assert (await ask(gemini_client, contents, thinking_config=THINKING)).text == "ok"


async def test_a_forced_function_is_called(gemini_client: genai.Client) -> None:
    calling = types.FunctionCallingConfig(
        mode=types.FunctionCallingConfigMode.ANY, allowed_function_names=["get_weather"]
    )
    config = types.ToolConfig(function_calling_config=calling)
    answer = await ask(gemini_client, "Porto?", tools=[TOOL], tool_config=config)
    assert answer.function_calls[0].args == {"city": "sandbox"}


async def test_media_is_counted_by_kind_and_described(gemini_client: genai.Client) -> None:
    media = [
        types.Part.from_bytes(data=b"x" * 60, mime_type="image/png"),
        types.Part.from_bytes(data=b"x" * 70, mime_type="application/pdf"),
        types.Part.from_bytes(data=b"x" * 80, mime_type="audio/wav"),
        types.Part.from_uri(file_uri="https://example.com/a.png", mime_type="image/png"),
    ]
    answer = await ask(gemini_client, [*media, "Describe what you got"], system_instruction="Be kind")
    assert answer.text == (
        "Roles: system, user. Media: image image/png of 60 bytes; document application/pdf of 70 bytes; "
        "audio audio/wav of 80 bytes; image by url. Tools: none. System text: 7 characters."
    )
    details = {one.modality.value: one.token_count for one in answer.usage_metadata.prompt_tokens_details}
    assert (details["IMAGE"], details["DOCUMENT"], details["AUDIO"]) == (170, 85, 85)
    assert sum(details.values()) == answer.usage_metadata.prompt_token_count


class Person(BaseModel):
    name: str
    age: int


@pytest.mark.parametrize("field", ["response_schema", "response_json_schema"])
async def test_a_structured_answer_is_valid_for_its_schema(gemini_client: genai.Client, field: str) -> None:
    schema: Any = Person if field == "response_schema" else Person.model_json_schema()
    answer = await ask(gemini_client, "Who?", response_mime_type="application/json", **{field: schema})
    assert Person.model_validate_json(answer.text)


async def test_logprobs_are_told_when_asked_for(gemini_client: genai.Client) -> None:
    answer = await ask(gemini_client, "Reply exactly: one two", response_logprobs=True, logprobs=2)
    found = answer.candidates[0].logprobs_result
    assert [one.token for one in found.chosen_candidates] == ["one", " two"]
    assert [len(one.candidates) for one in found.top_candidates] == [2, 2]


async def test_an_unknown_field_is_refused_as_google_does(upstream: Upstream) -> None:
    contents = [{"role": "user", "parts": [{"text": "hi"}]}]
    for extra in ({"max_tokens": 5}, {"generationConfig": {"max_tokens": 5}}):
        async with upstream.post("/v1beta/models/m:generateContent", {"contents": contents, **extra}) as answer:
            assert answer.status == 400
            assert 'Unknown name "maxTokens"' in (await answer.json())["error"]["message"]


async def test_a_wrong_key_is_a_400_as_at_google(sandbox: RunningSandbox) -> None:
    async with gemini_client_of(sandbox, "wrong") as client:
        assert "API key not valid" in await refused(client, "hi")


@pytest.mark.parametrize(
    ("status", "name"), [(429, "RESOURCE_EXHAUSTED"), (503, "UNAVAILABLE"), (404, "NOT_FOUND"), (500, "INTERNAL")]
)
async def test_errors_have_google_shape(gemini_client: genai.Client, status: int, name: str) -> None:
    text = "hi [[sandbox " + json.dumps({"status": status}) + "]]"
    with pytest.raises(errors.APIError) as error:
        await ask(gemini_client, text)
    assert (error.value.code, error.value.status) == (status, name)


async def test_an_error_in_a_stream_is_raised_by_the_sdk(gemini_client: genai.Client) -> None:
    text = 'hi [[sandbox {"error_mid_stream": 2}]]'
    stream = await gemini_client.aio.models.generate_content_stream(model="any", contents=text)
    seen: list[Any] = []
    with pytest.raises(errors.APIError) as error:
        async for chunk in stream:
            seen += [chunk]
    assert (len(seen), error.value.code) == (2, 503)


async def test_a_refusal_and_a_blocked_prompt_are_told(gemini_client: genai.Client) -> None:
    answer = await ask(gemini_client, 'hi [[sandbox {"refusal": "No."}]]')
    assert answer.candidates[0].finish_reason == types.FinishReason.SAFETY
    answer = await ask(gemini_client, 'hi [[sandbox {"refusal": ""}]]')
    assert answer.candidates is None
    assert answer.prompt_feedback.block_reason == types.BlockedReason.SAFETY


async def test_the_models_are_listed_in_google_shape(upstream: Upstream) -> None:
    headers = {"x-goog-api-key": upstream.sandbox.api_key}
    async with upstream.session.get(f"{upstream.sandbox.url}/v1beta/models", headers=headers) as response:
        models = [types.Model.model_validate(_known(one)) for one in (await response.json())["models"]]
    assert [model.name for model in models] == ["models/sandbox-1", "models/sandbox-1-mini"]


def _known(model: Any) -> Any:
    """The API says methods where the SDK's type says actions."""
    return {"supportedActions": model.pop("supportedGenerationMethods"), **model}
