"""Writing OpenAI Responses: the items, the response object and its usage."""

from collections.abc import Iterator
from typing import Any

import msgspec

from farebox_sandbox.dialects.base import reported
from farebox_sandbox.dialects.logprobs import openai_logprobs
from farebox_sandbox.reply import Reply
from farebox_sandbox.signatures import marked_id, sign

DIALECT = "openai_responses"

UNKNOWN_ITEM = {"id": "note_sandbox", "type": "sandbox_note", "note": "an item of an unknown type"}


def json_body(reply: Reply) -> bytes:
    """The `response` object of a reply."""
    body = finished(reply)
    if reply.directives.oversize_bytes:
        body["output"] = [_enlarged(item, reply.extra_text) for item in body["output"]]
    return msgspec.json.encode(body)


def _enlarged(item: dict[str, Any], extra: str) -> dict[str, Any]:
    if item["type"] != "message":
        return item
    content = [{**part, "text": part["text"] + extra} if "text" in part else part for part in item["content"]]
    return {**item, "content": content}


def begun(reply: Reply) -> dict[str, Any]:
    """The response as it is when a stream begins."""
    thinking = reply.ask.thinking
    repeated = {name: value for name, value in reply.ask.repeated.items() if not name.startswith("_")}
    return {
        "id": f"resp_{reply.stem}",
        "object": "response",
        "created_at": reply.created,
        "completed_at": None,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": reply.model,
        "output": [],
        "previous_response_id": None,
        "reasoning": {"effort": thinking and thinking.effort, "summary": thinking and thinking.summary},
        "service_tier": reply.service_tier or "default",
        "usage": None,
        **repeated,
    }


def finished(reply: Reply) -> dict[str, Any]:
    """The whole response. With `no_finish` it still says that it is in progress."""
    told = {**begun(reply), "output": list(items(reply))}
    if not reply.directives.no_finish:
        told |= {"status": status(reply), "completed_at": reply.created}
        if told["status"] == "incomplete":
            told["incomplete_details"] = {"reason": reply.directives.finish or "max_output_tokens"}
    if reply.directives.no_usage:
        del told["usage"]
    else:
        told["usage"] = reported(reply, usage)
    return told


def status(reply: Reply) -> str:
    short = reply.answer.finish == "length" or reply.directives.finish is not None
    return "incomplete" if short else "completed"


def items(reply: Reply) -> Iterator[dict[str, Any]]:
    """Reasoning, web searches, the message, an unknown item, calls."""
    answer = reply.answer
    if answer.reasoning_tokens:
        yield _reasoning(reply)
    for position, query in enumerate(answer.searches):
        action = {"type": "search", "query": query, "queries": [query]}
        yield {"id": f"ws_{reply.stem}{position}", "type": "web_search_call", "status": "completed", "action": action}
    if answer.content is not None:
        yield _message(reply, answer.content)
    if reply.directives.unknown_event:
        yield UNKNOWN_ITEM
    for position in range(len(answer.tool_calls)):
        yield _call(reply, position)


def _reasoning(reply: Reply) -> dict[str, Any]:
    """Sealed, its content is signed together with the summary; else its id says that it is stored."""
    thinking, stored = reply.ask.thinking, reply.ask.repeated["store"]
    shown, sealed = thinking is not None and thinking.shown, thinking is not None and thinking.sealed
    summary = [{"type": "summary_text", "text": reply.answer.reasoning}] if shown else []
    item: dict[str, Any] = {
        "id": marked_id("rs_", reply.stem) if stored else f"rs_{reply.stem}",
        "type": "reasoning",
        "summary": summary,
    }
    if sealed:
        item["encrypted_content"] = sign(DIALECT, "reasoning", reply.answer.reasoning if shown else "")
    return item


def _message(reply: Reply, text: str) -> dict[str, Any]:
    answer = reply.answer
    part: dict[str, Any] = {"type": "refusal", "refusal": text}
    if not answer.refused:
        annotations = [
            {"type": "url_citation", "url": one.url, "title": one.title, "start_index": one.start, "end_index": one.end}
            for one in answer.citations
        ]
        part = {"type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs(reply, text)}
    return {
        "id": f"msg_{reply.stem}",
        "type": "message",
        "status": status(reply),
        "role": "assistant",
        "content": [part],
    }


def logprobs(reply: Reply, text: str) -> list[dict[str, Any]]:
    """Empty when none were asked for."""
    return [] if reply.ask.logprobs is None else openai_logprobs(text, reply.ask.logprobs)


def _call(reply: Reply, position: int) -> dict[str, Any]:
    call = reply.answer.tool_calls[position]
    custom = any(tool.kind == "custom" and tool.name == call.name for tool in reply.ask.tools)
    named = {"call_id": reply.tool_call_id("call_", position), "name": call.name}
    if custom:
        return {
            "id": reply.tool_call_id("ctc_", position),
            "type": "custom_tool_call",
            **named,
            "input": call.arguments,
        }
    item = {"id": reply.tool_call_id("fc_", position), "type": "function_call", "status": status(reply), **named}
    return {**item, "arguments": call.arguments}


def usage(reply: Reply) -> dict[str, Any]:
    """Cached and written tokens are part of the input, reasoning is part of the output."""
    return {
        "input_tokens": reply.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": reply.cached_tokens,
            "cache_write_tokens": sum(reply.written_tokens),
        },
        "output_tokens": reply.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": reply.reasoning_tokens},
        "total_tokens": reply.prompt_tokens + reply.completion_tokens,
    }
