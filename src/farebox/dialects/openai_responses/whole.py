"""What is still to be told of parts and items that come whole, after deltas told some of it or nothing."""

from collections.abc import Callable
from typing import Any

from farebox.dialects.canonical.parts import Part, Reasoning, Refusal, Text, ToolCall
from farebox.dialects.canonical.reply import (
    CitationAdded,
    LogprobsAdded,
    PartEnded,
    PartStarted,
    ReplyEvent,
    SealDelta,
    SummaryDelta,
    TextDelta,
)
from farebox.dialects.openai_responses.content import read_citations, read_part
from farebox.dialects.openai_responses.items import read_call, read_model_item, read_reasoning
from farebox.dialects.openai_responses.reading import Unknowns, list_of, object_of, text_at


class Sent:
    """What deltas told of the open part: characters (of its text, and by paragraph of its summary), citations and
    tokens with their probabilities."""

    __slots__ = ("chars", "citations", "summaries", "tokens")

    def __init__(self) -> None:
        self.chars = self.citations = self.tokens = 0
        self.summaries: dict[int, int] = {}


def rest_of_part(part: dict[str, Any], sent: Sent) -> list[ReplyEvent]:
    """The rest of a text or a refusal that is done, but for its end. Raises Wrong."""
    if part.get("type") == "refusal":
        return _rest(text_at(part, "refusal"), sent.chars)
    events = _rest(text_at(part, "text"), sent.chars)
    citations = read_citations(part.get("annotations"))
    events += [CitationAdded(citation) for citation in citations[sent.citations :]]
    logprobs = part.get("logprobs")
    if logprobs and (tokens := list_of(logprobs, "logprobs")[sent.tokens :]):
        events.append(LogprobsAdded(tokens))
    return events


def rest_of_call(item: dict[str, Any], sent: Sent) -> list[ReplyEvent]:
    """The rest of a call's arguments. Raises Wrong."""
    return _rest(read_call(item).arguments, sent.chars)


def rest_of_reasoning(item: dict[str, Any], sent: Sent) -> list[ReplyEvent]:
    """The rest of what was thought, and its seal, which only the end tells. Raises Wrong."""
    reasoning = read_reasoning(item)
    events: list[ReplyEvent] = []
    for number, text in enumerate(reasoning.summary):
        already = sent.summaries.get(number)
        if already is None or already < len(text):
            events.append(SummaryDelta(number, text[already or 0 :]))
    events += _rest(reasoning.text, sent.chars)
    if reasoning.seal:
        events.append(SealDelta(reasoning.seal))
    return events


def _rest(text: str, sent_chars: int) -> list[ReplyEvent]:
    return [TextDelta(text[sent_chars:])] if len(text) > sent_chars else []


def whole_item(item: dict[str, Any], first: int, refused: Callable[[], None]) -> list[ReplyEvent]:
    """An item from beginning to end; of a message, the parts from the `first` on. Raises Wrong."""
    if text_at(item, "type") != "message":
        return whole_part(read_model_item(item, Unknowns()), item)
    content = item.get("content")
    events: list[ReplyEvent] = []
    for value in list_of(content, "content")[first:] if content is not None else ():
        part = read_part(value, Unknowns())
        if isinstance(part, Refusal):
            refused()
        events += whole_part(part, object_of(value, "content"))
    return events


def whole_part(part: Part, value: dict[str, Any]) -> list[ReplyEvent]:
    """A part from beginning to end. `value` is what it was read from. Raises Wrong."""
    match part:
        case Text():
            return [PartStarted(Text("")), *rest_of_part({**value, "type": "output_text"}, Sent()), PartEnded()]
        case Refusal():
            return [PartStarted(Refusal("")), *rest_of_part(value, Sent()), PartEnded()]
        case ToolCall():
            call = ToolCall(
                part.call_id, part.name, "", custom=part.custom, namespace=part.namespace, item_id=part.item_id
            )
            return [PartStarted(call), *_rest(part.arguments, 0), PartEnded()]
        case Reasoning():
            begun = Reasoning(origin=part.origin, item_id=part.item_id)
            return [PartStarted(begun), *rest_of_reasoning(value, Sent()), PartEnded()]
    return [PartStarted(part), PartEnded()]
