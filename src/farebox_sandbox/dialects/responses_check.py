"""What OpenAI refuses in a Responses request: lost or altered reasoning, calls without outputs, unknown state."""

from farebox_sandbox.ask import Ask, Part, Turn
from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.signatures import BadSignature, is_marked, verify

DIALECT = "openai_responses"


def check(ask: Ask) -> None:
    """Raises UpstreamError 400 or 404."""
    if ask.unknown:
        raise UpstreamError(400, f"Unknown parameter: '{ask.unknown[0][:80]}'.", "unknown_parameter")
    _check_state(ask)
    called: set[str] = set()
    answered = {part.call_id for turn in ask.turns for part in turn.parts if part.kind == "tool_result"}
    for turn in ask.turns:
        if turn.role == "assistant":
            _check_reasoning(turn)
            called |= {part.call_id for part in turn.parts if part.kind == "tool_call"}
    if missing := called - answered:
        raise UpstreamError(400, f"No tool output found for function call {min(missing)[:80]}.")
    if missing := answered - called:
        raise UpstreamError(400, f"No tool call found for function call output with call_id {min(missing)[:80]}.")


def _check_state(ask: Ask) -> None:
    """The sandbox keeps nothing from one request to the next."""
    kept = ask.repeated["_stateful"]
    if "previous" in kept:
        message = f"Previous response with id '{kept['previous'][:80]}' not found."
        raise UpstreamError(400, message, "previous_response_not_found")
    if "conversation" in kept:
        raise UpstreamError(404, "Conversation not found.", "conversation_not_found")
    if kept.get("background"):
        raise UpstreamError(400, "The sandbox does nothing in the background.", "unsupported_parameter")


def _check_reasoning(turn: Turn) -> None:
    before: Part | None = None
    thought = False
    for part in turn.parts:
        if part.kind == "reasoning":
            _check_item(part)
            thought = True
        elif part.kind == "tool_call" and is_marked(part.item_id) and not thought:
            raise UpstreamError(
                400,
                f"Item '{part.item_id[:80]}' of type 'function_call' was provided without its required 'reasoning' "
                "item.",
            )
        before = part
    if before is not None and before.kind == "reasoning":
        raise UpstreamError(
            400, f"Item '{before.item_id[:80]}' of type 'reasoning' was provided without its required following item."
        )


def _check_item(item: Part) -> None:
    """With its encrypted content, which covers the summary; without it only by the id of a stored item."""
    if not item.signature:
        if not is_marked(item.item_id):
            raise UpstreamError(
                404,
                f"Item with id '{item.item_id[:80]}' not found. Items are not persisted when `store` is set to false.",
            )
        return
    try:
        verify(item.signature, DIALECT, "reasoning", item.text)
    except BadSignature as error:
        message = f"The encrypted content for item {item.item_id[:80]} could not be verified: it {error}."
        raise UpstreamError(400, message, "invalid_encrypted_content") from error
