"""Whether a call and the usage page cost the same after many calls as after few."""

import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import psycopg
import uvloop
from psycopg.conninfo import make_conninfo

from bench.books import clock, run_pairs, working_ledger
from bench.grown import grow, receipt_rider
from bench.ledger import disk_database
from bench.load import percentile_ms
from bench.processes import Cpu, cpu_of_tree
from bench.report import Report, middle, number, times
from bench.run import Run
from farebox.base.clock import day_of
from farebox.base.ids import random_id, uuid7_floor
from farebox.ledger.verify import verify
from farebox.records.key_usage import read_key_usage, verify_usage
from farebox.records.page import DEFAULT_PAGE, FIRST_PAGE, Cursor
from farebox.records.usage import UsageFilter, read_usage
from farebox.storage.pool import PoolBounds, connected, open_pool

WORKSPACES, WAITING = 64, 64
# Few: they are added to the small database too.
PAIRS_PER_ROUND, WARMUP_PAIRS = 1_000, 200
READS_PER_ROUND = 20
_MIDDLE_SECONDS = 30 * 86_400

Read = Callable[["psycopg.AsyncConnection[tuple[object, ...]]", int], Awaitable[object]]


async def _first_page(connection: "psycopg.AsyncConnection[tuple[object, ...]]", workspace_id: int) -> object:
    return await read_usage(connection, workspace_id, UsageFilter(), cursor=FIRST_PAGE, page=DEFAULT_PAGE)


async def _page_in_the_middle(connection: "psycopg.AsyncConnection[tuple[object, ...]]", workspace_id: int) -> object:
    cursor = Cursor(uuid7_floor(int(time.time() - _MIDDLE_SECONDS) * 1_000))
    return await read_usage(connection, workspace_id, UsageFilter(), cursor=cursor, page=DEFAULT_PAGE)


async def _page_of_nothing(connection: "psycopg.AsyncConnection[tuple[object, ...]]", workspace_id: int) -> object:
    wanted = UsageFilter(model_id="no-such-model")
    return await read_usage(connection, workspace_id, wanted, cursor=FIRST_PAGE, page=DEFAULT_PAGE)


async def _use_of_keys(connection: "psycopg.AsyncConnection[tuple[object, ...]]", workspace_id: int) -> object:
    return await read_key_usage(connection, workspace_id, today_day=day_of(clock()))


_READS: dict[str, Read] = {
    "usage, newest page, ms": _first_page,
    "usage, page of a month ago, ms": _page_in_the_middle,
    "usage, page with a filter that matches nothing, ms": _page_of_nothing,
    "use of all keys, ms": _use_of_keys,
}


@dataclass
class _Size:
    calls: int
    dsn: str
    workspaces: Sequence[int] = field(default_factory=lambda: [random_id() for _ in range(WORKSPACES)])
    cpu: list[Cpu] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    pairs: int = 0
    reads: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _READS})
    breaches: int = 0


def growth(run: Run) -> Report:
    """A hold, its settlement and its receipt, and pages of usage, in a small and in a grown database."""
    with disk_database(run.folder) as dsn:
        sizes = [_grown(run, dsn, calls) for calls in (10**4, run.pick(10**6, quick=10**5, long=10**7))]
        for round_number in range(run.pick(5, quick=2)):
            run.progress(f"round {round_number + 1}")
            for size in sizes:
                uvloop.run(_round(size))
        uvloop.run(_verify(sizes[0]))
    return _report(sizes)


def _grown(run: Run, dsn: str, calls: int) -> _Size:
    began_at = time.perf_counter()
    name = f"grown_{calls}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    size = _Size(calls, make_conninfo(dsn, dbname=name))
    grow(size.dsn, size.workspaces, calls)
    run.progress(f"{calls:,} calls written in {time.perf_counter() - began_at:.0f} s")
    return size


async def _round(size: _Size) -> None:
    async with working_ledger(size.dsn) as ledger:
        await run_pairs(ledger, size.workspaces, waiting=WAITING, pairs=WARMUP_PAIRS, rider_of=receipt_rider)
        before = cpu_of_tree(os.getpid())
        found = await run_pairs(ledger, size.workspaces, waiting=WAITING, pairs=PAIRS_PER_ROUND, rider_of=receipt_rider)
        size.cpu.append(cpu_of_tree(os.getpid()).since(before))
    size.pairs += found.pairs
    size.latencies += found.latencies
    async with open_pool(size.dsn, PoolBounds(max_size=1)) as pool, connected(pool) as connection:
        for name, read in _READS.items():
            for turn in range(READS_PER_ROUND + 1):
                began_at = time.perf_counter()
                await read(connection, size.workspaces[0])
                if turn:  # the first one fills caches
                    size.reads[name].append((time.perf_counter() - began_at) * 1e3)


async def _verify(size: _Size) -> None:
    """The rows that were written by hand are those that the ledger would have written."""
    async with await psycopg.AsyncConnection.connect(size.dsn, autocommit=True) as connection:
        size.breaches = len((await verify(connection)).breaches) + len(await verify_usage(connection))


def _report(sizes: list[_Size]) -> Report:
    small, large = sizes
    report = Report("growth", ["", f"{small.calls:,} calls", f"{large.calls:,} calls", "ratio", "budget"])

    def compare(what: str, values: Sequence[float]) -> None:
        report.row(what, *values, times(values[1], values[0]), "~ 1x")

    for what, part in (("worker", 0), ("PostgreSQL", 2)):
        compare(f"a call's ledger work, {what} CPU, µs", [_micros(size, part) for size in sizes])
    compare("a ledger command, p50, ms", [percentile_ms(size.latencies, 0.5) for size in sizes])
    for name in _READS:
        compare(name, [middle(size.reads[name]) for size in sizes])
    report.notes.append(
        f"Half of the calls belong to one of {WORKSPACES} workspaces, whose usage is read; {WAITING} waiting, "
        f"{number(small.pairs)} pairs with their receipts on each side, in alternating rounds."
    )
    report.notes.append(
        "The filter looks at 20,000 calls at most, so a workspace with fewer answers sooner: no growth beyond them."
    )
    if small.breaches:
        report.notes.append(f"`ledger verify` found {small.breaches} breaches: the rows are not what they should be.")
    return report


def _micros(size: _Size, part: int) -> float:
    return sum(cpu[part] for cpu in size.cpu) / size.pairs * 1e6
