"""Reading a Messages request, and the two edits that a relayed one gets."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.dialects.anthropic_messages import (
    COUNT_PATH,
    SURFACE,
    count_body,
    native_count_body,
    read_count_request,
)
from farebox.dialects.port import Edits, Profile
from farebox.dialects.request import Request
from tests.dialects.messages_bodies import CLAUDE_CODE_BODY

EDITS = Edits("claude-upstream", 77, Profile())
ASK: dict[str, Any] = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}


def read(**fields: Any) -> Request:
    return SURFACE.read_request(msgspec.json.encode({**ASK, **fields}))


def refused(**fields: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        read(**fields)
    return caught.value


def said(*blocks: Any, role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": list(blocks)}]


def test_a_request_says_its_model_its_limit_and_whether_it_streams() -> None:
    request = read(stream=True, service_tier="standard_only")
    assert (request.dialect, request.model, request.stream, request.output_limit) == (
        "anthropic_messages",
        "m",
        True,
        5,
    )
    assert (request.choices, request.wants_usage, request.service_tier) == (1, True, "standard_only")


@pytest.mark.parametrize("limit", [0, -1, 1.5, "5", True, [], {}])
def test_a_limit_that_is_no_positive_whole_number_is_refused(limit: Any) -> None:
    problem = refused(max_tokens=limit)
    assert (problem.code, problem.param) == ("invalid_max_tokens", "max_tokens")


@pytest.mark.parametrize(
    "fields", [{"messages": []}, {"messages": "hi"}, {"messages": [5]}, {"model": ""}, {"stream": 1}]
)
def test_what_is_no_request_is_refused(fields: dict[str, Any]) -> None:
    assert refused(**fields).code == "invalid_request"


def test_a_body_like_claude_codes_is_relayed_byte_for_byte_but_for_the_models_id() -> None:
    request = SURFACE.read_request(CLAUDE_CODE_BODY)
    expected = CLAUDE_CODE_BODY.replace(b'"model":"claude-sonnet-4-6"', b'"model":"claude-upstream"')
    assert SURFACE.native_body(request, EDITS) == expected != CLAUDE_CODE_BODY


def test_a_limit_is_added_only_where_the_client_set_none() -> None:
    assert msgspec.json.decode(SURFACE.native_body(read(), EDITS)) == {**ASK, "model": "claude-upstream"}
    for fields in ({**ASK, "max_tokens": None}, {name: ASK[name] for name in ("model", "messages")}):
        request = SURFACE.read_request(msgspec.json.encode(fields))
        assert request.output_limit is None
        assert msgspec.json.decode(SURFACE.native_body(request, EDITS))["max_tokens"] == 77


def test_a_request_to_count_needs_no_limit_and_gets_none() -> None:
    body = {"messages": ASK["messages"], "model": "m", "system": [{"type": "text", "text": "s"}], "x": 1}
    request = read_count_request(msgspec.json.encode(body))
    assert native_count_body(request, EDITS) == msgspec.json.encode({**body, "model": "claude-upstream"})
    assert count_body(12) == b'{"input_tokens":12}'
    assert COUNT_PATH == "/messages/count_tokens"


def test_text_counts_wherever_it_stands() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "four"}]}
    found = {"type": "search_result", "source": "so", "title": "ti", "content": [{"type": "text", "text": "text"}]}
    plain = {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "pläin"}}
    thought = {"type": "thinking", "thinking": "hm", "signature": "sig"}
    for content, chars in (("abc", 3), ([result], 4), ([found], 8), ([plain], 6), ([thought], 5)):
        size = read(messages=[{"role": "user", "content": content}]).size
        assert size.text_chars == chars and not size.media
    assert read(messages=said(plain)).size.text_bytes == 7
    assert read(system="abc").size.text_chars == read(system=[{"type": "text", "text": "abc"}]).size.text_chars == 5


def test_pictures_and_files_count_as_media_wherever_they_stand() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    paper = {"type": "document", "source": {"type": "url", "url": "http://x/y"}}
    pages = {"type": "document", "source": {"type": "content", "content": [picture, {"type": "text", "text": "t"}]}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [picture]}
    size = read(messages=said(picture, paper, pages, result)).size
    assert size.media == {"image": 3, "file": 1}
    assert size.media_bytes == 3 * 4 + len("http://x/y")
    assert size.text_chars == 1


def test_tools_that_the_provider_bills_are_named_without_their_version() -> None:
    tools = [
        {"name": "f", "input_schema": {}},
        {"type": "custom", "name": "g", "input_schema": {}},
        {"type": "web_search_20250305", "name": "web_search"},
        {"type": "web_fetch_20260318", "name": "web_fetch"},
        {"type": "code_execution_20260521", "name": "code_execution"},
        {"type": "mcp_toolset", "mcp_server_name": "m"},
        {"type": "tool_search_tool_regex_20251119", "name": "s"},
        *({"type": name} for name in ("bash_20250124", "text_editor_20250728", "computer_20251124")),
        *({"type": name} for name in ("memory_20250818", "browser_toolset_20260801", "computer_toolset_20260801")),
    ]
    size = read(tools=tools).size
    assert size.server_tools == ("code_execution", "mcp", "web_fetch", "web_search") and size.has_tools
    assert read(fallbacks=[{"model": "n"}]).size.server_tools == ("model_fallback",)


def test_a_tool_that_is_added_on_the_way_counts_like_one_of_the_list() -> None:
    definition = {"type": "web_search_20260318", "name": "web_search"}
    added = {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": definition}}
    size = read(messages=[*ASK["messages"], {"role": "system", "content": [added]}]).size
    assert size.server_tools == ("web_search",) and size.has_tools


def test_deep_nesting_is_refused_and_not_a_crash() -> None:
    inner: Any = "x"
    for _ in range(150):
        inner = [{"type": "tool_result", "content": inner}]
    assert read(messages=[{"role": "user", "content": inner}]).size.text_chars == 1
    bomb = b'{"model":"m","messages":' + b'[{"role":"user","content":' * 20_000
    with pytest.raises(Problem):
        SURFACE.read_request(bomb)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
BLOCK_FIELDS = st.sampled_from(
    ["type", "text", "source", "content", "input", "tool", "definition", "citations", "data"]
)
KINDS = st.sampled_from(["text", "image", "document", "tool_use", "tool_result", "tool_addition", "search_result"])
BLOCK = st.recursive(
    JSON,
    lambda inner: st.dictionaries(BLOCK_FIELDS, st.one_of(inner, KINDS, st.lists(inner, max_size=3))),
    max_leaves=8,
)


@given(system=BLOCK, content=BLOCK, tools=JSON)
def test_any_json_in_any_place_is_measured(system: Any, content: Any, tools: Any) -> None:
    request = read(system=system, messages=[{"role": "user", "content": content}], tools=tools)
    assert request.size.text_bytes >= request.size.text_chars >= 0


@given(body=st.binary(max_size=60) | JSON.map(msgspec.json.encode))
def test_any_bytes_are_a_request_or_a_clear_refusal(body: bytes) -> None:
    try:
        request = SURFACE.read_request(body)
    except Problem as problem:
        assert problem.code in ("invalid_request", "invalid_max_tokens")
    else:
        assert request.model
