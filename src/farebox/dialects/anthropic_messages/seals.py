"""Reasoning in `thinking` and `redacted_thinking` blocks, both ways.

Anthropic's own signatures stand there bare. Those of other origins travel to a client and back in an envelope, and so
do seals of tool calls: in a `redacted_thinking` block beside the call, for which this dialect has no place.
"""

from typing import Any, NamedTuple

from farebox.dialects.anthropic_messages.shape import text_at
from farebox.dialects.canonical.parts import DialectName, Part, Reasoning
from farebox.dialects.envelope import Sealed, seal, unseal

OWN: DialectName = "anthropic_messages"
_BETWEEN_PARAGRAPHS = "\n\n"


class CallSeal(NamedTuple):
    """A seal that belongs to a tool call."""

    call_id: str
    origin: DialectName
    seal: str


def read_thinking(block: dict[str, Any], place: str, *, trusted: bool) -> Reasoning:
    """A `thinking` block. `trusted`: it comes from a client, to whom only we have sent envelopes. Raises Unreadable."""
    text = text_at(block, "thinking", place)
    signature = block.get("signature")
    signature = signature if isinstance(signature, str) else ""
    if trusted and (opened := unseal(signature)) is not None:
        return _opened(*opened, text)
    return Reasoning(text=text, seal=signature, origin=OWN if signature or not trusted else None)


def read_redacted(block: dict[str, Any], place: str, *, trusted: bool) -> Reasoning | CallSeal:
    """A `redacted_thinking` block, or the seal of a tool call in one. Raises Unreadable."""
    data = text_at(block, "data", place)
    opened = unseal(data) if trusted else None
    if opened is None:
        return Reasoning(seal=data, redacted=True, origin=OWN)
    origin, sealed = opened
    if sealed.call_id:
        return CallSeal(sealed.call_id, origin, sealed.seal)
    return _opened(origin, sealed, "")


def _opened(origin: DialectName, sealed: Sealed, text: str) -> Reasoning:
    summary = tuple(text.split(_BETWEEN_PARAGRAPHS)) if sealed.is_summary and text else ()
    return Reasoning(
        text="" if summary else text,
        summary=summary,
        seal=sealed.seal,
        redacted=sealed.redacted,
        origin=origin,
        item_id=sealed.item_id,
    )


def shown_text(part: Reasoning) -> str:
    """What a client sees of the reasoning."""
    return _BETWEEN_PARAGRAPHS.join(filter(None, (part.text, *part.summary)))


def signature_of(part: Reasoning, *, is_summary: bool) -> str:
    """A part's seal as a client gets it: bare when it is Anthropic's own, else in an envelope that tells the origin."""
    if part.origin in (None, OWN):
        return part.seal
    sealed = Sealed(part.seal, redacted=part.redacted, item_id=part.item_id, is_summary=is_summary)
    return seal(part.origin, sealed)


def is_redacted(part: Reasoning) -> bool:
    """Whether a part without text is told as a redacted one. Anthropic itself signs thoughts that it does not show."""
    return part.redacted or part.origin != OWN


def is_foreign(part: Part) -> bool:
    """Whether a part is no more than a seal of another dialect's provider."""
    return isinstance(part, Reasoning) and part.origin not in (None, OWN) and not shown_text(part)


def ends_in_foreign_seal(parts: tuple[Part, ...]) -> bool:
    """Whether a message would end in a foreign seal with nothing to read.

    Claude Code takes the last block for the answer and shows an empty one (2.1.197, `claude -p`). Gemini ends each text
    with a signature and asks for it back without insisting; the other dialects refuse reasoning that nothing follows.
    """
    return len(parts) > 1 and is_foreign(parts[-1])


def reasoning_block(part: Reasoning) -> dict[str, Any] | None:
    """A reasoning as a client gets it; None where there is nothing to say."""
    text = shown_text(part)
    if not text and not part.seal:
        return None
    signature = signature_of(part, is_summary=bool(part.summary) and not part.text)
    if not text and is_redacted(part):
        return {"type": "redacted_thinking", "data": signature}
    return {"type": "thinking", "thinking": text, "signature": signature}


def call_seal_block(call_id: str, origin: DialectName | None, sealed: str) -> dict[str, Any]:
    """The block that holds the seal of a call."""
    return {"type": "redacted_thinking", "data": seal(origin or OWN, Sealed(sealed, call_id=call_id))}
