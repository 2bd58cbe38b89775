"""Canonical → Responses → canonical says the same, for requests, answers and streams."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import APIResponseValidationError

from farebox.base.usage import Usage
from farebox.dialects.canonical.conversation import Conversation, FunctionTool, Tool
from farebox.dialects.canonical.parts import DialectName, Part, Reasoning, Text, ToolCall
from farebox.dialects.canonical.reply import PartEnded, PartStarted, Reply, ReplyEvent, ReplyFold
from farebox.dialects.openai_responses import SURFACE, UPSTREAM
from farebox.dialects.port import Edits, Inexpressible, Profile, Told
from farebox.dialects.sse import EventSplitter, data_of
from farebox.dialects.usage import MISSING, Reported
from tests.dialects import conversations
from tests.dialects import responses_strategies as strategies
from tests.dialects.responses_sdk import accumulated, parsed_events, parsed_response

TOLD = Told("our-model", "ab" * 16, 1_700_000_000, wants_usage=True)
EDITS = Edits("m", 99, Profile())


def chunks_of(stream: bytes, sizes: list[int]) -> list[bytes]:
    chunks: list[bytes] = []
    at = 0
    while at < len(stream):
        step = sizes[len(chunks) % len(sizes)]
        chunks.append(stream[at : at + step])
        at += step
    return chunks


def decoded(stream: bytes, sizes: list[int]) -> Reply:
    decoder, splitter, fold = UPSTREAM.new_decoder(), EventSplitter(1_000_000), ReplyFold()
    for chunk in chunks_of(stream, sizes):
        for event in splitter.feed(chunk):
            for found in decoder.feed(event):
                fold.feed(found)
    assert decoder.complete() and not decoder.close() and not splitter.rest
    return fold.reply(decoder.reported, decoder.service_tier)


def encoded(reply: Reply, events: list[ReplyEvent], sizes: list[int]) -> bytes:
    encoder, stream, at = SURFACE.new_encoder(TOLD), b"", 0
    while at < len(events):
        step = sizes[at % len(sizes)]
        stream += encoder.feed(events[at : at + step])
        at += step
    stream += encoder.ending(reply.reported, reply.service_tier, {})
    assert not encoder.dropped
    return stream


@given(strategies.requests(), st.booleans())
def test_a_request_comes_back_as_it_went(conversation: Conversation, stream: bool) -> None:
    body, dropped = UPSTREAM.encode_request(conversation, EDITS, stream)
    assert dropped == ()
    request = SURFACE.read_request(body)
    assert (request.model, request.output_limit, request.stream) == ("m", 99, stream)
    assert SURFACE.decode_request(request) == conversation


@pytest.mark.parametrize("origin", ["openai_chat", "anthropic_messages", "gemini"])
@given(data=st.data())
def test_a_request_of_another_dialect_is_carried_or_refused_but_never_lost_in_silence(
    origin: DialectName, data: st.DataObject
) -> None:
    # Files of chat lie at the same provider: their ids are carried, and are this dialect's then.
    switches = conversations.Switches(origin=origin, with_file_ids=origin != "openai_chat")
    conversation = data.draw(conversations.conversations(switches))
    try:
        body, dropped = UPSTREAM.encode_request(conversation, EDITS, False)
    except Inexpressible:
        return
    found = SURFACE.decode_request(SURFACE.read_request(body))
    assert found.unknown == ()
    if dropped:
        return
    # Elsewhere a function is lax unless it says that it is strict; here it is the other way round.
    tools = tuple(_explicit(tool) for tool in conversation.tools)
    assert found == msgspec.structs.replace(conversation, origin="openai_responses", tools=tools)


def _explicit(tool: Tool) -> Tool:
    if isinstance(tool, FunctionTool) and tool.strict is None:
        return msgspec.structs.replace(tool, strict=False)
    return tool


@given(strategies.replies())
def test_an_answer_comes_back_as_it_went(reply: Reply) -> None:
    body, dropped = SURFACE.encode_reply(reply, TOLD)
    assert dropped == ()
    assert UPSTREAM.decode_reply(body) == reply


@given(strategies.replies(strategies.own_parts) | strategies.foreign_replies())
def test_an_answer_has_every_field_that_the_official_types_require(reply: Reply) -> None:
    body, _ = SURFACE.encode_reply(reply, TOLD)
    answered = parsed_response(body)
    assert answered.model == "our-model" and answered.status in ("completed", "incomplete")


SIZES = st.lists(st.integers(1, 300), min_size=1, max_size=5)


@given(strategies.streams(strategies.replies()), SIZES)
def test_a_stream_comes_back_as_it_went(said: tuple[Reply, list[ReplyEvent]], sizes: list[int]) -> None:
    reply, events = said
    stream = encoded(reply, events, sizes)
    # Clients ask for counts at the end of a stream, so there silence is told as zeros.
    reported = reply.reported if reply.reported != MISSING else Reported(Usage())
    assert decoded(stream, sizes) == msgspec.structs.replace(reply, reported=reported)


@given(strategies.streams(strategies.replies(strategies.own_parts) | strategies.foreign_replies()))
def test_the_official_client_takes_every_event_and_makes_the_same_answer(
    said: tuple[Reply, list[ReplyEvent]],
) -> None:
    reply, events = said
    stream = encoded(reply, events, [7])
    found = parsed_events(stream, strict=True)
    assert [event.sequence_number for event in found] == list(range(len(found)))
    assert [event.type for event in found[:2]] == ["response.created", "response.in_progress"]
    assert found[-1].type in ("response.completed", "response.incomplete")
    text = "".join(event.delta for event in found if event.type == "response.output_text.delta")
    assert found[-1].response.output_text == text
    if found[-1].type == "response.completed":
        assert accumulated(stream).output_text == text
    body, _ = SURFACE.encode_reply(reply, TOLD)
    last = json.loads(data_of(stream.split(b"\n\n")[-2] + b"\n\n") or b"")["response"]
    assert _comparable(last) == _comparable(json.loads(body))


def _comparable(response: dict[str, Any]) -> dict[str, Any]:
    """A seal that came late stands behind its call, so ids differ and order does; statuses of items are a courtesy."""
    items = []
    for item in response["output"]:
        kept = {name: value for name, value in item.items() if name not in ("id", "status")}
        items.append(json.dumps(kept, sort_keys=True))
    return response | {"output": sorted(items), "usage": None}


def test_the_oracle_notices_what_is_missing() -> None:
    encoder = SURFACE.new_encoder(TOLD)
    stream = encoder.feed([PartStarted(Text("a")), PartEnded()]) + encoder.ending(MISSING, None, {})
    assert parsed_events(stream, strict=True)
    for field in (b'"sequence_number":', b'"parallel_tool_calls":', b'"annotations":', b'"item_id":', b'"logprobs":'):
        with pytest.raises(APIResponseValidationError):
            parsed_events(stream.replace(field, b'"renamed":', 1), strict=True)
    body = SURFACE.encode_reply(Reply(parts=()), TOLD).body
    with pytest.raises(APIResponseValidationError):
        parsed_response(body.replace(b'"model":', b'"modal":'))


@given(strategies.foreign_replies())
def test_what_others_thought_comes_back_with_its_seals(reply: Reply) -> None:
    body, dropped = SURFACE.encode_reply(reply, TOLD)
    assert dropped == ()
    assert said_again(json.loads(body)["output"]) == reply.parts


@given(strategies.streams(strategies.foreign_replies()))
def test_what_others_thought_comes_back_with_its_seals_from_a_stream(said: tuple[Reply, list[ReplyEvent]]) -> None:
    reply, events = said
    last = encoded(reply, events, [3]).split(b"\n\n")[-2]
    assert said_again(json.loads(data_of(last + b"\n\n") or b"")["response"]["output"]) == reply.parts


def said_again(output: list[Any]) -> tuple[Part, ...]:
    """What the gateway reads when a client sends an answer back in the next turn."""
    items = [{"role": "user", "content": "hi"}, *output]
    request = SURFACE.read_request(json.dumps({"model": "m", "input": items}).encode())
    turns = SURFACE.decode_request(request).turns
    assert len(turns) <= 2
    # Ids were made up where the provider had none.
    return tuple(_without_id(part) for turn in turns[1:] for part in turn.parts)


def _without_id(part: Part) -> Part:
    return msgspec.structs.replace(part, item_id="") if isinstance(part, ToolCall | Reasoning) else part


def test_the_classes_that_the_report_cannot_tell_apart_keep_their_sums() -> None:
    usage = Usage(input_tokens=1, cache_write_5m_tokens=2, cache_write_1h_tokens=4, audio_output_tokens=8)
    body, _ = SURFACE.encode_reply(Reply(parts=(), reported=Reported(usage)), TOLD)
    assert UPSTREAM.decode_reply(body).reported.usage == Usage(input_tokens=1, cache_write_5m_tokens=6, output_tokens=8)
