"""Where the time of a paid call goes: the worker's functions by their own time, and PostgreSQL's side."""

import pstats
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from bench.load import LoadOrder
from bench.profiled import OUTPUT
from bench.report import Report
from bench.rig import ANSWER_TOKENS, Phase, Rig, chat_body, failures, load, rig
from bench.run import Run
from bench.streaming import CHUNKS, PAUSE_SECONDS
from farebox.storage.home import Home
from farebox.storage.placement import connection_string

CONCURRENCY = 64
TOP = 25

_FUNCTIONS = "SELECT funcname, calls, self_time FROM pg_stat_user_functions ORDER BY self_time DESC"
_STATEMENTS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
_WAL = (
    "SELECT sum(writes)::float8, sum(write_time)::float8, sum(fsyncs)::float8, sum(fsync_time)::float8"
    " FROM pg_stat_io WHERE object = 'wal' AND backend_type = 'client backend'"
)
_WAL_BYTES = "SELECT wal_bytes::float8, wal_fpi::float8 FROM pg_stat_wal"


def profile(run: Run) -> Report:
    """JSON calls. The profiler itself makes Python calls dearer: read shares, not times."""
    calls = run.pick(10_000, quick=2_000)
    order = LoadOrder(port=0, keys=[], body=chat_body(), concurrency=CONCURRENCY, calls=calls)
    return _profiled(run, "profile", order, {"words": ANSWER_TOKENS})


def profile_streams(run: Run) -> Report:
    """Paced streams, as the benchmark `streaming` has them."""
    order = LoadOrder(
        port=0,
        keys=[],
        body=chat_body(stream=True),
        concurrency=CONCURRENCY,
        calls=run.pick(1_000, quick=200),
        stream=True,
        ramp_seconds=CHUNKS * PAUSE_SECONDS,
    )
    directives = {"words": CHUNKS * 4, "chunks": CHUNKS, "chunk_delay_seconds": PAUSE_SECONDS}
    return _profiled(run, "profile-streams", order, directives)


def _profiled(run: Run, name: str, order: LoadOrder, directives: dict[str, float]) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "worker.prof"
        factory = "bench.profiled:build_app"
        with rig(run.folder, factory=factory, environment={OUTPUT: str(output)}) as found:
            found.directives(**directives)
            phase, sides = _load(found, order)
        report = _functions(name, pstats.Stats(str(output)), order.calls)
    _database(report, sides, order.calls)
    report.notes.append(
        "The profiler inflates short functions and reads the wall clock: on a busy machine pauses land anywhere."
    )
    report.notes += failures([[phase]])
    return report


Side = dict[str, list[tuple[Any, ...]]]


def _load(found: Rig, order: LoadOrder) -> tuple[Phase, tuple[Side, Side]]:
    dsn = connection_string(Home(found.home))
    with psycopg.connect(dsn, autocommit=True) as connection:
        before = _read(connection)
        phase = load(found.gateway, order)
        # A session reports its statistics when it is idle, at most once a second.
        connection.execute("SELECT pg_sleep(1.5)")
        load(found.gateway, LoadOrder(port=0, keys=[], body=chat_body(), concurrency=1, calls=1))
        connection.execute("SELECT pg_sleep(0.5)")
        return phase, (before, _read(connection))


def _read(connection: "psycopg.Connection[tuple[Any, ...]]") -> Side:
    queries = {"functions": _FUNCTIONS, "commits": _STATEMENTS, "wal": _WAL, "wal bytes": _WAL_BYTES}
    return {name: connection.execute(sql).fetchall() for name, sql in queries.items()}


def _functions(name: str, stats: pstats.Stats, calls: int) -> Report:
    report = Report(name, ["function", "own µs a call", "share", "times a call"])
    found: dict[tuple[str, int, str], Any] = stats.stats  # type: ignore[attr-defined]
    rows = sorted(((own, count, place) for place, (_, count, own, _, _) in found.items()), reverse=True)
    total = sum(own for own, _, _ in rows)
    for own, count, (file, line, function) in rows[:TOP]:
        where = f"{'/'.join(Path(file).parts[-2:])}:{line} {function}" if line else function
        report.row(where, own / calls * 1e6, f"{own / total:.1%}", count / calls)
    report.row("all of it", total / calls * 1e6, "100%")
    return report


def _database(report: Report, sides: tuple[Side, Side], calls: int) -> None:
    before, after = sides
    earlier = {name: (count, spent) for name, count, spent in before["functions"]}
    for name, count, spent_ms in after["functions"]:
        count_before, spent_before_ms = earlier.get(name, (0, 0.0))
        own_micros = (spent_ms - spent_before_ms) * 1e3
        report.row(f"PostgreSQL: {name}", own_micros / calls, "", (count - count_before) / calls)
    commits = after["commits"][0][0] - before["commits"][0][0]
    report.row("PostgreSQL: commits", "", "", commits / calls)
    _, write_ms, fsyncs, fsync_ms = _differences(before["wal"][0], after["wal"][0])
    report.row("PostgreSQL: writing the log", write_ms * 1e3 / calls)
    report.row("PostgreSQL: syncing the log", fsync_ms * 1e3 / calls, "", fsyncs / calls)
    size, images = _differences(before["wal bytes"][0], after["wal bytes"][0])
    report.notes.append(f"Log: {size / calls:,.0f} bytes a call, {images / calls:.2f} page images a call.")


def _differences(before: tuple[Any, ...], after: tuple[Any, ...]) -> list[float]:
    return [(now or 0.0) - (then or 0.0) for then, now in zip(before, after, strict=True)]
