"""Reasoning in messages, both ways: `reasoning_content` (DeepSeek; others call it `reasoning`) for the text, and
`reasoning_details` (OpenRouter) for what must come back unchanged.

A provider's own sealed details are kept as they came: the seal of a part with origin `openai_chat` is the bare
signature where a detail has nothing else, else the JSON list of the details without their text. Seals of other origins
travel to a client and back in an envelope.
"""

from typing import Any

import msgspec

from farebox.dialects.canonical.parts import Reasoning
from farebox.dialects.envelope import Sealed, seal, unseal

_encode = msgspec.json.Encoder().encode
_items = msgspec.json.Decoder(list[dict[str, Any]])

_SEAL_FIELDS = ("signature", "data")
_BARE_FIELDS = frozenset({"type", "text", "signature", "data", "index"})


def read_reasoning(message: dict[str, Any], *, trusted: bool) -> list[Reasoning]:
    """The reasoning parts of a message. `trusted`: envelopes are opened, because the message comes from a client to
    whom only we have sent seals; those of a provider stay closed. Whatever is no reasoning is passed over."""
    details = message.get("reasoning_details")
    parts: list[Reasoning] = []
    if isinstance(details, list):
        parts = [part_of(group, trusted=trusted) for group in _groups(details)]
    text = reasoning_text(message)
    if not text or any(part.text or part.summary for part in parts):
        return parts
    if parts and not parts[0].redacted:
        return [msgspec.structs.replace(parts[0], text=text), *parts[1:]]
    return [Reasoning(text=text, origin="openai_chat"), *parts]


def reasoning_text(message: dict[str, Any]) -> str:
    """The text under either name; vendors that send both say the same twice."""
    for name in ("reasoning_content", "reasoning"):
        value = message.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def _groups(details: list[Any]) -> list[list[dict[str, Any]]]:
    """Details of one part: neighbours with the same index, or up to a sealed one where there is none."""
    groups: list[list[dict[str, Any]]] = []
    for item in details:
        if not isinstance(item, dict):
            continue
        last = groups[-1][-1] if groups else None
        index = item.get("index")
        if last is None or last.get("index") != index or (index is None and sealed_field(last)):
            groups.append([item])
        else:
            groups[-1].append(item)
    return groups


def sealed_field(item: dict[str, Any]) -> str:
    """The name of the field with the seal; empty for a detail without one."""
    for name in _SEAL_FIELDS:
        value = item.get(name)
        if isinstance(value, str) and value:
            return name
    return ""


def part_of(group: list[dict[str, Any]], *, trusted: bool) -> Reasoning:
    """One reasoning part from its details."""
    text = "".join(item["text"] for item in group if isinstance(item.get("text"), str))
    summary = _summary(group)
    sealed = [item for item in group if sealed_field(item)]
    if trusted:
        for item in sealed:
            if (opened := unseal(item[sealed_field(item)])) is not None:
                origin, inner = opened
                return Reasoning(
                    text=text,
                    summary=summary,
                    seal=inner.seal,
                    redacted=inner.redacted,
                    origin=origin,
                    item_id=inner.item_id,
                )
    redacted = bool(sealed) and not text and not summary and all("data" in item for item in sealed)
    return Reasoning(
        text=text,
        summary=summary,
        seal=own_seal(sealed, has_text=bool(text), has_summary=bool(summary)),
        redacted=redacted,
        origin="openai_chat",
    )


def _summary(group: list[dict[str, Any]]) -> tuple[str, ...]:
    """Paragraphs: pieces that name the same one belong together."""
    paragraphs: list[str] = []
    last: Any = None
    for item in group:
        piece = item.get("summary")
        if not isinstance(piece, str):
            continue
        number = item.get("summary_index")
        if paragraphs and number is not None and number == last:
            paragraphs[-1] += piece
        else:
            paragraphs.append(piece)
        last = number
    return tuple(paragraphs)


def own_seal(sealed: list[dict[str, Any]], *, has_text: bool, has_summary: bool) -> str:
    """What must come back to this provider, as one text; `own_details` is the inverse."""
    if not sealed:
        return ""
    if len(sealed) == 1:
        item = sealed[0]
        bare = _bare(item) and (item.get("type") == _bare_type(item, has_text=has_text, has_summary=has_summary))
        if bare and "signature" in item:
            return str(item["signature"])
        if bare:
            return str(item["data"])
    kept = [{name: value for name, value in item.items() if name not in ("text", "index")} for item in sealed]
    return _encode(kept).decode()


def _bare(item: dict[str, Any]) -> bool:
    others = {name: value for name, value in item.items() if name not in _BARE_FIELDS and value is not None}
    both = item.get("signature") is not None and item.get("data") is not None
    return not both and (not others or others == {"format": "unknown"})


def _bare_type(item: dict[str, Any], *, has_text: bool, has_summary: bool) -> str:
    if "signature" in item:
        return "" if has_summary and not has_text else "reasoning.text"
    return "" if has_text else "reasoning.encrypted"


def text_detail(text: str, index: int) -> dict[str, Any]:
    """A piece of a part's text."""
    return {"type": "reasoning.text", "text": text, "format": "unknown", "index": index}


def summary_detail(text: str, paragraph: int, index: int) -> dict[str, Any]:
    """A piece of a paragraph of a part's summary."""
    detail = {"type": "reasoning.summary", "summary": text, "format": "unknown", "index": index}
    return {**detail, "summary_index": paragraph}


def seal_details(part: Reasoning, index: int, *, has_text: bool, has_summary: bool) -> list[dict[str, Any]]:
    """The details that seal a part, without its text. Another dialect's part always gets one: it tells the origin."""
    if part.origin not in (None, "openai_chat"):
        envelope = seal(part.origin, Sealed(part.seal, redacted=part.redacted, item_id=part.item_id))
        return [_seal_detail(envelope, index, encrypted=part.redacted or not has_text)]
    if not part.seal:
        return []
    own = _own_details(part.seal)
    if own is not None:
        return [{**item, "index": index} for item in own]
    return [_seal_detail(part.seal, index, encrypted=part.redacted or (has_summary and not has_text))]


def _seal_detail(value: str, index: int, *, encrypted: bool) -> dict[str, Any]:
    kind, field = ("reasoning.encrypted", "data") if encrypted else ("reasoning.text", "signature")
    return {"type": kind, field: value, "format": "unknown", "index": index}


def _own_details(text: str) -> list[dict[str, Any]] | None:
    if not text.startswith("[{"):
        return None
    try:
        return _items.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return None


def details_of(part: Reasoning, index: int) -> list[dict[str, Any]]:
    """All details of a part. Its text goes into the detail that seals it, where there is one for text."""
    details = [summary_detail(text, paragraph, index) for paragraph, text in enumerate(part.summary)]
    sealed = seal_details(part, index, has_text=bool(part.text), has_summary=bool(part.summary))
    holder = next((item for item in sealed if item.get("type") == "reasoning.text"), None)
    if holder is not None:
        holder["text"] = part.text
    elif part.text:
        details.append(text_detail(part.text, index))
    return details + sealed


def shown_text(part: Reasoning) -> str:
    """What a client shows as reasoning: the thinking, or the summary where only that is known."""
    return part.text or "\n\n".join(part.summary)
