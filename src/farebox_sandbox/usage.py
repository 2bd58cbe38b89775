"""What the sandbox bills: its own count of tokens, the same for JSON and for streams.

Prompt: 3 per request, 4 per message, the tokens of every text, name, tool call, tool and answer schema (JSON without
blanks), and 85 for each part that is not text. Completion: the tokens of reasoning, text, and tool names and arguments,
once for every choice.
"""

from typing import Any

import msgspec
from msgspec import UNSET

from farebox_sandbox.faults import Directives
from farebox_sandbox.request import ChatRequest
from farebox_sandbox.text import Answer
from farebox_sandbox.tokens import count_tokens

REQUEST_TOKENS = 3
MESSAGE_TOKENS = 4
MEDIA_TOKENS = 85


def count_prompt_tokens(request: ChatRequest) -> int:
    """Input tokens of a request."""
    total = REQUEST_TOKENS
    for message in request.messages:
        total += MESSAGE_TOKENS + MEDIA_TOKENS * message.media_parts + count_tokens(message.text)
        if message.name:
            total += count_tokens(message.name)
        if message.tool_calls:
            total += _count_json(message.tool_calls)
    if request.tools:
        total += _count_json([tool.function for tool in request.tools])
    if request.response_format:
        total += _count_json(request.response_format)
    return total


def _count_json(value: object) -> int:
    return count_tokens(msgspec.json.encode(value).decode())


def usage_of(prompt_tokens: int, completion_tokens: int, reasoning_tokens: int, *, cached_tokens: int = 0) -> Any:
    """OpenAI's usage object. Cached tokens are part of the prompt, reasoning tokens of the completion."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": min(cached_tokens, prompt_tokens), "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning_tokens, "audio_tokens": 0},
    }


def reported_usage(prompt_tokens: int, answer: Answer, *, choices: int, directives: Directives) -> Any:
    """What the answer says it used: the honest count, or whatever the `usage` directive says instead."""
    if directives.usage is not UNSET:
        return directives.usage
    return usage_of(
        prompt_tokens,
        answer.completion_tokens * choices,
        answer.reasoning_tokens * choices,
        cached_tokens=directives.cached_tokens,
    )
