"""What a customer should do next: the value of the header `X-<Brand>-Recommended-Action`. Pure."""

from typing import Literal, NamedTuple

from farebox.base.clock import MICROS_PER_DAY

Action = Literal["none", "create_deposit", "hold_more", "wait_for_reset", "raise_key_limit"]

# A key's limit that starts anew within a day is worth waiting for; one that does not should be raised.
NEAR_RESET_MICROS = MICROS_PER_DAY


class EmptyLimit(NamedTuple):
    """A limit that has nothing left. `resets_in_micros` None: it is for a lifetime."""

    on_key: bool
    resets_in_micros: int | None


def recommended_action(
    *,
    available_nanos: int,
    low_balance_nanos: int,
    refusal: str | None = None,
    empty_limit: EmptyLimit | None = None,
) -> Action:
    """`refusal` is the error code that the call ended with; `empty_limit` the first limit without anything left.

    What stopped the call comes first. A low balance (at the threshold or below) comes before a limit that stopped
    nothing yet, since a deposit takes longer to arrive.
    """
    if refusal == "insufficient_balance":
        return "create_deposit"
    if refusal in ("budget_exhausted", "quota_exhausted") and empty_limit is not None:
        return _for_limit(empty_limit)
    if available_nanos <= low_balance_nanos:
        return "create_deposit"
    return "none" if empty_limit is None else _for_limit(empty_limit)


def _for_limit(limit: EmptyLimit) -> Action:
    if limit.resets_in_micros is None:
        return "raise_key_limit"
    far = limit.resets_in_micros > NEAR_RESET_MICROS
    return "raise_key_limit" if limit.on_key and far else "wait_for_reset"
