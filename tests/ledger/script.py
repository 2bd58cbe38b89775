"""Scenarios as text: one aligned row per command, with what must come of it.

    credit 100                             | 100/0
    reserve h1 60 key=1                    | 40/60
    settle h1 75                           | 25/0 charge=75
    reserve h2 30 key=1                    | insufficient_balance required=30

Left: a command, its names and numbers, then options. Right: available/held after it and parts of the answer; or the
reason of the refusal and parts of it; for `account`, `window` and `sums` the rows as they stand.
"""

from uuid import UUID, uuid5

from farebox.base.clock import day_of, parse_rfc3339
from farebox.base.ids import step_id
from farebox.ledger.book import Span, window_day
from farebox.ledger.commands import (
    Command,
    Cost,
    Credit,
    Dispatch,
    ExpirePromotion,
    GrantPromotion,
    Lose,
    OpenBook,
    Release,
    Reserve,
    SetLimit,
    Settle,
    WriteOff,
)
from farebox.ledger.lifecycle import HoldState
from farebox.ledger.outcomes import Answer, Effects, Outcome, Refusal
from tests.ledger.stage import OWNER, Stage, make_id

START = "2026-11-20T12:00:00"
_NAMES = UUID(int=0x5CE7A)
_SPANS = {"day": Span.DAY, "month": Span.MONTH, "life": Span.LIFETIME}


class Script:
    """Reads rows and plays them on a stage."""

    def __init__(self, stage: Stage, workspace_id: int) -> None:
        self._stage = stage
        self._workspace_id = workspace_id
        self._now_micros = parse_rfc3339(START)
        self._holds: dict[str, UUID] = {}
        self._grants: dict[str, int] = {"cash": 0}
        self._numbers = 0

    def hold_ids(self) -> dict[str, UUID]:
        """The ids of the holds by the names that rows gave them."""
        return dict(self._holds)

    def grant(self, name: str) -> int:
        """The number of the grant that rows gave that name."""
        return self._grants[name]

    async def play(self, text: str) -> None:
        """Raises AssertionError that shows the row and what came of it."""
        for row in filter(str.strip, text.splitlines()):
            asked, _, expected = (part.strip() for part in row.partition("|"))
            words, options = _split(asked)
            came = await self._came(words, options, expected)
            assert came == expected, f"{asked} | {came}   (expected: {expected})"

    async def _came(self, words: list[str], options: dict[str, str], expected: str) -> str:
        wanted = [part.partition("=")[0] for part in expected.split()[1:]]
        match words:
            case ["clock", moment]:
                self._now_micros = parse_rfc3339(moment)
                return ""
            case ["account", name]:
                posted, held = await self._stage.account(self._grants[name]) or ("no", "account")
                return f"{posted}/{held}"
            case ["window", who, span]:
                return await self._window(who, span)
            case ["sums"]:
                sums = await self._stage.sums()
                return " ".join(f"{part.partition('=')[0]}={sums[part.partition('=')[0]]}" for part in expected.split())
        outcome = await self._stage.submit(self._command(words, options))
        if words[0] == "promo" and isinstance(outcome, Effects):
            self._grants[words[1]] = outcome.answer.account_id
        return _shown(outcome, wanted)

    async def _window(self, who: str, span: str) -> str:
        key_id = 0 if who == "ws" else int(who)
        day = window_day(_SPANS[span], day_of(self._now_micros))
        found = await self._stage.window((key_id, _SPANS[span], day))
        return "none" if found is None else "requests={}+{} dollars={}+{}".format(*found)

    def _id(self, options: dict[str, str], otherwise: UUID | None = None) -> UUID:
        self._numbers += 1
        if "id" in options:
            return uuid5(_NAMES, options["id"])
        return otherwise or make_id(self._now_micros, self._numbers)

    def _command(self, words: list[str], options: dict[str, str]) -> Command:
        common = {"workspace_id": self._workspace_id, "now_micros": self._now_micros}
        maker = getattr(self, f"_{words[0]}", None)
        if maker is None:
            return self._about_hold(words, options, common)
        made = maker(words[1:], options, common)
        assert isinstance(made, Command)
        return made

    def _open(self, words: list[str], options: dict[str, str], common: dict[str, int]) -> Command:
        return OpenBook(command_id=self._id(options), **common)

    def _credit(self, words: list[str], options: dict[str, str], common: dict[str, int]) -> Command:
        (amount,) = words
        named = {"source_account": "manual_credit", "reason": "r", "actor": "a"}
        return Credit(command_id=self._id(options), amount_nanos=int(amount), **named, **common)  # type: ignore[arg-type]

    def _promo(self, words: list[str], options: dict[str, str], common: dict[str, int]) -> Command:
        _name, amount = words
        return GrantPromotion(
            command_id=self._id(options),
            amount_nanos=int(amount),
            priority=int(options.get("priority", "0")),
            expires_at_micros=parse_rfc3339(options["until"]) if "until" in options else None,
            reason="r",
            actor="a",
            **common,
        )

    def _expire(self, words: list[str], options: dict[str, str], common: dict[str, int]) -> Command:
        (name,) = words
        return ExpirePromotion(command_id=self._id(options), account_id=self._grants.get(name, 5), **common)

    def _limit(self, words: list[str], options: dict[str, str], common: dict[str, int]) -> Command:
        who, span = words
        requests, dollars = options.get("requests"), options.get("dollars")
        return SetLimit(
            command_id=self._id(options),
            key_id=0 if who == "ws" else int(who),
            span=_SPANS[span],
            max_requests=None if requests is None else int(requests),
            max_nanos=None if dollars is None else int(dollars),
            used_requests=int(options.get("used_requests", "0")),
            used_nanos=int(options.get("used_dollars", "0")),
            **common,
        )

    def _reserve(self, words: list[str], options: dict[str, str], common: dict[str, int]) -> Command:
        name, amount, *flags = words
        hold_id = self._holds.setdefault(name, self._id({}))
        return Reserve(
            command_id=self._id(options, hold_id),
            hold_id=hold_id,
            key_id=int(options.get("key", "0")),
            owner_id=OWNER,
            amount_nanos=int(amount),
            dispatched="waiting" not in flags,
            memo=options.get("memo", ""),
            claim_id=uuid5(_NAMES, options["claim"]) if "claim" in options else None,
            claim_body_hash=uuid5(_NAMES, options.get("body", "b")) if "claim" in options else None,
            **common,
        )

    def _about_hold(self, words: list[str], options: dict[str, str], common: dict[str, int]) -> Command:
        what, name, *rest = words
        hold_id = self._holds.get(name, make_id(self._now_micros, 0))
        about = {"hold_id": hold_id, **common}
        costs = {
            "cost_nanos": int(options.get("cost", "0")),
            "cost_account": "cost:p",
            "payable_account": "payable:p",
        }
        failed = (Cost("cost:q", "payable:q", int(options["failed"])),) if "failed" in options else ()
        last = self._id(options, step_id(hold_id, 15))
        match what:
            case "dispatch":
                attempt = int(rest[0])
                return Dispatch(command_id=self._id(options, step_id(hold_id, attempt)), attempt=attempt, **about)  # type: ignore[arg-type]
            case "settle":
                count = "uncounted" not in rest
                charge = {"charge_nanos": int(rest[0]), "revenue_account": "revenue:m", "count_request": count}
                return Settle(command_id=last, failed_costs=failed, **charge, **costs, **about)  # type: ignore[arg-type]
            case "release":
                return Release(command_id=last, failed_costs=failed, count_request="counted" in rest, **costs, **about)  # type: ignore[arg-type]
            case "lose":
                return Lose(command_id=self._id(options, step_id(hold_id, 14)), **about)  # type: ignore[arg-type]
            case "writeoff":
                return WriteOff(command_id=last, **costs, **about)  # type: ignore[arg-type]
        raise AssertionError(f"no command is called {what!r}")


def _split(asked: str) -> tuple[list[str], dict[str, str]]:
    parts = asked.split()
    options = dict(part.split("=", 1) for part in parts if "=" in part)
    return [part for part in parts if "=" not in part], options


def _shown(outcome: Outcome, wanted: list[str]) -> str:
    if isinstance(outcome, Refusal):
        facts = [f"{name}={_fact(outcome, name)}" for name in wanted]
        return " ".join([outcome.reason, *facts])
    answer = outcome if isinstance(outcome, Answer) else outcome.answer
    facts = [name if name == "replayed" else f"{name}={_part(answer, name)}" for name in wanted]
    assert answer.replayed == ("replayed" in wanted), "a replay is expected where it is written, and only there"
    return " ".join([f"{answer.available_nanos}/{answer.held_nanos}", *facts])


def _part(answer: Answer, name: str) -> object:
    if name == "state":
        return HoldState(answer.state).name.lower() if answer.state else None
    return getattr(answer, f"{name}_nanos")


def _fact(refusal: Refusal, name: str) -> object:
    if name == "limit":
        assert refusal.limit is not None
        assert refusal.window is not None
        assert refusal.window.place[:2] == (refusal.limit.key_id, refusal.limit.span)
        return f"{refusal.limit.key_id or 'ws'}.{next(n for n, s in _SPANS.items() if s == refusal.limit.span)}"
    if name == "state":
        return HoldState(refusal.state).name.lower() if refusal.state else None
    return getattr(refusal, f"{name}_nanos")
