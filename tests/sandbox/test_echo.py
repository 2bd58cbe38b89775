"""The echo: what one conversation says in four dialects comes out the same."""

import base64
import hashlib
import json
from typing import Any

import pytest

from .conftest import Upstream

PICTURE = base64.b64encode(b"picture").decode()
PAPER = base64.b64encode(b"paper").decode()
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FORM = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False}
ASK = 'And now? [[sandbox {"echo": true}]]'
CALLS = [("a", {"city": "Porto", "days": 2}), ("b", {"city": "Faro"})]

CHAT = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be kind"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look à volta"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {"type": "file", "file": {"filename": "p.pdf", "file_data": f"data:application/pdf;base64,{PAPER}"}},
            ],
        },
        {
            "role": "assistant",
            "content": "Let me see",
            "tool_calls": [
                {"id": name, "type": "function", "function": {"name": "weather", "arguments": json.dumps(given)}}
                for name, given in CALLS
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": '{"sky":  "blue"}'},
        {"role": "tool", "tool_call_id": "b", "content": "rain"},
        {"role": "user", "content": ASK},
    ],
    "tools": [{"type": "function", "function": {"name": "weather", "description": "Of a city", "parameters": SCHEMA}}],
    "tool_choice": {"type": "function", "function": {"name": "weather"}},
    "max_completion_tokens": 3000,
    "temperature": 0.5,
    "top_p": 1,
    "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": FORM}},
    "metadata": {},
}

RESPONSES = {
    "model": "m",
    "instructions": "Be kind",
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look à volta"},
                {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{PICTURE}"},
                {"type": "input_image", "detail": "auto", "image_url": "https://example.com/a.png"},
                {"type": "input_file", "filename": "p.pdf", "file_data": f"data:application/pdf;base64,{PAPER}"},
            ],
        },
        {"role": "assistant", "content": [{"type": "output_text", "text": "Let me see", "annotations": []}]},
        *[
            {"type": "function_call", "call_id": name, "name": "weather", "arguments": json.dumps(given)}
            for name, given in CALLS
        ],
        {"type": "function_call_output", "call_id": "a", "output": '{"sky":  "blue"}'},
        {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "rain"}]},
        {"role": "user", "content": ASK},
    ],
    "tools": [{"type": "function", "name": "weather", "description": "Of a city", "parameters": SCHEMA}],
    "tool_choice": {"type": "function", "name": "weather"},
    "max_output_tokens": 3000,
    "temperature": 0.5,
    "top_p": 1.0,
    "text": {"format": {"type": "json_schema", "name": "answer", "schema": FORM}},
}

MESSAGES = {
    "model": "m",
    "system": [{"type": "text", "text": "Be kind"}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look à volta"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}},
                {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
                {
                    "type": "document",
                    "title": "p.pdf",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": PAPER},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me see"},
                *[{"type": "tool_use", "id": name, "name": "weather", "input": given} for name, given in CALLS],
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": '{"sky":  "blue"}'},
                {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "rain"}]},
                {"type": "text", "text": ASK},
            ],
        },
    ],
    "tools": [{"name": "weather", "description": "Of a city", "input_schema": SCHEMA}],
    "tool_choice": {"type": "tool", "name": "weather"},
    "max_tokens": 3000,
    "temperature": 0.5,
    "top_p": 1.0,
    "output_config": {"format": {"type": "json_schema", "schema": FORM}},
}

GEMINI = {
    "systemInstruction": {"parts": [{"text": "Be kind"}]},
    "contents": [
        {
            "role": "user",
            "parts": [
                {"text": "Look à volta"},
                {"inlineData": {"mimeType": "image/png", "data": PICTURE}},
                {"file_data": {"mime_type": "image/png", "file_uri": "https://example.com/a.png"}},
                {"inlineData": {"mimeType": "application/pdf", "data": PAPER, "displayName": "p.pdf"}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {"text": "Let me see"},
                *[
                    {
                        "functionCall": {"name": "weather", "args": given},
                        "thoughtSignature": "skip_thought_signature_validator",
                    }
                    for _, given in CALLS
                ],
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "weather", "response": {"sky": "blue"}}},
                {"functionResponse": {"name": "weather", "response": {"output": "rain"}}},
                {"text": ASK},
            ],
        },
    ],
    "tools": [
        {"functionDeclarations": [{"name": "weather", "description": "Of a city", "parametersJsonSchema": SCHEMA}]}
    ],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
    "generationConfig": {
        "maxOutputTokens": 3000,
        "temperature": 0.5,
        "topP": 1,
        "responseMimeType": "application/json",
        "responseJsonSchema": FORM,
    },
}

DIALECTS: dict[str, tuple[str, Any]] = {
    "openai_chat": ("/v1/chat/completions", CHAT),
    "openai_responses": ("/v1/responses", RESPONSES),
    "anthropic_messages": ("/v1/messages", MESSAGES),
    "gemini": ("/v1beta/models/m:generateContent", GEMINI),
}


def text_of(dialect: str, answer: Any) -> str:
    match dialect:
        case "openai_chat":
            text = answer["choices"][0]["message"]["content"]
        case "openai_responses":
            text = answer["output"][-1]["content"][0]["text"]
        case "anthropic_messages":
            text = answer["content"][-1]["text"]
        case _:
            text = answer["candidates"][0]["content"]["parts"][-1]["text"]
    return str(text)


async def echo(upstream: Upstream, dialect: str, **changes: Any) -> Any:
    path, body = DIALECTS[dialect]
    headers = {"anthropic_version": "2023-06-01", "anthropic_beta": "x-2026-01-01"}
    async with upstream.post(path, {**body, **changes}, **headers) as response:
        answer = await response.json()
        assert response.status == 200, answer
        return json.loads(text_of(dialect, answer))


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def in_common(request: Any) -> Any:
    """Without what only some dialects can say: the name of a form, and Gemini's signatures."""
    request.get("response_format", {}).pop("name", None)
    for turn in request["turns"]:
        for part in turn["parts"]:
            part.pop("signed", None)
    return request


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_one_conversation_echoes_the_same_in_every_dialect(upstream: Upstream, dialect: str) -> None:
    told = await echo(upstream, dialect)
    assert told["envelope"]["dialect"] == dialect
    assert told["envelope"]["unknown"] == []
    request = in_common(told["request"])
    weather = [
        {"kind": "tool_call", "name": "weather", "arguments_sha256": sha(args)}
        for args in (
            '{"city":"Porto","days":2}',
            '{"city":"Faro"}',
        )
    ]
    results = [
        {
            "kind": "tool_result",
            "answers": number,
            "is_error": False,
            "content": [{"kind": "text", "characters": len(text), "sha256": sha(text)}],
        }
        for number, text in enumerate(('{"sky":"blue"}', "rain"))
    ]
    image = {"kind": "image", "source": "inline", "media_type": "image/png", "bytes": 7, "sha256": sha("picture")}
    document = {"kind": "document", "source": "inline", "media_type": "application/pdf", "bytes": 5}
    assert request == {
        "turns": [
            {"role": "system", "parts": [{"kind": "text", "characters": 7, "sha256": sha("Be kind")}]},
            {
                "role": "user",
                "parts": [
                    {"kind": "text", "characters": 12, "sha256": sha("Look à volta")},
                    image,
                    {"kind": "image", "source": "url", "sha256": sha("https://example.com/a.png")},
                    {**document, "sha256": sha("paper"), "filename": "p.pdf"},
                ],
            },
            {"role": "assistant", "parts": [{"kind": "text", "characters": 10, "sha256": sha("Let me see")}, *weather]},
            {"role": "tool", "parts": results},
            {"role": "user", "parts": [{"kind": "text", "characters": 8, "sha256": sha("And now?")}]},
        ],
        "tools": [
            {
                "kind": "function",
                "name": "weather",
                "description": {"characters": 9, "sha256": sha("Of a city")},
                "schema_sha256": sha(json.dumps(SCHEMA, separators=(",", ":"), sort_keys=True)),
            }
        ],
        "tool_choice": {"mode": "named", "names": ["weather"]},
        "token_limit": 3000,
        "response_format": {
            "type": "json_schema",
            "schema_sha256": sha(json.dumps(FORM, separators=(",", ":"), sort_keys=True)),
        },
        "choices": 1,
        "sampling": {"temperature": 0.5, "top_p": 1},
        "stop": [],
        "metadata": {},
        "modalities": [],
    }


@pytest.mark.parametrize(
    ("dialect", "changes", "found"),
    [
        ("openai_chat", {"reasoning_effort": "high"}, {"reasoning": {"effort": "high"}}),
        ("openai_chat", {"stop": "x", "seed": 3, "n": 2}, {"stop": ["x"], "choices": 2}),
        ("openai_chat", {"user": "u", "prompt_cache_key": "k", "verbosity": "low"}, {"user": "u", "cache_key": "k"}),
        ("openai_chat", {"logprobs": True, "top_logprobs": 2, "service_tier": "flex"}, {"logprobs": 2}),
        ("openai_chat", {"parallel_tool_calls": False}, {"parallel_tool_calls": False}),
        ("openai_chat", {"response_format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}),
        (
            "openai_responses",
            {"reasoning": {"effort": "low", "summary": "auto"}, "store": False},
            {"reasoning": {"effort": "low", "summary": "auto", "sealed": True}},
        ),
        ("openai_responses", {"metadata": {"a": "b"}}, {"metadata": {"a": "b"}}),
        (
            "anthropic_messages",
            {"thinking": {"type": "adaptive"}, "tool_choice": {"type": "auto"}, "temperature": 1},
            {"reasoning": {"mode": "adaptive"}, "tool_choice": {"mode": "auto", "names": []}},
        ),
        ("anthropic_messages", {"metadata": {"user_id": "u"}, "stop_sequences": ["x"]}, {"user": "u", "stop": ["x"]}),
        ("anthropic_messages", {"cache_control": {"type": "ephemeral"}}, {"cache": "5m"}),
        ("gemini", {"labels": {"a": "b"}}, {"metadata": {"a": "b"}}),
        (
            "gemini",
            {"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}},
            {"tool_choice": {"mode": "none", "names": []}},
        ),
    ],
)
async def test_every_option_is_echoed(
    upstream: Upstream, dialect: str, changes: dict[str, Any], found: dict[str, Any]
) -> None:
    request = (await echo(upstream, dialect, **changes))["request"]
    assert {name: request.get(name) for name in found} == found


async def test_what_a_dialect_does_not_know_is_named(upstream: Upstream) -> None:
    told = await echo(upstream, "openai_chat", top_k=5, sandbox={"service_tier": "flex"})
    assert told["envelope"]["unknown"] == ["top_k"]


async def test_the_headers_of_the_dialect_are_echoed(upstream: Upstream) -> None:
    told = await echo(upstream, "anthropic_messages")
    assert told["envelope"]["headers"] == {"anthropic-version": "2023-06-01", "anthropic-beta": "x-2026-01-01"}


async def test_the_echo_shows_no_text(upstream: Upstream) -> None:
    assert "Look" not in json.dumps(await echo(upstream, "openai_chat"))


async def test_directives_in_a_tool_result_are_the_nearest(upstream: Upstream) -> None:
    messages = json.loads(json.dumps(CHAT["messages"]))[:-1]
    messages[-1]["content"] = 'rain [[sandbox {"text": "near"}]]'
    messages[1]["content"] = 'far [[sandbox {"text": "far"}]]'
    async with upstream.post("/v1/chat/completions", {"model": "m", "messages": messages}) as response:
        assert text_of("openai_chat", await response.json()) == "near"
    messages[-1]["content"] = "rain"
    async with upstream.post("/v1/chat/completions", {"model": "m", "messages": messages}) as response:
        assert text_of("openai_chat", await response.json()) == "far"


@pytest.mark.parametrize("text", ["[[sandbox {]]", "[[sandbox {'a': 1}]]", '[[sandbox {"nothing_known": 1}]]'])
async def test_directives_in_the_text_that_are_none_are_refused(upstream: Upstream, text: str) -> None:
    async with upstream.chat(f"hello {text}") as response:
        assert response.status == (200 if text == "[[sandbox {]]" else 400)


async def test_one_conversation_counts_the_same_in_every_dialect(upstream: Upstream) -> None:
    """Without the tool results: JSON is counted as it came, and Gemini's is a value."""
    cuts = {"openai_chat": ("messages", 2), "openai_responses": ("input", 1), "anthropic_messages": ("messages", 1)}
    for dialect, (path, body) in DIALECTS.items():
        name, length = cuts.get(dialect, ("contents", 1))
        cut = {**body, name: body[name][:length]}
        async with upstream.post(path, cut, anthropic_version="2023-06-01") as response:
            assert response.status == 200
    counts = [call["prompt_tokens"] for call in await upstream.calls()]
    assert len(counts) == 4
    assert min(counts) == max(counts) > 3 * 85
