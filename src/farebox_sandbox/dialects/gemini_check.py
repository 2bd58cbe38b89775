"""What Gemini refuses in a request's history: function calls without their signature, or that do not fit together."""

import re

from farebox_sandbox.ask import Ask, Part
from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.signatures import BadSignature, is_marked, verify

DIALECT = "gemini"

# Google documents both for histories that another model made.
PLACEHOLDERS = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")

# Older models sign too, but do not insist.
_LENIENT_MODEL = re.compile(r"gemini-[12]\b")


def check(ask: Ask) -> None:
    """Raises UpstreamError 400."""
    turns = ask.turns
    for number, turn in enumerate(turns):
        for part in turn.parts:
            if part.signature and part.signature not in PLACEHOLDERS:
                _check_signature(part, number)
        calls = [part for part in turn.parts if part.kind == "tool_call"]
        if calls and number + 1 < len(turns):
            results = [part for part in turns[number + 1].parts if part.kind == "tool_result"]
            if len(results) != len(calls):
                raise UpstreamError(
                    400,
                    "Please ensure that the number of function response parts is equal to the number of function call "
                    "parts of the function call turn.",
                )
        if calls and not calls[0].signature and _must_be_signed(ask, number, calls[0]):
            raise UpstreamError(
                400,
                f"Function call `{calls[0].name[:80]}` in the {number + 1}. content block is missing a "
                "`thought_signature`.",
            )


def _must_be_signed(ask: Ask, number: int, call: Part) -> bool:
    """In the current turn, which begins at the last thing that the user said, every first call of a step; before it,
    nothing. With an older model only those that the sandbox signed."""
    start = max((at for at, turn in enumerate(ask.turns) if turn.role == "user"), default=0)
    if number < start:
        return False
    return is_marked(call.call_id) or not _LENIENT_MODEL.search(ask.model)


def signed_content(part: Part) -> tuple[str, str]:
    """What a part's signature covers: its kind and content. That of a text covers no text, because a stream has it on
    an empty last part."""
    if part.kind == "tool_call":
        return "function_call", f"{part.name}\0{part.arguments}"
    return "text", ""


def _check_signature(part: Part, number: int) -> None:
    try:
        verify(part.signature, DIALECT, *signed_content(part))
    except BadSignature as error:
        raise UpstreamError(
            400, f"Invalid thought signature in the {number + 1}. content block: it {error}."
        ) from error
