"""A whole answer of a provider in canonical form."""

from collections.abc import Sequence
from typing import Any

from farebox.base.errors import Problem
from farebox.dialects.canonical.parts import Json, Part, Refusal, ToolCall
from farebox.dialects.canonical.reply import Reply
from farebox.dialects.openai_responses.answer import response_in
from farebox.dialects.openai_responses.content import read_part
from farebox.dialects.openai_responses.finish import read_finish
from farebox.dialects.openai_responses.items import read_model_item
from farebox.dialects.openai_responses.reading import Unknowns, Wrong, list_of, object_of, text_at
from farebox.dialects.openai_responses.usage import read_tier, read_usage


def decode_reply(body: bytes) -> Reply:
    """Raises Problem `upstream_exception` when the body is not a response that came to its end."""
    response = response_in(body)
    parts: list[Part] = []
    logprobs: list[Json] = []
    try:
        for item in response["output"]:
            parts += read_output_item(item, logprobs)
    except (Wrong, RecursionError) as error:
        raise Problem("upstream_exception", "The provider's answer was not a response object.") from error
    return Reply(
        parts=tuple(parts),
        finish=read_finish(
            response,
            called=any(isinstance(part, ToolCall) for part in parts),
            refused=any(isinstance(part, Refusal) for part in parts),
        ),
        reported=read_usage(response),
        service_tier=read_tier(response.get("service_tier")),
        logprobs=logprobs or None,
    )


def read_output_item(value: Any, logprobs: list[Json]) -> Sequence[Part]:
    """The parts of one output item; log probabilities are added to the list. Raises Wrong."""
    item, unknown = object_of(value, "output"), Unknowns()
    if text_at(item, "type") != "message":
        return (read_model_item(item, unknown),)
    content = list_of(item.get("content") or [], "content")
    for part in content:
        if isinstance(part, dict) and part.get("logprobs"):
            logprobs += list_of(part["logprobs"], "logprobs")
    return [read_part(part, unknown) for part in content]
