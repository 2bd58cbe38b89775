"""What another provider sealed survives a client that speaks chat: it keeps the message, and sends it back."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from farebox.dialects.canonical.conversation import Turn
from farebox.dialects.canonical.parts import DialectName, Part, Reasoning, ToolCall
from farebox.dialects.canonical.reply import Reply, SealDelta
from farebox.dialects.openai_chat.decode_reply import decode_reply
from farebox.dialects.openai_chat.decode_request import decode_request
from farebox.dialects.openai_chat.encode_reply import encode_reply
from farebox.dialects.openai_chat.encode_request import encode_request
from farebox.dialects.openai_chat.encode_stream import ChatEncoder
from farebox.dialects.openai_chat.request import read_request
from farebox.dialects.port import Edits, Profile, Told
from farebox.dialects.registry import UPSTREAMS
from farebox.dialects.sse import EventSplitter, data_of
from tests.dialects.conversations import Switches, events_of, replies

TOLD = Told(model="m", stem="0" * 32, created=1, wants_usage=False)
EDITS = Edits("up", 9, Profile())
ORIGINS: tuple[DialectName, ...] = ("anthropic_messages", "gemini", "openai_responses", "openai_chat")


def kept(message: dict[str, Any]) -> tuple[Part, ...]:
    """What is read of a message that a client sends back in its next request."""
    messages = [{"role": "user", "content": "hi"}, message, {"role": "user", "content": "go on"}]
    request = read_request(msgspec.json.encode({"model": "m", "messages": messages}))
    return decode_request(request).turns[1].parts


def collected(data: bytes) -> dict[str, Any]:
    """The message that a client makes of a stream: texts joined, details in a list, calls by index."""
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    calls: dict[int, dict[str, Any]] = {}
    for event in EventSplitter(1_000_000).feed(data):
        if (found := data_of(event)) is None or found == b"[DONE]":
            continue
        for choice in msgspec.json.decode(found)["choices"]:
            for name, value in choice["delta"].items():
                if name == "tool_calls":
                    _collect_calls(calls, value)
                elif isinstance(value, list):
                    message.setdefault(name, []).extend(value)
                elif name != "role":
                    message[name] = message.get(name, "") + value
    return message | ({"tool_calls": list(calls.values())} if calls else {})


def _collect_calls(calls: dict[int, dict[str, Any]], pieces: list[dict[str, Any]]) -> None:
    for piece in pieces:
        call = calls.setdefault(piece["index"], {})
        for name, value in piece.items():
            if name in ("function", "custom") and name in call:
                for field, text in value.items():
                    call[name][field] += text
            elif name != "index":
                call[name] = value


@st.composite
def answers(draw: st.DrawFn, *, stream: bool) -> Any:
    """An answer of any provider, in the one order that a message has."""
    origin = draw(st.sampled_from(ORIGINS))
    switches = Switches(
        origin=origin,
        chat_order=True,
        one_text=True,
        with_custom_tools=not stream,
        with_reasoning_ids=origin != "openai_chat",  # they are inside its own details
    )
    reply = draw(replies(switches))
    return (reply, draw(events_of(reply))) if stream else reply


@given(answers(stream=False))
def test_a_whole_answer_comes_back_as_it_was(reply: Reply) -> None:
    body = msgspec.json.decode(encode_reply(reply, TOLD).body)
    assert kept(body["choices"][0]["message"]) == reply.parts


@given(answers(stream=True))
def test_a_streamed_answer_comes_back_as_it_was(answer: tuple[Reply, list[Any]]) -> None:
    reply, events = answer
    encoder = ChatEncoder(TOLD)
    assert kept(collected(encoder.feed(events))) == reply.parts


def test_a_client_that_keeps_only_the_text_has_unsealed_thoughts() -> None:
    reply = Reply(parts=(Reasoning("Hm.", seal="s", origin="anthropic_messages"),))
    message = msgspec.json.decode(encode_reply(reply, TOLD).body)["choices"][0]["message"]
    del message["reasoning_details"]
    assert kept(message) == (Reasoning("Hm.", origin="openai_chat"),)


DETAILS = [
    {"type": "reasoning.summary", "summary": "First.", "format": "openai-responses-v1", "index": 0, "id": "rs_1"},
    {"type": "reasoning.encrypted", "data": "secret", "format": "openai-responses-v1", "index": 0, "id": "rs_1"},
    {"type": "reasoning.text", "text": "Then.", "signature": "sig", "format": "anthropic-claude-v1", "index": 1},
]


def test_a_providers_own_details_go_back_to_it_as_they_came() -> None:
    body = {"choices": [{"message": {"content": "x", "reasoning": "First.Then.", "reasoning_details": DETAILS}}]}
    reply = decode_reply(msgspec.json.encode(body))
    first, second, _ = reply.parts
    assert isinstance(first, Reasoning) and isinstance(second, Reasoning)
    assert (first.summary, first.redacted, second.text) == (("First.",), False, "Then.")
    sent = msgspec.json.decode(encode_request(_asking(reply.parts), EDITS, False).body)["messages"][1]
    assert sent["reasoning_content"] == "Then."
    summary, encrypted, text = sent["reasoning_details"]
    assert (summary["type"], summary["summary"]) == ("reasoning.summary", "First.")
    assert [encrypted, text] == DETAILS[1:]


def test_a_signature_on_a_call_goes_back_to_the_provider_that_gave_it() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    call["extra_content"] = {"google": {"thought_signature": "sig"}}
    reply = decode_reply(msgspec.json.encode({"choices": [{"message": {"tool_calls": [call]}}]}))
    assert reply.parts == (ToolCall("a", "f", "{}", seal="sig", origin="openai_chat"),)
    sent = msgspec.json.decode(encode_request(_asking(reply.parts), EDITS, False).body)
    assert sent["messages"][1]["tool_calls"] == [call]


def test_what_another_provider_sealed_never_reaches_this_one() -> None:
    parts = (
        Reasoning("Hm.", seal="SEALED", origin="anthropic_messages"),
        ToolCall("a", "f", "{}", seal="SEALED", origin="gemini"),
    )
    encoded = encode_request(_asking(parts), EDITS, False)
    assert b"SEALED" not in encoded.body and b"Hm." not in encoded.body and b'"id":"a"' in encoded.body
    assert encoded.dropped == ("foreign_reasoning",)


def test_an_envelope_of_a_provider_stays_closed() -> None:
    """Another gateway of this kind may be the provider: its envelopes are for itself."""
    inner = Reply(parts=(Reasoning("Hm.", seal="s", origin="gemini"),))
    found = decode_reply(encode_reply(inner, TOLD).body).parts[0]
    assert isinstance(found, Reasoning) and found.origin == "openai_chat" and found.seal.startswith("gw1.gemini.")


def _asking(parts: tuple[Part, ...]) -> Any:
    request = read_request(b'{"model":"m","messages":[{"role":"user","content":"hi"}]}')
    conversation = decode_request(request)
    return msgspec.structs.replace(conversation, turns=(*conversation.turns, Turn("assistant", parts)))


def test_thousands_of_sealed_details_are_put_together_once() -> None:
    """A square of their number would take minutes, beyond the patience of these tests; `bench` has the figures."""
    decoder = UPSTREAMS["openai_chat"].new_decoder()
    for number in range(32_000):
        detail = {"type": "reasoning.encrypted", "data": "x", "id": str(number), "index": 0}
        delta = msgspec.json.encode({"choices": [{"index": 0, "delta": {"reasoning_details": [detail]}}]})
        decoder.feed(b"data: " + delta + b"\n\n")
    assert any(isinstance(event, SealDelta) for event in decoder.close())
