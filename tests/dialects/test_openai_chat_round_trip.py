"""Canonical → chat → canonical is the identity, for requests and for answers."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from farebox.dialects.canonical.conversation import Conversation
from farebox.dialects.canonical.parts import Refusal, Text, ToolCall, ToolResult
from farebox.dialects.canonical.reply import Finish, Reply, ReplyEvent
from farebox.dialects.openai_chat.decode_reply import decode_reply
from farebox.dialects.openai_chat.decode_request import decode_request
from farebox.dialects.openai_chat.encode_messages import RESULT_FOLLOWS
from farebox.dialects.openai_chat.encode_reply import encode_reply
from farebox.dialects.openai_chat.encode_request import encode_request
from farebox.dialects.openai_chat.encode_stream import ChatEncoder
from farebox.dialects.openai_chat.request import read_request
from farebox.dialects.port import Edits, Profile, Told
from tests.dialects.chat_bodies import folded
from tests.dialects.conversations import Switches, conversations, events_of, replies, usages

PROFILE = Profile(output_limit_field="max_completion_tokens", developer_role=True)
EDITS = Edits("up", 99, PROFILE)
TOLD = Told(model="m", stem="0" * 32, created=1, wants_usage=True)

REQUESTS = Switches(
    origin="openai_chat",
    chat_order=True,  # a message has one place for each kind of part
    with_document_urls=False,  # refused: `file` has no address
    with_document_notes=False,  # dropped: Anthropic's
    with_reasoning_ids=False,  # of Responses items
    with_tool_media=False,  # moved into the message after the results
    with_tool_errors=False,  # dropped: a tool message has no such field
    with_top_k=False,  # dropped: OpenAI has none
    with_budgets=False,  # dropped: OpenAI has efforts
)
ANSWERS = REQUESTS._replace(
    one_text=True,  # an answer's content is one string
    with_images=False,
)
CLASSES = ["input_tokens", "cached_input_tokens", "cache_write_5m_tokens", "output_tokens", "reasoning_tokens"]
CLASSES += ["audio_input_tokens", "audio_output_tokens", "web_searches"]


@given(conversations(REQUESTS))
def test_a_request_reads_back_as_the_same_conversation(conversation: Conversation) -> None:
    encoded = encode_request(conversation, EDITS, True)
    assert encoded.dropped == ()
    request = read_request(encoded.body)
    assert (request.model, request.stream, request.wants_usage, request.output_limit) == ("up", True, True, 99)
    assert decode_request(request) == conversation


FOREIGN = Switches(origin="anthropic_messages", with_document_urls=False, with_file_ids=False)
DROPPABLE = {"foreign_reasoning", "citations", "document_context", "field:is_error", "top_k", "thinking_budget"}


@given(conversations(FOREIGN))
def test_of_another_dialects_conversation_only_what_is_named_is_missing(conversation: Conversation) -> None:
    encoded = encode_request(conversation, EDITS, False)
    assert set(encoded.dropped) <= DROPPABLE
    found = decode_request(read_request(encoded.body))
    assert texts_of(found) == texts_of(conversation)
    assert found.tools == conversation.tools and found.tool_choice == conversation.tool_choice


def texts_of(conversation: Conversation) -> list[str]:
    """What is said, called and answered, in the order of one message."""
    found: list[str] = []
    for turn in conversation.turns:
        said = [part.text for part in turn.parts if isinstance(part, Text | Refusal)]
        calls = [part.call_id + part.arguments for part in turn.parts if isinstance(part, ToolCall)]
        results = [part for part in turn.parts if isinstance(part, ToolResult)]
        answers = [held.text for part in results for held in part.content if isinstance(held, Text)]
        found += [*said, *calls, *(part.call_id for part in results), *answers]
    return [text for text in found if not text.startswith("Result of the tool call ") and text != RESULT_FOLLOWS]


@given(
    replies(
        ANSWERS,
        finishes=tuple(finish for finish in Finish if finish is not Finish.TOOL_CALLS),
        usage=usages(*CLASSES),
        with_logprobs=True,
    )
)
def test_an_answer_reads_back_as_the_same_reply(reply: Reply) -> None:
    encoded = encode_reply(reply, TOLD)
    assert encoded.dropped == ()
    assert decode_reply(encoded.body) == reply


FINISHES = tuple(finish for finish in Finish if finish is not Finish.TOOL_CALLS)


@st.composite
def streams(draw: st.DrawFn) -> tuple[Reply, list[list[ReplyEvent]]]:
    """An answer and its events, in handfuls as a decoder gives them."""
    switches = ANSWERS._replace(with_custom_tools=False)
    reply = draw(replies(switches, finishes=FINISHES, usage=usages(*CLASSES), with_logprobs=True))
    events = draw(events_of(reply))
    places = sorted({0, len(events), *draw(st.lists(st.integers(0, len(events)), max_size=5))})
    return reply, [events[start:end] for start, end in pairwise(places)]


@given(streams(), st.lists(st.integers(0, 50_000), max_size=12))
def test_a_stream_folds_to_the_same_reply_however_its_bytes_are_cut(
    stream: tuple[Reply, list[list[ReplyEvent]]], cuts: list[int]
) -> None:
    reply, handfuls = stream
    encoder = ChatEncoder(TOLD)
    data = b"".join(encoder.feed(handful) for handful in handfuls) + encoder.ending(reply.reported, None, {})
    assert encoder.dropped == set()
    found, decoder = folded(data, cuts)
    assert found == reply
    assert decoder.complete() and decoder.done
