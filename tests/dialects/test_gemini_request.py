"""Canonical conversations as Gemini requests: everything arrives, or is named, or the route is refused."""

import json
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from msgspec.structs import replace
from pydantic import TypeAdapter

from farebox.base.errors import Problem
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
    DialectName,
    Document,
    FileId,
    Image,
    Inline,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Url,
)
from farebox.dialects.gemini import UPSTREAM
from farebox.dialects.port import Edits, Inexpressible, Profile
from tests.dialects import conversations as shared
from tests.dialects.gemini_dropped import without
from tests.dialects.gemini_reader import read_conversation
from tests.dialects.gemini_strategies import conversations
from tests.dialects.gemini_told_apart import told_apart

EDITS = Edits("gemini-3-flash", 512, Profile())
OLD = Edits("gemini-2.5-flash", 512, Profile())
USER = Turn("user", (Text("hi"),))
TOOL = FunctionTool("f", "does f", {"type": "object", "properties": {}})


def said(*parts: Part) -> Conversation:
    return asked(Turn("user", parts))


def asked(*turns: Turn, **fields: Any) -> Conversation:
    return Conversation(origin="openai_chat", turns=turns, **fields)


def body_of(conversation: Conversation, edits: Edits = EDITS) -> Any:
    return json.loads(UPSTREAM.encode_request(conversation, edits, False).body)


def refused(conversation: Conversation) -> tuple[str, str | None]:
    with pytest.raises(Inexpressible) as refusal:
        UPSTREAM.encode_request(conversation, EDITS, False)
    return refusal.value.feature, refusal.value.param


def validate(body: bytes) -> None:
    """The official types take it; they allow no field that they do not know."""
    request = json.loads(body)
    checks: dict[str, Any] = {
        "contents": list[types.Content],
        "systemInstruction": types.Content,
        "tools": list[types.Tool],
    }
    checks |= {"toolConfig": types.ToolConfig, "generationConfig": types.GenerationConfig}
    checks |= {"serviceTier": types.ServiceTier}
    for name, value in request.items():
        TypeAdapter(checks[name]).validate_json(json.dumps(value))


@given(conversation=conversations())
def test_what_is_not_named_as_dropped_comes_back_as_it_was(conversation: Conversation) -> None:
    encoded = UPSTREAM.encode_request(conversation, EDITS, True)
    kept = told_apart(without(conversation, encoded.dropped))
    assert told_apart(read_conversation(encoded.body)) == kept


# Left out: what Gemini refuses, and for which there are tests of their own.
ORIGINS: list[tuple[DialectName, bool]] = [("gemini", True), ("anthropic_messages", False)]
SHARED = [
    shared.conversations(
        shared.Switches(origin, with_custom_tools=False, with_images=False, with_document_urls=False, with_file_ids=own)
    )
    for origin, own in ORIGINS
]


@given(conversation=SHARED[0] | SHARED[1])
def test_a_conversation_of_any_dialect_comes_back_as_it_was(conversation: Conversation) -> None:
    encoded = UPSTREAM.encode_request(conversation, EDITS, True)
    kept = told_apart(without(conversation, encoded.dropped))
    assert told_apart(read_conversation(encoded.body)) == kept


@given(conversation=conversations())
def test_nothing_is_named_as_dropped_that_was_not_there(conversation: Conversation) -> None:
    for name in UPSTREAM.encode_request(conversation, EDITS, True).dropped:
        assert name == "answer_form" or without(conversation, [name]) != conversation


@given(conversation=conversations())
def test_the_official_types_accept_every_request(conversation: Conversation) -> None:
    for edits in (EDITS, OLD):
        validate(UPSTREAM.encode_request(conversation, edits, False).body)


def test_the_model_stands_in_the_path_and_streams_are_events() -> None:
    assert UPSTREAM.target("gemini-3-flash", False).path == "/models/gemini-3-flash:generateContent"
    path = UPSTREAM.target("a/b?c", True).path
    assert path == "/models/a%2Fb%3Fc:streamGenerateContent?alt=sse"


def test_systems_before_the_conversation_instruct_and_later_ones_stay_in_their_place() -> None:
    system, developer = Turn("system", (Text("a"), Text("b"))), Turn("developer", (Text("c"),))
    encoded = UPSTREAM.encode_request(asked(system, developer, USER, system, USER), EDITS, False)
    body = json.loads(encoded.body)
    assert body["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}, {"text": "c"}]}
    assert [content["role"] for content in body["contents"]] == ["user"] * 3
    assert body["contents"][1]["parts"] == [{"text": "a"}, {"text": "b"}]
    assert encoded.dropped == ("part:system",)


def test_a_system_alone_is_what_there_is_to_answer() -> None:
    encoded = UPSTREAM.encode_request(asked(Turn("system", (Text("a"),))), EDITS, False)
    assert json.loads(encoded.body)["contents"] == [{"role": "user", "parts": [{"text": "a"}]}]
    assert encoded.dropped == ("part:system",)


def test_media_go_as_bytes_or_as_addresses_with_their_type() -> None:
    parts = body_of(
        said(
            Image(Inline("image/png", "AAAA")),
            Image(Url("https://x.test/cat.webp?size=1")),
            Document(Url("https://x.test/download?id=1"), filename="report.pdf"),
            Document(FileId("https://files.test/1", "gemini")),
            Audio("AAAA", "mp3"),
        )
    )["contents"][0]["parts"]
    assert parts == [
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"fileData": {"mimeType": "image/webp", "fileUri": "https://x.test/cat.webp?size=1"}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.test/download?id=1"}},
        {"fileData": {"fileUri": "https://files.test/1"}},
        {"inlineData": {"mimeType": "audio/mp3", "data": "AAAA"}},
    ]


@pytest.mark.parametrize(
    ("part", "feature"),
    [
        (Image(Url("https://x.test/cat")), "part:image"),
        (Image(Url("ftp://x.test/cat.png")), "part:image"),
        (Image(Url("http://[x/cat.png")), "part:image"),
        (Document(Inline("", "AAAA")), "part:document"),
        (Document(FileId("file-1", "openai_chat")), "part:file_id"),
        (Audio("AAAA", "opus-in-a-box"), "part:audio"),
        (ToolResult("c1", (Text("x"),)), "tool_result_without_call"),
    ],
)
def test_content_that_gemini_cannot_read_refuses_the_route(part: Part, feature: str) -> None:
    assert refused(said(part)) == (feature, "messages")


def called(*calls: ToolCall, **fields: Any) -> Conversation:
    results = [ToolResult(call.call_id, (Text("ok"),)) for call in calls]
    return asked(USER, Turn("assistant", calls), Turn("tool", tuple(results)), **fields)


def test_arguments_go_as_the_model_wrote_them() -> None:
    call = ToolCall("c1", "f", '{ "n" : 1.0, "big": 12345678901234567890 }', seal="c2ln", origin="gemini")
    body = UPSTREAM.encode_request(called(call), EDITS, False).body
    assert b'"args":{ "n" : 1.0, "big": 12345678901234567890 }' in body
    part = json.loads(body)["contents"][1]["parts"][0]
    assert part["functionCall"]["id"] == "c1" and part["thoughtSignature"] == "c2ln"


def test_the_first_call_of_another_model_carries_the_documented_placeholder() -> None:
    """https://ai.google.dev/gemini-api/docs/thought-signatures (questions and answers)."""
    body = body_of(called(ToolCall("c1", "f", "{}"), ToolCall("c2", "g", "")))
    first, second = body["contents"][1]["parts"]
    assert first["thoughtSignature"] == "skip_thought_signature_validator"
    assert second == {"functionCall": {"id": "c2", "name": "g", "args": {}}}


def test_models_that_want_no_signature_get_no_placeholder() -> None:
    body = body_of(called(ToolCall("c1", "f", "{}")), OLD)
    assert "thoughtSignature" not in body["contents"][1]["parts"][0]


def test_seals_of_other_providers_never_leave() -> None:
    thought = Reasoning("t", seal="secret", origin="anthropic_messages")
    call = ToolCall("c1", "f", "{}", seal="secret", origin="openai_responses")
    encoded = UPSTREAM.encode_request(
        asked(USER, Turn("assistant", (thought, call)), Turn("tool", (ToolResult("c1", ()),))), EDITS, False
    )
    assert b"secret" not in encoded.body and encoded.dropped == ("foreign_reasoning",)


def test_results_name_their_function_and_keep_what_they_are() -> None:
    contents = (
        (Text('{"a": 1}'),),
        (Text("plain"),),
        (Text('{"output": 1}'),),
        (),
        (Text("a"), Text("b")),
    )
    calls = tuple(ToolCall(f"c{n}", f"f{n}", "{}") for n in range(len(contents)))
    results = tuple(ToolResult(f"c{n}", content) for n, content in enumerate(contents))
    parts = body_of(asked(USER, Turn("assistant", calls), Turn("tool", results)))["contents"][2]["parts"]
    responses = [part["functionResponse"] for part in parts]
    assert [(one["id"], one["name"]) for one in responses] == [(f"c{n}", f"f{n}") for n in range(len(contents))]
    assert [one["response"] for one in responses] == [
        {"a": 1},
        {"output": "plain"},
        {"output": '{"output": 1}'},
        {"output": []},
        {"output": ["a", "b"]},
    ]


def test_a_failed_call_says_so_and_its_pictures_go_along() -> None:
    call, png, gif = ToolCall("c1", "f", "{}"), Inline("image/png", "AAAA"), Inline("image/gif", "BBBB")

    def parts_of(edits: Edits, *content: Image | Text) -> Any:
        result = ToolResult("c1", content, is_error=True)
        turns = (USER, Turn("assistant", (call,)), Turn("tool", (result,)))
        return body_of(asked(*turns), edits)["contents"][2]["parts"]

    (inside,) = parts_of(EDITS, Image(png), Text("no"))
    assert inside["functionResponse"]["response"] == {"error": "no"}
    assert inside["functionResponse"]["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]
    # Before generation 3, and for types that may not stand inside, pictures follow in their order.
    kinds = [part.get("inlineData", {}).get("mimeType") for part in parts_of(EDITS, Image(png), Image(gif))]
    assert kinds == [None, "image/png", "image/gif"]
    assert len(parts_of(OLD, Image(png))) == 2


CHOICES = [
    (ToolChoice("auto"), {"mode": "AUTO"}),
    (ToolChoice("none"), {"mode": "NONE"}),
    (ToolChoice("required"), {"mode": "ANY"}),
    (ToolChoice("named", ("f",)), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    (ToolChoice("allowed_auto", ("f",)), {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
    (ToolChoice("allowed_required", ("f", "g")), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
]


@pytest.mark.parametrize(("choice", "config"), CHOICES)
def test_every_choice_of_tools_has_its_mode(choice: ToolChoice, config: Any) -> None:
    body = body_of(asked(USER, tools=(TOOL,), tool_choice=choice))
    assert body["toolConfig"] == {"functionCallingConfig": config}


def test_choices_that_cannot_be_kept_are_named_or_refused() -> None:
    some = asked(USER, tools=(TOOL,), tool_choice=ToolChoice("allowed_auto", ("f", "g")))
    assert UPSTREAM.encode_request(some, EDITS, False).dropped == ("allowed_tools",)
    assert "toolConfig" not in body_of(asked(USER, tool_choice=ToolChoice("auto")))
    none = asked(USER, tools=(TOOL,), tool_choice=ToolChoice("allowed_auto", ("g",)))
    assert body_of(none)["toolConfig"] == {"functionCallingConfig": {"mode": "NONE"}}
    for choice in (ToolChoice("named", ("g",)), ToolChoice("named", ("f",), custom=True)):
        assert refused(asked(USER, tools=(TOOL,), tool_choice=choice)) == ("tool_choice", "tool_choice")
    assert refused(asked(USER, tool_choice=ToolChoice("required"))) == ("tool_choice", "tool_choice")


def test_functions_are_declared_with_the_clients_own_schema() -> None:
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "additionalProperties": False}
    tools = (
        FunctionTool("f", "d", schema),
        FunctionTool("g"),
        ServerTool("gemini", "web_search", {"googleSearch": {}}),
    )
    assert body_of(asked(USER, tools=tools))["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "d", "parametersJsonSchema": schema},
                {"name": "g"},
            ]
        },
        {"googleSearch": {}},
    ]


def test_tools_whose_calls_could_not_come_back_refuse_the_route() -> None:
    assert refused(asked(USER, tools=(CustomTool("c"),))) == ("custom_tools", "tools")


def test_a_schema_nested_without_end_is_the_callers_fault() -> None:
    schema: Any = {}
    for _ in range(100_000):
        schema = {"items": schema}
    with pytest.raises(Problem) as problem:
        body_of(asked(USER, tools=(FunctionTool("f", parameters=schema),)))
    assert problem.value.code == "invalid_request"


def test_tools_of_a_namespace_have_one_flat_name_everywhere() -> None:
    call = ToolCall("c1", "f", "{}", namespace="n")
    choice = ToolChoice("named", ("f",))
    body = body_of(called(call, tools=(FunctionTool("f", namespace="n"),), tool_choice=choice))
    assert body["tools"][0]["functionDeclarations"] == [{"name": "n__ns__f"}]
    assert body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == ["n__ns__f"]
    assert body["contents"][1]["parts"][0]["functionCall"]["name"] == "n__ns__f"
    assert body["contents"][2]["parts"][0]["functionResponse"]["name"] == "n__ns__f"


THINKING = [
    ("gemini-3-flash", Thinking("low"), {"thinkingLevel": "LOW"}, ()),
    ("gemini-3-flash", Thinking("minimal"), {"thinkingLevel": "MINIMAL"}, ()),
    ("gemini-3.1-pro", Thinking("minimal"), {"thinkingLevel": "LOW"}, ("reasoning_effort",)),
    ("gemini-flash-latest", Thinking("xhigh"), {"thinkingLevel": "HIGH"}, ("reasoning_effort",)),
    ("gemini-3-flash", Thinking("none"), {"thinkingLevel": "MINIMAL"}, ("reasoning_effort",)),
    ("gemini-3-flash", Thinking("odd"), None, ("reasoning_effort",)),
    ("gemini-3-flash", Thinking("low", 2_000), {"thinkingBudget": 2_000}, ("reasoning_effort",)),
    ("gemini-3-flash", Thinking(adaptive=True), {"thinkingBudget": -1}, ()),
    ("gemini-3-flash", Thinking(), None, ()),
    ("gemini-2.5-flash", Thinking("medium"), {"thinkingBudget": 8_192}, ()),
    ("gemini-2.5-flash", Thinking(disabled=True), {"thinkingBudget": 0}, ()),
    ("gemini-2.5-pro", Thinking(disabled=True), {"thinkingBudget": 128}, ("reasoning_effort",)),
    ("gemini-2.5-pro", Thinking("max"), {"thinkingBudget": 24_576}, ("reasoning_effort",)),
    ("gemini-3-flash", Thinking(summary="omitted"), {"includeThoughts": False}, ()),
    ("gemini-3-flash", Thinking(summary="detailed"), {"includeThoughts": True}, ("reasoning_summary",)),
]


@pytest.mark.parametrize(("model", "thinking", "config", "dropped"), THINKING)
def test_thinking_is_asked_for_as_the_model_understands_it(
    model: str, thinking: Thinking, config: Any, dropped: tuple[str, ...]
) -> None:
    edits = Edits(model, 1, Profile())
    encoded = UPSTREAM.encode_request(asked(USER, thinking=thinking), edits, False)
    assert json.loads(encoded.body)["generationConfig"].get("thinkingConfig") == config
    assert encoded.dropped == dropped


def test_a_vendor_that_lacks_a_feature_is_not_asked_for_it() -> None:
    profile = Profile(unsupported=frozenset({"seed", "logprobs", "reasoning_effort"}))
    conversation = asked(USER, sampling=Sampling(seed=1, logprobs=True, top_k=2), thinking=Thinking("low"))
    encoded = UPSTREAM.encode_request(conversation, Edits("m", 9, profile), False)
    assert json.loads(encoded.body)["generationConfig"] == {"maxOutputTokens": 9, "topK": 2}
    assert encoded.dropped == ("logprobs", "reasoning_effort", "seed")


def test_an_answers_form_is_sent_whole_and_named_where_it_is_not_held_to() -> None:
    loose = {"type": "object", "properties": {"pattern": {"type": "string"}}}
    for schema, dropped in ((loose, ()), ({"type": "string", "pattern": "^a"}, ("answer_form",)), (None, ())):
        encoded = UPSTREAM.encode_request(asked(USER, answer_form=JsonSchema(schema)), EDITS, False)
        config = json.loads(encoded.body)["generationConfig"]
        assert config["responseMimeType"] == "application/json" and config.get("responseJsonSchema") == schema
        assert encoded.dropped == dropped


def test_what_would_change_the_answer_refuses_the_route() -> None:
    base = asked(USER)
    assert refused(replace(base, choices=2)) == ("n", "n")
    assert refused(replace(base, modalities=("audio",))) == ("modalities", "modalities")
    assert refused(replace(base, sampling=Sampling(stop=tuple("abcdef")))) == ("stop", "stop")


def test_names_of_participants_and_unknown_fields_are_named() -> None:
    encoded = UPSTREAM.encode_request(
        asked(replace(USER, name="ann"), unknown=("audio", "X y", "prediction")), EDITS, False
    )
    assert encoded.dropped == ("field:audio", "field:x_y", "message_name", "prediction")
