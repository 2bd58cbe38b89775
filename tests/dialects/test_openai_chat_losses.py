"""What chat, or one provider of it, cannot say: each is dropped by name or refused, never lost in silence."""

from typing import Any

import msgspec
import pytest

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
    SearchResult,
    Text,
    ToolCall,
    ToolResult,
    Url,
)
from farebox.dialects.canonical.reply import Finish, Reply
from farebox.dialects.openai_chat.decode_request import decode_request
from farebox.dialects.openai_chat.encode_reply import encode_reply
from farebox.dialects.openai_chat.encode_request import encode_request
from farebox.dialects.openai_chat.request import read_request
from farebox.dialects.port import Edits, Inexpressible, Profile, Told

PROFILE = Profile()
TOLD = Told(model="m", stem="0" * 32, created=1, wants_usage=True)
HI = Turn("user", (Text("hi"),))
TOOL = FunctionTool("f", parameters={"type": "object"})
PDF = Inline("application/pdf", "aGk=")
PICTURE = Image(Inline("image/png", "aGk="))


def asking(*turns: Turn, **fields: Any) -> Conversation:
    return Conversation(origin="anthropic_messages", turns=turns or (HI,), **fields)


def sent(conversation: Conversation, profile: Profile = PROFILE) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body that a provider gets, and what was dropped."""
    encoded = encode_request(conversation, Edits("up", 9, profile), False)
    return msgspec.json.decode(encoded.body), encoded.dropped


def said(*parts: Part) -> Conversation:
    return asking(HI, Turn("assistant", parts))


RESULT = (Turn("assistant", (ToolCall("a", "f", "{}"),)), Turn("tool", (ToolResult("a", (Text("x"),), True),)))
PORTABLE = Citation(url="https://example.com", start=0, end=1)

DROPPED: list[tuple[str, Conversation]] = [
    ("top_k", asking(sampling=Sampling(top_k=5))),
    ("thinking_budget", asking(thinking=Thinking(budget_tokens=2_000))),
    ("reasoning_effort", asking(thinking=Thinking(disabled=True))),
    ("reasoning_summary", asking(thinking=Thinking(effort="low", summary="concise"))),
    ("foreign_reasoning", said(Reasoning("hm", seal="s", origin="gemini"))),
    ("foreign_reasoning", said(Reasoning("hm", origin="anthropic_messages"))),
    ("foreign_reasoning", said(ToolCall("a", "f", "{}", seal="s", origin="gemini"))),
    ("citations", said(Text("x", (PORTABLE,)))),
    ("citations", asking(Turn("user", (Document(PDF, "a.pdf", cite=True),)))),
    ("document_context", asking(Turn("user", (Document(PDF, "a.pdf", context="note"),)))),
    ("field:is_error", asking(HI, *RESULT)),
    ("part:image", said(Text("x"), PICTURE)),
    ("part:container_upload", asking(Turn("user", (Text("x"), Opaque("anthropic_messages", "container_upload", {}))))),
    ("part:web_search_call", said(Text("x"), Opaque("openai_responses", "web_search_call", {}))),
    ("server_tool:web_search", asking(tools=(TOOL, ServerTool("anthropic_messages", "web_search", {})))),
    ("field:context_management", asking(unknown=("context_management",))),
    ("prediction", asking(unknown=("prediction",))),
]

# Features that a profile may say its provider does not take.
UNSUPPORTED: list[tuple[str, Conversation]] = [
    ("temperature", asking(sampling=Sampling(temperature=1.0))),
    ("top_p", asking(sampling=Sampling(top_p=1.0))),
    ("seed", asking(sampling=Sampling(seed=1))),
    ("presence_penalty", asking(sampling=Sampling(presence_penalty=1.0))),
    ("frequency_penalty", asking(sampling=Sampling(frequency_penalty=1.0))),
    ("logit_bias", asking(sampling=Sampling(logit_bias=(("1", 1.0),)))),
    ("logprobs", asking(sampling=Sampling(logprobs=True, top_logprobs=2))),
    ("stop", asking(sampling=Sampling(stop=("x",)))),
    ("metadata", asking(metadata=(("a", "b"),))),
    ("user", asking(user="u")),
    ("cache_key", asking(cache_key="k")),
    ("service_tier", asking(service_tier="flex")),
    ("verbosity", asking(verbosity="low")),
    ("modalities", asking(modalities=("text",))),
    ("message_name", asking(Turn("user", (Text("hi"),), "alice"))),
    ("image_detail", asking(Turn("user", (Image(Url("https://example.com"), "low"),)))),
    ("cache_control", asking(Turn("user", (Text("hi", cache=CacheMark("1h")),)))),
    ("cache_control", asking(cache=CacheMark())),
    ("cache_control", asking(tools=(FunctionTool("f", cache=CacheMark()),))),
    ("tool_strict", asking(tools=(FunctionTool("f", strict=True),))),
    ("parallel_tool_calls", asking(tools=(TOOL,), parallel_tool_calls=False)),
    ("reasoning_effort", asking(thinking=Thinking(effort="low"))),
    ("reasoning", said(Reasoning("hm", origin="openai_chat"), Text("x"))),
    ("tool_choice", asking(tools=(TOOL,), tool_choice=ToolChoice("auto"))),
]

REFUSED: list[tuple[str, Conversation, frozenset[str]]] = [
    ("n", asking(choices=2), frozenset()),
    ("modalities", asking(modalities=("text", "audio")), frozenset()),
    ("modalities", asking(modalities=("text", "image")), frozenset({"modalities"})),
    ("part:document", asking(Turn("user", (Document(Url("https://example.com/a.pdf")),))), frozenset()),
    ("part:file_id", asking(Turn("user", (Document(FileId("file_1", "anthropic_messages")),))), frozenset()),
    ("part:document", asking(Turn("user", (Document(PDF, "a.pdf"),))), frozenset({"part:document"})),
    ("part:image", asking(Turn("user", (Image(FileId("file_1", "anthropic_messages")),))), frozenset()),
    ("part:image", asking(Turn("user", (PICTURE,))), frozenset({"part:image"})),
    ("part:image", asking(Turn("system", (PICTURE,)), HI), frozenset()),
    ("part:audio", asking(Turn("user", (Audio("aGk=", "wav"),))), frozenset({"part:audio"})),
    ("tool_choice", asking(tool_choice=ToolChoice("required")), frozenset()),
    ("tool_choice", asking(tools=(TOOL,), tool_choice=ToolChoice("named", ("g",))), frozenset()),
    ("tool_choice", asking(tools=(TOOL,), tool_choice=ToolChoice("allowed_required", ("g",))), frozenset()),
    ("tool_choice", asking(tools=(TOOL,), tool_choice=ToolChoice("none")), frozenset({"tool_choice"})),
    (
        "allowed_tools",
        asking(tools=(TOOL,), tool_choice=ToolChoice("allowed_auto", ("f",))),
        frozenset({"allowed_tools"}),
    ),
    ("custom_tools", asking(tools=(CustomTool("c"),)), frozenset({"custom_tools"})),
    ("answer_form", asking(answer_form=JsonSchema({"type": "object"})), frozenset({"answer_form"})),
]


@pytest.mark.parametrize(("feature", "conversation"), DROPPED)
def test_what_chat_cannot_say_is_dropped_by_name(feature: str, conversation: Conversation) -> None:
    assert sent(conversation)[1] == (feature,)


@pytest.mark.parametrize(("feature", "conversation"), UNSUPPORTED)
def test_what_a_provider_does_not_take_is_dropped_by_name(feature: str, conversation: Conversation) -> None:
    body, dropped = sent(conversation)
    without, named = sent(conversation, Profile(unsupported=frozenset({feature})))
    assert (dropped, named) == ((), (feature,))
    assert len(msgspec.json.encode(without)) < len(msgspec.json.encode(body))


@pytest.mark.parametrize(("feature", "conversation", "unsupported"), REFUSED)
def test_what_would_change_the_answer_is_refused(
    feature: str, conversation: Conversation, unsupported: frozenset[str]
) -> None:
    with pytest.raises(Inexpressible) as caught:
        sent(conversation, Profile(unsupported=unsupported))
    assert caught.value.feature == feature and caught.value.param


def test_pictures_in_a_tool_result_follow_in_a_message_that_names_the_call() -> None:
    calls = Turn("assistant", (ToolCall("a", "look", "{}"), ToolCall("b", "read", "{}")))
    found = Turn("tool", (ToolResult("a", (PICTURE, Text("two eyes"))), ToolResult("b", (Document(PDF, "a.pdf"),))))
    body, dropped = sent(asking(HI, calls, found, Turn("user", (Text("go on"),))))
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    file = {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"}}
    assert body["messages"][2:] == [
        {"role": "tool", "tool_call_id": "a", "content": "two eyes"},
        {"role": "tool", "tool_call_id": "b", "content": "The result follows in the next message."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Result of the tool call a (look):"},
                picture,
                {"type": "text", "text": "Result of the tool call b (read):"},
                file,
            ],
        },
        {"role": "user", "content": "go on"},
    ]
    assert dropped == ()


def test_a_found_text_is_text_with_its_origin() -> None:
    body, _ = sent(asking(Turn("user", (SearchResult("https://example.com", "Cats", ("They purr.",)),))))
    assert body["messages"][0]["content"] == "Cats\nhttps://example.com\nThey purr."


def test_a_text_file_is_text_for_a_provider_that_takes_no_files() -> None:
    file = Document(Inline("text/plain", "aGVsbG8="), "a.txt")
    profile = Profile(unsupported=frozenset({"part:document"}))
    body, dropped = sent(asking(Turn("user", (file, Text("Sum up.")))), profile)
    texts = [{"type": "text", "text": "a.txt\nhello"}, {"type": "text", "text": "Sum up."}]
    assert (body["messages"][0]["content"], dropped) == (texts, ())
    body, _ = sent(asking(HI, RESULT[0], Turn("tool", (ToolResult("a", (file,)),))), profile)
    assert body["messages"][2:] == [{"role": "tool", "tool_call_id": "a", "content": "a.txt\nhello"}]
    body, _ = sent(asking(Turn("user", (file,))))
    assert body["messages"][0]["content"][0]["type"] == "file"
    with pytest.raises(Inexpressible):
        sent(asking(Turn("user", (Document(Inline("text/plain", "no base64"), "a.txt"),))), profile)


def test_a_profile_decides_the_names_of_roles_and_limits() -> None:
    conversation = asking(Turn("developer", (Text("Be brief."),)), HI)
    body, _ = sent(conversation)
    assert (body["messages"][0]["role"], body["max_tokens"]) == ("system", 9)
    body, _ = sent(conversation, Profile(developer_role=True, output_limit_field="max_completion_tokens"))
    assert (body["messages"][0]["role"], body["max_completion_tokens"]) == ("developer", 9)


def test_a_stream_asks_for_usage_where_that_is_understood() -> None:
    for stream_usage in (True, False):
        encoded = encode_request(asking(), Edits("up", 9, Profile(stream_usage=stream_usage)), True)
        body = msgspec.json.decode(encoded.body)
        assert body["stream"] is True and ("stream_options" in body) is stream_usage


@pytest.mark.parametrize(("budget", "effort"), [(1_024, "low"), (16_000, "medium"), (32_000, "high")])
def test_a_budget_of_thinking_becomes_an_effort(budget: int, effort: str) -> None:
    assert sent(asking(thinking=Thinking(budget_tokens=budget)))[0]["reasoning_effort"] == effort


def test_a_choice_without_tools_is_left_out_when_it_says_nothing() -> None:
    for choice in (ToolChoice("auto"), ToolChoice("none")):
        assert "tool_choice" not in sent(asking(tool_choice=choice, parallel_tool_calls=True))[0]


def test_tools_of_a_namespace_have_names_of_their_own() -> None:
    tools = (FunctionTool("f", namespace="a"), FunctionTool("g"), CustomTool("c", namespace="b"))
    call = Turn("assistant", (ToolCall("x", "f", "{}", namespace="a"),))
    body, _ = sent(asking(HI, call, tools=tools, tool_choice=ToolChoice("named", ("f",))))
    names = [tool[tool["type"]]["name"] for tool in body["tools"]]
    assert len(set(names)) == 3 and names[0] != "f" and names[1] == "g"
    assert body["messages"][1]["tool_calls"][0]["function"]["name"] == names[0]
    assert body["tool_choice"]["function"]["name"] == names[0]


def test_unknown_fields_of_a_request_are_known_by_name() -> None:
    fields = {
        "model": "m",
        "messages": [
            {"role": "user", "content": "hi", "mood": "good"},
            {"role": "assistant", "content": None, "function_call": None, "name": "a"},
            {"role": "assistant", "content": "x", "name": "b"},
        ],
        "prediction": {"type": "content", "content": "x"},
        "moderation": {"model": "x"},
        "store": True,
        "My Field": 1,
        "nothing": None,
        "user": "a",
        "safety_identifier": "b",
    }
    found = decode_request(read_request(msgspec.json.encode(fields)))
    assert set(found.unknown) == {
        *("prediction", "moderation", "my_field", "store", "user", "messages.mood", "message_name"),
    }
    assert found.user == "b" and [turn.role for turn in found.turns] == ["user", "assistant"]


def test_a_reply_names_what_chat_cannot_say() -> None:
    raw = Citation(origin="anthropic_messages", raw={"type": "char_location"})
    parts = (Text("x", (raw,)), Opaque("anthropic_messages", "server_tool_use", {}), Image(FileId("f", "gemini")))
    assert encode_reply(Reply(parts=parts), TOLD).dropped == ("citations", "part:image", "part:server_tool_use")


@pytest.mark.parametrize("finish", [None, *Finish])
def test_every_reason_to_stop_is_one_of_openais(finish: Finish | None) -> None:
    body = msgspec.json.decode(encode_reply(Reply(parts=(Text("x"),), finish=finish), TOLD).body)
    assert body["choices"][0]["finish_reason"] in ("stop", "length", "tool_calls", "content_filter")
