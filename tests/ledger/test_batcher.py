"""The batcher on PostgreSQL: neighbours, lanes, lost connections, and two workers on one workspace."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence

import msgspec
import psycopg
import pytest

from farebox.ledger.batcher import (
    MAX_WAITING_RESERVES,
    Batcher,
    LedgerBusy,
    LedgerFault,
    LedgerUnavailable,
    Rider,
)
from farebox.ledger.commands import Command, Reserve
from farebox.ledger.outcomes import Answer, Effects, Outcome
from farebox.ledger.verify import verify
from tests.ledger.calls import balance, credit, grant, limit, now, open_book, reason, release, replayed, reserve, settle
from tests.ledger.proxy import CuttingProxy
from tests.ledger.stage import OWNER, running

WORKSPACE = 5


class Note(msgspec.Struct):
    """A row of another room."""

    workspace_id: int
    available_nanos: int


NOTE = "note"
NOTE_SQL = (
    "INSERT INTO note SELECT * FROM json_to_recordset($1::json) AS r (workspace_id bigint, available_nanos bigint)"
)


def _note(answer: Answer) -> Note:
    return Note(WORKSPACE, answer.available_nanos)


@pytest.fixture
async def reader(dsn: str) -> AsyncIterator["psycopg.AsyncConnection[tuple[object, ...]]"]:
    """A connection of the test's own, on a database with a table for riders."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(
            "CREATE TABLE note (workspace_id bigint, available_nanos bigint CHECK (available_nanos <> 13))"
        )
        yield connection
        report = await verify(connection)
        assert report.breaches == []


@pytest.fixture
async def noting(dsn: str, reader: "psycopg.AsyncConnection[tuple[object, ...]]") -> AsyncIterator[Batcher]:
    """A batcher at work that knows the rider's statement, with $100 in the workspace."""
    async with running(Batcher(dsn, owner_id=OWNER, rider_statements={NOTE: NOTE_SQL})) as batcher:
        await _open(batcher, 100)
        yield batcher


async def _open(batcher: Batcher, cash_nanos: int) -> None:
    await batcher.submit(open_book(WORKSPACE))
    await batcher.submit(credit(WORKSPACE, cash_nanos))


async def _all(awaitables: Sequence[Awaitable[Outcome]]) -> list[Outcome | BaseException]:
    return await asyncio.gather(*awaitables, return_exceptions=True)


async def _rows(connection: "psycopg.AsyncConnection[tuple[object, ...]]", statement: str) -> list[tuple[object, ...]]:
    return await (await connection.execute(statement.encode())).fetchall()


Reader = psycopg.AsyncConnection[tuple[object, ...]]


# ── neighbours ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_commands_that_wait_together_are_committed_together(noting: Batcher) -> None:
    batches = noting.batches
    outcomes = await _all([noting.submit(reserve(WORKSPACE, 1)) for _ in range(50)])
    assert [balance(outcome) for outcome in outcomes] == [(99 - n, 1 + n) for n in range(50)]
    assert noting.batches == batches + 1


async def test_a_command_that_the_database_will_not_have_hurts_only_itself(noting: Batcher, reader: Reader) -> None:
    held = [reserve(WORKSPACE, 10) for _ in range(3)]
    await _all([noting.submit(command) for command in held])
    # A debit and a credit of one account: a CHECK forbids it, and decide() knows nothing of names.
    bad = settle(held[1], 4, cost_account="payable:p")
    outcomes = await _all([noting.submit(c) for c in (settle(held[0], 4), bad, settle(held[2], 4))])
    assert isinstance(outcomes[1], LedgerFault)
    assert [balance(outcomes[0]), balance(outcomes[2])] == [(76, 20), (82, 10)]
    assert balance(await noting.submit(settle(held[1], 4))) == (88, 0)
    assert await _rows(reader, "SELECT posted_nanos, held_nanos FROM ledger_account") == [(88, 0)]


async def test_a_second_hold_of_the_same_id_under_another_command_hurts_only_itself(noting: Batcher) -> None:
    held = reserve(WORKSPACE, 10)
    await noting.submit(held)
    again = msgspec.structs.replace(held, command_id=reserve(WORKSPACE, 1).command_id)
    outcomes = await _all(
        [noting.submit(reserve(WORKSPACE, 5)), noting.submit(again), noting.submit(reserve(WORKSPACE, 6))]
    )
    assert isinstance(outcomes[1], LedgerFault)
    assert [balance(outcomes[0]), balance(outcomes[2])] == [(85, 15), (79, 21)]


async def test_repetitions_of_accepted_commands_are_answered_from_the_record_in_any_batch(noting: Batcher) -> None:
    first, second = reserve(WORKSPACE, 10), reserve(WORKSPACE, 20)
    await noting.submit(first)
    outcomes = await asyncio.gather(*(noting.submit(c) for c in (first, second, second, reserve(WORKSPACE, 5))))
    assert [replayed(outcome) for outcome in outcomes] == [True, False, True, False]
    assert [balance(outcome) for outcome in outcomes] == [(90, 10), (70, 30), (70, 30), (65, 35)]
    outcomes = await asyncio.gather(*(noting.submit(settle(first, 3)) for _ in range(3)), noting.submit(release(first)))
    assert [replayed(outcome) for outcome in outcomes] == [False, True, True, False]
    assert reason(outcomes[3]) == "command_conflict"
    assert replayed(await noting.submit(settle(first, 3)))


async def test_a_limit_that_is_set_counts_the_calls_that_end_in_its_own_batch(noting: Batcher, reader: Reader) -> None:
    held = [reserve(WORKSPACE, 10, key_id=3) for _ in range(3)]
    await _all([noting.submit(command) for command in held])
    await noting.submit(settle(held[0], 4))
    set_limits = [limit(WORKSPACE, key_id, requests=9) for key_id in (3, 4, 0)]
    await _all([noting.submit(c) for c in (settle(held[1], 5), release(held[2]), *set_limits)])
    rows = await _rows(reader, "SELECT key_id, used_requests, used_nanos FROM ledger_window ORDER BY key_id")
    assert rows == [(0, 2, 9), (3, 2, 9), (4, 0, 0)]


async def test_grants_of_one_moment_are_told_apart_even_when_the_first_is_gone(noting: Batcher, reader: Reader) -> None:
    moment = now()
    numbers = []
    for _ in range(3):
        outcome = await noting.submit(grant(WORKSPACE, 5, now_micros=moment))
        assert isinstance(outcome, Effects)
        numbers.append(outcome.answer.account_id)
        held = reserve(WORKSPACE, 5)
        await noting.submit(held)
        await noting.submit(settle(held, 5))
    assert numbers == [moment, moment + 1, moment + 2]
    assert await _rows(reader, "SELECT count(*) FROM ledger_account WHERE closed") == [(3,)]


async def test_a_caller_that_went_away_does_not_disturb_the_others(noting: Batcher) -> None:
    held = reserve(WORKSPACE, 10)
    gone = asyncio.create_task(noting.submit(held))
    other = asyncio.create_task(noting.submit(reserve(WORKSPACE, 20)))
    await asyncio.sleep(0)
    gone.cancel()
    assert balance(await other) == (70, 30)
    # What it asked for was done all the same, and can be asked for again or given back.
    assert replayed(await noting.submit(held))
    assert balance(await noting.submit(release(held))) == (80, 20)


async def test_a_batch_that_is_larger_than_the_socket_takes_at_once_goes_through(
    noting: Batcher, reader: Reader
) -> None:
    memo = "é" * 100_000
    held = [msgspec.structs.replace(reserve(WORKSPACE, 1), memo=memo) for _ in range(60)]
    assert [balance(outcome)[1] for outcome in await _all([noting.submit(c) for c in held])] == list(range(1, 61))
    assert await _rows(reader, "SELECT DISTINCT length(memo) FROM ledger_hold") == [(100_000,)]


# ── riders ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_rider_is_written_if_and_only_if_its_command_is_accepted(noting: Batcher, reader: Reader) -> None:
    accepted, refused = reserve(WORKSPACE, 60), reserve(WORKSPACE, 70)
    outcomes = await _all([noting.submit(c, Rider(NOTE, _note)) for c in (accepted, refused, accepted)])
    assert [type(outcome).__name__ for outcome in outcomes] == ["Effects", "Refusal", "Answer"]
    await noting.submit(accepted, Rider(NOTE, _note))
    assert await _rows(reader, "SELECT * FROM note") == [(WORKSPACE, 40)]


async def test_a_rider_that_cannot_be_written_undoes_its_command_and_no_other(noting: Batcher, reader: Reader) -> None:
    # The table refuses 13, which is what would be left after the second of the three.
    commands = [reserve(WORKSPACE, 80), reserve(WORKSPACE, 7), reserve(WORKSPACE, 9)]
    outcomes = await _all([noting.submit(c, Rider(NOTE, _note)) for c in commands])
    assert isinstance(outcomes[1], LedgerFault)
    assert [balance(outcomes[0]), balance(outcomes[2])] == [(20, 80), (11, 89)]
    assert await _rows(reader, "SELECT available_nanos FROM note") == [(20,), (11,)]
    assert await _rows(reader, "SELECT count(*) FROM ledger_hold") == [(2,)]


async def test_a_rider_that_cannot_be_made_undoes_its_command_and_no_other(noting: Batcher, reader: Reader) -> None:
    def broken(answer: Answer) -> Note:
        raise ValueError("no row for that")

    outcomes = await _all([noting.submit(reserve(WORKSPACE, 1), Rider(NOTE, row)) for row in (_note, broken, _note)])
    assert [type(outcome).__name__ for outcome in outcomes] == ["Effects", "LedgerFault", "Effects"]
    assert await _rows(reader, "SELECT available_nanos FROM note") == [(99,), (98,)]


# ── lanes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_when_too_many_holds_wait_the_next_is_refused_and_settlements_still_pass(
    dsn: str, reader: Reader
) -> None:
    batcher = Batcher(dsn, owner_id=OWNER)
    async with running(batcher):
        await _open(batcher, 10_000)
        held = reserve(WORKSPACE, 10)
        await batcher.submit(held)
    order: list[str] = []
    batcher = Batcher(dsn, owner_id=OWNER)

    async def ask(command: Command, name: str) -> None:
        await batcher.submit(command)
        order.append(name)

    waiting = [asyncio.create_task(ask(reserve(WORKSPACE, 1), "hold")) for _ in range(MAX_WAITING_RESERVES)]
    await asyncio.sleep(0)
    assert batcher.waiting_reserves == MAX_WAITING_RESERVES
    with pytest.raises(LedgerBusy):
        await batcher.submit(reserve(WORKSPACE, 1))
    settling = asyncio.create_task(ask(settle(held, 3), "settle"))
    await asyncio.sleep(0)
    async with running(batcher):
        await asyncio.gather(settling, *waiting)
    assert order[0] == "settle"
    assert await _rows(reader, "SELECT count(*) FROM ledger_hold") == [(1 + MAX_WAITING_RESERVES,)]


# ── stopping ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_closing_batcher_takes_no_new_holds_and_finishes_what_waits(dsn: str, reader: Reader) -> None:
    batcher = Batcher(dsn, owner_id=OWNER)
    life = asyncio.create_task(batcher.run())
    await _open(batcher, 100)
    held = [reserve(WORKSPACE, 1) for _ in range(20)]
    waiting = [asyncio.create_task(batcher.submit(command)) for command in held]
    await asyncio.sleep(0)
    await batcher.close()
    with pytest.raises(LedgerBusy):
        await batcher.submit(reserve(WORKSPACE, 1))
    settling = asyncio.create_task(batcher.submit(settle(held[0], 1)))
    assert len(await asyncio.gather(*waiting)) == 20
    await life
    assert settling.done()
    with pytest.raises(LedgerUnavailable):
        await asyncio.wait_for(batcher.submit(settle(held[1], 1)), 5)


async def test_a_batcher_that_is_cancelled_in_the_middle_of_a_batch_leaves_nobody_waiting(
    dsn: str, reader: Reader
) -> None:
    batcher = Batcher(dsn, owner_id=OWNER)
    life = asyncio.create_task(batcher.run())
    await _open(batcher, 100)
    async with reader.transaction():
        await reader.execute("SELECT 1 FROM ledger_account FOR UPDATE")
        blocked = [asyncio.create_task(batcher.submit(reserve(WORKSPACE, 1))) for _ in range(3)]
        await _until_blocked(reader)
        blocked.append(asyncio.create_task(batcher.submit(reserve(WORKSPACE, 1))))
        await asyncio.sleep(0)
        life.cancel()
        answers = await asyncio.wait_for(_all(blocked), 5)
    assert [type(answer) for answer in answers] == [LedgerUnavailable] * 4
    await asyncio.gather(life, return_exceptions=True)


async def _until_blocked(reader: Reader, sessions: int = 1) -> None:
    """Until so many sessions of this database wait for a lock."""
    async with asyncio.timeout(5):
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        while len(await _rows(reader, waiting)) < sessions:
            await asyncio.sleep(0.005)
            await reader.execute("SELECT pg_stat_clear_snapshot()")


# ── lost connections ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_session_killed_in_the_middle_of_a_batch_does_it_once(noting: Batcher, reader: Reader) -> None:
    held = [reserve(WORKSPACE, 10) for _ in range(4)]
    async with reader.transaction():
        await reader.execute("SELECT 1 FROM ledger_account FOR UPDATE")
        waiting = [asyncio.create_task(noting.submit(c, Rider(NOTE, _note))) for c in held]
        await _until_blocked(reader)
        await reader.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    outcomes = await asyncio.gather(*waiting)
    assert [balance(outcome) for outcome in outcomes] == [(90, 10), (80, 20), (70, 30), (60, 40)]
    assert await _rows(reader, "SELECT count(*) FROM note") == [(4,)]
    assert await _rows(reader, "SELECT posted_nanos, held_nanos FROM ledger_account") == [(100, 40)]


async def test_a_session_killed_between_two_batches_is_replaced(noting: Batcher, reader: Reader) -> None:
    for _ in range(3):
        await reader.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        held = reserve(WORKSPACE, 10)
        await noting.submit(held)
        assert balance(await noting.submit(settle(held, 0))) == (100, 0)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_line_cut_at_the_commit_does_the_batch_once(when: str, dsn: str, reader: Reader) -> None:
    async with CuttingProxy(dsn) as proxy:
        batcher = Batcher(proxy.dsn, owner_id=OWNER, rider_statements={NOTE: NOTE_SQL})
        async with running(batcher):
            await _open(batcher, 100)
            held = reserve(WORKSPACE, 30)
            await batcher.submit(held)
            proxy.cut_at_commit = when
            outcomes = await asyncio.gather(
                batcher.submit(settle(held, 20), Rider(NOTE, _note)),
                batcher.submit(credit(WORKSPACE, 5)),
                batcher.submit(reserve(WORKSPACE, 40), Rider(NOTE, _note)),
            )
    assert proxy.cuts == 1
    assert [replayed(outcome) for outcome in outcomes] == [when == "after"] * 3
    assert [balance(outcome) for outcome in outcomes] == [(80, 0), (85, 0), (45, 40)]
    assert await _rows(reader, "SELECT posted_nanos, held_nanos FROM ledger_account") == [(85, 40)]
    assert await _rows(reader, "SELECT available_nanos FROM note ORDER BY 1") == [(45,), (80,)]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_hold_whose_maker_was_told_unavailable_is_given_back(when: str, dsn: str, reader: Reader) -> None:
    async with CuttingProxy(dsn) as proxy:
        batcher = Batcher(proxy.dsn, owner_id=OWNER, give_up_after_seconds=0.3)
        async with running(batcher):
            await _open(batcher, 100)
            proxy.cut_at_commit, proxy.refusing = when, True
            with pytest.raises(LedgerUnavailable):
                await batcher.submit(reserve(WORKSPACE, 30))
            made = await _rows(reader, "SELECT count(*) FROM ledger_hold WHERE state = 2")
            assert made == [(1 if when == "after" else 0,)]
            proxy.refusing = False
            assert balance(await batcher.submit(credit(WORKSPACE, 1))) == (101, 0)
    assert await _rows(reader, "SELECT state FROM ledger_hold") == ([(4,)] if when == "after" else [])


async def test_a_settlement_that_was_told_unavailable_can_be_sent_again(dsn: str, reader: Reader) -> None:
    async with CuttingProxy(dsn) as proxy:
        batcher = Batcher(proxy.dsn, owner_id=OWNER, give_up_after_seconds=0.3)
        async with running(batcher):
            await _open(batcher, 100)
            held = reserve(WORKSPACE, 30)
            await batcher.submit(held)
            proxy.cut_at_commit, proxy.refusing = "after", True
            with pytest.raises(LedgerUnavailable):
                await batcher.submit(settle(held, 20))
            proxy.refusing = False
            again = await batcher.submit(settle(held, 20))
    assert replayed(again)
    assert balance(again) == (80, 0)


# ── two workers ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_two_workers_never_overspend_one_workspace(dsn: str, reader: Reader) -> None:
    async with (
        running(Batcher(dsn, owner_id=OWNER)) as one,
        running(Batcher(dsn, owner_id=OWNER + 1)) as two,
    ):
        await _open(one, 100)
        asked = [reserve(WORKSPACE, 7) for _ in range(200)]
        async with reader.transaction():
            # Both stand before the same row when it is let go.
            await reader.execute("SELECT 1 FROM ledger_account FOR UPDATE")
            waiting = [asyncio.create_task(b.submit(c)) for c, b in zip(asked, (one, two) * 100, strict=True)]
            await _until_blocked(reader, sessions=2)
        outcomes = await asyncio.gather(*waiting)
        held = [c for c, outcome in zip(asked, outcomes, strict=True) if isinstance(outcome, Effects)]
        assert len(held) == 14
        assert {reason(o) for o in outcomes if not isinstance(o, Effects)} <= {"balance_held"}
        # Each is settled by the other worker than the one that made it may have been.
        await asyncio.gather(*(b.submit(settle(c, 7)) for c, b in zip(held, (two, one) * 7, strict=True)))
        assert reason(await one.submit(reserve(WORKSPACE, 3))) == "insufficient_balance"
    assert await _rows(reader, "SELECT posted_nanos, held_nanos FROM ledger_account") == [(2, 0)]


@pytest.mark.parametrize(
    ("requests", "nanos", "said"), [(9, None, "requests_exhausted"), (None, 69, "budget_exhausted")]
)
async def test_two_workers_never_pass_one_limit(
    requests: int | None, nanos: int | None, said: str, dsn: str, reader: Reader
) -> None:
    async with (
        running(Batcher(dsn, owner_id=OWNER)) as one,
        running(Batcher(dsn, owner_id=OWNER + 1)) as two,
    ):
        await _open(one, 10_000)
        await one.submit(limit(WORKSPACE, 3, requests=requests, nanos=nanos))

        async def call(batcher: Batcher) -> str | None:
            held = reserve(WORKSPACE, 7, key_id=3)
            outcome = await batcher.submit(held)
            if not isinstance(outcome, Effects):
                return reason(outcome)
            await batcher.submit(settle(held, 7))
            return None

        outcomes = await asyncio.gather(*(call(batcher) for batcher in (one, two) * 60))
    assert outcomes.count(None) == 9
    assert outcomes.count(said) == 111


async def test_two_workers_that_open_one_workspace_at_once_lose_none_of_its_money(dsn: str, reader: Reader) -> None:
    async with (
        running(Batcher(dsn, owner_id=OWNER)) as one,
        running(Batcher(dsn, owner_id=OWNER + 1)) as two,
    ):
        await asyncio.gather(one.connect(), two.connect())
        for workspace_id in range(100, 160):
            both = [(b, c) for b in (one, two) for c in (open_book(workspace_id), credit(workspace_id, 10))]
            await asyncio.gather(*(b.submit(c) for b, c in both))
    assert await _rows(reader, "SELECT DISTINCT posted_nanos, version FROM ledger_account") == [(20, 2)]


# ── plans ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_tables_that_grow_from_empty_are_never_scanned_from_end_to_end(dsn: str, reader: Reader) -> None:
    batcher = Batcher(dsn, owner_id=OWNER)
    async with running(batcher):
        await _open(batcher, 1_000_000)
        await batcher.submit(limit(WORKSPACE, 3, requests=9_999))
        before = dict(await _scans(reader))
        for _ in range(20):
            held = [_claimed(reserve(WORKSPACE, 7, key_id=3)) for _ in range(20)]
            await asyncio.gather(*(batcher.submit(c) for c in held))
            await asyncio.gather(*(batcher.submit(settle(c, 5)) for c in held))
        await asyncio.gather(*(batcher.submit(settle(c, 5)) for c in held))
        await batcher.submit(limit(WORKSPACE, 4, requests=1))
    after = dict(await _scans(reader))
    assert len(after) > 8
    assert {table: count for table, count in after.items() if count != before[table]} == {}


def _claimed(command: Reserve) -> Reserve:
    return msgspec.structs.replace(command, claim_id=command.hold_id, claim_body_hash=command.hold_id)


async def _scans(reader: Reader) -> list[tuple[object, object]]:
    """Sequential scans of every ledger table so far; a session's own counts arrive when it ends or is idle."""
    await reader.execute("SELECT pg_stat_force_next_flush()")
    await reader.execute("SELECT pg_stat_clear_snapshot()")
    rows = await _rows(reader, "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE relname LIKE 'ledger\\_%'")
    return [(row[0], row[1]) for row in rows]
