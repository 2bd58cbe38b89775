"""Requests and answers that are nearly right: rich ones of each dialect, with something wrong in a random place."""

import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

Json = Any

_PICTURE = "data:image/png;base64,iVBORw0KGgo="
_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SEAL = "gw1.gemini.WyJhIixmYWxzZSwiIiwiY2FsbF8xIl0="

CHAT: dict[str, Json] = {
    "messages": [
        {"role": "system", "content": "Be brief.", "name": "boss"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": _PICTURE, "detail": "low"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Hm.",
            "reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "signature": SEAL, "index": 0}],
            "annotations": [{"type": "url_citation", "url_citation": {"url": "a", "start_index": 0, "end_index": 1}}],
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"city":"Bonn"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "Rain."}]},
    ],
    "tools": [{"type": "function", "function": {"name": "look", "parameters": _SCHEMA, "strict": True}}],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": _SCHEMA, "strict": True}},
    "max_completion_tokens": 40,
    "temperature": 0.5,
    "stop": ["END"],
    "reasoning_effort": "low",
    "logit_bias": {"5": 1},
    "stream_options": {"include_usage": True},
    "metadata": {"a": "b"},
    "n": 1,
}
RESPONSES: dict[str, Json] = {
    "instructions": "Be brief.",
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": _PICTURE, "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="},
            ],
        },
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": SEAL},
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": '{"city":"Bonn"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "Rain."}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Rain.", "annotations": []}]},
        {"role": "user", "content": "Go on."},
    ],
    "tools": [
        {"type": "function", "name": "look", "parameters": _SCHEMA, "strict": True},
        {"type": "namespace", "name": "far", "tools": [{"type": "function", "name": "look", "parameters": _SCHEMA}]},
    ],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "look"}]},
    "text": {"format": {"type": "json_schema", "name": "a", "schema": _SCHEMA}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "max_output_tokens": 40,
    "store": False,
    "metadata": {"a": "b"},
    "temperature": 0.5,
}
MESSAGES: dict[str, Json] = {
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "A"}, "title": "a"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "abc"},
                {"type": "redacted_thinking", "data": SEAL},
                {"type": "tool_use", "id": "call_1", "name": "look", "input": {"city": "Bonn"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "Rain."}]},
                {"type": "text", "text": "Go on."},
            ],
        },
    ],
    "tools": [{"name": "look", "description": "Looks.", "input_schema": _SCHEMA}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "adaptive", "display": "summarized"},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": _SCHEMA}},
    "stop_sequences": ["END"],
    "metadata": {"user_id": "a"},
    "max_tokens": 40,
    "temperature": 1,
}

_HUGE = int("9" * 400)
WRONG: tuple[Json, ...] = (
    *(None, True, False, 0, -1, 1, 1.5, 2**53, 2**64, _HUGE, -_HUGE, 1e308),
    *("", "x", "\0", "\ud7ff\U0010ffff", "gw1.", "gw1.gemini.%%%", "../../secret?key=1#", "a\r\nx-evil: 1"),
    *("data:;base64,", "http://127.0.0.1/", SEAL, "x" * 3_000, "{", '{"a":' * 50),
    *([], {}, [[]], [None], [{}], [""], {"": None}, {"type": None}, {"type": []}, {"type": "text"}),
    *({"type": "text", "text": None}, {"type": "image_url"}, {"type": "tool_result"}, {"type": "thinking"}),
    *({"type": "server_tool_use"}, {"type": "function"}, {"type": "custom", "custom": {}}, {"role": "assistant"}),
    *({"role": "tool", "tool_call_id": "nobody"}, {"type": "additional_tools", "tools": [{"type": "x"}]}),
)


def _places(value: Json) -> Iterator[tuple[Json, Json]]:
    """Every place in a document: what holds it, and its name or number there."""
    names = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for name in names:
        yield value, name
        yield from _places(value[name])


def spoilt(document: Json, chance: random.Random, *, times: int) -> Json:
    """A copy with something wrong: values replaced, taken out, doubled, swapped, wrapped, or nested deeply."""
    whole = [deepcopy(document)]
    for _ in range(times):
        holder, name = chance.choice(list(_places(whole)))
        match chance.randrange(8):
            case 0 if isinstance(holder, dict):
                del holder[name]
            case 1 if isinstance(holder, list):
                holder.insert(name, deepcopy(holder[name]))
            case 2:
                other, there = chance.choice(list(_places(whole)))
                holder[name] = deepcopy(other[there])
            case 3:
                for _ in range(chance.choice((1, 5, 90))):
                    holder[name] = [holder[name]] if chance.random() < 0.5 else {"a": holder[name]}
            case 4 if isinstance(holder, dict):
                holder[chance.choice(("type", "role", "content", "id", "x\r\ny: 1", "é" * 99))] = deepcopy(
                    chance.choice(WRONG)
                )
            case _:
                holder[name] = deepcopy(chance.choice(WRONG))
    return whole[0]


def raw_spoilt(body: bytes, chance: random.Random) -> bytes:
    """Bytes with something wrong that no document can say: no UTF-8, half an escape, a key twice, cut short."""
    place = chance.randrange(len(body))
    piece = chance.choice((b"\xff", b"\\ud800", b"\0", b"[" * 1_200, b'"', b"{}", b"1e999", b'"model":"x",', b""))
    rest = body[place + chance.choice((0, 1, 20, len(body))) :]
    return body[:place] + piece + rest
