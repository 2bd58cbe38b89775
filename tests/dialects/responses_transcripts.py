"""Requests and streams as the public documentation and the official types describe them."""

import json
from typing import Any

# What a coding agent sends in its second turn: everything is in the input, nothing is stored.
AGENT_REQUEST: dict[str, Any] = {
    "model": "gpt-5.2-codex",
    "instructions": "You are a coding agent.",
    "input": [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Sandbox: read-only."}]},
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "What is in this picture and this file?"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "high"},
            {"type": "input_image", "image_url": "https://example.com/a.png"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,BBBB"},
            {"type": "input_file", "file_url": "https://example.com/b.pdf"},
            {"type": "input_file", "file_id": "file_1"},
        ]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Look first."}],
         "encrypted_content": "gAAAA"},
        {"type": "message", "role": "assistant", "phase": "commentary",
         "content": [{"type": "output_text", "text": "Looking.", "annotations": []}]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "read", "namespace": "files",
         "arguments": "{\"path\":\"a\"}", "status": "completed"},
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "patch", "input": "*** Begin"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}},
        {"type": "function_call_output", "call_id": "call_1", "output": [
            {"type": "input_text", "text": "a picture"},
            {"type": "input_image", "image_url": "data:image/png;base64,CCCC"},
        ]},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "Done"},
        {"type": "message", "role": "user", "content": "go on"},
    ],
    "tools": [
        {"type": "function", "name": "shell", "description": "Run it.", "strict": False,
         "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}}},
        {"type": "namespace", "name": "files", "description": "Files.", "tools": [
            {"type": "function", "name": "read", "parameters": {"type": "object"}},
            {"type": "custom", "name": "patch",
             "format": {"type": "grammar", "syntax": "lark", "definition": "start: \"a\""}},
        ]},
        {"type": "web_search", "external_web_access": False},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "thread-1",
    "text": {"verbosity": "low"},
    "client_metadata": {"x": "y"},
}  # fmt: skip

USAGE = {
    "input_tokens": 30,
    "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 0},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 12},
    "total_tokens": 50,
}
ANNOTATION = {"type": "url_citation", "url": "https://example.com/a", "title": "A", "start_index": 0, "end_index": 5}
TOKENS = [{"token": "Hello", "bytes": [72], "logprob": -0.1, "top_logprobs": []}]
REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Then."}],
    "encrypted_content": "gAAAA",
}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}}
MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [
        {"type": "output_text", "text": "Hello 🌍", "annotations": [ANNOTATION], "logprobs": TOKENS},
        {"type": "refusal", "refusal": "But no more."},
    ],
}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "read",
    "arguments": '{"path":"a"}',
    "status": "completed",
}
CUSTOM = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "patch", "input": "*** Begin"}
OUTPUT: list[dict[str, Any]] = [REASONING, SEARCH, MESSAGE, CALL, CUSTOM]
RESPONSE: dict[str, Any] = {
    "id": "resp_1", "object": "response", "created_at": 1_700_000_000, "model": "gpt-5.2", "status": "completed",
    "error": None, "incomplete_details": None, "output": OUTPUT, "parallel_tool_calls": True, "tool_choice": "auto",
    "tools": [], "usage": USAGE, "service_tier": "default", "tool_usage": {"web_search": {"num_requests": 1}},
}  # fmt: skip


class Script:
    """Events with rising numbers."""

    def __init__(self) -> None:
        self.events: list[bytes] = []

    def add(self, kind: str, **fields: Any) -> None:
        data = {"type": kind, "sequence_number": len(self.events), **fields}
        self.events.append(f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode())

    def begin(self) -> None:
        for kind in ("response.created", "response.in_progress"):
            self.add(kind, response=RESPONSE | {"status": "in_progress", "output": [], "usage": None})

    def end(self, **fields: Any) -> None:
        self.add("response.completed", response=RESPONSE | fields)


def full_stream() -> list[bytes]:
    """Everything, as the API sends it."""
    script = Script()
    script.begin()
    _reasoning(script)
    script.add("response.output_item.added", output_index=1, item=SEARCH | {"status": "in_progress"})
    for step in ("in_progress", "searching", "completed"):
        script.add(f"response.web_search_call.{step}", output_index=1, item_id="ws_1")
    script.add("response.output_item.done", output_index=1, item=SEARCH)
    script.add("keepalive")
    _message(script)
    for index, (item, kind, name) in enumerate(
        [(CALL, "function_call_arguments", "arguments"), (CUSTOM, "custom_tool_call_input", "input")], 3
    ):
        place = {"output_index": index, "item_id": item["id"]}
        text = item[name]
        script.add("response.output_item.added", output_index=index, item=item | {name: ""})
        script.add(f"response.{kind}.delta", **place, delta=text[:3], obfuscation="xyz")
        script.add(f"response.{kind}.delta", **place, delta=text[3:])
        script.add(f"response.{kind}.done", **place, **{name: text})
        script.add("response.output_item.done", output_index=index, item=item)
    script.end()
    return script.events


def _reasoning(script: Script) -> None:
    place = {"output_index": 0, "item_id": "rs_1"}
    script.add(
        "response.output_item.added", output_index=0, item=REASONING | {"summary": [], "encrypted_content": "gA"}
    )
    for number, part in enumerate(REASONING["summary"]):
        text = part["text"]  # type: ignore[index]
        here = {**place, "summary_index": number}
        script.add("response.reasoning_summary_part.added", **here, part={"type": "summary_text", "text": ""})
        script.add("response.reasoning_summary_text.delta", **here, delta=text[:2])
        script.add("response.reasoning_summary_text.delta", **here, delta=text[2:])
        script.add("response.reasoning_summary_text.done", **here, text=text)
        script.add("response.reasoning_summary_part.done", **here, part=part)
    script.add("response.output_item.done", output_index=0, item=REASONING)


def _message(script: Script) -> None:
    place = {"output_index": 2, "item_id": "msg_1"}
    text, refusal = MESSAGE["content"]
    script.add("response.output_item.added", output_index=2, item=MESSAGE | {"content": [], "status": "in_progress"})
    first, second = {**place, "content_index": 0}, {**place, "content_index": 1}
    empty = {"type": "output_text", "text": "", "annotations": []}
    script.add("response.content_part.added", **first, part=empty)
    script.add("response.output_text.delta", **first, delta="Hello", logprobs=TOKENS)
    script.add("response.output_text.delta", **first, delta=" 🌍", logprobs=[])
    script.add("response.output_text.annotation.added", **first, annotation_index=0, annotation=ANNOTATION)
    script.add("response.output_text.done", **first, text="Hello 🌍", logprobs=TOKENS)
    script.add("response.content_part.done", **first, part=text)
    script.add("response.content_part.added", **second, part={"type": "refusal", "refusal": ""})
    script.add("response.refusal.delta", **second, delta="But no ")
    script.add("response.refusal.delta", **second, delta="more.")
    script.add("response.refusal.done", **second, refusal="But no more.")
    script.add("response.content_part.done", **second, part=refusal)
    script.add("response.output_item.done", output_index=2, item=MESSAGE)


def stream_of_items() -> list[bytes]:
    """A server that sends whole items and no deltas."""
    script = Script()
    script.begin()
    for index, item in enumerate(OUTPUT):
        script.add("response.output_item.done", output_index=index, item=item)
    script.end(output=[])
    return script.events


def stream_of_nothing() -> list[bytes]:
    """A server that says everything in its last event."""
    script = Script()
    script.begin()
    script.end()
    return script.events


def stream_of_deltas() -> list[bytes]:
    """A server that leaves out beginnings and ends: only deltas, and items that need a name."""
    keep = (".delta", "output_item.added", "annotation.added", "created", "completed")
    kept = [event for event in full_stream() if event.split(b"\n", 1)[0].decode().endswith(keep)]
    return [event for event in kept if b"web_search_call.completed" not in event]


def stream_of_two_at_once() -> list[bytes]:
    """Two calls whose arguments come by turns."""
    script = Script()
    script.begin()
    for index, item, name in ((0, CALL, "arguments"), (1, CUSTOM, "input")):
        script.add("response.output_item.added", output_index=index, item=item | {name: ""})
    for piece in (slice(0, 4), slice(4, None)):
        script.add(
            "response.function_call_arguments.delta", output_index=0, item_id="fc_1", delta=CALL["arguments"][piece]
        )
        script.add(
            "response.custom_tool_call_input.delta", output_index=1, item_id="ctc_1", delta=CUSTOM["input"][piece]
        )
    script.add("response.output_item.done", output_index=1, item=CUSTOM)
    script.add("response.output_item.done", output_index=0, item=CALL)
    script.end(output=[CALL, CUSTOM])
    return script.events
