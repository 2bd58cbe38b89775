"""Streams as Anthropic's API sends them, written by hand from its public reference and the SDK's types."""

from typing import Any, Final

import msgspec


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))


def start(usage: Any = None, **fields: Any) -> bytes:
    message: dict[str, Any] = {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-upstream",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "output_tokens": 1} if usage is None else usage,
    }
    return event("message_start", message=message | fields)


def block(index: int, content_block: dict[str, Any], *deltas: dict[str, Any]) -> list[bytes]:
    return [
        event("content_block_start", index=index, content_block=content_block),
        *(event("content_block_delta", index=index, delta=delta) for delta in deltas),
        event("content_block_stop", index=index),
    ]


def text_block(index: int, *pieces: str, **fields: Any) -> list[bytes]:
    deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    return block(index, {"type": "text", "text": "", **fields}, *deltas)


def thinking_block(index: int, signature: str, *pieces: str) -> list[bytes]:
    deltas: list[dict[str, Any]] = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
    deltas.append({"type": "signature_delta", "signature": signature})
    return block(index, {"type": "thinking", "thinking": "", "signature": ""}, *deltas)


def tool_block(index: int, call_id: str, name: str, *pieces: str) -> list[bytes]:
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return block(index, {"type": "tool_use", "id": call_id, "name": name, "input": {}}, *deltas)


def stop(reason: str, output_tokens: int = 15, sequence: str | None = None, **usage: Any) -> list[bytes]:
    delta = {"stop_reason": reason, "stop_sequence": sequence}
    return [event("message_delta", delta=delta, usage={"output_tokens": output_tokens, **usage}), event("message_stop")]


PING: Final = event("ping")

HELLO: Final = [start(), *text_block(0, "Hel", "lo ü"), PING, *stop("end_turn")]

SEARCH_CITATION: Final = {
    "type": "web_search_result_location",
    "cited_text": "It rained.",
    "encrypted_index": "Eo8BCioIAhgB",
    "title": "Weather",
    "url": "http://weather.example/a",
}
SEARCH_RESULT: Final = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_01",
    "content": [
        {
            "type": "web_search_result",
            "title": "Weather",
            "url": "http://weather.example/a",
            "encrypted_content": "EqgfCioIARgB",
            "page_age": None,
        }
    ],
}
# Thinking, a redacted thought, a text, two tool calls of which one has no arguments.
TOOLS: Final = [
    start(
        {
            "input_tokens": 300,
            "cache_creation_input_tokens": 40,
            "cache_read_input_tokens": 1000,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 30},
            "output_tokens": 3,
            "service_tier": "standard",
        }
    ),
    *thinking_block(0, "EqQBCgIYAhIM1==", "Let me ", "see."),
    *block(1, {"type": "redacted_thinking", "data": "EmwKAhgBEgy3"}),
    PING,
    *text_block(2, "I will look."),
    *tool_block(3, "toolu_01", "get_weather", "", '{"city":', ' "Sofia"}'),
    *tool_block(4, "toolu_02", "get_time"),
    *stop("tool_use", 89),
]
# The provider searches by itself; the answer cites what it found.
SEARCH: Final = [
    start({"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 0}),
    *block(
        0,
        {"type": "server_tool_use", "id": "srvtoolu_01", "name": "web_search", "input": {}},
        {"type": "input_json_delta", "partial_json": '{"query": "rain'},
        {"type": "input_json_delta", "partial_json": ' in Sofia"}'},
    ),
    *block(1, SEARCH_RESULT),
    *block(
        2,
        {"type": "text", "text": "", "citations": []},
        {"type": "citations_delta", "citation": SEARCH_CITATION},
        {"type": "text_delta", "text": "It rained."},
    ),
    *stop("end_turn", 50, input_tokens=2000, server_tool_use={"web_search_requests": 2, "web_fetch_requests": 0}),
]
ALL: Final = {"hello": HELLO, "tools": TOOLS, "search": SEARCH}
