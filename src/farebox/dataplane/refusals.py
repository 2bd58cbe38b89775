"""The ledger's refusals in the words of the error catalogue. Pure."""

from farebox.base.clock import parse_rfc3339
from farebox.base.errors import Problem
from farebox.base.ids import show_call
from farebox.base.money import format_usd
from farebox.ledger.book import Span, resets_at
from farebox.ledger.outcomes import Reason, Refusal
from farebox.records.advice import EmptyLimit

# A held balance comes back when running calls settle; most do within this time.
BALANCE_RETRY_SECONDS = 5
RUNNING_RETRY_SECONDS = 2

_SPAN_NAMES = {Span.DAY: "daily", Span.MONTH: "monthly", Span.LIFETIME: "lifetime"}


def problem_of(refusal: Refusal, *, top_up_url: str = "") -> Problem:
    """What to tell the client whose hold was refused."""
    match refusal.reason:
        case Reason.REQUESTS_EXHAUSTED:
            return _requests_exhausted(refusal)
        case Reason.BUDGET_EXHAUSTED:
            return _budget_exhausted(refusal)
        case Reason.INSUFFICIENT_BALANCE | Reason.BALANCE_HELD:
            return _balance(refusal, top_up_url)
        case Reason.CLAIM_CONFLICT | Reason.CLAIM_RUNNING | Reason.CLAIM_FINISHED:
            return _claim(refusal)
        case Reason.INVALID_AMOUNT:
            return Problem("request_limit_exceeded", "The highest possible price of this request is out of bounds.")
        case _:
            return Problem("internal_error", "The reservation could not be made.", facts={"reason": refusal.reason})


def _limit_facts(refusal: Refusal) -> dict[str, object]:
    limit, window = refusal.limit, refusal.window
    assert limit is not None and window is not None
    owner = "key" if limit.key_id else "workspace"
    return {"limit": f"{owner}.{Span(limit.span).name.lower()}", "resets_at": resets_at(limit.span, window.day)}


def _reset_text(facts: dict[str, object]) -> str:
    return f" It resets at {facts['resets_at']}." if facts["resets_at"] else " It does not reset."


def _requests_exhausted(refusal: Refusal) -> Problem:
    limit, window = refusal.limit, refusal.window
    assert limit is not None and window is not None and limit.max_requests is not None
    facts = _limit_facts(refusal)
    used, held = window.used_requests, window.held_requests
    facts |= {"limit_requests": limit.max_requests, "used_requests": used, "held_requests": held}
    facts["remaining_requests"] = max(0, limit.max_requests - used - held)
    name = f"{_SPAN_NAMES[Span(limit.span)]} request limit of this {str(facts['limit']).split('.')[0]}"
    message = f"The {name} is used up: {used + held} of {limit.max_requests}.{_reset_text(facts)}"
    return Problem("quota_exhausted", message, facts=facts)


def _money_facts(refusal: Refusal) -> dict[str, object]:
    return {
        "required_usd": format_usd(refusal.required_nanos),
        "available_usd": format_usd(refusal.available_nanos),
        "held_usd": format_usd(refusal.held_nanos),
    }


def _budget_exhausted(refusal: Refusal) -> Problem:
    limit, window = refusal.limit, refusal.window
    assert limit is not None and window is not None and limit.max_nanos is not None
    facts = _limit_facts(refusal) | _money_facts(refusal)
    facts |= {"limit_usd": format_usd(limit.max_nanos), "used_usd": format_usd(window.used_nanos)}
    name = f"{_SPAN_NAMES[Span(limit.span)]} dollar limit of this {str(facts['limit']).split('.')[0]}"
    message = (
        f"This call may cost up to ${facts['required_usd']}, but ${facts['available_usd']} is left of the {name}"
        f" (${facts['limit_usd']}).{_reset_text(facts)}"
    )
    suffices_later = window.used_nanos + refusal.required_nanos <= limit.max_nanos
    retry = BALANCE_RETRY_SECONDS if suffices_later else None
    return Problem("budget_exhausted", message, facts=facts, retry_after_seconds=retry)


def _balance(refusal: Refusal, top_up_url: str) -> Problem:
    facts = _money_facts(refusal) | {"limit": "balance", "resets_at": None}
    needs = f"This call may cost up to ${facts['required_usd']}; available is ${facts['available_usd']}"
    if refusal.reason is Reason.BALANCE_HELD:
        message = f"{needs}, and ${facts['held_usd']} is held by running calls. Try again when they have settled."
        return Problem("balance_held", message, facts=facts, retry_after_seconds=BALANCE_RETRY_SECONDS)
    where = f" at {top_up_url}" if top_up_url else ""
    # Many programs show this text alone, and the field has another name on each surface.
    less = ", or ask for less, such as a lower output limit" if refusal.available_nanos > 0 else ""
    return Problem("insufficient_balance", f"{needs}. Top up{where}{less}.", facts=facts)


def _claim(refusal: Refusal) -> Problem:
    assert refusal.hold_id is not None
    shown = show_call(refusal.hold_id)
    facts: dict[str, object] = {"call_id": shown, "receipt": f"/api/usage/{shown}"}
    if refusal.reason is Reason.CLAIM_CONFLICT:
        return Problem("idempotency_conflict", "This Idempotency-Key was used with another request body.", facts=facts)
    if refusal.reason is Reason.CLAIM_RUNNING:
        message = f"The first request with this Idempotency-Key is still running as {shown}."
        return Problem("idempotency_running", message, facts=facts, retry_after_seconds=RUNNING_RETRY_SECONDS)
    message = f"This Idempotency-Key was served once, as {shown}; it is never charged twice. Answers are not stored."
    return Problem("idempotency_finished", message, facts=facts)


def empty_limit_of(refusal: Refusal, now_micros: int) -> EmptyLimit | None:
    """The limit that refused a hold, as the advice on what to do next wants it."""
    limit, window = refusal.limit, refusal.window
    if limit is None or window is None:
        return None
    reset = resets_at(limit.span, window.day)
    resets_in_micros = None if reset is None else parse_rfc3339(reset) - now_micros
    return EmptyLimit(on_key=limit.key_id != 0, resets_in_micros=resets_in_micros)
