"""The official SDK as an oracle: its types with every required field, its stream reader and its accumulator."""

from typing import Any

import httpx2
from anthropic import Anthropic
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from farebox.dialects.sse import EventSplitter, data_of

_MESSAGE: TypeAdapter[Message] = TypeAdapter(Message)
_EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
_ASK: Any = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}


def _client(body: bytes, content_type: str, status: int = 200) -> Anthropic:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, headers={"content-type": content_type}, content=body)

    transport = httpx2.Client(transport=httpx2.MockTransport(answer))
    return Anthropic(api_key="k", base_url="http://x", http_client=transport, max_retries=0)


def parsed_message(body: bytes) -> Message:
    """A whole answer. Raises when a required field is missing or of another type."""
    return _MESSAGE.validate_json(body)


def parsed_events(stream: bytes) -> list[RawMessageStreamEvent]:
    """The events of a stream but for pings, each with every required field. Raises for others."""
    events = EventSplitter(10_000_000).feed(stream)
    return [_EVENT.validate_json(data_of(event) or b"") for event in events if not event.startswith(b"event: ping")]


def accumulated(stream: bytes) -> Message:
    """The message that the SDK's own accumulator makes of a stream. Raises its status error on an error event."""
    with (
        _client(stream, "text/event-stream") as client,
        client.messages.stream(**_ASK) as events,
    ):
        return events.get_final_message()


def answered(body: bytes, status: int) -> Message:
    """What the SDK makes of a JSON answer. Raises its error for an error status."""
    with _client(body, "application/json", status) as client:
        message: Message = client.messages.create(**_ASK)
        return message
