"""Directives inside the text: `[[sandbox {"words": 9}]]`, for requests that lose unknown fields on their way."""

import re
from typing import Any

import msgspec
from msgspec.structs import replace

from farebox_sandbox.ask import Ask, Part, Turn
from farebox_sandbox.errors import UpstreamError

MARK = "[[sandbox"
_DIRECTIVES = re.compile(r"\s*\[\[sandbox\s+(\{.*\})\s*\]\]", re.DOTALL)


def take_directives(ask: Ask) -> tuple[Ask, dict[str, Any] | None]:
    """The request without them, and its own directives: the body's field, and over it those of the text.

    They are looked for in the last turn, then in the last user turn. Raises UpstreamError 400 when they are not JSON.
    """
    places = [len(ask.turns) - 1, *(index for index, turn in enumerate(ask.turns) if turn.role == "user")]
    for index in dict.fromkeys((places[0], places[-1])):
        turn = ask.turns[index]
        if MARK in turn.text:
            found: dict[str, Any] = {}
            parts = tuple(part for part in (_cleaned(part, found) for part in turn.parts) if part is not None)
            turns = (*ask.turns[:index], Turn(turn.role, parts, turn.name), *ask.turns[index + 1 :])
            return replace(ask, turns=turns), {**(ask.own or {}), **found}
    return ask, ask.own


def _cleaned(part: Part, found: dict[str, Any]) -> Part | None:
    """The part without directives; None for a text that was nothing else."""
    if part.kind == "tool_result":
        content = tuple(one for one in (_cleaned(one, found) for one in part.content) if one is not None)
        return replace(part, content=content)
    if part.kind != "text" or MARK not in part.text:
        return part
    text = clean_text(part.text, found)
    return replace(part, text=text) if text.strip() else None


def clean_text(text: str, found: dict[str, Any]) -> str:
    """The text without its directives, which are added to `found`. Raises UpstreamError 400."""
    match = _DIRECTIVES.search(text)
    if match is None:
        return text
    found.update(json_object(match[1]))
    rest = text[: match.start()] + text[match.end() :]
    return rest.lstrip() if match.start() == 0 else rest


def json_object(text: str) -> dict[str, Any]:
    """The directives of a JSON text. Raises UpstreamError 400."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise UpstreamError(400, f"The directives in the text are not a JSON object: {error}") from error
