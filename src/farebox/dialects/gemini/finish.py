"""Why a model stopped. Source: `FinishReason` of the API reference."""

from typing import Final

from farebox.dialects.canonical.reply import Finish

_REFUSALS: Final = (
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "MODEL_ARMOR",
    "ESCALATION",
    "PUP_LIMITED_DISABLED",
)
_FINISHES: Final = {
    **dict.fromkeys(_REFUSALS, Finish.REFUSAL),
    "STOP": Finish.END,
    "MAX_TOKENS": Finish.LENGTH,
    # The provider cut the answer short: its own loop of tools, or its limit for one request.
    "TOO_MANY_TOOL_CALLS": Finish.LENGTH,
    "CONTINUATION": Finish.LENGTH,
    "MALFORMED_FUNCTION_CALL": Finish.BROKEN_CALL,
    "UNEXPECTED_TOOL_CALL": Finish.BROKEN_CALL,
}


def finish_of(reason: str, *, called: bool) -> Finish | None:
    """The canonical reason, None for one that has no place there (`OTHER`, `NO_IMAGE`, new ones).

    Gemini says `STOP` for calls as for an end, and does not tell a stop sequence from an end.
    """
    if reason == "STOP" and called:
        return Finish.TOOL_CALLS
    return _FINISHES.get(reason)
