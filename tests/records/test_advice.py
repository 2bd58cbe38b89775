import pytest

from farebox.base.clock import MICROS_PER_DAY
from farebox.records.advice import EmptyLimit, recommended_action

USD = 1_000_000_000


@pytest.mark.parametrize(("available", "action"), [(USD + 1, "none"), (USD, "create_deposit"), (0, "create_deposit")])
def test_a_balance_at_the_threshold_or_below_asks_for_a_deposit(available: int, action: str) -> None:
    assert recommended_action(available_nanos=available, low_balance_nanos=USD) == action


def test_a_refusal_for_the_balance_asks_for_a_deposit_however_much_there_is() -> None:
    action = recommended_action(available_nanos=5 * USD, low_balance_nanos=USD, refusal="insufficient_balance")
    assert action == "create_deposit"


@pytest.mark.parametrize("refusal", ["quota_exhausted", "budget_exhausted"])
@pytest.mark.parametrize(
    ("limit", "action"),
    [
        (EmptyLimit(on_key=True, resets_in_micros=MICROS_PER_DAY), "wait_for_reset"),
        (EmptyLimit(on_key=True, resets_in_micros=MICROS_PER_DAY + 1), "raise_key_limit"),
        (EmptyLimit(on_key=False, resets_in_micros=20 * MICROS_PER_DAY), "wait_for_reset"),
        (EmptyLimit(on_key=True, resets_in_micros=None), "raise_key_limit"),
        (EmptyLimit(on_key=False, resets_in_micros=None), "raise_key_limit"),
    ],
)
def test_a_refusal_for_a_limit_says_wait_or_raise(refusal: str, limit: EmptyLimit, action: str) -> None:
    found = recommended_action(available_nanos=0, low_balance_nanos=USD, refusal=refusal, empty_limit=limit)
    assert found == action


def test_a_limit_that_stopped_nothing_yet_comes_after_a_low_balance() -> None:
    limit = EmptyLimit(on_key=True, resets_in_micros=5)
    assert recommended_action(available_nanos=0, low_balance_nanos=0, empty_limit=limit) == "create_deposit"
    assert recommended_action(available_nanos=1, low_balance_nanos=0, empty_limit=limit) == "wait_for_reset"
