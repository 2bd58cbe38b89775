"""What Anthropic refuses in a request: wrong versions, histories that were altered, parts that do not fit together."""

from farebox_sandbox.ask import Ask, Part, Turn
from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.signatures import BadSignature, is_marked, verify

VERSIONS = ("2023-06-01", "2026-10-21")
STRICT_VERSION = "2026-10-21"
LEAST_BUDGET_TOKENS = 1024
MAX_CACHE_MARKS = 4
DIALECT = "anthropic_messages"


def check(ask: Ask) -> None:
    """Raises UpstreamError 400."""
    _check_version(ask)
    if ask.unknown:
        raise _refuse(f"{ask.unknown[0][:80]}: Extra inputs are not permitted")
    if ask.headers["anthropic-version"] == STRICT_VERSION:
        _check_breaking_rules(ask)
    _check_thinking(ask)
    _check_texts(ask)
    _check_pairs(ask)
    for number, turn in enumerate(ask.turns):
        if turn.role == "assistant":
            # With adaptive thinking the model may think or not, so nothing is missed there.
            _check_turn(turn, number, thinks=ask.thinking is not None and ask.thinking.mode == "enabled")


def _refuse(message: str) -> UpstreamError:
    return UpstreamError(400, message)


def _check_version(ask: Ask) -> None:
    version = ask.headers.get("anthropic-version")
    if version is None:
        raise _refuse("anthropic-version: header is required")
    if version not in VERSIONS:
        raise _refuse(f"anthropic-version: {version[:40]!r} is not a valid version")


def _check_breaking_rules(ask: Ask) -> None:
    """The three things that 2026-10-21 does not take any more."""
    if ask.sampling:
        raise _refuse(f"{next(iter(ask.sampling))}: not supported in version {STRICT_VERSION}")
    for turn in ask.turns:
        if turn.role == "assistant" and any(part.kind == "document" for part in turn.parts):
            raise _refuse(f"messages: `document` blocks in assistant messages are not supported in {STRICT_VERSION}")
        if turn.role == "user" and any(part.kind == "text" and part.citations for part in turn.parts):
            raise _refuse(f"messages: `citations` on user text are not supported in {STRICT_VERSION}")


def _check_thinking(ask: Ask) -> None:
    thinking = ask.thinking
    if thinking is None or not thinking.active:
        return
    if thinking.mode == "enabled":
        budget = thinking.budget_tokens
        if budget is None or budget < LEAST_BUDGET_TOKENS:
            raise _refuse(f"thinking.enabled.budget_tokens: must be at least {LEAST_BUDGET_TOKENS}")
        if ask.token_limit is not None and budget >= ask.token_limit:
            raise _refuse("`max_tokens` must be greater than `thinking.budget_tokens`")
    if ask.tool_choice is not None and ask.tool_choice.mode in ("required", "named"):
        raise _refuse("Thinking may not be enabled when tool_choice forces tool use.")
    if ask.sampling.get("temperature", 1) != 1:
        raise _refuse("`temperature` may only be set to 1 when thinking is enabled")


def _check_texts(ask: Ask) -> None:
    parts = [part for turn in ask.turns for part in turn.parts]
    # A text that was nothing but directives is gone by now, and its turn may be empty.
    if any(part.kind == "text" and not part.text for part in parts):
        raise _refuse("messages: text content blocks must be non-empty")
    marks = sum(bool(part.cache) for part in parts) + sum(bool(tool.cache) for tool in ask.tools) + bool(ask.cache)
    if marks > MAX_CACHE_MARKS:
        raise _refuse(f"A maximum of {MAX_CACHE_MARKS} blocks with cache_control may be provided. Found {marks}.")
    if any(turn.role not in ("system", "user", "assistant", "tool") for turn in ask.turns):
        raise _refuse("messages.role: one of user, assistant, system")


def _check_pairs(ask: Ask) -> None:
    """Each tool use is answered in the next message, and nothing else is."""
    turns = [turn for turn in ask.turns if turn.role != "system"]
    for before, after in zip([None, *turns], [*turns, None], strict=True):
        called = _ids(before, "tool_call")
        answered = _ids(after, "tool_result")
        if answered - called:
            raise _refuse(
                f"messages: unexpected `tool_use_id` found in `tool_result` blocks: {min(answered - called)[:80]}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        if called - answered and after is not None:
            raise _refuse(
                f"messages: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{min(called - answered)[:80]}."
            )


def _ids(turn: Turn | None, kind: str) -> set[str]:
    return {part.call_id for part in turn.parts if part.kind == kind} if turn is not None else set()


def _check_turn(turn: Turn, number: int, *, thinks: bool) -> None:
    for part in turn.parts:
        if part.kind == "reasoning":
            _check_signature(part, number)
    first = turn.parts[0].kind if turn.parts else ""
    thought = any(part.kind == "tool_call" and is_marked(part.call_id) for part in turn.parts)
    if thinks and thought and first != "reasoning":
        raise _refuse(
            f"messages.{number}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`. When "
            "`thinking` is enabled, an assistant message with tool use must start with its thinking block."
        )


def _check_signature(part: Part, number: int) -> None:
    kind = "redacted_thinking" if part.redacted else "thinking"
    try:
        verify(part.signature, DIALECT, kind, part.text)
    except BadSignature as error:
        what = "`data`" if part.redacted else "`signature`"
        raise _refuse(f"messages.{number}.content: Invalid {what} in `{kind}` block: it {error}.") from error
