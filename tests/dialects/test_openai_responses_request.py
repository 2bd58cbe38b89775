"""Reading a Responses request: what is measured, what is refused, and what changes on its way upstream."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.dialects.openai_responses import SURFACE
from farebox.dialects.port import Edits, Profile
from farebox.dialects.request import Request

EDITS = Edits("vendor-model", 4_096, Profile())


def read(**fields: Any) -> Request:
    return SURFACE.read_request(json.dumps({"model": "m", "input": "hi"} | fields).encode())


def refusal(**fields: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        read(**fields)
    return caught.value


def sent(request: Request) -> dict[str, Any]:
    document = json.loads(SURFACE.native_body(request, EDITS))
    assert isinstance(document, dict)
    return document


def test_the_least_request_is_read() -> None:
    request = read()
    assert (request.model, request.stream, request.output_limit, request.choices) == ("m", False, None, 1)
    assert request.wants_usage and request.size.messages == 1 and request.size.text_bytes == 2
    assert not request.size.has_tools and request.size.server_tools == ()


def test_a_request_passes_as_it_came_but_for_three_edits() -> None:
    body = b'{"model":"m","input":[{"role":"user","content":"\\u00e9"}],"future":{"a":1.50}}'
    assert SURFACE.native_body(SURFACE.read_request(body), EDITS) == (
        b'{"model":"vendor-model","input":[{"role":"user","content":"\\u00e9"}],"future":{"a":1.50},'
        b'"max_output_tokens":4096,"store":false}'
    )


def test_what_the_client_said_itself_is_not_overwritten() -> None:
    assert sent(read(max_output_tokens=7, store=False))["max_output_tokens"] == 7
    assert sent(read(max_output_tokens=None, store=None)) | {"model": "m"} == {
        "model": "m", "input": "hi", "max_output_tokens": 4_096, "store": False
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"store": True}, "store"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"input": [{"role": "user", "content": "a"}, {"type": "item_reference", "id": "rs_1"}]}, "input[1]"),
        ({"input": [{"id": "rs_1"}]}, "input[0]"),
    ],
)
def test_what_needs_stored_state_is_refused_with_the_way_out(fields: dict[str, Any], param: str) -> None:
    problem = refusal(**fields)
    assert problem.code == "invalid_request" and problem.param == param
    assert "Send `" in problem.message


def test_switches_that_ask_for_no_state_are_welcome() -> None:
    nothing = {"previous_response_id": None, "conversation": None, "prompt": None, "background": False, "store": False}
    assert read(**nothing).model == "m"


@pytest.mark.parametrize("limit", [0, -1, 1.5, "9", True])
def test_an_output_limit_is_a_positive_whole_number(limit: Any) -> None:
    problem = refusal(max_output_tokens=limit)
    assert problem.code == "invalid_max_tokens" and problem.param == "max_output_tokens"


@pytest.mark.parametrize("value", [None, [], {}, 5, ["text"], [[]], [None]])
def test_an_input_without_items_is_refused(value: Any) -> None:
    assert (refusal(input=value).param or "").startswith("input")


def test_everything_that_the_model_reads_is_measured() -> None:
    items = [
        {"role": "developer", "content": "d" * 10},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "é" * 10}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a" * 40}]},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "r" * 50}]},
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "s" * 60}],
         "encrypted_content": "e" * 100},
        {"type": "function_call", "call_id": "c", "name": "n" * 5, "arguments": "x" * 70},
        {"type": "function_call_output", "call_id": "c", "output": "o" * 80},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "p" * 90}]},
        {"type": "custom_tool_call", "call_id": "c", "name": "n", "input": "i" * 110},
        {"type": "tomorrow", "deep": {"er": ["t" * 120]}},
    ]  # fmt: skip
    size = read(instructions="i" * 1_000, input=items, tools=[{"type": "function", "name": "f" * 130}]).size
    told = 1_000 + 10 + 20 + 40 + 50 + 60 + 100 + 5 + 70 + 80 + 90 + 110 + 120 + 130
    assert told <= size.text_bytes <= told + 700  # names of types and roles, and the JSON around what is unknown
    assert size.text_bytes - size.text_chars == 10
    assert size.messages == 10 and size.has_tools and size.media == {}


def test_media_count_as_media_and_not_as_text() -> None:
    big = "A" * 100_000
    content = [
        {"type": "input_image", "image_url": f"data:image/png;base64,{big}"},
        {"type": "input_image", "file_id": "file_1"},
        {"type": "input_file", "filename": "a.pdf", "file_data": big},
        {"type": "input_audio", "input_audio": {"data": big, "format": "wav"}},
    ]
    items = [
        {"role": "user", "content": content},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": big}]},
        {"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot", "image_url": big}},
        {"type": "image_generation_call", "id": "ig", "status": "completed", "result": big},
    ]
    size = read(input=items).size
    assert size.media == {"image": 5, "file": 1, "audio": 1}
    assert size.media_bytes > 600_000 and size.text_bytes < 400


def test_tools_that_the_provider_runs_are_named_plainly() -> None:
    kinds = ["function", "custom", "namespace", "web_search", "web_search_preview_2025_03_11", "file_search", "mcp",
             "code_interpreter", "image_generation", "computer_use_preview", "local_shell", "tomorrow"]  # fmt: skip
    size = read(tools=[{"type": kind} for kind in kinds]).size
    assert size.server_tools == ("code_execution", "file_search", "image_generation", "mcp", "tomorrow", "web_search")
    assert read(tools=[{"type": "function", "name": "f"}]).size.server_tools == ()
    assert read(tools=[{"type": "shell", "environment": {"type": "local"}}]).size.server_tools == ()
    assert read(tools=[{"type": "shell", "environment": {"type": "container_auto"}}]).size.server_tools == ("shell",)


def test_a_tool_in_the_middle_of_a_conversation_counts_like_one_at_its_head() -> None:
    items = [{"type": "additional_tools", "role": "developer", "tools": [{"type": "web_search"}]}]
    assert read(input=items).size.server_tools == ("web_search",)


def test_a_body_that_is_nested_without_end_is_refused() -> None:
    for depth in (300, 480, 700, 980, 5_000):
        for opened, closed in ((b"[", b"]"), (b'{"content":', b"}")):
            body = b'{"model":"m","input":[{"role":"user","content":' + opened * depth + b"1" + closed * depth + b"}]}"
            try:
                SURFACE.read_request(body)
            except Problem as problem:
                assert problem.code == "invalid_request"


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with pytest.raises(Problem):
        SURFACE.read_request(body)
