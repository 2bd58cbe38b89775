"""A Responses-shaped body on `/chat/completions`: what it becomes, and what is refused by name."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.dialects.openai_chat.decode_request import decode_request
from farebox.dialects.openai_chat.request import native_body, read_request
from farebox.dialects.port import Edits, Profile


def chat_of(**fields: Any) -> dict[str, Any]:
    """The chat body that a provider gets."""
    request = read_request(msgspec.json.encode({"model": "m", **fields}))
    body = dict(msgspec.json.decode(native_body(request, Edits("up", 9, Profile()))))
    assert decode_request(request).turns
    return body


def test_an_agents_turn_becomes_messages() -> None:
    body = chat_of(
        instructions="Be brief.",
        input=[
            {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
            {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
            {"type": "function_call", "id": "fc", "call_id": "a", "name": "weather", "arguments": "{}"},
            {"type": "function_call", "call_id": "b", "name": "time", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "sunny"},
            {
                "type": "function_call_output",
                "call_id": "b",
                "output": [
                    {"type": "input_text", "text": "noon"},
                    {"type": "input_image", "image_url": "https://example.com/clock", "detail": "low"},
                ],
            },
            {"type": "message", "role": "developer", "content": "Go on."},
        ],
    )
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {
            "role": "assistant",
            "reasoning_content": "hm",
            "content": [{"type": "text", "text": "I look."}],
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
                {"id": "b", "type": "function", "function": {"name": "time", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "sunny"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "noon"}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Result of the tool call b:"},
                {"type": "image_url", "image_url": {"url": "https://example.com/clock", "detail": "low"}},
            ],
        },
        {"role": "developer", "content": "Go on."},
    ]
    assert "input" not in body and "instructions" not in body


def test_a_text_is_one_user_message() -> None:
    assert chat_of(input="hi")["messages"] == [{"role": "user", "content": "hi"}]


def test_calls_without_a_text_and_chat_messages_among_items_pass() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    items = [
        {"role": "user", "content": "hi"},
        {"type": "custom_tool_call", "call_id": "c", "name": "sh", "input": "ls"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "x"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "y"},
    ]
    assert chat_of(input=items)["messages"][1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "x"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "y"},
    ]


def test_fields_find_their_place() -> None:
    body = chat_of(
        input="hi",
        max_output_tokens=77,
        reasoning={"effort": "low", "summary": "auto"},
        text={"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True}},
        tools=[
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": None},
            {"type": "function", "function": {"name": "nested"}},
            {"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark", "definition": "start:"}},
            {"type": "web_search", "user_location": {"type": "approximate", "city": "Rome", "country": None}},
        ],
        tool_choice={"type": "function", "name": "f"},
        include=["reasoning.encrypted_content"],
        temperature=0.5,
        store=False,
        truncation="auto",
        top_logprobs=2,
    )
    del body["messages"], body["model"]
    assert body == {
        "max_tokens": 77,
        "reasoning_effort": "low",
        "verbosity": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}},
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}},
            {"type": "function", "function": {"name": "nested"}},
            {
                "type": "custom",
                "custom": {
                    "name": "c",
                    "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start:"}},
                },
            },
        ],
        "web_search_options": {"user_location": {"type": "approximate", "approximate": {"city": "Rome"}}},
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "temperature": 0.5,
        "store": False,
        "logprobs": True,
        "top_logprobs": 2,
    }


def test_allowed_tools_are_nested() -> None:
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}
    body = chat_of(input="hi", tools=[{"type": "function", "name": "f"}], tool_choice=choice)
    nested = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}
    assert body["tool_choice"] == {"type": "allowed_tools", "allowed_tools": nested}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"include": ["file_search_call.results"]}, "include"),
        ({"tools": [{"type": "file_search"}]}, "tools[0].type"),
        ({"tool_choice": {"type": "mcp"}}, "tool_choice"),
        ({"input": 5}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "video"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "judge", "content": ""}]}, "input[0].role"),
        ({"input": []}, "messages"),
    ],
)
def test_what_has_no_place_in_chat_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Problem) as caught:
        chat_of(**({"input": "hi"} | fields))
    assert (caught.value.code, caught.value.param) == ("invalid_request", param)


def test_a_body_with_messages_is_chat_whatever_else_it_has() -> None:
    messages = [{"role": "user", "content": "hi"}]
    assert chat_of(input="no", messages=messages)["messages"] == messages


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.sampled_from(["user", "message", "assistant"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "call_id", "output", "name", "arguments"]), inner
        )
    ),
    max_leaves=12,
)
_names = st.sampled_from(["input", "instructions", "tools", "tool_choice", "text", "reasoning", "include"])


@given(st.dictionaries(_names, _json))
def test_no_such_body_fails_with_anything_but_a_problem(fields: dict[str, Any]) -> None:
    body = msgspec.json.encode({"model": "m", "input": "hi"} | fields)
    try:
        decode_request(read_request(body))
    except Problem as problem:
        assert problem.code in ("invalid_request", "invalid_max_tokens")
