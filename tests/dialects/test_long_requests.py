"""Requests of very many small pieces: what they cost grows with their length and not with its square, so that no client
can stop a process that serves others."""

import gc
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from farebox.base.errors import Problem
from farebox.dialects.port import Edits, Inexpressible, Profile
from farebox.dialects.registry import SURFACES, UPSTREAMS

_PIECES = 8_000
_TIMES = 4
# Four times the pieces cost about four times as much; a square would cost sixteen times as much.
_MOST_TIMES_AS_MUCH = 9.0
_EDITS = Edits("a-model", 100, Profile())
_SPOKEN = {"role": "user", "content": "hi"}


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


def _seconds(path: str, body: bytes) -> float:
    """The processor's time for everything that happens to a request before it is sent."""
    surface = SURFACES[path]
    began_at = time.process_time()
    conversation = surface.decode_request(surface.read_request(body))
    for upstream in UPSTREAMS.values():
        try:
            upstream.encode_request(conversation, _EDITS, False)
        except Inexpressible:
            continue
    return time.process_time() - began_at


@pytest.mark.parametrize("shape", _SHAPES)
def test_twice_the_pieces_cost_twice_as_much(shape: str) -> None:
    path, build = _SHAPES[shape]
    few, many = (msgspec.json.encode(build(n)) for n in (_PIECES, _TIMES * _PIECES))
    gc.collect()
    gc.disable()
    try:
        short = min(_seconds(path, few) for _ in range(3))
        long = min(_seconds(path, many) for _ in range(2))
    finally:
        gc.enable()
    assert long < _MOST_TIMES_AS_MUCH * max(short, 0.01)


@pytest.mark.parametrize("name", ["temperature", "top_p", "presence_penalty", "frequency_penalty"])
@pytest.mark.parametrize("path", SURFACES)
def test_a_number_beyond_all_measure_is_the_callers_fault_or_is_not_read(path: str, name: str) -> None:
    text = '"input":"hi"' if path == "/responses" else '"messages":[{"role":"user","content":"hi"}]'
    body = f'{{"model":"m",{text},"{name}":1{"0" * 400}}}'.encode()
    try:
        conversation = SURFACES[path].decode_request(SURFACES[path].read_request(body))
    except Problem as problem:
        assert problem.code == "invalid_request"
    else:
        assert name in conversation.unknown
