"""Writing Anthropic Messages: the JSON body, usage and errors."""

from collections.abc import Iterator
from typing import Any

import msgspec

from farebox_sandbox.compose import Citation
from farebox_sandbox.dialects.base import reported
from farebox_sandbox.faults import Directives
from farebox_sandbox.reply import Reply, json_or_value
from farebox_sandbox.signatures import sign

DIALECT = "anthropic_messages"
MID_STREAM_STATUS = 529
MAX_CITED_CHARACTERS = 150  # Anthropic's limit for what the web said

UNKNOWN_BLOCK = {"type": "sandbox_note", "note": "a block of an unknown type"}

_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_body(status: int, message: str | None = None, code: str | None = None) -> bytes:
    """`{"type": "error", "error": {"type", "message"}, "request_id"}`; a code takes the place of the usual type."""
    kind = code or _KINDS.get(status, "invalid_request_error" if status < 500 else "api_error")
    text = message if message is not None else f"The sandbox was asked to answer {status}."
    error = {"type": kind, "message": text}
    return msgspec.json.encode({"type": "error", "error": error, "request_id": "req_sandbox"})


def error_event(directives: Directives) -> bytes:
    """What `error_mid_stream` sends: an overloaded error, unless the code says another."""
    message = directives.error_message or "The sandbox was asked to fail in the middle of a stream."
    return b"event: error\ndata: " + error_body(MID_STREAM_STATUS, message, directives.error_code) + b"\n\n"


def json_body(reply: Reply) -> bytes:
    """The `message` object of a reply."""
    body = {**message(reply), "content": list(content(reply)), **stop(reply)}
    if not reply.directives.no_usage:
        body["usage"] = reported(reply, usage)
    return msgspec.json.encode(body)


def message(reply: Reply) -> dict[str, Any]:
    """What is the same at the start and at the end of a message."""
    return {
        "id": f"msg_{reply.stem}",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": [],
        "container": None,
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
    }


def stop(reply: Reply) -> dict[str, Any]:
    """Why it ended; the reason is null with `no_finish`."""
    finish = reply.answer.finish
    if reply.directives.no_finish:
        return {"stop_reason": None, "stop_sequence": None, "stop_details": None}
    details = {"type": "refusal", "category": None, "explanation": None} if finish == "refusal" else None
    return {
        "stop_reason": reply.directives.finish or _STOP_REASONS.get(finish, finish),
        "stop_sequence": reply.answer.stop_sequence,
        "stop_details": details,
    }


def content(reply: Reply) -> Iterator[dict[str, Any]]:
    """The blocks: thinking, web searches, text, an unknown one, tool uses."""
    answer = reply.answer
    if answer.reasoning_tokens:
        yield thinking_block(reply)
    for position, query in enumerate(answer.searches):
        yield from search_blocks(reply, position, query)
    if answer.content or (answer.content is not None and not answer.tool_calls and reply.ask.token_limit):
        block: dict[str, Any] = {"type": "text", "text": answer.content + reply.extra_text}
        if answer.citations:
            block["citations"] = [citation(one) for one in answer.citations]
        yield block
    if reply.directives.unknown_event:
        yield UNKNOWN_BLOCK
    for position, call in enumerate(answer.tool_calls):
        call_id = reply.tool_call_id("toolu_", position)
        yield {"type": "tool_use", "id": call_id, "name": call.name, "input": json_or_value(call.arguments)}


def thinking_block(reply: Reply) -> dict[str, Any]:
    """Thinking with its signature; without its text when it is omitted, and opaque when it is redacted."""
    if reply.answer.redacted:
        return {"type": "redacted_thinking", "data": sign(DIALECT, "redacted_thinking", "")}
    shown = reply.ask.thinking is not None and reply.ask.thinking.shown
    text = reply.answer.reasoning if shown else ""
    return {"type": "thinking", "thinking": text, "signature": sign(DIALECT, "thinking", text)}


def search_blocks(reply: Reply, position: int, query: str) -> Iterator[dict[str, Any]]:
    """A use of the web search, and what it found."""
    use_id = f"srvtoolu_{reply.stem}{position}"
    result = {
        "type": "web_search_result",
        "url": "https://example.com/1",
        "title": "Example 1",
        "encrypted_content": sign(DIALECT, "search", query),
        "page_age": None,
    }
    yield {"type": "server_tool_use", "id": use_id, "name": "web_search", "input": {"query": query}}
    yield {"type": "web_search_tool_result", "tool_use_id": use_id, "content": [result]}


def citation(one: Citation) -> dict[str, Any]:
    return {
        "type": "web_search_result_location",
        "url": one.url,
        "title": one.title,
        "cited_text": one.text[:MAX_CITED_CHARACTERS],
        "encrypted_index": sign(DIALECT, "citation", one.url),
    }


def usage(reply: Reply) -> dict[str, Any]:
    return usage_at(reply, reply.completion_tokens, reply.reasoning_tokens)


def usage_at(reply: Reply, output_tokens: int, thinking_tokens: int) -> dict[str, Any]:
    """Anthropic's usage: cached tokens are beside the input, thinking is part of the output."""
    short, long = reply.written_tokens
    told: dict[str, Any] = {
        "input_tokens": reply.prompt_tokens - reply.cached_tokens - short - long,
        "cache_creation_input_tokens": short + long,
        "cache_read_input_tokens": reply.cached_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": output_tokens,
        "output_tokens_details": {"thinking_tokens": thinking_tokens},
        "service_tier": reply.service_tier or "standard",
    }
    if reply.answer.searches:
        told["server_tool_use"] = {"web_search_requests": len(reply.answer.searches), "web_fetch_requests": 0}
    return told
