"""A paid JSON call against the same call through a bare relay."""

from bench.load import LoadOrder
from bench.report import Report, medians, middle, times
from bench.rig import ANSWER_TOKENS, Phase, chat_body, failures, interleave, load, rig
from bench.run import Run

CONCURRENCY = 64


def governed(run: Run) -> Report:
    """Calls per second, latency and processor time of both."""
    order = LoadOrder(port=0, keys=[], body=chat_body(), concurrency=CONCURRENCY, calls=run.pick(10_000, quick=2_000))
    with rig(run.folder) as found:
        found.directives(words=ANSWER_TOKENS)
        for lane in (found.bare, found.gateway):
            load(lane, order)  # warm-up
        bare, gateway = interleave([found.bare, found.gateway], order, run.pick(7, quick=2), run.progress)
    return _report(bare, gateway)


def _report(bare: list[Phase], gateway: list[Phase]) -> Report:
    report = Report("governed", ["", "bare relay", "gateway", "gateway / bare", "budget"])

    def compare(what: str, values: list[list[float]], *, budget: str = "") -> None:
        one, other = (middle(lane) for lane in values)
        report.row(what, one, other, times(other, one), budget)

    both = (bare, gateway)
    compare("calls per second", [[p.result.calls / p.result.seconds for p in lane] for lane in both])
    compare("p50, ms", [[p.result.first_p50_ms for p in lane] for lane in both])
    compare("p99, ms", [[p.result.first_p99_ms for p in lane] for lane in both])
    cpu = [[p.cpu_ms_per_call for p in lane] for lane in both]
    compare("CPU s per 1,000 calls, whole tree", cpu, budget="≤ 4x")
    for what, of in (("worker", 1), ("PostgreSQL", 2), ("parent", 0)):
        part = middle([p.cpu[of] / p.result.calls * 1e3 for p in gateway])
        report.row(f"… {what}", "", part, times(part, middle(cpu[0])))
    size = gateway[0].result.body_bytes
    report.notes.append(f"{CONCURRENCY} connections, answers of {size:,} bytes; {medians(len(bare))}.")
    report.notes += failures(both)
    return report
