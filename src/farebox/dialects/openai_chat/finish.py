"""Why a model stopped, both ways. What `finish_reason` cannot say stands beside it: the stop sequence in `stop_reason`
(vLLM), the provider's own word in `native_finish_reason` (OpenRouter)."""

from typing import Any, Final

from farebox.dialects.canonical.reply import Finish

_READ: Final = {
    "stop": Finish.END,
    "length": Finish.LENGTH,
    "tool_calls": Finish.TOOL_CALLS,
    "function_call": Finish.TOOL_CALLS,
    "content_filter": Finish.REFUSAL,
    "model_length": Finish.CONTEXT_WINDOW,  # Mistral
    "max_tokens": Finish.LENGTH,
    "eos": Finish.END,  # Together
}
_WRITTEN: Final = {
    Finish.END: "stop",
    Finish.LENGTH: "length",
    Finish.STOP_SEQUENCE: "stop",
    Finish.TOOL_CALLS: "tool_calls",
    Finish.REFUSAL: "content_filter",
    Finish.PAUSE: "stop",
    Finish.CONTEXT_WINDOW: "length",
    Finish.BROKEN_CALL: "stop",
}
_NATIVE: Final = {
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.PAUSE: "pause_turn",
    Finish.CONTEXT_WINDOW: "model_context_window_exceeded",
    Finish.BROKEN_CALL: "MALFORMED_FUNCTION_CALL",
}
_READ_NATIVE: Final = {word: finish for finish, word in _NATIVE.items()}


def read_finish(reason: Any, native: Any, stop_reason: Any, *, has_calls: bool) -> tuple[Finish, str | None] | None:
    """The reason and the stop sequence; None where the provider gave no reason yet (null, or an empty string).

    Some vendors say `stop` after tool calls; a word that is not known is an end like any other.
    """
    if not isinstance(reason, str) or not reason:
        return None
    finish = _READ.get(reason, Finish.END)
    if isinstance(native, str):
        finish = _READ_NATIVE.get(native, finish)
    if finish is Finish.END and has_calls:
        finish = Finish.TOOL_CALLS
    sequence = stop_reason if isinstance(stop_reason, str) and finish in (Finish.END, Finish.STOP_SEQUENCE) else None
    return (Finish.STOP_SEQUENCE if sequence else finish), sequence or None


def finish_fields(finish: Finish, stop_sequence: str | None) -> dict[str, str]:
    """The reason as fields of a choice."""
    fields = {"finish_reason": _WRITTEN[finish]}
    if finish in _NATIVE:
        fields["native_finish_reason"] = _NATIVE[finish]
    if stop_sequence is not None:
        fields["stop_reason"] = stop_sequence
    return fields
