"""The ledger alone: holds and settlements as fast as they go, against plain inserts on the same disk."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import uvloop

from bench.books import open_books, run_pairs, working_ledger
from bench.children import child
from bench.home import disk_folder
from bench.ledger_worker import WorkerAnswer, WorkerOrder
from bench.load import percentile_ms
from bench.processes import cpu_of_tree
from bench.report import Report, medians, middle, times
from bench.run import Run
from farebox.base.ids import random_id
from farebox.storage.home import Home
from farebox.storage.migrate import migrate
from farebox.storage.server import open_database

WAITING, WORKSPACES = 256, 64
# One row of the floor for each command: two for a pair, each about as long as a hold.
FLOOR_ROWS = 256
FLOOR_BODY = "x" * 200
_FLOOR_INSERT = (
    "INSERT INTO bench_floor SELECT * FROM json_to_recordset(%s::json) AS r (workspace_id bigint, id bigint, body text)"
)


@dataclass
class _Case:
    name: str
    workspaces: Sequence[int]
    rates: list[float] = field(default_factory=list)
    p50s: list[float] = field(default_factory=list)
    p99s: list[float] = field(default_factory=list)
    python_micros: list[float] = field(default_factory=list)
    postgres_micros: list[float] = field(default_factory=list)
    batch: list[float] = field(default_factory=list)


def ledger(run: Run) -> Report:
    """Pairs per second, latency, processor time of each side."""
    with disk_database(run.folder) as dsn:
        return uvloop.run(_measure(run, dsn))


@contextmanager
def disk_database(parent: Path) -> Iterator[str]:
    """The DSN of an embedded PostgreSQL of our own, set up and migrated as in production."""
    with disk_folder(parent) as folder:
        home = Home(folder / "home").create()
        with open_database(home, None, role="supervisor", report=lambda line: None) as database:
            migrate(database.dsn, lambda line: None)
            yield database.dsn


async def _measure(run: Run, dsn: str) -> Report:
    cases = [
        _Case(f"{WORKSPACES} workspaces", [random_id() for _ in range(WORKSPACES)]),
        _Case(f"{WORKSPACES} workspaces with 4 limits each", [random_id() for _ in range(WORKSPACES)]),
        _Case("one hot workspace", [random_id()]),
    ]
    pair = _Case(f"{WORKSPACES} workspaces, two workers", cases[0].workspaces)
    floors: list[float] = []
    commits: list[float] = []
    async with working_ledger(dsn) as book:
        for case in cases:
            await open_books(book, case.workspaces, limits="limits" in case.name)
    rounds = run.pick(5, quick=1)
    for number in range(rounds):
        run.progress(f"round {number + 1} of {rounds}")
        floor, commit = _floor(dsn, run.pick(2.0, quick=0.5))
        floors.append(floor)
        commits.append(commit)
        for case in cases:
            await _round(dsn, case, run.pick(4.0, quick=1.0))
        _two_workers(dsn, pair, run.pick(4.0, quick=1.0), workspaces=cases[0].workspaces)
    return _report([*cases, pair], floors, commits)


async def _round(dsn: str, case: _Case, seconds: float) -> None:
    async with working_ledger(dsn) as book:
        await run_pairs(book, case.workspaces, waiting=WAITING, seconds=seconds / 10)  # warm-up
        batches, commands, before = book.batches, book.commands, cpu_of_tree(os.getpid())
        found = await run_pairs(book, case.workspaces, waiting=WAITING, seconds=seconds)
        cpu = cpu_of_tree(os.getpid()).since(before)
        case.batch.append((book.commands - commands) / (book.batches - batches))
    case.rates.append(found.pairs / found.seconds)
    case.p50s.append(percentile_ms(found.latencies, 0.5))
    case.p99s.append(percentile_ms(found.latencies, 0.99))
    case.python_micros.append(cpu.parent / found.pairs * 1e6)
    case.postgres_micros.append(cpu.postgres / found.pairs * 1e6)


def _two_workers(dsn: str, case: _Case, seconds: float, *, workspaces: Sequence[int]) -> None:
    """The same waiting, shared by two processes; the worse of their latencies."""
    order = WorkerOrder(dsn, list(workspaces), WAITING // 2, seconds)
    with child("bench.ledger_worker", order) as one, child("bench.ledger_worker", order) as other:
        answers = [one.answer(WorkerAnswer), other.answer(WorkerAnswer)]
    case.rates.append(sum(answer.pairs_per_second for answer in answers))
    case.p50s.append(max(answer.p50_ms for answer in answers))
    case.p99s.append(max(answer.p99_ms for answer in answers))


def _floor(dsn: str, seconds: float) -> tuple[float, float]:
    """Pairs per second if each command were one inserted row and nothing else; and commits of one row per second."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS bench_floor"
            " (workspace_id bigint, id bigint, body text, PRIMARY KEY (workspace_id, id))"
        )
        connection.execute("TRUNCATE bench_floor")
        batches = _insert(connection, seconds, rows=FLOOR_ROWS)
        return batches * FLOOR_ROWS / 2, _insert(connection, seconds, rows=1)


def _insert(connection: "psycopg.Connection[tuple[object, ...]]", seconds: float, *, rows: int) -> float:
    """Commits per second of so many rows each."""
    began_at = time.perf_counter()
    made = 0
    while time.perf_counter() < began_at + seconds:
        batch = [
            {"workspace_id": number % WORKSPACES, "id": rows * 10**9 + made * rows + number, "body": FLOOR_BODY}
            for number in range(rows)
        ]
        connection.execute(_FLOOR_INSERT, [json.dumps(batch)], prepare=True)
        made += 1
    return made / (time.perf_counter() - began_at)


def _report(cases: list[_Case], floors: list[float], commits: list[float]) -> Report:
    columns = [
        "",
        "pairs/s",
        "of the floor",
        "p50, ms",
        "p99, ms",
        "commands a batch",
        "Python µs",
        "PostgreSQL µs",
        "budget",
    ]
    report = Report("ledger", columns)
    floor, most = middle(floors), middle(cases[0].rates)
    report.row("floor: two rows inserted for a pair", floor, "1x")
    budgets = ["≥ 10,000 pairs/s, p99 ≤ 20 ms", "", f"≥ half: {times(middle(cases[2].rates), most)}", ""]
    for case, budget in zip(cases, budgets, strict=True):
        rate = middle(case.rates)
        report.row(
            case.name,
            rate,
            times(rate, floor),
            middle(case.p50s),
            middle(case.p99s),
            middle(case.batch) if case.batch else "",
            middle(case.python_micros) if case.batch else "",
            middle(case.postgres_micros) if case.batch else "",
            budget,
        )
    report.notes.append(
        f"{WAITING} waiting; latency of one command; CPU for one pair; fsync on: {middle(commits):,.0f} commits of a"
        f" single row per second on one connection; {medians(len(floors))}."
    )
    return report
