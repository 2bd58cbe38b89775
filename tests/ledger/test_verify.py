"""`verify` finds nothing in a sound ledger, and each kind of damage in a spoiled one."""

import re
from collections.abc import Iterator

import psycopg
import pytest

from farebox.ledger.batcher import Batcher
from farebox.ledger.verify import CHECKS, MAX_BREACHES_SHOWN, Report, verify
from tests.database import TestCluster
from tests.ledger.corruptions import CORRUPTIONS, Corruption
from tests.ledger.script import Script
from tests.ledger.stage import OWNER, StoredStage, running

WORKSPACE = 31
STORY = """
    open                                    | 0/0
    credit 100                              | 100/0
    promo p 20                              | 120/0
    limit ws day requests=9 dollars=150     | 120/0
    limit ws month dollars=200              | 120/0
    limit 1 life requests=9                 | 120/0
    reserve promoted 25 key=1               | 95/25
    settle promoted 12 cost=9               | 108/0 charge=12
    reserve promoted2 8 key=1               | 100/8
    reserve settled 30 key=1 claim=c        | 70/38
    settle settled 27 cost=20               | 73/8 charge=27
    reserve released 10                     | 63/18
    release released                        | 73/8
    reserve open 5 key=1 waiting            | 68/13
    reserve lost 7                          | 61/20
    lose lost                               | 61/20
"""
CASES = [(check, number) for check, listed in CORRUPTIONS.items() for number in range(len(listed))]

Story = tuple[str, dict[str, object]]


@pytest.fixture(scope="module")
async def story(cluster: TestCluster) -> dict[str, object]:
    """The names of a sound ledger that the tests copy: database, workspace, holds, grant."""
    dsn = cluster.fresh_database()
    async with running(Batcher(dsn, owner_id=OWNER)) as batcher:
        script = Script(StoredStage(WORKSPACE, batcher, dsn), WORKSPACE)
        await script.play(STORY)
    database = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    return {"database": database, "ws": WORKSPACE, "grant": script.grant("p"), **script.hold_ids()}


@pytest.fixture
def spoiled(cluster: TestCluster, story: dict[str, object]) -> Iterator[str]:
    """A copy of the story's database."""
    with psycopg.connect(cluster.dsn_of("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE spoiled TEMPLATE {story['database']}".encode())
    dsn = cluster.dsn_of("spoiled")
    yield dsn
    cluster.drop_database(dsn)


async def _verify(dsn: str) -> Report:
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        return await verify(connection)


def _spoil(dsn: str, statement: str) -> None:
    """Run a statement past every trigger and CHECK, as somebody with the database's password could."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = connection.execute(
            "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint"
            " WHERE contype = 'c' AND conrelid::regclass::text LIKE 'ledger\\_%' AND conislocal AND coninhcount = 0"
        ).fetchall()
        for (drop,) in found:
            connection.execute(str(drop).encode())
        connection.execute("SET session_replication_role = replica")
        changed = connection.execute(statement.encode())
        assert changed.rowcount != 0, "the statement spoils something"


def test_every_check_has_a_damage_that_it_finds() -> None:
    assert list(CORRUPTIONS) == list(CHECKS)
    assert all(CORRUPTIONS.values())


async def test_a_sound_ledger_has_no_breach(spoiled: str) -> None:
    report = await _verify(spoiled)
    assert report.breaches == []
    assert report.sound
    assert (report.checks, report.accounts, report.holds, report.open_holds) == (len(CHECKS), 2, 6, 3)
    assert report.entries == 7
    assert report.commands == 16


@pytest.mark.parametrize(("check", "number"), CASES)
async def test_verify_finds_the_damage_and_names_the_row(
    check: str, number: int, spoiled: str, story: dict[str, object]
) -> None:
    damage = Corruption(*(text.format(**story) for text in CORRUPTIONS[check][number]))
    _spoil(spoiled, damage.statement)
    report = await _verify(spoiled)
    rows = [breach.row for breach in report.breaches if breach.invariant == check]
    wanted = re.compile(re.escape(damage.row).replace("%", ".+"))
    assert any(wanted.fullmatch(row) for row in rows), (rows, report.breaches)
    assert not report.sound


async def test_a_ledger_spoiled_all_over_lists_some_of_it(spoiled: str) -> None:
    _spoil(
        spoiled,
        "INSERT INTO ledger_account (workspace_id, account_id, posted_nanos)"
        f" SELECT n, 0, -1 FROM generate_series(1000, {1000 + 2 * MAX_BREACHES_SHOWN}) n",
    )
    report = await _verify(spoiled)
    counted = [breach for breach in report.breaches if breach.invariant == "i2_available_is_never_negative"]
    assert len(counted) == MAX_BREACHES_SHOWN


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entry SET amount_nanos = 1",
        "DELETE FROM ledger_entry",
        "TRUNCATE ledger_entry",
        "UPDATE ledger_command SET answer = ''",
        "DELETE FROM ledger_command",
        "TRUNCATE ledger_command",
        "UPDATE ledger_account SET posted_nanos = -1",
        "UPDATE ledger_account SET held_nanos = posted_nanos + 1",
        "UPDATE ledger_hold SET finished_at = NULL",
        "UPDATE ledger_window SET held_requests = -1",
    ],
)
def test_the_database_itself_refuses_the_plain_ways_of_damage(statement: str, spoiled: str) -> None:
    with (
        psycopg.connect(spoiled, autocommit=True) as connection,
        pytest.raises((psycopg.errors.RestrictViolation, psycopg.errors.CheckViolation)),
    ):
        connection.execute(statement.encode())
