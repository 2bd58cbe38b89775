"""Writing OpenAI chat completions: the JSON body, usage and errors."""

from typing import Any

import msgspec

from farebox_sandbox.compose import Citation
from farebox_sandbox.dialects.base import reported
from farebox_sandbox.dialects.logprobs import openai_logprobs
from farebox_sandbox.reply import Reply

FINGERPRINT = "fp_sandbox"

_FINISH = {"stop_sequence": "stop", "refusal": "stop"}


def finish_reason(reply: Reply) -> str | None:
    if reply.directives.no_finish:
        return None
    return reply.directives.finish or _FINISH.get(reply.answer.finish, reply.answer.finish)


def json_body(reply: Reply) -> bytes:
    """The `chat.completion` object of a reply."""
    completion: dict[str, Any] = {
        "id": f"chatcmpl-{reply.stem}",
        "object": "chat.completion",
        "created": reply.created,
        "model": reply.model,
        "system_fingerprint": FINGERPRINT,
        "choices": [_choice(reply, index) for index in range(reply.ask.choices)],
    }
    if reply.service_tier is not None:
        completion["service_tier"] = reply.service_tier
    if not reply.directives.no_usage:
        completion["usage"] = reported(reply, usage)
    if reply.directives.unknown_event:
        completion["sandbox_note"] = {"note": "a field of an unknown name"}
    return msgspec.json.encode(completion)


def _choice(reply: Reply, index: int) -> dict[str, Any]:
    answer = reply.answer
    content = answer.content
    if reply.directives.oversize_bytes and index == 0:
        content = (content or "") + reply.extra_text
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    if answer.refused:
        message |= {"content": None, "refusal": content}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.citations:
        message["annotations"] = annotations(answer.citations)
    if answer.tool_calls:
        message["tool_calls"] = tool_calls(reply, index)
    told = None if reply.ask.logprobs is None else logprobs(answer.content or "", reply)
    return {"index": index, "message": message, "logprobs": told, "finish_reason": finish_reason(reply)}


def tool_calls(reply: Reply, choice: int) -> list[dict[str, Any]]:
    """Function calls, or custom ones where the request offered a custom tool."""
    custom = {tool.name for tool in reply.ask.tools if tool.kind == "custom"}
    return [
        {
            "id": reply.tool_call_id("call_", position, choice),
            **(
                {"type": "custom", "custom": {"name": call.name, "input": call.arguments}}
                if call.name in custom
                else {"type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            ),
        }
        for position, call in enumerate(reply.answer.tool_calls)
    ]


def annotations(citations: tuple[Citation, ...]) -> list[dict[str, Any]]:
    return [
        {
            "type": "url_citation",
            "url_citation": {"url": one.url, "title": one.title, "start_index": one.start, "end_index": one.end},
        }
        for one in citations
    ]


def logprobs(text: str, reply: Reply) -> dict[str, Any]:
    """Of text or of a refusal."""
    tokens = openai_logprobs(text, reply.ask.logprobs or 0)
    refused = reply.answer.refused
    return {"content": None if refused else tokens, "refusal": tokens if refused else None}


def usage(reply: Reply) -> dict[str, Any]:
    return usage_of(reply, reply.completion_tokens, reply.reasoning_tokens)


def usage_of(reply: Reply, completion_tokens: int, reasoning_tokens: int) -> dict[str, Any]:
    """OpenAI's usage object. Cached tokens are part of the prompt, reasoning tokens of the completion."""
    details = {"cached_tokens": reply.cached_tokens, "audio_tokens": reply.media_tokens("audio")}
    if written := sum(reply.written_tokens):
        details["cache_write_tokens"] = written
    return {
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": reply.prompt_tokens + completion_tokens,
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": reasoning_tokens, "audio_tokens": 0},
    }
