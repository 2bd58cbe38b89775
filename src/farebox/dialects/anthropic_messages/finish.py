"""Why a model stopped, both ways. Source: StopReason of the official SDK."""

from typing import Final

from farebox.dialects.canonical.reply import Finish

_WRITTEN: Final = {
    Finish.END: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.TOOL_CALLS: "tool_use",
    Finish.REFUSAL: "refusal",
    Finish.PAUSE: "pause_turn",
    Finish.CONTEXT_WINDOW: "model_context_window_exceeded",
    # The call is no call, so there is nothing for the client to do.
    Finish.BROKEN_CALL: "end_turn",
}
_READ: Final = {word: finish for finish, word in _WRITTEN.items() if finish is not Finish.BROKEN_CALL}
# The provider paused to summarize; the client goes on as after any pause.
_COMPACTION: Final = "compaction"


def read_finish(reason: str) -> Finish | None:
    """None for a reason that is not known."""
    return Finish.PAUSE if reason == _COMPACTION else _READ.get(reason)


def stop_reason(finish: Finish | None, *, has_calls: bool, refused: bool) -> str:
    """Clients run the tools only after `tool_use`, whatever the provider said; where it said nothing, it is the end.
    `refused`: the answer is a refusal, which is a part elsewhere and a reason here."""
    if finish in (None, Finish.END) and has_calls:
        return "tool_use"
    if finish in (None, Finish.END) and refused:
        return "refusal"
    return _WRITTEN[finish or Finish.END]
