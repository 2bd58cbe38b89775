"""The official SDK as an oracle: its stream reader, its accumulator, and its types with every required field."""

from typing import Any

import httpx2
from openai import OpenAI
from openai.types.responses import Response


def _client(body: bytes, content_type: str, *, strict: bool) -> OpenAI:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": content_type}, content=body)

    transport = httpx2.Client(transport=httpx2.MockTransport(answer))
    return OpenAI(
        api_key="k", base_url="http://x/v1", http_client=transport, max_retries=0, _strict_response_validation=strict
    )


def parsed_response(body: bytes) -> Response:
    """A whole answer. Raises when a required field is missing or of another type."""
    with _client(body, "application/json", strict=True) as client:
        return client.responses.create(model="m", input="x")


def parsed_events(stream: bytes, *, strict: bool = False) -> list[Any]:
    """The events of a stream as the SDK hands them out. `strict`: raises when one lacks a required field, or is of a
    type that the SDK does not know."""
    with _client(stream, "text/event-stream", strict=strict) as client:
        return list(client.responses.create(model="m", input="x", stream=True))


def accumulated(stream: bytes) -> Response:
    """The response that the SDK's own accumulator makes of a stream."""
    with (
        _client(stream, "text/event-stream", strict=False) as client,
        client.responses.stream(model="m", input="x") as events,
    ):
        return events.get_final_response()
