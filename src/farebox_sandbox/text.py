"""What the sandbox answers: a deterministic function of the request's last user message and of the directives."""

import re
from typing import Any, NamedTuple

import msgspec

from farebox_sandbox.faults import Directives
from farebox_sandbox.request import ChatRequest, Tool
from farebox_sandbox.schema import example_of
from farebox_sandbox.tokens import count_tokens, cut_to_tokens, filler

MAX_TOOL_CALLS = 8  # of one answer; no client of ours asks for more
QUOTED_CHARACTERS = 80  # of the user's message in the default answer

REASONING_TOKENS = {"none": 0, "minimal": 4, "low": 8, "medium": 16, "high": 32, "xhigh": 64, "max": 64}
UNKNOWN_EFFORT_TOKENS = 16

_EXACTLY = re.compile(r"reply exactly:\s*(.+)", re.IGNORECASE | re.DOTALL)
_USE_TOOL = re.compile(r"use (?:the )?tool [`\"']?([A-Za-z0-9_-]+)", re.IGNORECASE)


class ToolCall(NamedTuple):
    name: str
    arguments: str


class Answer(NamedTuple):
    """One choice. `content` is None when the answer is tool calls; tokens are those of one choice."""

    reasoning: str
    content: str | None
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str
    reasoning_tokens: int
    completion_tokens: int


def compose_answer(request: ChatRequest, directives: Directives) -> Answer:
    """The answer, cut to the request's token limit: reasoning is spent first, as reasoning models do."""
    limit = request.token_limit
    wanted = _reasoning_tokens(request.reasoning_effort)
    reasoning_tokens = wanted if limit is None else min(wanted, limit)
    left = None if limit is None else limit - reasoning_tokens
    calls = () if directives.text is not None or directives.words is not None else _tool_calls(request)
    if calls:
        calls, used, complete = _cut_calls(calls, left)
        content, finish = None, "tool_calls"
    else:
        whole = _text(request, directives)
        content, finish = cut_to_tokens(whole, left), "stop"
        used, complete = count_tokens(content), len(content) == len(whole)
    finish = finish if complete and reasoning_tokens == wanted else "length"
    return Answer(filler(reasoning_tokens), content, calls, finish, reasoning_tokens, reasoning_tokens + used)


def _reasoning_tokens(effort: str | None) -> int:
    return 0 if effort is None else REASONING_TOKENS.get(effort, UNKNOWN_EFFORT_TOKENS)


def _text(request: ChatRequest, directives: Directives) -> str:
    if directives.text is not None:
        return directives.text
    if directives.words is not None:
        return filler(directives.words)
    if structured := _structured(request.response_format):
        return structured
    if request.messages[-1].role == "tool":
        return f"The sandbox received a tool result of {len(request.messages[-1].text)} characters."
    said = next((message.text for message in reversed(request.messages) if message.role == "user"), "")
    if exact := _EXACTLY.search(said):
        return exact[1].strip()
    return f'Hello! This is the sandbox, not a real model. You said: "{said[:QUOTED_CHARACTERS]}".'


def _structured(response_format: dict[str, Any] | None) -> str | None:
    match response_format:
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            return _json(example_of(schema))
        case {"type": "json_object"}:
            return _json({"sandbox": True})
        case _:
            return None


def _tool_calls(request: ChatRequest) -> tuple[ToolCall, ...]:
    tools = {tool.function.name: tool for tool in request.tools or () if tool.function is not None}
    if not tools or request.tool_choice == "none" or request.messages[-1].role == "tool":
        return ()
    match request.tool_choice:
        case {"function": {"name": name}}:
            names = [name]
        case _:
            names = _USE_TOOL.findall(request.messages[-1].text)
            if request.tool_choice == "required" and not names:
                names = [next(iter(tools))]
    most = 1 if request.parallel_tool_calls is False else MAX_TOOL_CALLS
    return tuple(ToolCall(name, _arguments(tools[name])) for name in names if name in tools)[:most]


def _arguments(tool: Tool) -> str:
    parameters = tool.function.parameters if tool.function else None
    return _json(example_of(parameters) or {})


def _cut_calls(calls: tuple[ToolCall, ...], limit: int | None) -> tuple[tuple[ToolCall, ...], int, bool]:
    """The calls within the limit, their tokens (names and arguments), and whether all of them fitted."""
    kept: list[ToolCall] = []
    used = 0
    for call in calls:
        left = None if limit is None else limit - used - count_tokens(call.name)
        if left is not None and left < 0:
            return tuple(kept), used, False
        arguments = cut_to_tokens(call.arguments, left)
        kept.append(ToolCall(call.name, arguments))
        used += count_tokens(call.name) + count_tokens(arguments)
        if len(arguments) < len(call.arguments):
            return tuple(kept), used, False
    return tuple(kept), used, True


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
