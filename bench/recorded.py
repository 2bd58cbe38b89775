"""Streams and requests as providers and clients send them, in each dialect: what `dialects` measures with."""

import json
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any, Final, Literal

from farebox.dialects.canonical.parts import DialectName

Kind = Literal["text", "tool", "thinking"]
KINDS: Final[tuple[Kind, ...]] = ("text", "tool", "thinking")

_WORDS: Final = (
    " a",
    " farebox",
    " takes",
    " coins,",
    " prüft",
    " them",
    ' "one"',
    " by\n",
    " one",
    " 静かに",
    ".",
    " So",
)
# As pieces of arguments come: quotes and backslashes are most of them.
_ARGUMENTS: Final = ('{"rows":[', '{"city":', ' "Par', 'is"', ',"n":', "12", '},{"city"', ': "L\\n', 'yon"},')
_CALL_ID: Final = "call_9f3Kx0aPq7"


def events_of(dialect: DialectName, kind: Kind, chunks: int) -> Iterator[bytes]:
    """A stream without its end whose answer comes in that many pieces of one kind. Lazy: a long one takes no memory."""
    opening, piece = _WRITERS[dialect]
    pieces = cycle(_ARGUMENTS if kind == "tool" else _WORDS)
    yield from opening(kind)
    for number, text in zip(range(chunks), pieces, strict=False):
        yield piece(kind, text, number)


def _plain(value: Any) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def _named(value: Any) -> bytes:
    return b"event: %b\n%b" % (value["type"].encode(), _plain(value))


# ── one dialect each: how a stream of a kind begins, and a piece of it ────────────────────────────────────────────────


def _chat(delta: dict[str, Any]) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    return _plain(
        {
            "id": "chatcmpl-Bq3fMJ2XhcZl0lqYwq5mPSd1ab2Cd",
            "object": "chat.completion.chunk",
            "created": 1_760_000_000,
            "model": "bench-1-2026-01-01",
            "service_tier": "default",
            "system_fingerprint": "fp_0123456789",
            "choices": [choice],
            "usage": None,
        }
    )


def _chat_opening(kind: Kind) -> list[bytes]:
    first = [_chat({"role": "assistant", "content": None if kind == "tool" else "", "refusal": None})]
    if kind == "tool":
        function = {"name": "look_up", "arguments": ""}
        first.append(_chat({"tool_calls": [{"index": 0, "id": _CALL_ID, "type": "function", "function": function}]}))
    return first


def _chat_piece(kind: Kind, text: str, number: int) -> bytes:
    if kind == "tool":
        return _chat({"tool_calls": [{"index": 0, "function": {"arguments": text}}]})
    return _chat({"content": text} if kind == "text" else {"content": None, "reasoning_content": text})


_RESPONSE: Final = {
    "id": "resp_68af4030592c81938ec0a5fbab4a3e9f05438e46b5f69a3b",
    "object": "response",
    "created_at": 1_760_000_000,
    "model": "bench-1-2026-01-01",
    "output": [],
    "usage": None,
}


def _place(kind: Kind) -> dict[str, Any]:
    prefix = {"text": "msg", "tool": "fc", "thinking": "rs"}[kind]
    return {"item_id": f"{prefix}_68af4030baa48193b0b43b4c2a176a1a05438e46b5f69a3b", "output_index": 0}


def _responses_opening(kind: Kind) -> list[bytes]:
    place = _place(kind)
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**_RESPONSE, "status": "in_progress"}},
        {"type": "response.in_progress", "response": {**_RESPONSE, "status": "in_progress"}},
    ]
    items: dict[Kind, dict[str, Any]] = {
        "text": {"type": "message", "status": "in_progress", "role": "assistant", "content": []},
        "tool": {"type": "function_call", "call_id": _CALL_ID, "name": "look_up", "arguments": ""},
        "thinking": {"type": "reasoning", "summary": []},
    }
    item = {"id": place["item_id"], **items[kind]}
    events.append({"type": "response.output_item.added", "output_index": 0, "item": item})
    if kind == "text":
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        events.append({"type": "response.content_part.added", **place, "content_index": 0, "part": part})
    return [_named({**event, "sequence_number": number}) for number, event in enumerate(events)]


_RESPONSES_PIECES: Final[dict[Kind, tuple[str, dict[str, Any]]]] = {
    "text": ("response.output_text.delta", {"content_index": 0, "logprobs": []}),
    "tool": ("response.function_call_arguments.delta", {}),
    "thinking": ("response.reasoning_summary_text.delta", {"summary_index": 0}),
}


def _responses_piece(kind: Kind, text: str, number: int) -> bytes:
    name, more = _RESPONSES_PIECES[kind]
    place = {"sequence_number": number + 4, **_place(kind)}
    return _named({"type": name, **place, **more, "delta": text, "obfuscation": "kQ8zT1xW"})


def _messages_opening(kind: Kind) -> list[bytes]:
    usage = {"input_tokens": 25, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
    message: dict[str, Any] = {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": "bench-1-2026-01-01",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    blocks: dict[Kind, dict[str, Any]] = {
        "text": {"type": "text", "text": ""},
        "tool": {"type": "tool_use", "id": "toolu_01T1x1fJ34qAmk2tNTrN7Up6", "name": "look_up", "input": {}},
        "thinking": {"type": "thinking", "thinking": "", "signature": ""},
    }
    return [
        _named({"type": "message_start", "message": message}),
        _named({"type": "content_block_start", "index": 0, "content_block": blocks[kind]}),
        _named({"type": "ping"}),
    ]


_MESSAGES_PIECES: Final[dict[Kind, tuple[str, str]]] = {
    "text": ("text_delta", "text"),
    "tool": ("input_json_delta", "partial_json"),
    "thinking": ("thinking_delta", "thinking"),
}


def _messages_piece(kind: Kind, text: str, number: int) -> bytes:
    name, field = _MESSAGES_PIECES[kind]
    return _named({"type": "content_block_delta", "index": 0, "delta": {"type": name, field: text}})


def _gemini_piece(kind: Kind, text: str, number: int) -> bytes:
    """Gemini sends each function call whole, so a piece of this kind is a call."""
    parts: dict[Kind, dict[str, Any]] = {
        "text": {"text": text},
        "tool": {"functionCall": {"name": "look_up", "args": {"city": text, "number": number}}},
        "thinking": {"text": text, "thought": True},
    }
    counts = {"promptTokenCount": 25, "candidatesTokenCount": number, "totalTokenCount": number + 25}
    details = [{"modality": "TEXT", "tokenCount": 25}]
    return _plain(
        {
            "candidates": [{"content": {"parts": [parts[kind]], "role": "model"}, "index": 0}],
            "usageMetadata": {**counts, "promptTokensDetails": details},
            "modelVersion": "bench-1-2026-01-01",
            "responseId": "k3h2aPqfG9qU1MkPw5uA0A4",
        }
    )


_WRITERS: Final[dict[DialectName, tuple[Callable[[Kind], list[bytes]], Callable[[Kind, str, int], bytes]]]] = {
    "openai_chat": (_chat_opening, _chat_piece),
    "openai_responses": (_responses_opening, _responses_piece),
    "anthropic_messages": (_messages_opening, _messages_piece),
    "gemini": (lambda kind: [], _gemini_piece),
}


# ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_SCHEMA: Final = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_ARGUMENTS_OBJECT: Final = {"city": "Zürich", "days": 3}


def request_of(dialect: DialectName, *, messages: int, size_bytes: int) -> bytes:
    """A coding agent's conversation of that size: questions, calls of tools, their results and answers in turn."""
    words = 'Read the file, change `fare()` so that coins of "0" are refused, then run it again — très bien.\n'
    text = words * max(1, size_bytes // messages // len(words.encode()))
    turns = [_REQUESTS[dialect](number, text) for number in range(messages // 4)]
    said = [message for turn in turns for message in turn]
    return json.dumps({"model": "bench-1", "stream": True, **_AROUND[dialect](said)}, ensure_ascii=False).encode()


def _chat_turn(number: int, text: str) -> list[dict[str, Any]]:
    call_id = f"call_{number}"
    function = {"name": "look_up", "arguments": json.dumps(_ARGUMENTS_OBJECT)}
    call = {"id": call_id, "type": "function", "function": function}
    return [
        {"role": "user", "content": [{"type": "text", "text": text}]},
        {"role": "assistant", "content": text, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call_id, "content": text},
        {"role": "assistant", "content": text},
    ]


def _responses_turn(number: int, text: str) -> list[dict[str, Any]]:
    call_id = f"call_{number}"
    arguments = json.dumps(_ARGUMENTS_OBJECT)
    return [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text, "annotations": []}]},
        {"type": "function_call", "call_id": call_id, "name": "look_up", "arguments": arguments},
        {"type": "function_call_output", "call_id": call_id, "output": text},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text, "annotations": []}]},
    ]


def _messages_turn(number: int, text: str) -> list[dict[str, Any]]:
    call = {"type": "tool_use", "id": f"toolu_{number}", "name": "look_up", "input": _ARGUMENTS_OBJECT}
    result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": [{"type": "text", "text": text}]}
    return [
        {"role": "user", "content": [{"type": "text", "text": text}]},
        {"role": "assistant", "content": [{"type": "text", "text": text}, call]},
        {"role": "user", "content": [result]},
        {"role": "assistant", "content": text},
    ]


_SYSTEM: Final = "You work on a program."


def _chat_request(said: list[dict[str, Any]]) -> dict[str, Any]:
    function = {"name": "look_up", "description": "Look up.", "parameters": _SCHEMA}
    messages = [{"role": "system", "content": _SYSTEM}, *said, {"role": "user", "content": "Go on."}]
    return {"messages": messages, "tools": [{"type": "function", "function": function}], "max_tokens": 1_000}


def _responses_request(said: list[dict[str, Any]]) -> dict[str, Any]:
    tool = {"type": "function", "name": "look_up", "description": "Look up.", "parameters": _SCHEMA, "strict": False}
    entries = [*said, {"role": "user", "content": "Go on."}]
    return {"instructions": _SYSTEM, "input": entries, "tools": [tool], "max_output_tokens": 1_000, "store": False}


def _messages_request(said: list[dict[str, Any]]) -> dict[str, Any]:
    tool = {"name": "look_up", "description": "Look up.", "input_schema": _SCHEMA}
    messages = [*said, {"role": "user", "content": "Go on."}]
    return {"system": _SYSTEM, "messages": messages, "tools": [tool], "max_tokens": 1_000}


_REQUESTS: Final[dict[DialectName, Callable[[int, str], list[dict[str, Any]]]]] = {
    "openai_chat": _chat_turn,
    "openai_responses": _responses_turn,
    "anthropic_messages": _messages_turn,
}
_AROUND: Final[dict[DialectName, Callable[[list[dict[str, Any]]], dict[str, Any]]]] = {
    "openai_chat": _chat_request,
    "openai_responses": _responses_request,
    "anthropic_messages": _messages_request,
}
