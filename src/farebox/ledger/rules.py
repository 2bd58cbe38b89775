"""`decide(book, command)`: what a command does to a workspace's book, or why it is refused. Pure.

Refusals come in a fixed order: the command's id first, then the book, then the amount, then what the command names (its
hold or its claim), then limits (requests before dollars, the key's before the workspace's, day before month before
lifetime), then the balance. After the last check the command must succeed.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from farebox.base.clock import day_of
from farebox.base.money import MAX_AMOUNT_NANOS
from farebox.ledger.book import CASH, Account, Book, Claim, Hold, Limit, Recorded, Span, Window, window_day
from farebox.ledger.commands import (
    STEP_OF,
    Command,
    Credit,
    Dispatch,
    ExpirePromotion,
    GrantPromotion,
    HoldCommand,
    Lose,
    OpenBook,
    Release,
    Reserve,
    SetLimit,
    Settle,
    WriteOff,
    body_hash,
)
from farebox.ledger.draft import OVERRUN_ABSORBED, PROMOTION_BUDGET, Draft
from farebox.ledger.lifecycle import OPEN_STATES, HoldState, next_state
from farebox.ledger.outcomes import Answer, Effects, Outcome, Reason, Refusal

# A balance stays far below the 64-bit edge even after the largest credit.
MAX_BALANCE_NANOS = 40 * MAX_AMOUNT_NANOS

_answers = msgspec.json.Decoder(Answer)
_encode = msgspec.json.Encoder().encode


def decide(book: Book, command: Command) -> Outcome:
    """Never raises for anything a caller can send; an assertion that fails is a bug here."""
    recorded = book.commands.get(command.command_id)
    if recorded is not None:
        if recorded.body_hash != body_hash(command):
            return Refusal(Reason.COMMAND_CONFLICT)
        return msgspec.structs.replace(_answers.decode(recorded.answer), replayed=True)
    if CASH not in book.accounts and type(command) is not OpenBook:
        return Refusal(Reason.NO_BOOK)
    return _DECIDERS[type(command)](book, command)


def apply(book: Book, command: Command, effects: Effects) -> Recorded:
    """Move the book on, so that the next command of the batch sees what this one did; returns what to record."""
    for account in effects.accounts:
        book.accounts[account.account_id] = account
    for window in effects.windows:
        book.windows[window.place] = window
    if effects.limit is not None:
        book.limits[effects.limit.key_id, effects.limit.span] = effects.limit
    hold = effects.new_hold or effects.moved_hold
    if hold is not None:
        book.holds[hold.hold_id] = hold
    if effects.claim is not None:
        book.claims[effects.claim.claim_id] = effects.claim
    answer = _encode(effects.answer).decode()
    recorded = Recorded(book.workspace_id, command.command_id, body_hash(command), answer)
    book.commands[command.command_id] = recorded
    return recorded


def _effects(draft: Draft, hold: Hold | None = None, *, new: bool = False, **answer: Any) -> Effects:
    if hold is not None:
        answer.update(state=hold.state, amount_nanos=hold.amount_nanos)
        answer.update(charge_nanos=hold.charge_nanos, absorbed_nanos=hold.absorbed_nanos)
    return Effects(
        answer=Answer(draft.available_nanos(), draft.held_nanos(), **answer),
        accounts=tuple(draft.accounts.values()),
        windows=tuple(draft.windows.values()),
        new_hold=hold if new else None,
        moved_hold=None if new else hold,
        entries=tuple(draft.entries),
    )


# ── money in ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _open_book(book: Book, command: OpenBook) -> Outcome:
    draft = Draft(book, command)
    if CASH not in book.accounts:
        draft.accounts[CASH] = Account(book.workspace_id, CASH, 0, 0, 0, 0, None, False)
    return _effects(draft)


def _credit(book: Book, command: Credit) -> Outcome:
    cash = book.accounts[CASH]
    amount_nanos = command.amount_nanos
    if amount_nanos == 0 or abs(amount_nanos) > MAX_AMOUNT_NANOS:
        return Refusal(Reason.INVALID_AMOUNT)
    if cash.posted_nanos + amount_nanos > MAX_BALANCE_NANOS:
        return Refusal(Reason.INVALID_AMOUNT, available_nanos=cash.available_nanos)
    if cash.available_nanos + amount_nanos < 0:
        return _short_of(-amount_nanos, cash.available_nanos, cash.held_nanos)
    draft = Draft(book, command)
    draft.post(CASH, amount_nanos, command.source_account)
    return _effects(draft, amount_nanos=amount_nanos)


def _grant_promotion(book: Book, command: GrantPromotion) -> Outcome:
    expires_at = command.expires_at_micros
    if not 0 < command.amount_nanos <= MAX_AMOUNT_NANOS or (
        expires_at is not None and expires_at <= command.now_micros
    ):
        return Refusal(Reason.INVALID_AMOUNT)
    draft = Draft(book, command)
    # Numbered by its moment, in the order of making; never by the number of a closed grant (those are not loaded).
    account_id = max(command.now_micros, command.last_account_id + 1, max(book.accounts) + 1)
    draft.accounts[account_id] = Account(book.workspace_id, account_id, 0, 0, 0, command.priority, expires_at, False)
    draft.post(account_id, command.amount_nanos, PROMOTION_BUDGET)
    return _effects(draft, amount_nanos=command.amount_nanos, account_id=account_id)


def _expire_promotion(book: Book, command: ExpirePromotion) -> Outcome:
    account = book.accounts.get(command.account_id)
    if command.account_id == CASH or account is None or account.closed:
        return Refusal(Reason.ACCOUNT_NOT_FOUND)
    draft = Draft(book, command)
    expired_nanos = draft.expire_rest(command.account_id)
    return _effects(draft, amount_nanos=expired_nanos, account_id=command.account_id)


def _set_limit(book: Book, command: SetLimit) -> Outcome:
    maxima = (command.max_requests, command.max_nanos)
    if any(maximum is not None and not 0 <= maximum <= MAX_BALANCE_NANOS for maximum in maxima):
        return Refusal(Reason.INVALID_AMOUNT)
    draft = Draft(book, command)
    limit = Limit(book.workspace_id, command.key_id, command.span, command.max_requests, command.max_nanos)
    if (command.key_id, command.span) not in book.limits:
        day = window_day(command.span, day_of(command.now_micros))
        seeded = (command.used_requests, 0, command.used_nanos, 0, command.used_requests, command.used_nanos)
        window = Window(book.workspace_id, command.key_id, command.span, day, *seeded)
        draft.windows[window.place] = window
    return msgspec.structs.replace(_effects(draft), limit=limit)


# ── the hold ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _reserve(book: Book, command: Reserve) -> Outcome:
    if not 0 <= command.amount_nanos <= MAX_AMOUNT_NANOS:
        return Refusal(Reason.INVALID_AMOUNT)
    limits = book.limits_of(command.key_id) if book.limits else []
    refusal = _claim_refusal(book, command) or (_limit_refusal(book, command, limits) if limits else None)
    funding = book.funding(command.now_micros)
    if refusal is not None:
        balance_nanos = sum(account.available_nanos for account in funding)
        return msgspec.structs.replace(refusal, balance_nanos=balance_nanos)
    slices = _slices(funding, command.amount_nanos)
    if slices is None:
        available_nanos = sum(account.available_nanos for account in funding)
        return _short_of(command.amount_nanos, available_nanos, book.held_nanos())
    return _hold(book, command, limits, slices)


def _hold(book: Book, command: Reserve, limits: list[Limit], slices: dict[int, int]) -> Effects:
    day = day_of(command.now_micros)
    hold = Hold(
        workspace_id=book.workspace_id,
        hold_id=command.hold_id,
        key_id=command.key_id,
        state=HoldState.DISPATCHED if command.dispatched else HoldState.RESERVED,
        amount_nanos=command.amount_nanos,
        slice_accounts=tuple(slices),
        slice_nanos=tuple(slices.values()),
        legs=tuple(window_day(li.span, day) * 8 + li.span * 2 + (1 if li.key_id else 0) for li in limits),
        owner_id=command.owner_id,
        attempt=1 if command.dispatched else 0,
        reserved_at=command.now_micros,
    )
    draft = Draft(book, command, hold.hold_id)
    for account_id, amount_nanos in slices.items():
        draft.hold_money(account_id, amount_nanos)
    draft.count(hold, held=1, requests=0, charge_nanos=0)
    draft.admit(limits)
    effects = _effects(draft, hold, new=True)
    if command.claim_id is None or command.claim_body_hash is None:
        return effects
    claim = Claim(book.workspace_id, command.claim_id, command.claim_body_hash, hold.hold_id)
    return msgspec.structs.replace(effects, claim=claim)


def _claim_refusal(book: Book, command: Reserve) -> Refusal | None:
    """A claim whose hold was released is free again: the client paid nothing and may try anew."""
    claim = None if command.claim_id is None else book.claims.get(command.claim_id)
    if claim is None:
        return None
    if claim.body_hash != command.claim_body_hash:
        return Refusal(Reason.CLAIM_CONFLICT, hold_id=claim.hold_id)
    state = book.holds[claim.hold_id].state
    if state == HoldState.RELEASED:
        return None
    reason = Reason.CLAIM_RUNNING if state in OPEN_STATES else Reason.CLAIM_FINISHED
    return Refusal(reason, hold_id=claim.hold_id, state=state)


def _limit_refusal(book: Book, command: Reserve, limits: list[Limit]) -> Refusal | None:
    """The first empty limit wins: every request limit is looked at before any dollar limit."""
    limits.sort(key=lambda limit: (limit.key_id == 0, limit.span))
    windows = [(limit, book.window(limit, command.now_micros)) for limit in limits]
    for limit, w in windows:
        if limit.max_requests is not None and w.used_requests + w.held_requests + 1 > limit.max_requests:
            return Refusal(Reason.REQUESTS_EXHAUSTED, limit=limit, window=w)
    for limit, w in windows:
        if limit.max_nanos is not None and w.used_nanos + w.held_nanos + command.amount_nanos > limit.max_nanos:
            left_nanos = max(0, limit.max_nanos - w.used_nanos - w.held_nanos)
            return Refusal(
                Reason.BUDGET_EXHAUSTED,
                required_nanos=command.amount_nanos,
                available_nanos=left_nanos,
                held_nanos=w.held_nanos,
                limit=limit,
                window=w,
            )
    return None


def _slices(funding: list[Account], amount_nanos: int) -> dict[int, int] | None:
    """How much to take from which account, in funding order; None when all of them together do not suffice."""
    slices: dict[int, int] = {}
    for account in funding:
        taken_nanos = min(account.available_nanos, amount_nanos)
        if taken_nanos > 0:
            slices[account.account_id] = taken_nanos
            amount_nanos -= taken_nanos
        if amount_nanos == 0:
            return slices
    return None


def _short_of(required_nanos: int, available_nanos: int, held_nanos: int) -> Refusal:
    suffices_later = available_nanos + held_nanos >= required_nanos
    reason = Reason.BALANCE_HELD if suffices_later else Reason.INSUFFICIENT_BALANCE
    return Refusal(
        reason,
        required_nanos=required_nanos,
        available_nanos=available_nanos,
        held_nanos=held_nanos,
        balance_nanos=available_nanos,
    )


def _move(book: Book, command: HoldCommand) -> Outcome:
    """Every command about an existing hold: the life cycle decides whether it may, then it must succeed."""
    if not all(0 <= amount_nanos <= MAX_AMOUNT_NANOS for amount_nanos in _amounts(command)):
        return Refusal(Reason.INVALID_AMOUNT, hold_id=command.hold_id)
    hold = book.holds.get(command.hold_id)
    if hold is None:
        return Refusal(Reason.HOLD_NOT_FOUND, hold_id=command.hold_id)
    state = next_state(hold.state, STEP_OF[type(command)])
    if state is None:
        return Refusal(Reason.HOLD_STATE, hold_id=command.hold_id, state=hold.state)
    return _MOVERS[type(command)](Draft(book, command, hold.hold_id), command, hold, state)


def _amounts(command: HoldCommand) -> list[int]:
    """Every amount that the command carries, in nano-USD."""
    amounts = [command.charge_nanos] if isinstance(command, Settle) else []
    if isinstance(command, Settle | Release | WriteOff):
        amounts.append(command.cost_nanos)
    if isinstance(command, Settle | Release):
        amounts.extend(cost.cost_nanos for cost in command.failed_costs)
    return amounts


def _moved(hold: Hold, state: HoldState, **changes: Any) -> Hold:
    return msgspec.structs.replace(hold, state=state, **changes)


def _dispatch(draft: Draft, command: Dispatch, hold: Hold, state: HoldState) -> Outcome:
    return _effects(draft, _moved(hold, state, attempt=command.attempt))


def _lose(draft: Draft, command: Lose, hold: Hold, state: HoldState) -> Outcome:
    return _effects(draft, _moved(hold, state))


def _settle(draft: Draft, command: Settle, hold: Hold, state: HoldState) -> Outcome:
    _give_back(draft, hold)
    uncovered_nanos = command.charge_nanos
    for account_id, taken_nanos in _takes(draft, hold, command.charge_nanos).items():
        draft.spend(account_id, taken_nanos, command.revenue_account)
        uncovered_nanos -= taken_nanos
    draft.enter(OVERRUN_ABSORBED, command.revenue_account, uncovered_nanos)
    _enter_costs(draft, command)
    _expire_slices(draft, hold)
    charge_nanos = command.charge_nanos - uncovered_nanos
    draft.count(hold, held=-1, requests=int(command.count_request), charge_nanos=charge_nanos)
    return _effects(draft, _finished(hold, state, command, charge_nanos=charge_nanos, absorbed_nanos=uncovered_nanos))


def _takes(draft: Draft, hold: Hold, charge_nanos: int) -> dict[int, int]:
    """The hold's own slices first, then whatever else is available, in funding order."""
    takes: dict[int, int] = {}
    for account_id, slice_nanos in zip(hold.slice_accounts, hold.slice_nanos, strict=True):
        takes[account_id] = min(slice_nanos, charge_nanos)
        charge_nanos -= takes[account_id]
    if charge_nanos == 0:
        return takes
    for account in draft.book.funding(draft.command.now_micros):
        already_nanos = takes.get(account.account_id, 0)
        more_nanos = min(draft.account(account.account_id).available_nanos - already_nanos, charge_nanos)
        takes[account.account_id] = already_nanos + more_nanos
        charge_nanos -= more_nanos
    return takes


def _release(draft: Draft, command: Release, hold: Hold, state: HoldState) -> Outcome:
    _give_back(draft, hold)
    _enter_costs(draft, command)
    _expire_slices(draft, hold)
    draft.count(hold, held=-1, requests=int(command.count_request), charge_nanos=0)
    return _effects(draft, _finished(hold, state, command))


def _write_off(draft: Draft, command: WriteOff, hold: Hold, state: HoldState) -> Outcome:
    _give_back(draft, hold)
    draft.enter(command.cost_account, command.payable_account, command.cost_nanos)
    _expire_slices(draft, hold)
    draft.count(hold, held=-1, requests=0, charge_nanos=0)
    return _effects(draft, _finished(hold, state, command))


def _enter_costs(draft: Draft, command: Settle | Release) -> None:
    draft.enter(command.cost_account, command.payable_account, command.cost_nanos)
    for cost in command.failed_costs:
        draft.enter(cost.cost_account, cost.payable_account, cost.cost_nanos)


def _give_back(draft: Draft, hold: Hold) -> None:
    for account_id, slice_nanos in zip(hold.slice_accounts, hold.slice_nanos, strict=True):
        draft.hold_money(account_id, -slice_nanos)


def _expire_slices(draft: Draft, hold: Hold) -> None:
    """A slice that comes back to a grant which expired meanwhile expires at once."""
    for account_id in hold.slice_accounts:
        if account_id != CASH:
            draft.expire_rest(account_id)


def _finished(
    hold: Hold, state: HoldState, command: HoldCommand, *, charge_nanos: int = 0, absorbed_nanos: int = 0
) -> Hold:
    counted = command.count_request if isinstance(command, Settle | Release) else False
    return _moved(
        hold,
        state,
        finished_at=command.now_micros,
        charge_nanos=charge_nanos,
        absorbed_nanos=absorbed_nanos,
        request_counted=counted,
    )


_MOVERS: dict[type[HoldCommand], Callable[..., Outcome]] = {
    Dispatch: _dispatch,
    Settle: _settle,
    Release: _release,
    Lose: _lose,
    WriteOff: _write_off,
}
_DECIDERS: dict[type[Command], Callable[..., Outcome]] = {
    OpenBook: _open_book,
    Credit: _credit,
    GrantPromotion: _grant_promotion,
    ExpirePromotion: _expire_promotion,
    SetLimit: _set_limit,
    Reserve: _reserve,
    **dict.fromkeys(STEP_OF, _move),
}
__all__ = ["Span", "apply", "decide"]
