"""Translating streams and requests, for each surface and upstream, against plain JSON work on the same bytes.

No network and no gateway: dialects are pure, so processor time of this process is all that they cost.
"""

import contextlib
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from bench.recorded import KINDS, Kind, events_of, request_of
from bench.report import Report, middle, times
from bench.run import Run
from farebox.dialects.port import Broken, Edits, Profile, Surface, Told, Upstream
from farebox.dialects.registry import SURFACES, UPSTREAMS
from farebox.dialects.sse import data_of, event_of
from farebox.dialects.translate import Passage, Translation, Untouched

MESSAGES, REQUEST_BYTES = 200, 1_000_000
_TOLD = Told(model="bench-1", stem="0" * 32, created=1_760_000_000, wants_usage=True)
_EDITS = Edits("bench-1", 1_000, Profile())
_COLUMNS = [
    "client ← provider",
    *("text, µs", "tool arguments, µs", "thinking, µs", "by plain JSON"),
    *("1 MB request, ms", "by plain JSON", "memory of a stream, kB"),
]


class Pair(NamedTuple):
    """A client's dialect and a provider's."""

    surface: Surface
    upstream: Upstream

    @property
    def native(self) -> bool:
        """Whether bytes pass untouched."""
        return self.surface.name == self.upstream.name

    def passage(self) -> Passage:
        """A stream from the provider to the client."""
        if self.native:
            return Untouched(self.surface.new_fold(), _TOLD)
        return Translation(self.upstream.new_decoder(), self.surface.new_encoder(_TOLD))

    def request(self, body: bytes) -> bytes:
        """A request from the client to the provider."""
        request = self.surface.read_request(body)
        if self.native:
            return self.surface.native_body(request, _EDITS)
        return self.upstream.encode_request(self.surface.decode_request(request), _EDITS, True).body


class Costs(NamedTuple):
    """Seconds of processor time, one for each round: ours, and of plain JSON work on the same bytes."""

    ours: list[float]
    plain: list[float]


def dialects(run: Run) -> Report:
    """Processor time for each chunk and request, and memory of one stream."""
    pairs = [Pair(surface, upstream) for surface in SURFACES.values() for upstream in UPSTREAMS.values()]
    report = Report("dialects", _COLUMNS)
    for pair in sorted(pairs, key=lambda pair: not pair.native):
        run.progress(f"{pair.surface.name} from {pair.upstream.name}")
        _measure(report, pair, run)
    report.row("budget, untouched", "≤ 30", "≤ 30", "≤ 30")
    report.row("budget, translated", "≤ 90", "≤ 90", "≤ 90", "", "≤ 30", "", "bounded")
    report.notes.append(
        f"Streams of {run.pick(4_000, quick=1_000):,} chunks; requests with {MESSAGES} messages; medians of "
        f"{_rounds(run)} alternating rounds. Memory: the largest peak of three streams of {_long(run):,} chunks."
    )
    return report


def _rounds(run: Run) -> int:
    return run.pick(9, quick=3)


def _long(run: Run) -> int:
    return run.pick(100_000, quick=5_000)


def _measure(report: Report, pair: Pair, run: Run) -> None:
    chunks = run.pick(4_000, quick=1_000)
    streams = [_stream_costs(pair, kind, chunks, _rounds(run)) for kind in KINDS]
    request = _request_costs(pair, _rounds(run))
    micros = [middle(costs.ours) / chunks * 1e6 for costs in streams]
    name = f"{pair.surface.name} ← {'itself, untouched' if pair.native else pair.upstream.name}"
    report.row(
        name,
        *micros,
        _ratio(streams),
        middle(request.ours) * 1e3,
        _ratio([request]),
        max(_peak_bytes(pair, kind, _long(run)) for kind in KINDS) / 1e3,
    )


def _ratio(costs: Sequence[Costs]) -> str:
    return times(sum(middle(one.ours) for one in costs), sum(middle(one.plain) for one in costs))


def _stream_costs(pair: Pair, kind: Kind, chunks: int, rounds: int) -> Costs:
    events = list(events_of(pair.upstream.name, kind, chunks))
    payloads = [data_of(event) or b"" for event in events]
    return _alternate(lambda: _pass_all(pair, events), lambda: _plain_events(payloads), rounds)


def _request_costs(pair: Pair, rounds: int) -> Costs:
    body = request_of(pair.surface.name, messages=MESSAGES, size_bytes=REQUEST_BYTES)
    return _alternate(partial(pair.request, body), partial(_plain_body, body), rounds)


def _pass_all(pair: Pair, events: list[bytes]) -> None:
    passage = pair.passage()
    for event in events:
        passage.feed(event)
    if passage.delivered_bytes < len(events):
        raise RuntimeError(f"{pair.upstream.name} was not understood: this would measure nothing")


def _plain_events(payloads: list[bytes]) -> None:
    for data in payloads:
        event_of(msgspec.json.encode(msgspec.json.decode(data)))


def _plain_body(body: bytes) -> None:
    msgspec.json.encode(msgspec.json.decode(body))


def _alternate(ours: Callable[[], object], plain: Callable[[], object], rounds: int) -> Costs:
    costs = Costs([], [])
    for work in (ours, plain):
        work()  # warm-up
    for _ in range(rounds):
        costs.ours.append(_seconds(ours))
        costs.plain.append(_seconds(plain))
    return costs


def _seconds(work: Callable[[], object]) -> float:
    began_at = time.process_time()
    work()
    return time.process_time() - began_at


def _peak_bytes(pair: Pair, kind: Kind, chunks: int) -> int:
    """The most memory that a stream holds at once. What it was fed and what came out is not kept."""
    tracemalloc.start()
    passage = pair.passage()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    with contextlib.suppress(Broken):  # it goes beyond the bound
        for event in events_of(pair.upstream.name, kind, chunks):
            passage.feed(event)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak - before
