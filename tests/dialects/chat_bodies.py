"""Golden chat bodies, written from the public schema: a request that uses all of it, and answers of several vendors."""

from itertools import pairwise
from typing import Any

import msgspec

from farebox.dialects.canonical.reply import Reply, ReplyFold
from farebox.dialects.openai_chat.decode_stream import ChatDecoder
from farebox.dialects.sse import EventSplitter, event_of

DONE = b"data: [DONE]\n\n"


def stream(*chunks: Any, done: bool = True) -> bytes:
    """Chunks as a stream; what is no chunk yet is the delta of one."""
    events = [event_of(msgspec.json.encode(chunk if "choices" in chunk else delta(**chunk))) for chunk in chunks]
    return b"".join(events) + (DONE if done else b"")


def delta(*, finish: str | None = None, usage: Any = None, **fields: Any) -> dict[str, Any]:
    """A chunk of the first choice."""
    choice = {"index": 0, "delta": fields, "logprobs": None, "finish_reason": finish}
    shared = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": [choice]}
    return shared if usage is None else shared | {"usage": usage}


def folded(data: bytes, cuts: list[int]) -> tuple[Reply, ChatDecoder]:
    """What a decoder makes of a stream whose bytes come in those chunks."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    splitter, decoder, fold = EventSplitter(1_000_000), ChatDecoder(), ReplyFold()
    for start, end in pairwise(places):
        for event in splitter.feed(data[start:end]):
            for found in decoder.feed(event):
                fold.feed(found)
    for found in decoder.close():
        fold.feed(found)
    return fold.reply(decoder.reported, decoder.service_tier), decoder


def call_piece(index: int | None, arguments: str | None = None, **named: str) -> dict[str, Any]:
    """A piece of a tool call; with `id` and `name` it begins one."""
    piece: dict[str, Any] = {} if index is None else {"index": index}
    if "id" in named:
        piece |= {"id": named["id"], "type": "function"}
    function = {
        key: value for key, value in {"name": named.get("name"), "arguments": arguments}.items() if value is not None
    }
    return {**piece, "function": function}


USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 9,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 0},
}

# Every kind of message and every field that has a canonical place.
REQUEST: dict[str, Any] = {
    "model": "gpt-x",
    "messages": [
        {"role": "developer", "content": "Be brief.", "name": "house"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
                {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}},
                {"type": "file", "file": {"file_id": "file-1"}},
            ],
            "name": "alice",
        },
        {
            "role": "assistant",
            "content": "I look.",
            "reasoning_content": "Let me see.",
            "tool_calls": [
                {"id": "call_a", "type": "function", "function": {"name": "look", "arguments": '{"at":"a"}'}},
                {"id": "call_b", "type": "custom", "custom": {"name": "shell", "input": "ls -l"}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_a", "content": [{"type": "text", "text": "a cat"}]},
        {"role": "tool", "tool_call_id": "call_b", "content": "total 0"},
        {"role": "system", "content": [{"type": "text", "text": "Now "}, {"type": "text", "text": "answer."}]},
        {"role": "assistant", "content": None, "refusal": "I cannot."},
        {"role": "user", "content": "Try again."},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}, "strict": True},
        },
        {
            "type": "custom",
            "custom": {
                "name": "shell",
                "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": ".*"}},
            },
        },
    ],
    "tool_choice": {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "look"}}]},
    },
    "parallel_tool_calls": False,
    "reasoning_effort": "low",
    "verbosity": "low",
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "cat", "description": "A cat.", "schema": {"type": "object"}, "strict": True},
    },
    "temperature": 0.5,
    "top_p": 0.9,
    "seed": 7,
    "presence_penalty": 0.1,
    "frequency_penalty": -0.1,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "top_logprobs": 2,
    "stop": ["END"],
    "metadata": {"order": "1"},
    "user": "customer-1",
    "prompt_cache_key": "house",
    "service_tier": "flex",
    "modalities": ["text"],
    "max_completion_tokens": 99,
    "stream": True,
    "stream_options": {"include_usage": True},
}

ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "up",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "It is a cat.",
                "refusal": None,
                "reasoning_content": "Fur. Whiskers.",
                "annotations": [
                    {
                        "type": "url_citation",
                        "url_citation": {
                            "url": "https://example.com/cats",
                            "title": "Cats",
                            "start_index": 3,
                            "end_index": 11,
                        },
                    }
                ],
                "tool_calls": [
                    {"id": "call_a", "type": "function", "function": {"name": "look", "arguments": '{"at":"a"}'}}
                ],
            },
            "logprobs": {
                "content": [{"token": "It", "logprob": -0.1, "bytes": [73, 116], "top_logprobs": []}],
                "refusal": None,
            },
            "finish_reason": "tool_calls",
        }
    ],
    "usage": USAGE,
    "service_tier": "default",
    "system_fingerprint": "fp_1",
}

USAGE_CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": []}
USAGE_CHUNK |= {"usage": USAGE}
_START = {"role": "assistant", "content": ""}

# One answer (a thought, a text, two calls) as different vendors stream it.
STREAMS: dict[str, bytes] = {
    "openai": stream(
        _START,
        {"reasoning_content": "Let me "},
        {"reasoning_content": "see."},
        {"content": "I "},
        {"content": "look."},
        {"tool_calls": [call_piece(0, "", id="call_a", name="look")]},
        {"tool_calls": [call_piece(0, '{"at":')]},
        {"tool_calls": [call_piece(0, '"a"}')]},
        {"tool_calls": [call_piece(1, "", id="call_b", name="time")]},
        {"tool_calls": [call_piece(1, "{}")]},
        delta(finish="tool_calls"),
        USAGE_CHUNK,
    ),
    "usage in every chunk, null deltas, empty reasons": stream(
        delta(role="assistant", content=None, reasoning_content=None, tool_calls=None, refusal=None, usage=USAGE),
        delta(content=None, reasoning="Let me see.", finish="", usage=USAGE),
        delta(content="I look.", reasoning=None, usage=USAGE),
        delta(tool_calls=[call_piece(0, '{"at":"a"}', id="call_a", name="look")], usage=USAGE),
        delta(tool_calls=[call_piece(1, "{}", id="call_b", name="time")], usage=USAGE),
        delta(finish="tool_calls", usage=USAGE),
    ),
    "both names of a thought, several calls in one chunk, usage with the reason": stream(
        {"role": "assistant", "reasoning": "Let me see.", "reasoning_content": "Let me see."},
        {"content": "I look."},
        {
            "tool_calls": [
                call_piece(0, '{"at":"a"}', id="call_a", name="look"),
                call_piece(1, "{}", id="call_b", name="time"),
            ]
        },
        delta(finish="tool_calls", usage=USAGE),
    ),
    "whole calls without an index, and the reason of a text": stream(
        {"role": "assistant", "reasoning_content": "Let me see.", "content": "I look."},
        {"tool_calls": [call_piece(None, '{"at":"a"}', id="call_a", name="look")]},
        {"tool_calls": [call_piece(None, "{}", id="call_b", name="time")]},
        delta(finish="stop"),
        {"choices": [], "usage": USAGE},
    ),
    "every call with the index 0": stream(
        {"role": "assistant", "reasoning_content": "Let me see.", "content": "I look."},
        {"tool_calls": [call_piece(0, '{"at":"a"}', id="call_a", name="look")]},
        {"tool_calls": [call_piece(0, "{}", id="call_b", name="time")]},
        delta(finish="stop"),
        USAGE_CHUNK,
    ),
    "interleaved calls": stream(
        {"reasoning_content": "Let me see."},
        {"content": "I look."},
        {
            "tool_calls": [
                call_piece(0, "", id="call_a", name="look"),
                call_piece(1, "", id="call_b", name="time"),
            ]
        },
        {"tool_calls": [call_piece(1, "{")]},
        {"tool_calls": [call_piece(0, '{"at"'), call_piece(1, "}")]},
        {"tool_calls": [call_piece(0, ':"a"}')]},
        delta(finish="tool_calls"),
        USAGE_CHUNK,
    ),
    "content as a list": stream(
        {"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Let me "}]}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "see."}]}]},
        {"content": [{"type": "text", "text": "I "}]},
        {"content": "look."},
        {"tool_calls": [call_piece(0, '{"at":"a"}', id="call_a", name="look")]},
        {"tool_calls": [call_piece(1, "{}", id="call_b", name="time")]},
        delta(finish="tool_calls", usage=USAGE),
    ),
    "thoughts as marked content": stream(
        {"role": "assistant", "content": "Let me see.", "extra_content": {"google": {"thought": True}}},
        {"content": "I look."},
        {"tool_calls": [call_piece(0, '{"at":"a"}', id="call_a", name="look")]},
        {"tool_calls": [call_piece(1, "{}", id="call_b", name="time")]},
        delta(finish="tool_calls", usage=USAGE),
    ),
    "no reason and empty events": stream(
        {"choices": []},
        _START,
        {"reasoning_content": "Let me see."},
        {"content": "I look."},
        {"tool_calls": [call_piece(0, '{"at":"a"}', id="call_a", name="look")]},
        {"tool_calls": [call_piece(1, "{}", id="call_b", name="time")]},
        {"choices": None, "usage": USAGE},
    ),
}
