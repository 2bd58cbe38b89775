"""Many paced streams at once, against the same streams through a bare relay, and translated ones against both."""

import msgspec

from bench.home import MESSAGES_MODEL
from bench.load import LoadOrder
from bench.report import Report, medians, middle, number, times
from bench.rig import Lane, Phase, Rig, alternate, chat_body, failures, load, rig
from bench.run import Run

CHUNKS, PAUSE_SECONDS = 40, 0.05
# As many streams that take as long, with a quarter of the chunks: what they cost less is that of chunks alone. A call
# costs more where few calls begin and end at once, so streams that end sooner would put that on the chunks.
SPARSE_CHUNKS, SPARSE_PAUSE_SECONDS = 10, 0.2
SHORT_CHUNKS, SHORT_CONCURRENCY = 1, 64
MESSAGES_PATH = "/v1/messages"


def streaming(run: Run) -> Report:
    """Added time to the first event, processor time per event, memory."""
    with rig(run.folder) as found:
        long: list[list[Phase]] = [[], [], [], []]
        sparse: list[list[Phase]] = [[], [], [], []]
        for number in range(run.pick(5, quick=2)):
            run.progress(f"round {number + 1}")
            _extend(long, _paced(found, run, chunks=CHUNKS, pause_seconds=PAUSE_SECONDS))
            _extend(sparse, _paced(found, run, chunks=SPARSE_CHUNKS, pause_seconds=SPARSE_PAUSE_SECONDS))
        short = _short(found, run)
    return _report(long, sparse, short=short, concurrency=run.pick(500, quick=250))


def _extend(phases: list[list[Phase]], more: list[list[Phase]]) -> None:
    for lane, added in zip(phases, more, strict=True):
        lane.extend(added)


def _paced(found: Rig, run: Run, *, chunks: int, pause_seconds: float) -> list[list[Phase]]:
    found.directives(words=CHUNKS * 4, chunks=chunks, chunk_delay_seconds=pause_seconds)
    concurrency = run.pick(500, quick=250)
    order = LoadOrder(
        port=0,
        keys=[],
        body=chat_body(stream=True),
        concurrency=concurrency,
        calls=concurrency * run.pick(4, quick=3),
        stream=True,
        # Spread evenly, as strangers' calls are, and not all at once.
        ramp_seconds=chunks * pause_seconds,
        warmup_per_connection=1,
    )
    return alternate(_loads(found, order), 1, lambda line: None)


def _loads(found: Rig, order: LoadOrder) -> list[tuple[str, Lane, LoadOrder]]:
    """The order for the bare relay and the gateway as it is, and twice translated by the gateway."""
    structs, gateway = msgspec.structs, found.gateway
    from_messages = structs.replace(order, body=chat_body(stream=True, model=MESSAGES_MODEL))
    return [
        (found.bare.name, found.bare, order),
        (gateway.name, gateway, order),
        ("gateway, chat from messages", gateway, from_messages),
        ("gateway, messages from chat", gateway, structs.replace(order, path=MESSAGES_PATH)),
    ]


def _short(found: Rig, run: Run) -> list[list[Phase]]:
    found.directives(words=SHORT_CHUNKS, chunks=SHORT_CHUNKS)
    calls = run.pick(5_000, quick=1_500)
    body = chat_body(stream=True)
    order = LoadOrder(port=0, keys=[], body=body, concurrency=SHORT_CONCURRENCY, calls=calls, stream=True)
    loads = _loads(found, order)[:2]
    for _, lane, warm_up in loads:
        load(lane, warm_up)
    return alternate(loads, run.pick(5, quick=1), run.progress)


def _micros_per_chunk(long: list[Phase], sparse: list[Phase]) -> float:
    """Processor time of one more chunk of a stream."""
    chunks = middle([phase.result.chunks / phase.result.calls for phase in long])
    few = middle([phase.result.chunks / phase.result.calls for phase in sparse])
    more = middle([phase.cpu_ms_per_call for phase in long]) - middle([phase.cpu_ms_per_call for phase in sparse])
    return more * 1e3 / (chunks - few) if chunks > few else 0.0


def _report(
    long: list[list[Phase]], sparse: list[list[Phase]], *, short: list[list[Phase]], concurrency: int
) -> Report:
    report = Report("streaming", ["", "bare relay", "gateway", "difference", "budget"])
    for what, quantile, budget in (("p50", "first_p50_ms", "≤ 3 ms"), ("p99", "first_p99_ms", "≤ 15 ms")):
        bare, gateway = (middle([getattr(phase.result, quantile) for phase in lane]) for lane in long[:2])
        report.row(f"time to the first event, {what}, ms", bare, gateway, f"{number(gateway - bare)} ms", budget)
    bare, gateway, *translated = (_micros_per_chunk(*lane) for lane in zip(long, sparse, strict=True))
    report.row("CPU per relayed chunk, µs", bare, gateway, times(gateway, bare), "≤ 30 µs")
    for name, micros in zip(("chat from messages", "messages from chat"), translated, strict=True):
        ratio = f"{times(micros, gateway)} a relayed one"
        report.row(f"CPU per translated chunk, {name}, µs", "", micros, ratio, "≤ 90 µs")
    _calls(report, long[:2], short)
    rate = middle([phase.result.chunks / phase.result.seconds for phase in long[1]])
    report.notes.append(
        f"{concurrency} streams at a time, {CHUNKS} chunks {PAUSE_SECONDS * 1e3:.0f} ms apart, "
        f"{number(rate)} events per second; {medians(len(long[0]))}."
    )
    report.notes += failures([*long, *sparse, *short])
    return report


def _calls(report: Report, long: list[list[Phase]], short: list[list[Phase]]) -> None:
    """What belongs to whole calls, with the bare relay beside the gateway."""
    bare, gateway = (middle([p.cpu.total / p.result.chunks * 1e6 for p in lane]) for lane in long)
    report.row("CPU per relayed chunk with its share of the call's own, µs", bare, gateway, times(gateway, bare))
    bare, gateway = (middle([phase.cpu_ms_per_call for phase in lane]) for lane in short)
    report.row("CPU of a stream of one chunk, ms", bare, gateway, times(gateway, bare))
    bare, gateway = (max(phase.peak_mb for phase in lane) for lane in long)
    report.row("memory of the serving process, MB", bare, gateway, f"{number(gateway - bare)} MB", "≤ 150 MB")
