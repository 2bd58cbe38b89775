"""Conversations of other dialects as Messages bodies: what they become, what is dropped by name, what is refused."""

import base64
from typing import Any

import msgspec
import pytest
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from farebox.dialects.anthropic_messages import UPSTREAM
from farebox.dialects.anthropic_messages.write_blocks import fit_id
from farebox.dialects.canonical.conversation import (
    Conversation,
    CustomTool,
    FunctionTool,
    JsonSchema,
    Sampling,
    ServerTool,
    Thinking,
    ToolChoice,
    Turn,
)
from farebox.dialects.canonical.parts import (
    Audio,
    CacheMark,
    Citation,
    Document,
    FileId,
    Image,
    Inline,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    SearchResult,
    Text,
    ToolCall,
    ToolResult,
    Url,
)
from farebox.dialects.port import Edits, Inexpressible, Profile
from tests.dialects.conversations import Switches, conversations

HI = Turn("user", (Text("hi"),))
F = FunctionTool("f", parameters={"type": "object"})
_PARAMS: TypeAdapter[Any] = TypeAdapter(MessageCreateParamsNonStreaming)


def encode(
    *turns: Turn, limit: int = 32_000, unsupported: tuple[str, ...] = (), **fields: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    conversation = Conversation(**{"origin": "openai_chat", "turns": turns or (HI,), **fields})
    edits = Edits("up", limit, Profile(unsupported=frozenset(unsupported)))
    encoded = UPSTREAM.encode_request(conversation, edits, False)
    _PARAMS.validate_json(encoded.body)
    return msgspec.json.decode(encoded.body), encoded.dropped


def said(*parts: Part, role: Any = "user") -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The blocks of one message, and what was dropped."""
    body, dropped = encode(HI, Turn(role, parts)) if role == "assistant" else encode(Turn(role, parts))
    return body["messages"][-1]["content"], dropped


def refused(*turns: Turn, **fields: Any) -> Inexpressible:
    with pytest.raises(Inexpressible) as caught:
        encode(*turns, **fields)
    return caught.value


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def test_a_conversation_of_chat_becomes_a_messages_body() -> None:
    body, dropped = encode(
        Turn("system", (Text("Be brief."),)),
        Turn("developer", (Text("Use tools.", cache=CacheMark("1h")),)),
        Turn("user", (Text("Weather?"), Image(Inline("image/png", "AA==")))),
        Turn("assistant", (Text("Looking."), ToolCall("call_1", "f", '{"city": "Sofia"}'))),
        Turn("tool", (ToolResult("call_1", (Text("sunny"),)),)),
        Turn("user", (Text("Thanks"),)),
        tools=(FunctionTool("f", "d", {"type": "object"}, True),),
        tool_choice=ToolChoice("auto"),
        parallel_tool_calls=False,
        sampling=Sampling(temperature=0.5, stop=("END",)),
        user="u",
    )
    assert dropped == ()
    assert body == {
        "model": "up",
        "max_tokens": 32_000,
        "system": [text("Be brief."), {**text("Use tools."), "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    text("Weather?"),
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    text("Looking."),
                    {"type": "tool_use", "id": "call_1", "name": "f", "input": {"city": "Sofia"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": [text("sunny")]},
                    text("Thanks"),
                ],
            },
        ],
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "temperature": 0.5,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u"},
    }


def test_only_a_stream_is_asked_to_stream() -> None:
    conversation = Conversation(origin="openai_chat", turns=(HI,))
    for stream in (True, False):
        body = UPSTREAM.encode_request(conversation, Edits("up", 7, Profile()), stream).body
        assert msgspec.json.decode(body).get("stream", False) is stream


# ── the system between the turns ──────────────────────────────────────────────────────────────────────────────────


def system(value: str, role: Any = "system") -> Turn:
    return Turn(role, (Text(value),))


def test_a_system_message_stays_one_where_the_api_takes_it() -> None:
    answer = Turn("assistant", (Text("a"),))
    body, dropped = encode(HI, system("s"), system("t", "developer"), answer, HI, system("u"))
    assert dropped == ()
    assert [(message["role"], message["content"]) for message in body["messages"]] == [
        ("user", [text("hi")]),
        ("system", [text("s"), text("t")]),
        ("assistant", [text("a")]),
        ("user", [text("hi")]),
        ("system", [text("u")]),
    ]


def test_a_system_message_elsewhere_is_said_by_the_user_and_named() -> None:
    answer = Turn("assistant", (Text("a"),))
    for turns, unsupported in (
        ((HI, answer, system("s"), HI), ()),
        ((HI, system("s"), HI), ()),
        ((HI, system("s")), ("field:role",)),
    ):
        body, dropped = encode(*turns, unsupported=unsupported)
        assert dropped == ("field:role",)
        assert {"role": "user", "content": [text("s")]} in body["messages"]
        assert all(message["role"] != "system" for message in body["messages"])


def test_a_conversation_of_the_system_alone_is_said_by_the_user() -> None:
    body, dropped = encode(system("s"))
    assert body["messages"] == [{"role": "user", "content": [text("s")]}] and "system" not in body
    assert dropped == ("field:role",)


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

PLAIN = base64.b64encode("plä".encode()).decode()


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (Image(Url("https://x/y.png")), {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}),
        (
            Image(Url("data:image/png;base64,AA==")),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
        ),
        (
            Image(FileId("f", "anthropic_messages")),
            {"type": "image", "source": {"type": "file", "file_id": "f"}},
        ),
        (
            Document(Inline("application/pdf", "AA=="), "a.pdf"),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="},
                "title": "a.pdf",
            },
        ),
        (
            Document(Inline("text/markdown; charset=utf-8", PLAIN)),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plä"}},
        ),
        (
            Document(Inline("image/png", "AA==")),
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
        ),
        (
            SearchResult("s", "t", ("a",), cite=True),
            {
                "type": "search_result",
                "source": "s",
                "title": "t",
                "content": [text("a")],
                "citations": {"enabled": True},
            },
        ),
    ],
)
def test_every_part_of_a_user_has_its_block(part: Part, block: dict[str, Any]) -> None:
    assert said(part) == ([block], ())


@pytest.mark.parametrize(
    ("part", "feature"),
    [
        (Audio("AA==", "wav"), "part:audio"),
        (Image(Inline("image/bmp", "AA==")), "part:image"),
        (Image(Url("gs://bucket/y.png")), "part:image"),
        (Image(FileId("file-1", "openai_responses")), "part:file_id"),
        (Document(FileId("file-1", "openai_chat")), "part:file_id"),
        (Document(Inline("application/zip", "AA==")), "part:document"),
        (Document(Inline("text/plain", "/w==")), "part:document"),
        (Document(Url("https://x/y.docx", "application/msword")), "part:document"),
    ],
)
def test_what_the_api_cannot_read_is_refused(part: Part, feature: str) -> None:
    error = refused(Turn("user", (part,)))
    assert (error.feature, error.param) == (feature, "messages")


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (Image(Url("https://x/y.png"), detail="low"), "image_detail"),
        (Text("a", (Citation(url="https://x"),)), "citations"),
        (Text("a", (Citation(origin="gemini", raw={"type": "char_location"}),)), "citations"),
        (Text(" \n", cache=CacheMark()), "cache_control"),
        (Opaque("openai_responses", "web_search_call", {}), "part:web_search_call"),
        (Reasoning("x", origin="openai_chat"), "part:reasoning"),
    ],
)
def test_what_a_user_says_besides_is_dropped_by_name(part: Part, name: str) -> None:
    assert encode(HI, Turn("user", (Text("b"), part)))[1] == (name,)


@pytest.mark.parametrize(
    ("part", "blocks", "dropped"),
    [
        (Refusal("no"), [text("no")], ()),
        (
            Reasoning("t", seal="s", origin="anthropic_messages"),
            [{"type": "thinking", "thinking": "t", "signature": "s"}],
            (),
        ),
        (
            Reasoning(seal="s", redacted=True, origin="anthropic_messages"),
            [{"type": "redacted_thinking", "data": "s"}],
            (),
        ),
        (Reasoning("t", origin="anthropic_messages"), [], ("foreign_reasoning",)),
        (Reasoning("t", seal="s", origin="gemini"), [], ("foreign_reasoning",)),
        (Opaque("anthropic_messages", "x", {"type": "x"}), [{"type": "x"}], ()),
        (
            ToolCall("a", "f", "", seal="s", origin="gemini"),
            [{"type": "tool_use", "id": "a", "name": "f", "input": {}}],
            ("foreign_reasoning",),
        ),
        (
            ToolCall("a", "f", "[1", namespace="ns"),
            [{"type": "tool_use", "id": "a", "name": "ns__ns__f", "input": {"arguments": "[1"}}],
            ("field:arguments",),
        ),
    ],
)
def test_every_part_of_an_assistant(part: Part, blocks: list[dict[str, Any]], dropped: tuple[str, ...]) -> None:
    assert said(Text("a"), part, role="assistant") == ([text("a"), *blocks], dropped)


def test_texts_without_a_visible_character_are_not_sent_nor_messages_of_nothing() -> None:
    body, dropped = encode(HI, Turn("assistant", (Text(""), Text("\n"))), Turn("user", (Text("x"), Text(""))))
    assert body["messages"] == [{"role": "user", "content": [text("hi")]}, {"role": "user", "content": [text("x")]}]
    assert dropped == ()


@given(st.text(max_size=20))
def test_an_id_is_fit_for_the_api_and_the_same_for_a_call_and_its_result(call_id: str) -> None:
    body, _ = encode(
        HI,
        Turn("assistant", (ToolCall(call_id, "f", "{}"),)),
        Turn("tool", (ToolResult(call_id, ()),)),
    )
    call, result = body["messages"][1]["content"][0], body["messages"][2]["content"][0]
    assert call["id"] == result["tool_use_id"] == fit_id(call_id)
    assert call["id"].replace("_", "a").replace("-", "a").isalnum() and call["id"].isascii()
    assert fit_id("a.b") != fit_id("a:b") != fit_id("a_b") == "a_b"


# ── tools ─────────────────────────────────────────────────────────────────────────────────────────────────────────

G = FunctionTool("g", parameters={"properties": {}}, namespace="ns")


@pytest.mark.parametrize(
    ("choice", "written", "names"),
    [
        (ToolChoice("auto"), {"type": "auto"}, ["f", "ns__ns__g"]),
        (ToolChoice("none"), {"type": "none"}, ["f", "ns__ns__g"]),
        (ToolChoice("required"), {"type": "any"}, ["f", "ns__ns__g"]),
        (ToolChoice("named", ("g",)), {"type": "tool", "name": "ns__ns__g"}, ["f", "ns__ns__g"]),
        (ToolChoice("allowed_auto", ("f",)), {"type": "auto"}, ["f"]),
        (ToolChoice("allowed_required", ("f",)), {"type": "any"}, ["f"]),
    ],
)
def test_every_choice_among_tools(choice: ToolChoice, written: dict[str, Any], names: list[str]) -> None:
    body, dropped = encode(tools=(F, G), tool_choice=choice)
    assert body["tool_choice"] == written
    assert [tool["name"] for tool in body["tools"]] == names
    assert dropped == (("allowed_tools",) if choice.mode.startswith("allowed") else ())


def test_a_choice_that_no_tool_can_meet_is_refused() -> None:
    for choice in (ToolChoice("required"), ToolChoice("named", ("f",)), ToolChoice("allowed_required", ("f",))):
        assert refused(tool_choice=choice).feature == "tool_choice"
    assert refused(tools=(F,), tool_choice=ToolChoice("named", ("x",))).feature == "tool_choice"
    assert "tool_choice" not in encode(tool_choice=ToolChoice("auto"))[0]


def test_a_vendor_without_choices_gets_none_and_is_not_asked_for_a_forced_one() -> None:
    body, dropped = encode(tools=(F,), tool_choice=ToolChoice("auto"), unsupported=("tool_choice",))
    assert "tool_choice" not in body and dropped == ("tool_choice",)
    for mode in ("none", "required"):
        choice = ToolChoice(mode)
        assert refused(tools=(F,), tool_choice=choice, unsupported=("tool_choice",)).feature == "tool_choice"


def test_tools_of_others() -> None:
    grammar = CustomTool("c", format={"type": "grammar"})
    assert refused(tools=(grammar,)).feature == "custom_tools"
    assert refused(HI, Turn("assistant", (ToolCall("a", "c", "x", custom=True),))).feature == "custom_tools"
    body, dropped = encode(tools=(ServerTool("openai_responses", "file_search", {}), FunctionTool("n")))
    assert body["tools"] == [{"name": "n", "input_schema": {"type": "object", "properties": {}}}]
    assert dropped == ("server_tool:file_search",)
    own = {"type": "web_search_20250305", "name": "web_search"}
    body, dropped = encode(tools=(ServerTool("anthropic_messages", "web_search", own),))
    assert (body["tools"], dropped) == ([own], ())


def test_a_wish_about_parallel_calls_needs_a_choice_that_can_hold_it() -> None:
    assert encode(tools=(F,), parallel_tool_calls=True)[0]["tool_choice"] == {
        "type": "auto",
        "disable_parallel_tool_use": False,
    }
    body, dropped = encode(tools=(F,), parallel_tool_calls=False, tool_choice=ToolChoice("none"))
    assert (body["tool_choice"], dropped) == ({"type": "none"}, ("parallel_tool_calls",))
    body, dropped = encode(tools=(F,), parallel_tool_calls=False, unsupported=("parallel_tool_calls",))
    assert "tool_choice" not in body and dropped == ("parallel_tool_calls",)


# ── thinking ──────────────────────────────────────────────────────────────────────────────────────────────────────

ADAPTIVE = {"type": "adaptive"}


@pytest.mark.parametrize(
    ("thinking", "written", "effort", "dropped"),
    [
        (Thinking(effort="high"), ADAPTIVE, "high", ()),
        (Thinking(effort="minimal"), ADAPTIVE, "low", ("reasoning_effort",)),
        (Thinking(effort="none"), {"type": "disabled"}, None, ()),
        (Thinking(disabled=True), {"type": "disabled"}, None, ()),
        (Thinking(budget_tokens=2048), {"type": "enabled", "budget_tokens": 2048}, None, ()),
        (Thinking(budget_tokens=1023), ADAPTIVE, None, ("thinking_budget",)),
        (Thinking(budget_tokens=32_000), ADAPTIVE, None, ("thinking_budget",)),
        (Thinking(adaptive=True, summary="omitted"), {**ADAPTIVE, "display": "omitted"}, None, ()),
        (Thinking(effort="low", summary="auto"), {**ADAPTIVE, "display": "summarized"}, "low", ()),
        (
            Thinking(effort="low", summary="concise"),
            {**ADAPTIVE, "display": "summarized"},
            "low",
            ("reasoning_summary",),
        ),
        (Thinking(summary="auto"), None, None, ("reasoning_summary",)),
    ],
)
def test_how_much_to_think(
    thinking: Thinking, written: dict[str, Any] | None, effort: str | None, dropped: tuple[str, ...]
) -> None:
    body, names = encode(thinking=thinking)
    assert body.get("thinking") == written
    assert body.get("output_config", {}).get("effort") == effort
    assert names == dropped


def test_an_effort_of_this_dialect_asks_for_no_thoughts() -> None:
    body, dropped = encode(thinking=Thinking(effort="high"), origin="anthropic_messages")
    assert "thinking" not in body and body["output_config"] == {"effort": "high"} and dropped == ()


def test_a_model_without_adaptive_thinking_gets_a_budget_that_leaves_room_for_the_answer() -> None:
    old = ("adaptive_thinking", "reasoning_effort")
    for effort, limit, budget in (("low", 32_000, 2_048), ("high", 32_000, 16_000), ("high", 4_096, 2_048)):
        body, dropped = encode(thinking=Thinking(effort=effort), limit=limit, unsupported=old)
        assert body["thinking"] == {"type": "enabled", "budget_tokens": budget}
        assert "output_config" not in body and dropped == ("reasoning_effort",)
    body, dropped = encode(thinking=Thinking(effort="high"), limit=1_500, unsupported=old)
    assert "thinking" not in body and dropped == ("reasoning_effort",)


def test_who_thinks_has_no_temperature_and_no_forced_choice() -> None:
    thinking = Thinking(budget_tokens=2048)
    body, dropped = encode(thinking=thinking, sampling=Sampling(0.5, 0.5, 5))
    assert not {"temperature", "top_p", "top_k"} & body.keys()
    assert dropped == ("temperature", "top_k", "top_p")
    body, dropped = encode(thinking=thinking, sampling=Sampling(temperature=1.0))
    assert (body["temperature"], dropped) == (1.0, ())
    for forced in (ToolChoice("required"), ToolChoice("named", ("f",))):
        body, dropped = encode(thinking=thinking, tools=(F,), tool_choice=forced)
        assert "thinking" not in body and dropped == ("thinking_budget",)
        body, dropped = encode(thinking=Thinking(effort="high"), tools=(F,), tool_choice=forced)
        assert "thinking" not in body and dropped == ("reasoning_effort",)


def test_a_budget_is_left_out_where_the_last_calls_came_without_a_thought() -> None:
    call, result = ToolCall("a", "f", "{}"), Turn("tool", (ToolResult("a", ()),))
    thought = Reasoning("t", seal="s", origin="anthropic_messages")
    for parts, dropped in (((call,), ("thinking_budget",)), ((thought, call), ())):
        body, names = encode(HI, Turn("assistant", parts), result, thinking=Thinking(budget_tokens=2048))
        assert ("thinking" in body, names) == (not dropped, dropped)


# ── the rest ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"sampling": Sampling(seed=5)}, "seed"),
        ({"sampling": Sampling(presence_penalty=0.0)}, "presence_penalty"),
        ({"sampling": Sampling(frequency_penalty=1.0)}, "frequency_penalty"),
        ({"sampling": Sampling(logit_bias=(("1", 2.0),))}, "logit_bias"),
        ({"sampling": Sampling(logprobs=True)}, "logprobs"),
        ({"sampling": Sampling(top_logprobs=0)}, "logprobs"),
        ({"sampling": Sampling(temperature=1.5)}, "temperature"),
        ({"sampling": Sampling(temperature=0.5, top_p=0.5)}, "top_p"),
        ({"sampling": Sampling(stop=("\n", "x"))}, "stop"),
        ({"verbosity": "low"}, "verbosity"),
        ({"metadata": (("a", "b"),)}, "metadata"),
        ({"cache_key": "k"}, "cache_key"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"answer_form": JsonSchema()}, "answer_form"),
        ({"answer_form": JsonSchema({"type": "object"}, strict=False)}, "answer_form"),
        ({"unknown": ("Store",)}, "field:store"),
        ({"turns": (Turn("user", (Text("a"),), name="bob"),)}, "message_name"),
    ],
)
def test_what_has_no_place_is_dropped_by_name(fields: dict[str, Any], name: str) -> None:
    assert encode(**fields)[1] == (name,)


@pytest.mark.parametrize(
    ("fields", "feature"), [({"choices": 2}, "n"), ({"modalities": ("text", "audio")}, "modalities")]
)
def test_what_would_change_the_answer_is_refused(fields: dict[str, Any], feature: str) -> None:
    assert refused(**fields).feature == feature


def test_what_a_vendor_does_not_take_is_dropped_by_name() -> None:
    everything = Sampling(0.5, None, 5, stop=("x",))
    cached = Turn("user", (Text("a", cache=CacheMark()),))
    names = ("cache_control", "service_tier", "stop", "temperature", "tool_strict", "top_k", "user")
    tool = FunctionTool("f", parameters={"type": "object"}, strict=True)
    body, dropped = encode(cached, tools=(tool,), sampling=everything, user="u", service_tier="auto", unsupported=names)
    assert dropped == names
    assert set(body) == {"model", "max_tokens", "messages", "tools"} and "strict" not in body["tools"][0]


def test_a_schema_is_the_form_of_an_answer() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    body, dropped = encode(answer_form=JsonSchema(schema, "label", strict=True))
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": schema}} and dropped == ()
    assert refused(answer_form=JsonSchema(schema), unsupported=("answer_form",)).feature == "answer_form"


ANYTHING = Switches(origin="openai_responses", answered_calls=False)


@given(conversations(ANYTHING))
def test_any_conversation_is_a_body_that_the_sdk_knows_or_is_refused_by_name(conversation: Conversation) -> None:
    try:
        encoded = UPSTREAM.encode_request(conversation, Edits("up", 4_096, Profile()), False)
    except Inexpressible as error:
        assert error.feature and error.param
        return
    assert list(encoded.dropped) == sorted(set(encoded.dropped))
    _PARAMS.validate_json(encoded.body)
