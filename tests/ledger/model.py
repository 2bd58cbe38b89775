"""A second ledger, told from the design and its invariants, to compare the real one with.

It keeps as little as it can: what was put into each pot, and each hold. What is held, available, and used of a limit
is counted anew from the holds each time. It was not written from `rules.py`, and must not be mended by copying it.
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from farebox.base.ids import micros_of
from farebox.ledger.commands import (
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
)

MOST = 10**17  # of one amount: a hundred million dollars
MOST_BALANCE = 4 * 10**18
DAY, MONTH, LIFETIME = 1, 2, 3
_RETRIES_MAY_DIFFER_IN = {"now_micros", "memo", "owner_id", "used_requests", "used_nanos", "last_account_id"}


class Expected(NamedTuple):
    """A refusal's reason, or what an accepted command left."""

    refusal: str | None = None
    available: int = 0
    held: int = 0
    charge: int = 0
    absorbed: int = 0
    replayed: bool = False
    limit: tuple[int, int] | None = None  # key and span of the limit that refused


class Pot:
    """Cash or a grant."""

    def __init__(self, posted: int, priority: int = 0, expires: int | None = None) -> None:
        self.posted, self.priority, self.expires = posted, priority, expires
        self.number = 0  # the real ledger's name for it


class Call:
    """A hold."""

    def __init__(self, amount: int, key: int, made: int, legs: list[tuple[int, int]], state: str) -> None:
        self.amount, self.key, self.made, self.legs, self.state = amount, key, made, legs, state
        self.slices: dict[Pot, int] = {}
        self.charge = self.absorbed = 0
        self.counted = False

    @property
    def open(self) -> bool:
        return self.state in ("reserved", "dispatched", "unknown")


def window_start(span: int, now: int) -> int:
    """The day number that the window of a moment starts on."""
    day = datetime.fromtimestamp(now // 1_000_000, UTC)
    if span == LIFETIME:
        return 0
    first = day.replace(day=1) if span == MONTH else day
    return (first.date() - datetime(1970, 1, 1, tzinfo=UTC).date()).days


class Model:
    """One workspace."""

    def __init__(self) -> None:
        self.cash: Pot | None = None
        self.grants: list[Pot] = []
        self.calls: dict[UUID, Call] = {}
        self.running: list[Call] = []
        self.limits: dict[tuple[int, int], tuple[int | None, int | None]] = {}
        self.seeds: dict[tuple[int, int, int], tuple[int, int]] = {}
        self.claims: dict[UUID, tuple[UUID | None, Call]] = {}
        self.done: dict[UUID, tuple[object, Expected]] = {}
        self.discounts = 0

    # ── what is counted ───────────────────────────────────────────────────────────────────────────────────────────

    def held(self, pot: Pot) -> int:
        return sum(call.slices.get(pot, 0) for call in self.running)

    def free(self, pot: Pot) -> int:
        return pot.posted - self.held(pot)

    def pots(self, now: int) -> list[Pot]:
        """In the order in which they are spent."""
        assert self.cash is not None
        fresh = [pot for pot in self.grants if pot.expires is None or pot.expires > now]
        return [*sorted(fresh, key=lambda pot: (pot.priority, pot.expires or 10**30)), self.cash]

    def used(self, key: int, span: int, start: int) -> tuple[int, int, int, int]:
        """Requests used and held, dollars used and held, of one window of a limit."""
        requests, dollars = self.seeds.get((key, span, start), (0, 0))
        inside = [c for c in self.calls.values() if (key, span) in c.legs and window_start(span, c.made) == start]
        requests += sum(call.counted for call in inside)
        dollars += sum(call.charge for call in inside)
        now_held = [call.amount for call in inside if call.open]
        return requests, len(now_held), dollars, sum(now_held)

    def used_so_far(self, key: int, span: int, now: int) -> tuple[int, int]:
        """What a limit that is only now being set starts with.

        By the moment in the hold's id, which is not that of the reserve where the first try was refused.
        """
        start = window_start(span, now)
        calls = [call for hold_id, call in self.calls.items() if window_start(DAY, micros_of(hold_id)) >= start]
        inside = [call for call in calls if key in (0, call.key)]
        return sum(call.counted for call in inside), sum(call.charge for call in inside)

    # ── what is done ──────────────────────────────────────────────────────────────────────────────────────────────

    def do(self, command: Command) -> Expected:
        fields = {f: getattr(command, f) for f in command.__struct_fields__ if f not in _RETRIES_MAY_DIFFER_IN}
        body = (type(command), fields)
        if command.command_id in self.done:
            before, answer = self.done[command.command_id]
            return answer._replace(replayed=True) if before == body else Expected("command_conflict")
        if self.cash is None and not isinstance(command, OpenBook):
            return Expected("no_book")
        came = getattr(self, f"_{type(command).__name__.lower()}")(command)
        if isinstance(came, str):
            return Expected(came)
        if isinstance(came, Expected):
            return came
        assert self.cash is not None
        available = sum(self.free(pot) for pot in self.pots(command.now_micros))
        charge, absorbed = came or (0, 0)
        answer = Expected(None, available, sum(call.amount for call in self.running), charge, absorbed)
        self.done[command.command_id] = (body, answer)
        return answer

    def _openbook(self, command: OpenBook) -> None:
        self.cash = self.cash or Pot(0)

    def _credit(self, command: Credit) -> str | None:
        assert self.cash is not None
        amount = command.amount_nanos
        if amount == 0 or abs(amount) > MOST or self.cash.posted + amount > MOST_BALANCE:
            return "invalid_amount"
        if -amount > self.free(self.cash):
            return "balance_held" if -amount <= self.cash.posted else "insufficient_balance"
        self.cash.posted += amount
        return None

    def _grantpromotion(self, command: GrantPromotion) -> str | None:
        expires = command.expires_at_micros
        if not 0 < command.amount_nanos <= MOST or (expires is not None and expires <= command.now_micros):
            return "invalid_amount"
        self.grants.append(Pot(command.amount_nanos, command.priority, expires))
        return None

    def _expirepromotion(self, command: ExpirePromotion) -> str | None:
        found = [pot for pot in self.grants if pot.number == command.account_id and pot.posted > 0]
        if not found:
            return "account_not_found"
        self._expire(found[0], command.now_micros)
        return None

    def _expire(self, pot: Pot, now: int) -> None:
        if pot.expires is not None and pot.expires <= now:
            pot.posted = self.held(pot)

    def _setlimit(self, command: SetLimit) -> str | None:
        if any(
            most is not None and not 0 <= most <= MOST_BALANCE for most in (command.max_requests, command.max_nanos)
        ):
            return "invalid_amount"
        place = (command.key_id, command.span)
        if place not in self.limits:
            start = window_start(command.span, command.now_micros)
            self.seeds[*place, start] = self.used_so_far(*place, command.now_micros)
        self.limits[place] = (command.max_requests, command.max_nanos)
        return None

    def _reserve(self, command: Reserve) -> str | Expected | None:
        amount, now = command.amount_nanos, command.now_micros
        if not 0 <= amount <= MOST:
            return "invalid_amount"
        legs = [(key, span) for key in dict.fromkeys((command.key_id, 0)) for span in (DAY, MONTH, LIFETIME)]
        legs = [leg for leg in legs if leg in self.limits]
        refusal = self._claimed(command) or self._limited(legs, amount, now) or self._short(amount, now)
        if refusal:
            return refusal
        call = Call(amount, command.key_id, now, legs, "dispatched" if command.dispatched else "reserved")
        for pot in self.pots(now):
            call.slices[pot] = min(self.free(pot), amount - sum(call.slices.values()))
        self.calls[command.hold_id] = call
        self.running.append(call)
        if command.claim_id is not None:
            self.claims[command.claim_id] = (command.claim_body_hash, call)
        return None

    def _claimed(self, command: Reserve) -> str | None:
        if command.claim_id is None or command.claim_id not in self.claims:
            return None
        body, call = self.claims[command.claim_id]
        if body != command.claim_body_hash:
            return "claim_conflict"
        if call.state == "released":
            return None
        return "claim_running" if call.open else "claim_finished"

    def _limited(self, legs: list[tuple[int, int]], amount: int, now: int) -> Expected | None:
        windows = {leg: self.used(*leg, window_start(leg[1], now)) for leg in legs}
        for leg, (used, running, _, _) in windows.items():
            most = self.limits[leg][0]
            if most is not None and used + running >= most:
                return Expected("requests_exhausted", limit=leg)
        for leg, (_, _, used, running) in windows.items():
            most = self.limits[leg][1]
            if most is not None and used + running + amount > most:
                return Expected("budget_exhausted", limit=leg)
        return None

    def _short(self, amount: int, now: int) -> str | None:
        available = sum(self.free(pot) for pot in self.pots(now))
        if amount <= available:
            return None
        return (
            "balance_held"
            if amount <= available + sum(call.amount for call in self.running)
            else "insufficient_balance"
        )

    def _about(self, command: HoldCommand, moves: dict[str, str]) -> Call | str:
        costs = [*getattr(command, "failed_costs", ())]
        amounts = [
            getattr(command, "charge_nanos", 0),
            getattr(command, "cost_nanos", 0),
            *[c.cost_nanos for c in costs],
        ]
        if not all(0 <= amount <= MOST for amount in amounts):
            return "invalid_amount"
        call = self.calls.get(command.hold_id)
        if call is None:
            return "hold_not_found"
        if call.state not in moves:
            return "hold_state"
        call.state = moves[call.state]
        if not call.open:
            self.running.remove(call)
        return call

    def _dispatch(self, command: Dispatch) -> Any:
        call = self._about(command, {"reserved": "dispatched", "dispatched": "dispatched"})
        return call if isinstance(call, str) else None

    def _lose(self, command: Lose) -> Any:
        call = self._about(command, {"dispatched": "unknown"})
        return call if isinstance(call, str) else None

    def _settle(self, command: Settle) -> Any:
        call = self._about(command, {"dispatched": "settled", "unknown": "settled_late"})
        if isinstance(call, str):
            return call
        left = command.charge_nanos
        others = [(pot, self.free(pot) - call.slices.get(pot, 0)) for pot in self.pots(command.now_micros)]
        for pot, most in [*call.slices.items(), *others]:
            taken = min(most, left)
            left -= taken
            pot.posted -= taken
            self.discounts += taken if pot is not self.cash else 0
        call.charge, call.absorbed, call.counted = command.charge_nanos - left, left, command.count_request
        self._return_slices(call, command.now_micros)
        return call.charge, call.absorbed

    def _release(self, command: Release) -> Any:
        call = self._about(command, {"reserved": "released", "dispatched": "released"})
        if isinstance(call, str):
            return call
        call.counted = command.count_request
        return self._return_slices(call, command.now_micros)

    def _writeoff(self, command: WriteOff) -> Any:
        call = self._about(command, {"unknown": "written_off"})
        return call if isinstance(call, str) else self._return_slices(call, command.now_micros)

    def _return_slices(self, call: Call, now: int) -> None:
        for pot, amount in call.slices.items():
            if amount:
                self._expire(pot, now)
