"""Sandbox, bare relay and gateway side by side, and phases of load on one after the other."""

import http.client
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bench.bare_relay import RelayOrder
from bench.children import Listening, child
from bench.gateway import GatewayOrder
from bench.home import MODEL, disk_folder, prepare_home
from bench.load import LoadOrder, LoadResult
from bench.processes import Cpu, cpu_of_tree, resident_mb, worker_pid
from farebox_sandbox.process import RunningSandbox, start_sandbox

CUSTOMERS = 16
# About 4 bytes a token: a JSON answer of 1.3 kB.
ANSWER_TOKENS = 222


@dataclass
class Lane:
    """Something that answers chat completions, and the process tree that it costs."""

    name: str
    port: int
    root_pid: int
    keys: Sequence[str]

    def cpu(self) -> Cpu:
        """Processor time of its tree so far."""
        return cpu_of_tree(self.root_pid)

    def resident_mb(self) -> float:
        """Memory of its serving process."""
        return resident_mb(worker_pid(self.root_pid))


@dataclass
class Phase:
    """One load on one lane."""

    result: LoadResult
    peak_mb: float
    cpu: Cpu = field(default_factory=Cpu)

    @property
    def cpu_ms_per_call(self) -> float:
        """Of the whole tree; the same number as seconds per 1,000 calls."""
        return self.cpu.total / self.result.calls * 1e3


@dataclass
class Rig:
    """`gateway.root_pid` is the parent of worker and PostgreSQL; sandbox and load generator are outside both lanes."""

    sandbox: RunningSandbox
    bare: Lane
    gateway: Lane
    home: Path

    def directives(self, **directives: object) -> None:
        """How the sandbox answers from here on."""
        connection = http.client.HTTPConnection(urlsplit(self.sandbox.url).netloc, timeout=10)
        connection.request("PUT", "/sandbox/faults", json.dumps(directives))
        if connection.getresponse().status != 200:
            raise RuntimeError("the sandbox refused the directives")
        connection.close()


@contextmanager
def rig(parent: Path, *, factory: str | None = None, environment: dict[str, str] | None = None) -> Iterator[Rig]:
    """Everything started; all of it stopped and removed in the end, also by Ctrl-C."""
    with ExitStack() as stack:
        folder = stack.enter_context(disk_folder(parent))
        sandbox = stack.enter_context(start_sandbox())
        home = prepare_home(
            folder,
            upstream_url=sandbox.base_url,
            upstream_key=sandbox.api_key,
            customers=CUSTOMERS,
            time_functions=factory is not None,
        )
        relay = stack.enter_context(child("bench.bare_relay", RelayOrder(sandbox.base_url, sandbox.api_key)))
        bare = Lane("bare relay", relay.answer(Listening).port, relay.pid, home.keys)
        order = GatewayOrder(str(home.config), home.environment | (environment or {}), factory)
        serving = stack.enter_context(child("bench.gateway", order))
        gateway = Lane("gateway", serving.answer(Listening).port, serving.pid, home.keys)
        yield Rig(sandbox, bare, gateway, folder / "home")


def chat_body(*, stream: bool = False, model: str = MODEL) -> str:
    """A short request as SDKs send it; the same JSON is one of Messages."""
    messages = [{"role": "user", "content": "Tell me what a farebox is, in about two hundred words."}]
    body: dict[str, object] = {"model": model, "messages": messages, "max_tokens": 1_000}
    return json.dumps(body | ({"stream": True} if stream else {}))


def load(lane: Lane, order: LoadOrder) -> Phase:
    """One phase, without its processor time."""
    order = msgspec.structs.replace(order, port=lane.port, keys=list(lane.keys))
    peak_mb = lane.resident_mb()

    def sample() -> None:
        nonlocal peak_mb
        peak_mb = max(peak_mb, lane.resident_mb())

    with child("bench.load", order) as generator:
        return Phase(generator.answer(LoadResult, sample=sample), peak_mb)


def interleave(
    lanes: Sequence[Lane], order: LoadOrder, rounds: int, progress: Callable[[str], None]
) -> list[list[Phase]]:
    """The same load on each lane in turn, `rounds` times; the phases of each lane."""
    return alternate([(lane.name, lane, order) for lane in lanes], rounds, progress)


def alternate(
    loads: Sequence[tuple[str, Lane, LoadOrder]], rounds: int, progress: Callable[[str], None]
) -> list[list[Phase]]:
    """Each load in turn, `rounds` times, under its name; the phases of each.

    The processor time of a phase runs until the next one on the same lane, so that what it does afterwards is counted.
    """
    phases: list[list[Phase]] = [[] for _ in loads]
    running: dict[int, tuple[Lane, Phase, Cpu]] = {}
    for number in range(rounds):
        for place, (name, lane, order) in enumerate(loads):
            progress(f"round {number + 1} of {rounds}: {name}")
            _end(running, lane)
            before = lane.cpu()
            phase = load(lane, order)
            phases[place].append(phase)
            running[lane.root_pid] = lane, phase, before
    for lane, _, _ in list(running.values()):
        _end(running, lane)
    return phases


def _end(running: dict[int, tuple[Lane, Phase, Cpu]], lane: Lane) -> None:
    found = running.pop(lane.root_pid, None)
    if found is not None:
        _, phase, before = found
        phase.cpu = lane.cpu().since(before)


def failures(phases: Sequence[Sequence[Phase]]) -> list[str]:
    """A note when calls failed: then the figures mean little."""
    failed = sum(phase.result.failed for lane in phases for phase in lane)
    return [f"{failed} calls failed: these figures mean little."] if failed else []
