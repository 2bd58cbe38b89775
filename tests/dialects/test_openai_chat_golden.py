"""Golden transcripts: what bodies and streams of many vendors mean, however their bytes are cut."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.usage import Usage
from farebox.dialects.canonical.conversation import (
    Conversation,
    CustomTool,
    FunctionTool,
    JsonSchema,
    Sampling,
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
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Url,
)
from farebox.dialects.canonical.reply import Finish, Reply, ReplyFold
from farebox.dialects.openai_chat import SURFACE, UPSTREAM
from farebox.dialects.port import Edits, Profile
from farebox.dialects.sse import EventSplitter
from farebox.dialects.usage import Reported
from tests.dialects.chat_bodies import ANSWER, REQUEST, STREAMS, folded

USED = Reported(Usage(input_tokens=12, cached_input_tokens=8, output_tokens=5, reasoning_tokens=4))
CALLS = (ToolCall("call_a", "look", '{"at":"a"}'), ToolCall("call_b", "time", "{}"))

CONVERSATION = Conversation(
    origin="openai_chat",
    turns=(
        Turn("developer", (Text("Be brief."),), "house"),
        Turn(
            "user",
            (
                Text("What is this?", cache=CacheMark("1h")),
                Image(Url("https://example.com/a.png"), "high"),
                Image(Inline("image/png", "aGk=")),
                Audio("aGk=", "wav"),
                Document(Inline("application/pdf", "aGk="), "a.pdf"),
                Document(FileId("file-1", "openai_chat")),
            ),
            "alice",
        ),
        Turn(
            "assistant",
            (
                Reasoning("Let me see.", origin="openai_chat"),
                Text("I look."),
                ToolCall("call_a", "look", '{"at":"a"}'),
                ToolCall("call_b", "shell", "ls -l", custom=True),
            ),
        ),
        Turn(
            "tool",
            (ToolResult("call_a", (Text("a cat"),)), ToolResult("call_b", (Text("total 0"),), custom=True)),
        ),
        Turn("system", (Text("Now "), Text("answer."))),
        Turn("assistant", (Refusal("I cannot."),)),
        Turn("user", (Text("Try again."),)),
    ),
    tools=(
        FunctionTool("look", "Looks.", {"type": "object"}, True),
        CustomTool("shell", "", {"type": "grammar", "grammar": {"syntax": "regex", "definition": ".*"}}),
    ),
    tool_choice=ToolChoice("allowed_auto", ("look",)),
    parallel_tool_calls=False,
    thinking=Thinking(effort="low"),
    answer_form=JsonSchema({"type": "object"}, "cat", "A cat.", True),
    sampling=Sampling(
        temperature=0.5,
        top_p=0.9,
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=-0.1,
        logit_bias=(("50256", -100.0),),
        logprobs=True,
        top_logprobs=2,
        stop=("END",),
    ),
    verbosity="low",
    metadata=(("order", "1"),),
    user="customer-1",
    cache_key="house",
    service_tier="flex",
    modalities=("text",),
)


def test_a_request_that_uses_everything_is_understood() -> None:
    request = SURFACE.read_request(msgspec.json.encode(REQUEST))
    assert SURFACE.decode_request(request) == CONVERSATION


def test_a_request_that_uses_everything_is_written_as_it_was() -> None:
    edits = Edits("gpt-x", 99, Profile(output_limit_field="max_completion_tokens", developer_role=True))
    encoded = UPSTREAM.encode_request(CONVERSATION, edits, True)
    expected = {**REQUEST, "messages": list(REQUEST["messages"])}
    # A single text is a string, which says the same.
    expected["messages"][3] = {"role": "tool", "tool_call_id": "call_a", "content": "a cat"}
    assert (msgspec.json.decode(encoded.body), encoded.dropped) == (expected, ())


def test_an_answer_is_understood() -> None:
    assert UPSTREAM.decode_reply(msgspec.json.encode(ANSWER)) == Reply(
        parts=(
            Reasoning("Fur. Whiskers.", origin="openai_chat"),
            Text("It is a cat.", (Citation("https://example.com/cats", "Cats", start=3, end=11),)),
            CALLS[0],
        ),
        finish=Finish.TOOL_CALLS,
        reported=USED,
        service_tier="default",
        logprobs=[{"token": "It", "logprob": -0.1, "bytes": [73, 116], "top_logprobs": []}],
    )


STREAMED = Reply(
    parts=(Reasoning("Let me see.", origin="openai_chat"), Text("I look."), *CALLS),
    finish=Finish.TOOL_CALLS,
    reported=USED,
)


@pytest.mark.parametrize("vendor", STREAMS)
def test_every_vendors_stream_is_the_same_answer(vendor: str) -> None:
    found, decoder = folded(STREAMS[vendor], [])
    assert found == STREAMED and decoder.complete()


@pytest.mark.parametrize("vendor", STREAMS)
@given(cuts=st.lists(st.integers(0, 5_000), max_size=20), crlf=st.booleans())
def test_a_stream_cut_anywhere_is_the_same_answer(vendor: str, cuts: list[int], crlf: bool) -> None:
    data = STREAMS[vendor].replace(b"\n", b"\r\n") if crlf else STREAMS[vendor]
    assert folded(data, cuts)[0] == STREAMED


@pytest.mark.parametrize("vendor", STREAMS)
def test_the_untouched_relay_bills_what_the_translation_bills(vendor: str) -> None:
    fold = SURFACE.new_fold()
    for event in EventSplitter(10_000).feed(STREAMS[vendor]):
        fold.feed(event)
    assert fold.reported == USED and fold.done and fold.complete(1)


def test_a_stream_that_ends_before_its_reason_is_not_complete() -> None:
    events = EventSplitter(10_000).feed(STREAMS["openai"])
    last = next(number for number, event in enumerate(events) if b'"finish_reason":"tool_calls"' in event)
    for number in range(last + 1):
        decoder, fold = UPSTREAM.new_decoder(), ReplyFold()
        for event in events[:number]:
            for found in decoder.feed(event):
                fold.feed(found)
        for found in decoder.close():
            fold.feed(found)
        assert not decoder.complete() and fold.finish is None
        assert len(fold.reply().parts) <= len(STREAMED.parts)


OLD: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "one"},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "two"},
    ],
    "functions": [{"name": "f", "description": "d", "parameters": {"type": "object"}}],
    "function_call": {"name": "f"},
}


def test_old_functions_are_tools() -> None:
    found = SURFACE.decode_request(SURFACE.read_request(msgspec.json.encode(OLD)))
    assert found.turns[1:] == (
        Turn("assistant", (ToolCall("call_0", "f", "{}"),)),
        Turn("tool", (ToolResult("call_0", (Text("one"),)),)),
        Turn("assistant", (ToolCall("call_1", "f", "{}"),)),
        Turn("tool", (ToolResult("call_1", (Text("two"),)),)),
    )
    assert found.tools == (FunctionTool("f", "d", {"type": "object"}),)
    assert found.tool_choice == ToolChoice("named", ("f",))
