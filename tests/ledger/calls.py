"""Short ways to say the commands of the batcher's tests."""

from farebox.base.clock import monotone_clock
from farebox.base.ids import step_id, uuid7
from farebox.ledger.commands import Credit, GrantPromotion, OpenBook, Release, Reserve, SetLimit, Settle
from farebox.ledger.outcomes import Answer, Effects, Outcome, Refusal

now = monotone_clock()


def open_book(workspace_id: int) -> OpenBook:
    return OpenBook(workspace_id=workspace_id, command_id=uuid7(now()), now_micros=now())


def credit(workspace_id: int, amount_nanos: int) -> Credit:
    return Credit(
        workspace_id=workspace_id,
        command_id=uuid7(now()),
        now_micros=now(),
        amount_nanos=amount_nanos,
        source_account="manual_credit",
        reason="r",
        actor="a",
    )


def grant(workspace_id: int, amount_nanos: int, *, now_micros: int) -> GrantPromotion:
    return GrantPromotion(
        workspace_id=workspace_id,
        command_id=uuid7(now()),
        now_micros=now_micros,
        amount_nanos=amount_nanos,
        priority=0,
        expires_at_micros=None,
        reason="r",
        actor="a",
    )


def limit(workspace_id: int, key_id: int, *, requests: int | None = None, nanos: int | None = None) -> SetLimit:
    return SetLimit(
        workspace_id=workspace_id,
        command_id=uuid7(now()),
        now_micros=now(),
        key_id=key_id,
        span=3,
        max_requests=requests,
        max_nanos=nanos,
    )


def reserve(workspace_id: int, amount_nanos: int, *, key_id: int = 0, owner_id: int = 77) -> Reserve:
    hold_id = uuid7(now())
    return Reserve(
        workspace_id=workspace_id,
        command_id=hold_id,
        now_micros=now(),
        hold_id=hold_id,
        key_id=key_id,
        owner_id=owner_id,
        amount_nanos=amount_nanos,
        dispatched=True,
        memo="",
    )


def settle(held: Reserve, charge_nanos: int, *, cost_account: str = "cost:p") -> Settle:
    return Settle(
        workspace_id=held.workspace_id,
        command_id=step_id(held.hold_id, 15),
        now_micros=now(),
        hold_id=held.hold_id,
        charge_nanos=charge_nanos,
        revenue_account="revenue:m",
        cost_nanos=1,
        cost_account=cost_account,
        payable_account="payable:p",
        count_request=True,
    )


def release(held: Reserve) -> Release:
    return Release(
        workspace_id=held.workspace_id,
        command_id=step_id(held.hold_id, 15),
        now_micros=now(),
        hold_id=held.hold_id,
        count_request=False,
    )


def balance(outcome: Outcome | BaseException) -> tuple[int, int]:
    """Available and held after an accepted command."""
    assert isinstance(outcome, Effects | Answer), outcome
    answer = outcome.answer if isinstance(outcome, Effects) else outcome
    return answer.available_nanos, answer.held_nanos


def replayed(outcome: Outcome) -> bool:
    """Whether the answer came from the record."""
    return isinstance(outcome, Answer) and outcome.replayed


def reason(outcome: Outcome) -> str:
    """Why a command was refused."""
    assert isinstance(outcome, Refusal), outcome
    return outcome.reason
