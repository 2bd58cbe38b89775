"""Golden transcripts: what agents send and what the API answers, read into one form and written from it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.usage import Usage
from farebox.dialects.canonical.conversation import CustomTool, FunctionTool, ServerTool, Thinking, ToolChoice, Turn
from farebox.dialects.canonical.parts import (
    Citation,
    Document,
    FileId,
    Image,
    Inline,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Url,
)
from farebox.dialects.canonical.reply import Finish, PartEnded, Reply, ReplyFold, TextDelta, Unknown
from farebox.dialects.openai_responses import SURFACE, UPSTREAM
from farebox.dialects.port import Broken, StreamDecoder, Told
from farebox.dialects.sse import EventSplitter
from farebox.dialects.usage import Reported
from tests.dialects import responses_transcripts as transcripts
from tests.dialects.responses_sdk import accumulated, parsed_events

TOLD = Told("our-model", "0" * 32, 1_700_000_000, wants_usage=True)
SEARCH = Opaque("openai_responses", "web_search_call", transcripts.SEARCH)
CALL = ToolCall("call_1", "read", '{"path":"a"}', item_id="fc_1")
CUSTOM = ToolCall("call_2", "patch", "*** Begin", custom=True, item_id="ctc_1")
ANSWER = Reply(
    parts=(
        Reasoning(summary=("First.", "Then."), seal="gAAAA", origin="openai_responses", item_id="rs_1"),
        SEARCH,
        Text("Hello 🌍", (Citation("https://example.com/a", "A", start=0, end=5),)),
        Refusal("But no more."),
        CALL,
        CUSTOM,
    ),
    finish=Finish.TOOL_CALLS,
    reported=Reported(
        Usage(input_tokens=20, cached_input_tokens=10, output_tokens=8, reasoning_tokens=12, web_searches=1)
    ),
    service_tier="default",
    logprobs=transcripts.TOKENS,
)


def test_an_agents_request_is_understood_whole() -> None:
    request = SURFACE.read_request(json.dumps(transcripts.AGENT_REQUEST).encode())
    conversation = SURFACE.decode_request(request)
    assert conversation.turns == (
        Turn("system", (Text("You are a coding agent."),)),
        Turn("developer", (Text("Sandbox: read-only."),)),
        Turn(
            "user",
            (
                Text("What is in this picture and this file?"),
                Image(Inline("image/png", "AAAA"), "high"),
                Image(Url("https://example.com/a.png")),
                Document(Inline("application/pdf", "BBBB"), "a.pdf"),
                Document(Url("https://example.com/b.pdf")),
                Document(FileId("file_1", "openai_responses")),
            ),
        ),
        Turn(
            "assistant",
            (
                Reasoning(summary=("Look first.",), seal="gAAAA", origin="openai_responses", item_id="rs_1"),
                Text("Looking."),
                ToolCall("call_1", "read", '{"path":"a"}', namespace="files", item_id="fc_1"),
                CUSTOM,
                SEARCH,
            ),
        ),
        Turn(
            "tool",
            (
                ToolResult("call_1", (Text("a picture"), Image(Inline("image/png", "CCCC")))),
                ToolResult("call_2", (Text("Done"),), custom=True),
            ),
        ),
        Turn("user", (Text("go on"),)),
    )
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": 'start: "a"'}}
    schema = {"type": "object", "properties": {"cmd": {"type": "string"}}}
    assert conversation.tools == (
        FunctionTool("shell", "Run it.", schema, strict=False),
        FunctionTool("read", parameters={"type": "object"}, namespace="files"),
        CustomTool("patch", format=grammar, namespace="files"),
        ServerTool("openai_responses", "web_search", {"type": "web_search", "external_web_access": False}),
    )
    assert conversation.tool_choice == ToolChoice("auto") and conversation.parallel_tool_calls is True
    assert conversation.thinking == Thinking(effort="medium", summary="auto")
    assert conversation.verbosity == "low" and conversation.cache_key == "thread-1"
    # What no other dialect can be told is named.
    assert conversation.unknown == ("client_metadata", "input.phase", "tools.namespace_description")


def decoded(events: list[bytes], sizes: list[int]) -> tuple[Reply, StreamDecoder]:
    decoder, fold, splitter = UPSTREAM.new_decoder(), ReplyFold(), EventSplitter(100_000)
    stream, at = b"".join(events), 0
    while at < len(stream):
        step = sizes[at % len(sizes)]
        for event in splitter.feed(stream[at : at + step]):
            for found in decoder.feed(event):
                fold.feed(found)
        at += step
    return fold.reply(decoder.reported, decoder.service_tier), decoder


def test_a_whole_answer_is_understood() -> None:
    assert UPSTREAM.decode_reply(json.dumps(transcripts.RESPONSE).encode()) == ANSWER


@pytest.mark.parametrize(
    "events", [transcripts.full_stream(), transcripts.stream_of_items(), transcripts.stream_of_nothing()]
)
@given(sizes=st.lists(st.integers(1, 400), min_size=1))
def test_a_stream_says_what_the_whole_answer_says_however_it_is_cut(events: list[bytes], sizes: list[int]) -> None:
    reply, decoder = decoded(events, sizes)
    assert reply == ANSWER and decoder.complete()


def test_a_stream_without_beginnings_and_ends_is_understood() -> None:
    reply, decoder = decoded(transcripts.stream_of_deltas(), [50])
    assert decoder.complete() and reply == ANSWER


def test_calls_that_are_written_by_turns_do_not_mix() -> None:
    reply, decoder = decoded(transcripts.stream_of_two_at_once(), [50])
    assert reply.parts == (CALL, CUSTOM) and decoder.complete()


def test_a_part_that_a_cut_stream_leaves_open_ends_and_the_answer_is_not_whole() -> None:
    decoder = UPSTREAM.new_decoder()
    events = transcripts.full_stream()
    texts = [event for event in events if b"output_text.delta" in event]
    for event in events[: events.index(texts[0]) + 1]:
        decoder.feed(event)
    assert decoder.close() == [PartEnded()] and not decoder.complete() and not decoder.done
    assert decoder.close() == []


def test_failures_break_a_stream() -> None:
    script = transcripts.Script()
    script.add("response.failed", response=transcripts.RESPONSE | {"error": {"code": "x", "message": "secret"}})
    script.add("error", code="server_error", message="secret", param=None)
    for event in script.events:
        with pytest.raises(Broken) as caught:
            UPSTREAM.new_decoder().feed(event)
        assert "secret" not in str(caught.value)


def test_unknown_events_are_named_and_the_stream_goes_on() -> None:
    script = transcripts.Script()
    script.add("response.Tomorrow news.delta", delta={"a": 1})
    assert UPSTREAM.new_decoder().feed(script.events[0]) == [Unknown("event:response.tomorrow_news.delta")]


@pytest.mark.parametrize(
    ("details", "finish"),
    [
        ({"reason": "max_output_tokens"}, Finish.LENGTH),
        ({"reason": "content_filter"}, Finish.REFUSAL),
        ({"reason": "tomorrow"}, Finish.LENGTH),
        (None, Finish.LENGTH),
    ],
)
def test_an_incomplete_answer_says_why(details: Any, finish: Finish) -> None:
    response = transcripts.RESPONSE | {"status": "incomplete", "incomplete_details": details, "output": []}
    assert UPSTREAM.decode_reply(json.dumps(response).encode()).finish is finish
    script = transcripts.Script()
    script.begin()
    script.add("response.incomplete", response=response)
    reply, decoder = decoded(script.events, [50])
    assert reply.finish is finish and decoder.complete()


def test_a_client_gets_a_stream_with_every_step_in_order() -> None:
    encoder = SURFACE.new_encoder(TOLD)
    stream = encoder.feed([])
    for event in UPSTREAM.new_decoder().feed(transcripts.stream_of_nothing()[-1]):
        stream += encoder.feed([event])
    assert ANSWER.reported.usage is not None
    stream += encoder.ending(ANSWER.reported, "default", {"cost_usd": "0.01"})
    found = parsed_events(stream, strict=True)
    assert [event.type.removeprefix("response.") for event in found] == [
        "created", "in_progress",
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.done", "reasoning_summary_part.done", "reasoning_summary_part.added",
        "reasoning_summary_text.delta", "reasoning_summary_text.done", "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added", "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.annotation.added",
        "output_text.delta", "output_text.done", "content_part.done",
        "content_part.added", "refusal.delta", "refusal.done", "content_part.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
        "output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done",
        "completed",
    ]  # fmt: skip
    assert found[0].response.created_at == 1_700_000_000 and found[0].response.model == "our-model"
    last = accumulated(stream)
    assert last.output_text == "Hello 🌍" and last.id == "resp_" + "0" * 32
    usage = last.model_dump()["usage"]
    assert usage["input_tokens"] == 30 and usage["cost_usd"] == "0.01"
    assert not encoder.dropped


def test_an_answer_that_was_cut_ends_as_incomplete() -> None:
    encoder = SURFACE.new_encoder(TOLD)
    decoder = UPSTREAM.new_decoder()
    script = transcripts.Script()
    script.add("response.output_text.delta", output_index=0, content_index=0, delta="Hel")
    incomplete = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": []}
    script.add("response.incomplete", response=transcripts.RESPONSE | incomplete)
    stream = b"".join(encoder.feed(decoder.feed(event)) for event in script.events)
    stream += encoder.ending(decoder.reported, None, {})
    last = parsed_events(stream, strict=True)[-1]
    assert last.type == "response.incomplete" and last.response.status == "incomplete"
    assert last.response.incomplete_details.reason == "max_output_tokens"
    assert last.response.output[0].status == "incomplete" and last.response.output_text == "Hel"


def test_tools_of_a_namespace_are_found_again_by_the_client_that_has_it() -> None:
    reply = Reply(parts=(ToolCall("call_1", "files__ns__read", "{}"),), finish=Finish.TOOL_CALLS)
    (item,) = json.loads(SURFACE.encode_reply(reply, TOLD).body)["output"]
    assert (item["namespace"], item["name"]) == ("files", "read")


def test_the_first_delta_of_a_server_without_beginnings_is_passed_on_at_once() -> None:
    script = transcripts.Script()
    script.add("response.output_text.delta", output_index=0, content_index=0, delta="Hel")
    assert UPSTREAM.new_decoder().feed(script.events[0])[-1] == TextDelta("Hel")
