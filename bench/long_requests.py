"""Requests of very many small pieces: their cost must grow with their length and not with its square, or one client
could stop a process that serves others. Four times the pieces, in the same run.
"""

import gc
import time
from collections.abc import Callable
from typing import Any

import msgspec

from bench.report import Report, times
from bench.run import Run
from farebox.dialects.port import Edits, Inexpressible, Profile
from farebox.dialects.registry import SURFACES, UPSTREAMS

TIMES = 4
_EDITS = Edits("a-model", 100, Profile())
_SPOKEN = {"role": "user", "content": "hi"}


def long_requests(run: Run) -> Report:
    """Processor time of reading a request and writing it for every provider, for n and for 4 n pieces."""
    pieces = run.pick(8_000, quick=2_000)
    report = Report("long-requests", ["pieces", f"{pieces:,}, ms", f"{TIMES * pieces:,}, ms", "ratio", "budget"])
    for name, (path, build) in _SHAPES.items():
        run.progress(name)
        few, many = (msgspec.json.encode(build(n)) for n in (pieces, TIMES * pieces))
        short = min(_seconds(path, few) for _ in range(3))
        long = min(_seconds(path, many) for _ in range(2))
        report.row(name, short * 1e3, long * 1e3, times(long, short), "≤ 9x")
    report.notes.append("A cost by the square would be 16x. Garbage collection is off while it is measured.")
    return report


def _seconds(path: str, body: bytes) -> float:
    """Everything that happens to a request before it is sent."""
    surface = SURFACES[path]
    gc.collect()
    gc.disable()
    try:
        began_at = time.process_time()
        conversation = surface.decode_request(surface.read_request(body))
        for upstream in UPSTREAMS.values():
            try:
                upstream.encode_request(conversation, _EDITS, False)
            except Inexpressible:
                continue
        return time.process_time() - began_at
    finally:
        gc.enable()


def _chat(*messages: object, **fields: object) -> dict[str, object]:
    return {"model": "m", "messages": [_SPOKEN, *messages], **fields}


def _responses(*items: object, **fields: object) -> dict[str, object]:
    return {"model": "m", "input": [_SPOKEN, *items], **fields}


def _function(number: int) -> dict[str, Any]:
    return {"type": "function", "name": f"f{number}"}


def _allowed(n: int) -> dict[str, object]:
    functions = [_function(number) for number in range(n)]
    return _responses(tools=functions, tool_choice={"type": "allowed_tools", "mode": "auto", "tools": functions})


def _tools_in_items(n: int) -> dict[str, object]:
    kinds = ({"type": f"tool-{number}"} for number in range(n))
    return _responses(*({"type": "additional_tools", "role": "developer", "tools": [kind]} for kind in kinds))


def _results(n: int) -> dict[str, object]:
    return _chat(*[{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "x"}]}] * n)


def _calls_and_results(n: int) -> dict[str, object]:
    call = {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}
    return _chat(*[call, {"role": "function", "name": "f", "content": "x"}] * n)


_SHAPES: dict[str, tuple[str, Callable[[int], dict[str, object]]]] = {
    "results of tools in chat": (
        "/chat/completions",
        lambda n: _chat(*[{"role": "tool", "tool_call_id": "a", "content": "x"}] * n),
    ),
    "answers in chat": ("/chat/completions", lambda n: _chat(*[{"role": "assistant", "content": "x"}] * n)),
    "calls and results in chat": ("/chat/completions", _calls_and_results),
    "turns of a user": ("/chat/completions", lambda n: _chat(*[_SPOKEN] * n)),
    "system turns in between": (
        "/chat/completions",
        lambda n: _chat(*[_SPOKEN, {"role": "system", "content": "x"}] * n),
    ),
    "answers in messages": ("/messages", lambda n: _chat(*[{"role": "assistant", "content": "x"}] * n)),
    "results of tools in messages": ("/messages", _results),
    "allowed tools in responses": ("/responses", _allowed),
    "tools in items of responses": ("/responses", _tools_in_items),
}
