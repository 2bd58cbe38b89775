"""Canonical → Messages → canonical is the identity, for requests, for whole answers and for streams."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from farebox.dialects.anthropic_messages.decode_reply import decode_reply
from farebox.dialects.anthropic_messages.decode_request import decode_request
from farebox.dialects.anthropic_messages.decode_stream import MessagesDecoder
from farebox.dialects.anthropic_messages.encode_reply import encode_reply
from farebox.dialects.anthropic_messages.encode_request import encode_request
from farebox.dialects.anthropic_messages.encode_stream import MessagesEncoder
from farebox.dialects.anthropic_messages.request import read_request
from farebox.dialects.canonical.conversation import Conversation
from farebox.dialects.canonical.reply import Reply, ReplyFold
from farebox.dialects.port import Edits, Profile, Told
from farebox.dialects.sse import EventSplitter
from tests.dialects.messages_sdk import accumulated, parsed_events, parsed_message
from tests.dialects.messages_strategies import Played, played, told_conversations, told_replies

EDITS = Edits("up", 32_000, Profile())
TOLD = Told(model="m", stem="0" * 32, created=1, wants_usage=True)


@given(told_conversations())
def test_a_request_reads_back_as_the_same_conversation(conversation: Conversation) -> None:
    encoded = encode_request(conversation, EDITS, True)
    assert encoded.dropped == ()
    request = read_request(encoded.body)
    assert (request.model, request.stream, request.output_limit) == ("up", True, 32_000)
    assert decode_request(request) == conversation


@given(told_replies())
def test_an_answer_reads_back_as_the_same_reply_and_is_a_message_for_the_sdk(reply: Reply) -> None:
    encoded = encode_reply(reply, TOLD)
    assert encoded.dropped == ()
    read = decode_reply(encoded.body)
    assert read == (reply if reply.reported.usage else replace(reply, reported=read.reported))
    message = parsed_message(encoded.body)
    assert (message.model, message.role, len(message.content)) == ("m", "assistant", len(reply.parts))


def encoded_stream(play: Played) -> bytes:
    encoder = MessagesEncoder(TOLD)
    stream = b"".join(encoder.feed([event]) for event in play.events)
    stream += encoder.ending(play.reply.reported, play.reply.service_tier, {"cost_usd": "0.1"})
    assert not encoder.dropped
    return stream


def decoded(stream: bytes, cuts: list[int]) -> Reply:
    splitter, decoder, fold = EventSplitter(1_000_000), MessagesDecoder(), ReplyFold()
    for begin, end in pairwise([0, *sorted(cuts), len(stream)]):
        for event in splitter.feed(stream[begin:end]):
            for one in decoder.feed(event):
                fold.feed(one)
    assert not decoder.close() and decoder.complete() and decoder.done
    return fold.reply(decoder.reported, decoder.service_tier)


@given(play=played(told_replies()), data=st.data())
def test_a_stream_reads_back_as_the_same_reply_wherever_it_is_cut(play: Played, data: st.DataObject) -> None:
    stream = encoded_stream(play)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    read = decoded(stream, cuts)
    assert read == (play.reply if play.reply.reported.usage else replace(play.reply, reported=read.reported))


@given(played(told_replies()))
def test_the_sdk_makes_the_same_message_of_a_stream_as_of_the_whole_answer(play: Played) -> None:
    stream = encoded_stream(play)
    whole = parsed_message(encode_reply(play.reply, TOLD).body)
    assert parsed_events(stream)
    message = accumulated(stream)
    assert [block.to_dict() for block in message.content] == [block.to_dict() for block in whole.content]
    assert (message.stop_reason, message.stop_sequence) == (whole.stop_reason, whole.stop_sequence)
    assert (message.usage.input_tokens, message.usage.output_tokens) == (
        whole.usage.input_tokens,
        whole.usage.output_tokens,
    )
