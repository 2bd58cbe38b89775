"""Rows to books and decisions to rows: what one batch reads and writes, each in one function call of the database."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from farebox.base.clock import day_of
from farebox.base.ids import uuid7_floor
from farebox.ledger.book import CASH, Account, Book, Claim, Entry, Hold, Limit, Recorded, Span, Window, window_day
from farebox.ledger.commands import Command, Credit, GrantPromotion, HoldCommand, OpenBook, Reserve, SetLimit
from farebox.ledger.outcomes import Effects
from farebox.ledger.wire import Step

# Sequential scans are off because a plan made while the tables were small would be kept when they no longer are.
SESSION_SETTINGS = (
    "SET synchronous_commit = on",
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET jit = off",
    "SET plan_cache_mode = force_generic_plan",
    "SET lock_timeout = '10s'",
    "SET idle_in_transaction_session_timeout = '30s'",
    "SET statement_timeout = '20s'",
)
STATEMENTS = {
    "begin": "BEGIN",
    # Made before the lock is taken, so that of two workers that open one workspace the second waits for the first.
    "make_books": "WITH made AS (INSERT INTO ledger_account (workspace_id, account_id) "
    "SELECT w, 0 FROM unnest($1::bigint[]) AS w ORDER BY w ON CONFLICT DO NOTHING RETURNING workspace_id) "
    "SELECT json_agg(workspace_id) FROM made",
    "commit": "COMMIT",
    "rollback": "ROLLBACK",
    "open": "SELECT ledger_open($1::bigint[], $2::bigint[], $3::bigint[], $4::int[], $5::bigint[], $6::uuid[], "
    "$7::bigint[], $8::uuid[], $9::bigint[], $10::uuid[], $11::uuid, $12::uuid)",
    "close": "SELECT ledger_close($1::json, $2::json, $3::json, $4::json, $5::json, $6::json, $7::json, $8::json, "
    "$9::uuid, $10::uuid)",
    "recorded": "SELECT json_agg(json_build_array(c.workspace_id, c.command_id, c.body_hash, c.answer)) "
    "FROM unnest($1::bigint[], $2::uuid[]) AS k (w, c) "
    "JOIN ledger_command c ON c.workspace_id = k.w AND c.command_id = k.c",
    "used": "SELECT ledger_used($1::bigint, $2::bigint, $3::uuid)",
    "last_account": "SELECT max(account_id) FROM ledger_account WHERE workspace_id = $1::bigint",
}


class Loaded(msgspec.Struct, gc=False):
    """What `ledger_open` returns; null where it found nothing of the kind."""

    accounts: list[Account] | None
    limits: list[Limit] | None
    windows: list[Window] | None
    holds: list[Hold] | None
    commands: list[Recorded] | None
    claims: list[Claim] | None


_loaded = msgspec.json.Decoder(Loaded)
_recorded = msgspec.json.Decoder(list[Recorded])
_encode = msgspec.json.Encoder().encode


def open_step(commands: Sequence[Command], looked_up: Sequence[Command]) -> Step:
    """The read of a batch: every row that any of its commands may touch, and the record of those looked up."""
    keys: set[tuple[int, int]] = set()
    holds: list[tuple[int, UUID]] = []
    claims: list[tuple[int, UUID]] = []
    days = {0}
    for command in commands:
        if isinstance(command, Reserve):
            day = day_of(command.now_micros)
            days.update((day, window_day(Span.MONTH, day)))
            keys.update(((command.workspace_id, 0), (command.workspace_id, command.key_id)))
            if command.claim_id is not None:
                claims.append((command.workspace_id, command.claim_id))
        elif isinstance(command, HoldCommand):
            holds.append((command.workspace_id, command.hold_id))
        elif isinstance(command, SetLimit):
            keys.add((command.workspace_id, command.key_id))
    ids = [(command.workspace_id, command.command_id) for command in looked_up]
    workspaces = sorted({command.workspace_id for command in commands})
    return "open", [
        _array(workspaces),
        *_pairs(keys),
        _array(sorted(days)),
        *_pairs(holds),
        *_pairs(ids),
        *_pairs(claims),
        *_first_and_last([hold_id for _, hold_id in holds]),
    ]


def make_books_steps(commands: Sequence[Command]) -> list[Step]:
    """The making of cash accounts that a batch opens, for no batch but such."""
    workspaces = {command.workspace_id for command in commands if isinstance(command, OpenBook)}
    return [("make_books", [_array(workspaces)])] if workspaces else []


def _first_and_last(hold_ids: Sequence[UUID]) -> tuple[bytes, bytes] | tuple[None, None]:
    return (str(min(hold_ids)).encode(), str(max(hold_ids)).encode()) if hold_ids else (None, None)


def _array(values: Iterable[int | UUID]) -> bytes:
    return f"{{{','.join(map(str, values))}}}".encode()


def _pairs(pairs: Iterable[tuple[int, int | UUID]]) -> tuple[bytes, bytes]:
    listed = list(pairs)
    return _array(first for first, _ in listed), _array(second for _, second in listed)


def books_of(reply: bytes, commands: Sequence[Command], made: bytes | None = None) -> dict[int, Book]:
    """The rows that were read, as one book per workspace of the batch; books `made` by it are still to be opened."""
    loaded = _loaded.decode(reply)
    books = {command.workspace_id: Book(command.workspace_id) for command in commands}
    for account in loaded.accounts or ():
        books[account.workspace_id].accounts[account.account_id] = account
    for limit in loaded.limits or ():
        books[limit.workspace_id].limits[limit.key_id, limit.span] = limit
    for window in loaded.windows or ():
        books[window.workspace_id].windows[window.place] = window
    for hold in loaded.holds or ():
        books[hold.workspace_id].holds[hold.hold_id] = hold
    for recorded in loaded.commands or ():
        books[recorded.workspace_id].commands[recorded.command_id] = recorded
    for claim in loaded.claims or ():
        books[claim.workspace_id].claims[claim.claim_id] = claim
    for workspace_id in [] if made is None else msgspec.json.decode(made, type=list[int]):
        del books[workspace_id].accounts[CASH]
    return books


def recorded_step(commands: Sequence[Command]) -> Step:
    """The read of what is recorded under the ids of commands."""
    return "recorded", _pairs((command.workspace_id, command.command_id) for command in commands)


def add_recorded(reply: bytes | None, books: Mapping[int, Book]) -> set[tuple[int, UUID]]:
    """Put what was recorded into the books; returns the workspaces and ids of it."""
    found = [] if reply is None else _recorded.decode(reply)
    for recorded in found:
        books[recorded.workspace_id].commands[recorded.command_id] = recorded
    return {(recorded.workspace_id, recorded.command_id) for recorded in found}


def facts_step(command: Command) -> Step | None:
    """The read of what only the database knows and only such a command needs; None for all others."""
    workspace = str(command.workspace_id).encode()
    if isinstance(command, SetLimit):
        return "used", [workspace, str(command.key_id).encode(), str(_window_floor(command)).encode()]
    return ("last_account", [workspace]) if isinstance(command, GrantPromotion) else None


def with_facts(command: Command, reply: bytes | None, writes: "Writes") -> Command:
    """The command with what was read, and with what the batch did before it and has not written yet."""
    if isinstance(command, GrantPromotion):
        return msgspec.structs.replace(command, last_account_id=int(reply or 0))
    assert isinstance(command, SetLimit)
    assert reply is not None
    used_requests, used_nanos = msgspec.json.decode(reply, type=tuple[int, int])
    for hold in writes.ended_holds(command, _window_floor(command)):
        used_requests += int(bool(hold.request_counted))
        used_nanos += hold.charge_nanos
    return msgspec.structs.replace(command, used_requests=used_requests, used_nanos=used_nanos)


def _window_floor(command: SetLimit) -> UUID:
    """The smallest id of a hold in the running window of a limit."""
    return uuid7_floor(window_day(command.span, day_of(command.now_micros)) * 86_400_000)


class _AccountRow(msgspec.Struct, gc=False):
    workspace_id: int
    account_id: int
    posted_nanos: int
    held_nanos: int
    version: int
    priority: int
    expires_at: int | None
    closed: bool


class _WindowRow(msgspec.Struct, gc=False):
    workspace_id: int
    key_id: int
    span: int
    day: int
    used_requests: int
    held_requests: int
    used_nanos: int
    held_nanos: int
    seed_requests: int
    seed_nanos: int
    top_requests: int
    top_nanos: int


class _LimitRow(msgspec.Struct, gc=False):
    workspace_id: int
    key_id: int
    span: int
    max_requests: int | None
    max_nanos: int | None


class _HoldRow(msgspec.Struct, gc=False):
    workspace_id: int
    hold_id: UUID
    key_id: int
    state: int
    amount_nanos: int
    slice_accounts: tuple[int, ...]
    slice_nanos: tuple[int, ...]
    legs: tuple[int, ...]
    owner_id: int
    attempt: int
    reserved_at: int
    finished_at: int | None
    charge_nanos: int
    absorbed_nanos: int
    request_counted: bool | None
    memo: str


class _MovedRow(msgspec.Struct, gc=False):
    workspace_id: int
    hold_id: UUID
    state: int
    attempt: int
    finished_at: int | None
    charge_nanos: int
    absorbed_nanos: int
    request_counted: bool | None


class _CommandRow(msgspec.Struct, gc=False, omit_defaults=True):
    workspace_id: int
    command_id: UUID
    body_hash: UUID
    answer: str
    recorded_at: int
    reason: str | None = None
    actor: str | None = None


class _ClaimRow(msgspec.Struct, gc=False):
    workspace_id: int
    claim_id: UUID
    body_hash: UUID
    hold_id: UUID


class Writes:
    """The rows of a batch as they stand at its end: the last state of each row, every entry and command."""

    def __init__(self) -> None:
        self._accounts: dict[tuple[int, int], Account] = {}
        self._windows: dict[tuple[int, int, int, int], Window] = {}
        self._limits: dict[tuple[int, int, int], Limit] = {}
        self._new_holds: dict[tuple[int, UUID], str] = {}
        self._holds: dict[tuple[int, UUID], Hold] = {}
        self._entries: list[Entry] = []
        self._commands: list[_CommandRow] = []
        self._claims: dict[tuple[int, UUID], Claim] = {}

    def add(self, command: Command, effects: Effects, recorded: Recorded) -> None:
        """Note what one accepted command changed."""
        for account in effects.accounts:
            self._accounts[account.workspace_id, account.account_id] = account
        for window in effects.windows:
            self._windows[(window.workspace_id, *window.place)] = window
        if effects.limit is not None:
            limit = effects.limit
            self._limits[limit.workspace_id, limit.key_id, limit.span] = limit
        hold = effects.new_hold or effects.moved_hold
        if hold is not None:
            self._holds[hold.workspace_id, hold.hold_id] = hold
        if effects.new_hold is not None and isinstance(command, Reserve):
            self._new_holds[command.workspace_id, command.hold_id] = command.memo
        if effects.claim is not None:
            self._claims[command.workspace_id, effects.claim.claim_id] = effects.claim
        self._entries.extend(effects.entries)
        row = _CommandRow(
            command.workspace_id, command.command_id, recorded.body_hash, recorded.answer, command.now_micros
        )
        if isinstance(command, Credit | GrantPromotion):
            row.reason, row.actor = command.reason, command.actor
        self._commands.append(row)

    def ended_holds(self, command: SetLimit, since: UUID) -> list[Hold]:
        """Holds that a limit would have counted and that this batch ended."""
        return [
            hold
            for hold in self._holds.values()
            if hold.workspace_id == command.workspace_id
            and command.key_id in (0, hold.key_id)
            and hold.hold_id >= since
            and hold.finished_at is not None
        ]

    @property
    def empty(self) -> bool:
        """Whether no command of the batch was accepted."""
        return not self._commands

    def close_step(self) -> Step:
        """The write of a batch."""
        astuple = msgspec.structs.astuple
        new = [_HoldRow(*(*astuple(self._holds[place]), memo)) for place, memo in self._new_holds.items()]
        moved = [_moved_row(hold) for place, hold in self._holds.items() if place not in self._new_holds]
        return "close", [
            _rows([_AccountRow(*astuple(account)) for account in self._accounts.values()]),
            _rows([_WindowRow(*astuple(window)) for window in self._windows.values()]),
            _rows([_LimitRow(*astuple(limit)) for limit in self._limits.values()]),
            _rows(new),
            _rows(moved),
            _rows(self._entries),
            _rows(self._commands),
            _rows([_ClaimRow(*astuple(claim)) for claim in self._claims.values()]),
            *_first_and_last([row.hold_id for row in moved]),
        ]


def _moved_row(hold: Hold) -> _MovedRow:
    return _MovedRow(
        hold.workspace_id,
        hold.hold_id,
        hold.state,
        hold.attempt,
        hold.finished_at,
        hold.charge_nanos,
        hold.absorbed_nanos,
        hold.request_counted,
    )


def _rows(rows: Sequence[Any]) -> bytes | None:
    return _encode(rows) if rows else None
