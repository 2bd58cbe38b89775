"""What Responses cannot express: named, or refused where leaving it out would change the answer."""

import json
from typing import Any

import msgspec
import pytest

from farebox.base.errors import Problem
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
    SearchResult,
    Text,
    ToolCall,
    ToolResult,
    Url,
)
from farebox.dialects.canonical.reply import Finish, Finished, LogprobsAdded, PartEnded, PartStarted, Reply, SealDelta
from farebox.dialects.openai_responses import SURFACE, UPSTREAM, encode_stream
from farebox.dialects.port import Broken, Edits, Inexpressible, Profile, Told

EDITS = Edits("m", 99, Profile())
TOLD = Told("our-model", "0" * 32, 1_700_000_000, wants_usage=True)
HELLO = Turn("user", (Text("hello"),))


def said(*parts: Part, role: Any = "user", **fields: Any) -> Conversation:
    turns = (HELLO, Turn(role, parts)) if parts else (HELLO,)
    return Conversation(origin="openai_chat", turns=turns, **fields)


def sent(conversation: Conversation, edits: Edits = EDITS) -> tuple[dict[str, Any], tuple[str, ...]]:
    body, dropped = UPSTREAM.encode_request(conversation, edits, False)
    return json.loads(body), dropped


DROPPED: dict[str, Conversation] = {
    "seed": said(sampling=Sampling(seed=1)),
    "top_k": said(sampling=Sampling(top_k=1)),
    "presence_penalty": said(sampling=Sampling(presence_penalty=1.0)),
    "frequency_penalty": said(sampling=Sampling(frequency_penalty=1.0)),
    "logit_bias": said(sampling=Sampling(logit_bias=(("1", 1.0),))),
    "message_name": Conversation(origin="openai_chat", turns=(Turn("user", (Text("a"),), name="alice"),)),
    "cache_control": said(Text("a", cache=CacheMark())),
    "citations": said(Text("a", (Citation(origin="anthropic_messages", raw={"type": "page"}),)), role="assistant"),
    "document_context": said(Document(Url("https://example.com/a"), context="note")),
    "part:search_result": said(SearchResult("https://example.com", "A", ("text",))),
    "part:server_tool_use": said(Opaque("anthropic_messages", "server_tool_use", {"id": "x"}), role="assistant"),
    "foreign_reasoning": said(Reasoning("hm", seal="sig", origin="anthropic_messages"), Text("a"), role="assistant"),
    "thinking_budget": said(thinking=Thinking(budget_tokens=9_000)),
    "reasoning_effort": said(thinking=Thinking(disabled=True)),
    "reasoning_summary": said(thinking=Thinking(summary="tomorrow")),
    "verbosity": said(verbosity="tomorrow"),
    "service_tier": said(service_tier="standard_only"),
    "user": said(user="x" * 200),
    "server_tool:web_search": said(tools=(ServerTool("anthropic_messages", "web_search", {"type": "web_search_1"}),)),
    "field:is_error": said(ToolResult("c", (Text("a"),), is_error=True), role="tool"),
    "field:tomorrow": said(unknown=("tomorrow",)),
}


@pytest.mark.parametrize("feature", DROPPED)
def test_what_is_left_out_without_harm_is_named(feature: str) -> None:
    assert sent(DROPPED[feature])[1] == (feature,)


REFUSED: dict[str, Conversation] = {
    "n": said(choices=2),
    "stop": said(sampling=Sampling(stop=("x",))),
    "modalities": said(modalities=("text", "audio")),
    "part:audio": said(Audio("AAAA", "wav")),
    "part:file_id": said(Image(FileId("f", "anthropic_messages"))),
    "part:image": said(Image(Url("https://example.com/a")), role="assistant"),
    "server_tool:web_search": said(
        tools=(ServerTool("anthropic_messages", "web_search", {}),), tool_choice=ToolChoice("named", ("web_search",))
    ),
}


@pytest.mark.parametrize("feature", REFUSED)
def test_what_would_change_the_answer_is_refused(feature: str) -> None:
    with pytest.raises(Inexpressible) as caught:
        sent(REFUSED[feature])
    assert caught.value.feature == feature


def test_what_a_vendor_does_not_take_is_left_out_and_named() -> None:
    features = frozenset(
        {"temperature", "top_p", "logprobs", "metadata", "user", "cache_key", "service_tier", "verbosity",
         "reasoning_effort", "reasoning_summary", "encrypted_reasoning", "parallel_tool_calls", "image_detail",
         "tool_strict", "allowed_tools"}
    )  # fmt: skip
    conversation = said(
        Image(Url("https://example.com/a"), "low"),
        sampling=Sampling(temperature=0.5, top_p=0.5, logprobs=True, top_logprobs=2),
        metadata=(("a", "b"),), user="u", cache_key="k", service_tier="flex", verbosity="low",
        thinking=Thinking(effort="low", summary="auto"), parallel_tool_calls=False,
        tools=(FunctionTool("f", strict=True),), tool_choice=ToolChoice("allowed_auto", ("f",)),
    )  # fmt: skip
    everything, dropped = sent(conversation)
    assert dropped == () and set(everything) - {"model", "input", "store", "max_output_tokens"} == {
        "temperature", "top_p", "top_logprobs", "include", "metadata", "safety_identifier", "prompt_cache_key",
        "service_tier", "text", "reasoning", "parallel_tool_calls", "tools", "tool_choice",
    }  # fmt: skip
    little, dropped = sent(conversation, EDITS._replace(profile=Profile(unsupported=features)))
    assert set(little) == {"model", "input", "store", "max_output_tokens", "tools"}
    # Without a wish for reasoning there is none to ask for in sealed form.
    assert set(dropped) == features - {"encrypted_reasoning"}


def test_nothing_is_stored_and_reasoning_is_asked_for_where_it_may_occur() -> None:
    plain, _ = sent(said())
    assert plain == {
        "model": "m", "store": False, "max_output_tokens": 99,
        "input": [{"type": "message", "role": "user", "content": "hello"}],
    }  # fmt: skip
    sealed = ["reasoning.encrypted_content"]
    assert sent(said(thinking=Thinking(effort="low")))[0]["include"] == sealed
    thought = Reasoning(seal="s", origin="openai_responses")
    assert sent(said(thought, Text("a"), role="assistant"))[0]["include"] == sealed
    # A model that does not reason refuses the wish.
    assert "include" not in sent(said(thinking=Thinking(effort="none")))[0]


def test_functions_of_other_dialects_stay_as_lax_as_they_were() -> None:
    assert sent(said(tools=(FunctionTool("f"),)))[0]["tools"][0]["strict"] is False
    own = msgspec.structs.replace(said(tools=(FunctionTool("f"),)), origin="openai_responses")
    assert "strict" not in sent(own)[0]["tools"][0]


def test_budgets_become_efforts() -> None:
    efforts = [
        sent(said(thinking=Thinking(budget_tokens=tokens)))[0]["reasoning"]["effort"]
        for tokens in (1_024, 9_000, 32_000)
    ]
    assert efforts == ["low", "medium", "high"]


def test_seals_of_others_never_reach_a_provider() -> None:
    parts = (
        Reasoning("hm", seal="secret", origin="gemini"),
        ToolCall("c", "f", "{}", seal="secret", origin="gemini"),
        Reasoning("", seal="secret", redacted=True, origin="anthropic_messages"),
    )
    body, dropped = UPSTREAM.encode_request(said(*parts, role="assistant"), EDITS, False)
    assert b"secret" not in body and dropped == ("foreign_reasoning",)


def test_an_answers_form_without_a_name_gets_one() -> None:
    form = sent(said(answer_form=JsonSchema(schema={"type": "object"})))[0]["text"]["format"]
    assert form == {"type": "json_schema", "name": "answer", "schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("choice", "value"),
    [
        ({"type": "function", "name": "f"}, ToolChoice("named", ("f",))),
        ({"type": "custom", "name": "f"}, ToolChoice("named", ("f",), custom=True)),
        ({"type": "web_search_preview"}, ToolChoice("named", ("web_search",))),
        ({"type": "mcp", "server_label": "s"}, ToolChoice("named", ("mcp",))),
        ({"type": "apply_patch"}, ToolChoice("named", ("apply_patch",))),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            ToolChoice("allowed_required", ("f",)),
        ),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "image_generation"}]},
            ToolChoice("allowed_auto", ("image_generation",)),
        ),
        ("required", ToolChoice("required")),
    ],
)
def test_every_form_of_tool_choice_is_read(choice: Any, value: ToolChoice) -> None:
    assert read(tool_choice=choice).tool_choice == value


def read(**fields: Any) -> Conversation:
    return SURFACE.decode_request(SURFACE.read_request(json.dumps({"model": "m", "input": "hi"} | fields).encode()))


def test_what_is_not_understood_is_named_once_and_plainly() -> None:
    conversation = read(
        truncation="auto", max_tool_calls=3, prompt_cache_retention="24h", moderation={"model": "x"}, include=["x.y"],
        reasoning={"context": "auto"}, text={"tomorrow": 1}, stop=["x"], stream_options={"include_obfuscation": True},
        **{"söme thing\n": 1},
        input=[{"role": "user", "content": [{"type": "input_text", "text": "a", "prompt_cache_breakpoint": {}}]}],
    )  # fmt: skip
    assert conversation.unknown == (
        "include", "input.prompt_cache_breakpoint", "max_tool_calls", "moderation", "other",
        "prompt_cache_retention", "reasoning.context", "stop", "text.tomorrow", "truncation",
    )  # fmt: skip
    assert read(truncation="disabled", metadata=None, text=None).unknown == ()
    assert len(read(**{f"f{number}": 1 for number in range(999)}).unknown) == 32


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].text"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0].call_id"),
        ({"tools": [{"type": "function"}]}, "name"),
        ({"tools": 5}, "tools"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"temperature": "hot"}, "temperature"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"parallel_tool_calls": "yes"}, "parallel_tool_calls"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
    ],
)
def test_what_is_malformed_is_refused_by_its_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Problem) as caught:
        read(**fields)
    assert (caught.value.code, caught.value.param) == ("invalid_request", param)


def test_a_form_of_answer_that_nobody_knows_is_not_translated() -> None:
    with pytest.raises(Inexpressible):
        read(text={"format": {"type": "grammar"}})


def test_what_an_answer_cannot_hold_is_named() -> None:
    parts: tuple[Part, ...] = (
        Text("a", (Citation(origin="anthropic_messages", raw={}), Citation("https://example.com", quote="a"))),
        Opaque("gemini", "executable_code", {}),
        Audio("AAAA", "wav"),
        Image(Url("https://example.com/a")),
        Image(Inline("image/png", "AAAA")),
    )
    body, dropped = SURFACE.encode_reply(Reply(parts=parts, finish=Finish.END), TOLD)
    assert dropped == ("citations", "part:audio", "part:executable_code", "part:image")
    message, picture = json.loads(body)["output"]
    assert len(message["content"][0]["annotations"]) == 1
    assert (picture["type"], picture["result"]) == ("image_generation_call", "AAAA")
    encoder = SURFACE.new_encoder(TOLD)
    for part in parts:
        encoder.feed([PartStarted(part), PartEnded()])
    assert encoder.dropped == set(dropped)
    encoder.feed([LogprobsAdded([{"token": "a"}]), Finished(Finish.END)])
    assert "logprobs" in encoder.dropped


def test_silence_about_usage_is_no_null() -> None:
    assert "usage" not in json.loads(SURFACE.encode_reply(Reply(parts=()), TOLD).body)


def test_a_refusal_by_filter_is_incomplete_and_a_broken_call_is_cut() -> None:
    for finish, reason in ((Finish.REFUSAL, "content_filter"), (Finish.BROKEN_CALL, "max_output_tokens"),
                           (Finish.CONTEXT_WINDOW, "max_output_tokens")):  # fmt: skip
        response = json.loads(SURFACE.encode_reply(Reply(parts=(), finish=finish), TOLD).body)
        assert response["status"] == "incomplete" and response["incomplete_details"] == {"reason": reason}


def test_an_answer_without_end_breaks_the_stream_instead_of_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode_stream, "MAX_HELD_CHARS", 2_000)
    encoder = SURFACE.new_encoder(TOLD)
    encoder.feed([PartStarted(Reasoning(origin="gemini"))])
    with pytest.raises(Broken):
        for _ in range(101):
            encoder.feed([SealDelta("0123456789")])
