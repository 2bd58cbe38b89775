"""The same command in the real rules and in the model, and what must then be equal."""

import msgspec

from farebox.ledger.book import Book
from farebox.ledger.commands import Command, GrantPromotion, SetLimit
from farebox.ledger.outcomes import Answer, Effects, Outcome, Refusal
from farebox.ledger.rules import decide
from tests.ledger.model import Expected, Model
from tests.ledger.stage import PureStage, sums_of


class Pair:
    """A book that `decide` and `apply` move on, beside its model."""

    def __init__(self, workspace_id: int) -> None:
        self.stage = PureStage(workspace_id)
        self.model = Model()

    def play(self, command: Command) -> Outcome:
        """Play the command on both; raises AssertionError where they differ."""
        if isinstance(command, SetLimit):
            used = self.model.used_so_far(command.key_id, command.span, command.now_micros)
            command = msgspec.structs.replace(command, used_requests=used[0], used_nanos=used[1])
        expected = self.model.do(command)
        before = _rows(self.stage.book)
        decide(self.stage.book, command)
        assert _rows(self.stage.book) == before, "deciding changes nothing"
        outcome = self.stage.play(command)
        assert _told(outcome) == expected
        if isinstance(outcome, Effects):
            if isinstance(command, GrantPromotion):
                self.model.grants[-1].number = outcome.answer.account_id
        else:
            assert _rows(self.stage.book) == before, "what is refused or replayed changes nothing"
        return outcome

    def check(self) -> None:
        """Raises AssertionError where the rows, the model and the journal differ."""
        book, model = self.stage.book, self.model
        pots = {0: model.cash} if model.cash else {}
        pots.update({pot.number: pot for pot in model.grants})
        rows = {a.account_id: (a.posted_nanos, a.held_nanos) for a in book.accounts.values()}
        assert rows == {number: (pot.posted, model.held(pot)) for number, pot in pots.items()}
        windows = {
            w.place: (w.used_requests, w.held_requests, w.used_nanos, w.held_nanos) for w in book.windows.values()
        }
        assert windows == {place: model.used(*place) for place in windows}
        assert {hold_id: hold.state.name.lower() for hold_id, hold in book.holds.items()} == {
            hold_id: call.state for hold_id, call in model.calls.items()
        }
        self._check_journal()

    def _check_journal(self) -> None:
        entries, book, model = self.stage.entries, self.stage.book, self.model
        sums = sums_of((e.debit_account, e.credit_account, e.amount_nanos) for e in entries)
        assert all(e.amount_nanos > 0 and e.debit_account != e.credit_account for e in entries)
        assert sum(sums.values()) == 0
        replayed = dict.fromkeys(book.accounts, (0, 0))
        for entry in entries:
            if entry.account_id is not None:
                assert (entry.before_nanos, entry.version) == (
                    replayed[entry.account_id][0],
                    replayed[entry.account_id][1] + 1,
                )
                assert entry.after_nanos is not None
                assert entry.version is not None
                replayed[entry.account_id] = (entry.after_nanos, entry.version)
        assert replayed == {a.account_id: (a.posted_nanos, a.version) for a in book.accounts.values()}
        for account in book.accounts.values():
            name = f"customer_promotion:{account.account_id}" if account.account_id else "customer_cash"
            assert sums.get(name, 0) == account.posted_nanos
        calls = model.calls.values()
        assert sums.get("revenue:m", 0) == sum(call.charge + call.absorbed for call in calls)
        assert sums.get("overrun_absorbed", 0) == -sum(call.absorbed for call in calls)
        assert sums.get("promotion_discount", 0) == -model.discounts


def _rows(book: Book) -> tuple[dict[object, object], ...]:
    return tuple(dict(getattr(book, name)) for name in ("accounts", "limits", "windows", "holds", "commands", "claims"))


def _told(outcome: Outcome) -> Expected:
    if isinstance(outcome, Refusal):
        limit = None if outcome.limit is None else (outcome.limit.key_id, outcome.limit.span)
        return Expected(outcome.reason, limit=limit)
    answer = outcome if isinstance(outcome, Answer) else outcome.answer
    return Expected(
        None, answer.available_nanos, answer.held_nanos, answer.charge_nanos, answer.absorbed_nanos, answer.replayed
    )
