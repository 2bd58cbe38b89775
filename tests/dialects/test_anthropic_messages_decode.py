"""Requests of clients that speak Messages, in canonical form."""

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.dialects.anthropic_messages import SURFACE
from farebox.dialects.canonical.conversation import (
    Conversation,
    FunctionTool,
    JsonSchema,
    Sampling,
    ServerTool,
    Thinking,
    ToolChoice,
    Turn,
)
from farebox.dialects.canonical.parts import (
    CacheMark,
    Citation,
    Document,
    FileId,
    Image,
    Inline,
    Opaque,
    Reasoning,
    SearchResult,
    Text,
    ToolCall,
    ToolResult,
    Url,
)
from farebox.dialects.envelope import Sealed, seal
from farebox.dialects.port import Edits, Profile
from tests.dialects.messages_bodies import CLAUDE_CODE, CLAUDE_CODE_BODY
from tests.dialects.test_anthropic_messages_request import BLOCK, JSON

ORIGIN: Any = "anthropic_messages"
FIVE, HOUR = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}


def decode(version: str | None = None, **fields: Any) -> Conversation:
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], **fields}
    request = SURFACE.read_request(msgspec.json.encode(body))
    if version is not None:
        request = msgspec.structs.replace(request, headers=(("anthropic-version", version),))
    return SURFACE.decode_request(request)


def turns(*messages: dict[str, Any], version: str | None = None) -> tuple[Turn, ...]:
    return decode(version, messages=list(messages)).turns


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def refused(version: str | None = None, **fields: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        decode(version, **fields)
    assert caught.value.code == "invalid_request"
    return caught.value


def test_a_body_like_claude_codes_is_read_whole() -> None:
    found = SURFACE.decode_request(SURFACE.read_request(CLAUDE_CODE_BODY))
    assert [turn.role for turn in found.turns] == ["system", "user", "system", "assistant", "tool"]
    assert [part.cache for part in found.turns[0].parts if isinstance(part, Text)] == [
        None,
        CacheMark("1h"),
        CacheMark("1h"),
    ]
    assert found.turns[2] == Turn("system", (Text("The plan mode is on."),))
    thought = Reasoning(seal="EqQBCkYIBxgCKkD+/9==", origin=ORIGIN)
    assert found.turns[3].parts == (thought, ToolCall("toolu_01", "Tool1", '{"path":"/a","depth":2}'))
    assert found.turns[4].parts == (ToolResult("toolu_01", (Text("1\tdef f():"),), cache=CacheMark("1h")),)
    assert len(found.tools) == 25
    assert found.thinking == Thinking(adaptive=True, effort="high")
    assert found.user == CLAUDE_CODE["metadata"]["user_id"]
    assert found.unknown == ("context_management", "diagnostics")


def test_results_of_tools_are_a_turn_before_what_the_user_says() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": "4"}
    picture = {"type": "image", "source": {"type": "url", "url": "http://x/y.png"}}
    shown = {"type": "tool_result", "tool_use_id": "u", "content": [picture], "is_error": True}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    assert turns(assistant(call), user({"type": "text", "text": "so?"}, result), user(shown, result)) == (
        Turn("assistant", (ToolCall("t", "f", "{}"),)),
        Turn("tool", (ToolResult("t", (Text("4"),)),)),
        Turn("user", (Text("so?"),)),
        Turn(
            "tool",
            (ToolResult("u", (Image(Url("http://x/y.png")),), is_error=True), ToolResult("t", (Text("4"),))),
        ),
    )
    assert turns(user(result), user(result)) == (Turn("tool", (ToolResult("t", (Text("4"),)),) * 2),)


def test_neighbours_of_one_assistant_are_one_turn_and_empty_messages_none() -> None:
    said = {"type": "text", "text": "a"}
    assert turns(user(), {"role": "user", "content": ""}, assistant(said), assistant(said)) == (
        Turn("assistant", (Text("a"), Text("a"))),
    )


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"type": "text", "text": "a", "cache_control": HOUR}, Text("a", cache=CacheMark("1h"))),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
            Image(Inline("image/png", "AA==")),
        ),
        ({"type": "image", "source": {"type": "file", "file_id": "file_1"}}, Image(FileId("file_1", ORIGIN))),
        (
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="},
                "title": "t.pdf",
                "context": "a note",
                "citations": {"enabled": True},
                "cache_control": FIVE,
            },
            Document(Inline("application/pdf", "AA=="), "t.pdf", "a note", cite=True, cache=CacheMark("5m")),
        ),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plä"}},
            Document(Inline("text/plain", base64.b64encode("plä".encode()).decode())),
        ),
        ({"type": "document", "source": {"type": "url", "url": "http://x/y"}}, Document(Url("http://x/y"))),
        (
            {"type": "document", "source": {"type": "content", "content": "abc"}},
            Document(Inline("text/plain", base64.b64encode(b"abc").decode())),
        ),
        (
            {
                "type": "search_result",
                "source": "s",
                "title": "t",
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                "citations": {"enabled": True},
            },
            SearchResult("s", "t", ("a", "b"), cite=True),
        ),
        ({"type": "container_upload", "file_id": "f"}, Opaque(ORIGIN, "container_upload", {"file_id": "f"})),
    ],
)
def test_every_block_of_a_user_has_its_part(block: dict[str, Any], part: Any) -> None:
    if isinstance(part, Opaque):
        part = Opaque(ORIGIN, part.kind, block)
    assert turns(user(block)) == (Turn("user", (part,)),)


def test_a_document_of_blocks_is_its_text_and_then_its_pictures() -> None:
    picture = {"type": "image", "source": {"type": "url", "url": "http://x/y.png"}}
    pages = [{"type": "text", "text": "one"}, picture, {"type": "text", "text": "two"}]
    text = Document(Inline("text/plain", base64.b64encode(b"one\n\ntwo").decode()), "t")
    block = {"type": "document", "title": "t", "source": {"type": "content", "content": pages}}
    assert turns(user(block)) == (Turn("user", (text, Image(Url("http://x/y.png")))),)


def test_what_a_tool_found_stays_text_where_it_has_no_other_form() -> None:
    reference = {"type": "tool_reference", "tool_name": "Grep"}
    block = {"type": "tool_result", "tool_use_id": "t", "content": [reference]}
    assert turns(user(block)) == (
        Turn("tool", (ToolResult("t", (Text('{"type":"tool_reference","tool_name":"Grep"}'),)),)),
    )


def test_thoughts_keep_their_signatures_and_server_tools_their_form() -> None:
    server = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    cited = {
        "type": "web_search_result_location",
        "url": "http://x",
        "title": None,
        "cited_text": "q",
        "encrypted_index": "E",
    }
    paged = {"type": "page_location", "cited_text": "p", "document_index": 0}
    blocks = (
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "data"},
        server,
        found,
        {"type": "text", "text": "a", "citations": [cited, paged]},
    )
    assert turns(assistant(*blocks))[0].parts == (
        Reasoning("hm", seal="sig", origin=ORIGIN),
        Reasoning(seal="data", redacted=True, origin=ORIGIN),
        Opaque(ORIGIN, "server_tool_use", server),
        Opaque(ORIGIN, "web_search_tool_result", found),
        Text(
            "a",
            (
                Citation(url="http://x", quote="q", origin=ORIGIN, raw=cited),
                Citation(quote="p", origin=ORIGIN, raw=paged),
            ),
        ),
    )


def test_seals_of_other_origins_come_back_out_of_their_envelopes() -> None:
    sealed = seal("openai_responses", Sealed("enc", item_id="rs_1", is_summary=True))
    hidden = seal("openai_responses", Sealed("enc2", redacted=True))
    call_seal = seal("gemini", Sealed("sig", call_id="c"))
    blocks = (
        {"type": "thinking", "thinking": "one\n\ntwo", "signature": sealed},
        {"type": "redacted_thinking", "data": hidden},
        {"type": "redacted_thinking", "data": call_seal},
        {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
        {"type": "thinking", "thinking": "bare", "signature": ""},
    )
    assert turns(assistant(*blocks))[0].parts == (
        Reasoning(summary=("one", "two"), seal="enc", origin="openai_responses", item_id="rs_1"),
        Reasoning(seal="enc2", redacted=True, origin="openai_responses"),
        ToolCall("c", "f", '{"a":1}', seal="sig", origin="gemini"),
        Reasoning("bare"),
    )


def test_thoughts_of_other_origins_do_not_go_to_anthropic_when_the_model_changes() -> None:
    blocks = [
        {"type": "thinking", "thinking": "t", "signature": seal("gemini", Sealed("x"))},
        {"type": "text", "text": 'say "gw1.gemini."'},
        {"type": "thinking", "thinking": "own", "signature": "EqQB"},
    ]
    alone = assistant({"type": "redacted_thinking", "data": seal("gemini", Sealed("x"))})
    body = {"model": "m", "messages": [user({"type": "text", "text": "a"}), alone, assistant(*blocks)], "max_tokens": 5}
    request = SURFACE.read_request(msgspec.json.encode(body))
    sent = msgspec.json.decode(SURFACE.native_body(request, Edits("up", 9, Profile())))
    assert sent == {**body, "model": "up", "messages": [body["messages"][0], assistant(*blocks[1:])]}  # type: ignore[index]


def test_tools_and_the_choice_among_them() -> None:
    search = {"type": "web_search_20260318", "name": "web_search", "max_uses": 3}
    bash = {"type": "bash_20250124", "name": "bash"}
    plain = {"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True, "cache_control": FIVE}
    found = decode(
        tools=[plain, {"type": "custom", "name": "g", "input_schema": {}, "defer_loading": True}, search, bash]
    )
    assert found.tools == (
        FunctionTool("f", "d", {"type": "object"}, True, cache=CacheMark("5m")),
        FunctionTool("g", parameters={}),
        ServerTool(ORIGIN, "web_search", search),
        ServerTool(ORIGIN, "bash", bash),
    )
    assert found.unknown == ("tools.defer_loading",)
    for choice, mode, parallel in (
        ({"type": "auto"}, ToolChoice("auto"), None),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice("required"), False),
        ({"type": "tool", "name": "f", "disable_parallel_tool_use": False}, ToolChoice("named", ("f",)), True),
        ({"type": "none"}, ToolChoice("none"), None),
    ):
        read = decode(tools=[plain], tool_choice=choice)
        assert (read.tool_choice, read.parallel_tool_calls) == (mode, parallel)


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, Thinking(budget_tokens=2048)),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, Thinking(adaptive=True, summary="omitted")),
        ({"thinking": {"type": "disabled"}}, Thinking(disabled=True)),
        ({"output_config": {"effort": "max"}}, Thinking(effort="max")),
        ({"thinking": None}, None),
    ],
)
def test_how_much_to_think(fields: dict[str, Any], thinking: Thinking | None) -> None:
    assert decode(**fields).thinking == thinking


def test_the_form_of_an_answer_has_two_names() -> None:
    form = {"type": "json_schema", "schema": {"type": "object"}}
    assert decode(output_config={"format": form}).answer_form == JsonSchema({"type": "object"})
    assert decode(output_format=form).answer_form == JsonSchema({"type": "object"})


def test_the_rest_of_a_request() -> None:
    found = decode(
        temperature=0.5,
        top_p=1,
        top_k=3,
        stop_sequences=["x"],
        cache_control=HOUR,
        service_tier="standard_only",
        metadata={"user_id": "u", "team": "t"},
        mcp_servers=[{}],
        container="c",
        speed=None,
        stream=True,
    )
    assert found.sampling == Sampling(0.5, 1.0, 3, stop=("x",))
    assert (found.cache, found.service_tier, found.user) == (CacheMark("1h"), "standard_only", "u")
    assert found.unknown == ("container", "mcp_servers", "metadata.team")


DOCUMENT = {"type": "document", "source": {"type": "url", "url": "http://x/y"}}
CITED = {"type": "text", "text": "a", "citations": [{"type": "char_location", "cited_text": "a"}]}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 1}, "temperature"),
        ({"top_p": 0.5}, "top_p"),
        ({"top_k": 5}, "top_k"),
        ({"messages": [user(), assistant(DOCUMENT)]}, "messages.1.content.0"),
        ({"messages": [user(CITED)]}, "messages.0.content.0.citations"),
    ],
)
def test_the_second_version_refuses_what_the_first_one_takes(fields: dict[str, Any], param: str) -> None:
    problem = refused("2026-10-21", **fields)
    assert problem.param == param and "2026-10-21" in problem.message
    assert decode("2023-06-01", **fields) == decode(None, **fields)


def test_the_second_version_takes_the_rest() -> None:
    fields: dict[str, Any] = {"messages": [user(DOCUMENT, {**CITED, "citations": []}), assistant(CITED)]}
    assert decode("2026-10-21", **fields) == decode(None, **fields)


def test_an_unknown_version_is_refused_with_the_known_ones() -> None:
    problem = refused("2024-01-01")
    assert problem.message == "`anthropic-version` must be one of: 2023-06-01, 2026-10-21."


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [user({"text": "x"})]}, "messages.0.content.0.type"),
        ({"messages": [user({"type": "text"})]}, "messages.0.content.0.text"),
        ({"messages": [user({"type": "image", "source": {"type": "moon"}})]}, "messages.0.content.0.source.type"),
        ({"messages": [user({"type": "tool_use", "id": "a", "name": "b", "input": {}})]}, "messages.0.content"),
        ({"messages": [assistant({"type": "tool_result", "tool_use_id": "a"})]}, "messages.0.content"),
        (
            {"messages": [assistant({"type": "tool_use", "id": "a", "name": "b", "input": []})]},
            "messages.0.content.0.input",
        ),
        ({"system": 5}, "system"),
        ({"system": [{"type": "image", "source": {"type": "url", "url": "u"}}]}, "system"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"input_schema": {}}]}, "tools.0.name"),
        ({"tool_choice": {"type": "maybe"}}, "tool_choice.type"),
        ({"thinking": {"type": "enabled", "budget_tokens": "x"}}, "thinking.budget_tokens"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
        ({"stop_sequences": [5]}, "stop_sequences"),
        ({"temperature": "hot"}, "temperature"),
        ({"cache_control": 5}, "cache_control"),
    ],
)
def test_a_wrong_value_is_refused_by_its_place(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).param == param


@given(system=BLOCK, content=BLOCK, tools=JSON, rest=st.dictionaries(st.sampled_from(sorted(CLAUDE_CODE)), JSON))
def test_any_json_is_a_conversation_or_a_clear_refusal(system: Any, content: Any, tools: Any, rest: Any) -> None:
    message = {"role": "assistant", "content": content}
    try:
        found = decode(
            **{**rest, "model": "m", "max_tokens": 5, "system": system, "tools": tools, "messages": [message]}
        )
    except Problem as problem:
        assert problem.code == "invalid_request"
    else:
        assert found.origin == ORIGIN
