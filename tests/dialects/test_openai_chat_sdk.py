"""What the encoders produce, checked against the types of the official SDK."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import ConfigDict, TypeAdapter, with_config

from farebox.dialects.canonical.conversation import Conversation
from farebox.dialects.canonical.parts import Text
from farebox.dialects.canonical.reply import Finish, Reply
from farebox.dialects.openai_chat.encode_reply import encode_reply
from farebox.dialects.openai_chat.encode_request import encode_request
from farebox.dialects.openai_chat.encode_stream import ChatEncoder
from farebox.dialects.port import Edits, Profile, Told
from farebox.dialects.sse import EventSplitter, data_of
from tests.dialects.conversations import Switches, conversations, events_of, replies, usages

TOLD = Told(model="m", stem="0" * 32, created=1, wants_usage=True)
FOREIGN = Switches(origin="anthropic_messages", with_custom_tools=False)
FINISHES = tuple(finish for finish in Finish if finish is not Finish.TOOL_CALLS)
USED = usages("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")


@given(replies(FOREIGN._replace(with_custom_tools=True), finishes=FINISHES, usage=USED, with_logprobs=True))
def test_an_answer_is_one_for_the_official_sdk(reply: Reply) -> None:
    body = encode_reply(reply, TOLD).body
    found = ChatCompletion.model_validate_json(body, strict=True)
    message = found.choices[0].message
    assert (found.model, message.role, len(found.choices)) == ("m", "assistant", 1)
    assert found.usage is None or found.usage.total_tokens == found.usage.prompt_tokens + found.usage.completion_tokens


@st.composite
def streams(draw: st.DrawFn) -> tuple[Reply, bytes]:
    """An answer as a client's stream."""
    reply = draw(replies(FOREIGN, finishes=FINISHES, usage=USED, with_logprobs=True))
    encoder = ChatEncoder(TOLD)
    data = b"".join(encoder.feed([event]) for event in draw(events_of(reply)))
    facts = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0} if reply.reported.usage is None else {}
    return reply, data + encoder.ending(reply.reported, "default", {**facts, "cost_usd": "0.01"})


@given(streams())
def test_every_chunk_is_one_for_the_official_sdk(stream: tuple[Reply, bytes]) -> None:
    reply, data = stream
    *events, done = EventSplitter(1_000_000).feed(data)
    assert data_of(done) == b"[DONE]"
    chunks = [ChatCompletionChunk.model_validate_json(data_of(event) or b"", strict=True) for event in events]
    first, *middle, usage = chunks
    assert (first.choices[0].delta.role, first.choices[0].delta.content) == ("assistant", "")
    assert not usage.choices and usage.usage is not None and usage.service_tier == "default"
    assert {chunk.id for chunk in chunks} == {f"chatcmpl-{TOLD.stem}"}
    reasons = [chunk.choices[0].finish_reason for chunk in middle]
    assert reasons.count(None) == len(reasons) - 1 and reasons[-1] is not None
    said = [part.text for part in reply.parts if isinstance(part, Text)]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in middle) == "".join(said)


# Fields that the schema does not have are found too.
_STRICT: Any = with_config(ConfigDict(extra="forbid"))(CompletionCreateParamsNonStreaming)
_BODY: TypeAdapter[Any] = TypeAdapter(_STRICT)
REQUESTS = Switches(
    origin="anthropic_messages",
    chat_order=True,
    with_document_urls=False,  # refused
    with_file_ids=False,  # refused
    with_cache=False,  # not OpenAI's own field, but OpenRouter's
    with_call_seals=False,  # not OpenAI's own field, but Google's
)


@given(conversations(REQUESTS))
def test_a_request_is_one_for_the_official_sdk(conversation: Conversation) -> None:
    profile = Profile(output_limit_field="max_completion_tokens", developer_role=True)
    body = encode_request(conversation, Edits("up", 9, profile), False).body
    assert _BODY.validate_json(body)["model"] == "up"
