"""Resident memory of one worker as it works."""

import time

from bench.load import LoadOrder
from bench.report import Report, number
from bench.rig import ANSWER_TOKENS, Rig, chat_body, failures, load, rig
from bench.run import Run

CONCURRENCY = 64
STREAMS = 500
# Freed memory goes back within moments, if it goes back.
REST_SECONDS = 1.0


def memory(run: Run) -> Report:
    """After the start, after JSON calls, during and after streams, and after more calls."""
    calls = run.pick(10_000, quick=2_000)
    report = Report("memory", ["", "worker, MB", "grown by", "budget"])
    with rig(run.folder) as found:
        before = found.gateway.resident_mb()
        report.row("after the start", before, "", "≤ 150 MB")
        made = 0
        for _ in range(3):
            run.progress(f"{calls} calls")
            made += calls
            before = _calls(found, report, calls=calls, what=f"after {made:,} JSON calls", before=before)
        run.progress(f"{STREAMS} streams at once")
        peak_mb = _streams(found, report)
        report.row(f"during {STREAMS} streams", peak_mb, f"{number(peak_mb - before)} MB", "≤ 150 MB")
        time.sleep(REST_SECONDS)
        before = found.gateway.resident_mb()
        report.row("after the streams", before, "", "≤ 150 MB")
        _calls(found, report, calls=calls, what=f"after {made + calls:,} JSON calls", before=before)
    return report


def _calls(found: Rig, report: Report, *, calls: int, what: str, before: float) -> float:
    found.directives(words=ANSWER_TOKENS)
    order = LoadOrder(port=0, keys=[], body=chat_body(), concurrency=CONCURRENCY, calls=calls)
    report.notes += failures([[load(found.gateway, order)]])
    time.sleep(REST_SECONDS)
    now = found.gateway.resident_mb()
    report.row(what, now, f"{number(now - before)} MB", "flat")
    return now


def _streams(found: Rig, report: Report) -> float:
    found.directives(words=160, chunks=40, chunk_delay_seconds=0.05)
    body = chat_body(stream=True)
    order = LoadOrder(port=0, keys=[], body=body, concurrency=STREAMS, calls=STREAMS, stream=True)
    phase = load(found.gateway, order)
    report.notes += failures([[phase]])
    return phase.peak_mb
