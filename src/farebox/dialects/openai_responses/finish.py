"""Why a response ended, both ways. Source: `status` and `incomplete_details.reason` of the response object."""

from typing import Any

from farebox.dialects.canonical.reply import Finish

_REASONS = {
    Finish.LENGTH: "max_output_tokens",
    Finish.CONTEXT_WINDOW: "max_output_tokens",
    Finish.REFUSAL: "content_filter",
    # Clients know four reasons, and none of them says it: it is an answer that was cut short.
    Finish.BROKEN_CALL: "max_output_tokens",
}


def read_finish(response: dict[str, Any], *, called: bool, refused: bool) -> Finish:
    """The reason of a response that came to its end: `called` a tool, `refused` in words. An incomplete one whose
    reason is not known met some bound."""
    if response.get("status") == "incomplete":
        details = response.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        return Finish.REFUSAL if reason == "content_filter" else Finish.LENGTH
    if called:
        return Finish.TOOL_CALLS
    return Finish.REFUSAL if refused else Finish.END


def ended_fields(finish: Finish | None, *, refused_in_words: bool) -> dict[str, Any]:
    """`status` and `incomplete_details`. A refusal that the client can read is a complete answer."""
    reason = _REASONS.get(finish) if finish is not None else None
    if reason is None or (finish is Finish.REFUSAL and refused_in_words):
        return {"status": "completed", "incomplete_details": None}
    return {"status": "incomplete", "incomplete_details": {"reason": reason}}
