"""What the sandbox bills: its own count of tokens, the same for every dialect, for JSON and for streams.

Prompt: 3 per request, 4 per turn (and per tool result), the tokens of every text, name, tool call, tool and answer
schema (JSON without blanks), and 85 for each part that is media. Completion: the tokens of reasoning, text, and tool
names and arguments, once for every choice.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from farebox_sandbox.ask import Ask, Part, Tool, Turn
from farebox_sandbox.tokens import count_tokens

REQUEST_TOKENS = 3
TURN_TOKENS = 4
MEDIA_TOKENS = 85


def count_prompt_tokens(ask: Ask) -> int:
    """Input tokens of a request."""
    return sum(tokens for tokens, _ in prompt_pieces(ask))


def prompt_pieces(ask: Ask) -> Iterator[tuple[int, Tool | Turn | Part | None]]:
    """The tokens of everything in the order that a prompt cache sees it: tools, then turns and their parts. What is no
    piece of its own (None) comes first."""
    overhead = REQUEST_TOKENS
    if ask.form is not None:
        overhead += _count_json(ask.form.schema)
    yield overhead, None
    for tool in ask.tools:
        yield _count_json([tool.name, tool.description, tool.parameters]), tool
    for turn in ask.turns:
        yield (0 if turn.role == "tool" else TURN_TOKENS) + count_tokens(turn.name), turn
        for part in turn.parts:
            yield _count_part(part), part


def _count_part(part: Part) -> int:
    if part.media is not None:
        return MEDIA_TOKENS + count_tokens(part.context)
    if part.kind == "tool_result":
        return TURN_TOKENS + sum(_count_part(one) for one in part.content)
    if part.kind == "tool_call":
        return count_tokens(part.name) + count_tokens(part.arguments)
    return count_tokens(part.text)


def _count_json(value: Any) -> int:
    return count_tokens(msgspec.json.encode(value).decode())
