"""What the sandbox answers: a deterministic function of the request's last user message and of the directives."""

import re
from typing import Any, NamedTuple

import msgspec

from farebox_sandbox.ask import Ask, Form, Thinking, Tool, ToolChoice
from farebox_sandbox.describe import described
from farebox_sandbox.echo import echo_of
from farebox_sandbox.faults import Directives
from farebox_sandbox.schema import example_of
from farebox_sandbox.tokens import count_tokens, cut_to_tokens, filler

MAX_TOOL_CALLS = 8  # of one answer; no client of ours asks for more
QUOTED_CHARACTERS = 80  # of the user's message in the default answer

REASONING_TOKENS = {"none": 0, "minimal": 4, "low": 8, "medium": 16, "high": 32, "xhigh": 64, "max": 64}
USUAL_REASONING_TOKENS = 16

_EXACTLY = re.compile(r"reply exactly:\s*(.+)", re.IGNORECASE | re.DOTALL)
_USE_TOOL = re.compile(r"use (?:the )?tool [`\"']?([A-Za-z0-9_-]+)", re.IGNORECASE)
_USE_SEARCH = re.compile(r"use (?:the )?web search", re.IGNORECASE)
_DESCRIBE = re.compile(r"describe what you got", re.IGNORECASE)


class ToolCall(NamedTuple):
    name: str
    arguments: str


class Citation(NamedTuple):
    """`start` and `end` are characters of the answer; `text` is what lies between them."""

    url: str
    title: str
    start: int
    end: int
    text: str


class Answer(NamedTuple):
    """One choice. `content` is None when the answer is tool calls alone; tokens are those of one choice.

    `finish`: stop, stop_sequence, length, tool_calls, refusal. `refused`: the content is a refusal. `searches`: the
    queries that were sent to the web. `redacted`: the reasoning may not be shown.
    """

    reasoning: str
    content: str | None
    tool_calls: tuple[ToolCall, ...]
    finish: str
    reasoning_tokens: int
    completion_tokens: int
    refused: bool = False
    citations: tuple[Citation, ...] = ()
    searches: tuple[str, ...] = ()
    stop_sequence: str | None = None
    redacted: bool = False


def compose_answer(ask: Ask, directives: Directives) -> Answer:
    """The answer, cut to the request's token limit: reasoning is spent first, as reasoning models do.

    Raises UpstreamError 400 for a schema that is none.
    """
    wanted = _reasoning_tokens(ask.thinking)
    reasoning_tokens = wanted if ask.token_limit is None else min(wanted, ask.token_limit)
    left = None if ask.token_limit is None else ask.token_limit - reasoning_tokens
    reasoning = filler(reasoning_tokens)
    if calls := _tool_calls(ask, directives):
        content = None if directives.preamble is None else cut_to_tokens(directives.preamble, left)
        before = count_tokens(content or "")
        calls, used, complete = _cut_calls(calls, None if left is None else left - before)
        complete = complete and content == directives.preamble and reasoning_tokens == wanted
        finish = "tool_calls" if complete else "length"
        total = reasoning_tokens + before + used
        return Answer(reasoning, content, calls, finish, reasoning_tokens, total, redacted=directives.redacted_thinking)
    # An echo shows the stop sequences: it must not be cut by one of them.
    whole, stop_sequence = _stopped(_text(ask, directives), () if directives.echo else ask.stop)
    content = cut_to_tokens(whole, left)
    finish = "refusal" if directives.refusal is not None else "stop_sequence" if stop_sequence is not None else "stop"
    if len(content) < len(whole) or reasoning_tokens < wanted:
        finish, stop_sequence = "length", None
    searches = _searches(ask)
    return Answer(
        reasoning,
        content,
        (),
        finish,
        reasoning_tokens,
        reasoning_tokens + count_tokens(content),
        refused=directives.refusal is not None,
        citations=_citations(content, directives.citations or len(searches)),
        searches=searches,
        stop_sequence=stop_sequence,
        redacted=directives.redacted_thinking,
    )


def _reasoning_tokens(thinking: Thinking | None) -> int:
    if thinking is None or not thinking.active:
        return 0
    tokens = REASONING_TOKENS.get(thinking.effort or "", USUAL_REASONING_TOKENS)
    budget = thinking.budget_tokens
    return tokens if budget is None or budget < 0 else min(tokens, budget)


def _text(ask: Ask, directives: Directives) -> str:
    said = ask.last_user_text
    for decided in (directives.refusal, directives.text):
        if decided is not None:
            return decided
    if directives.words is not None:
        return filler(directives.words)
    if directives.echo:
        return echo_of(ask)
    if structured := _structured(ask.form):
        return structured
    if ask.last.role == "tool":
        return f"The sandbox received a tool result of {len(ask.last.text)} characters."
    if exact := _EXACTLY.search(said):
        return exact[1].strip()
    if _DESCRIBE.search(said):
        return described(ask)
    return f'Hello! This is the sandbox, not a real model. You said: "{said[:QUOTED_CHARACTERS]}".'


def _structured(form: Form | None) -> str | None:
    if form is None:
        return None
    return _json({"sandbox": True} if form.schema is None else example_of(form.schema))


def _stopped(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    """The text before the first stop sequence, and which it was."""
    found = [(place, stop) for stop in stops if stop and (place := text.find(stop)) >= 0]
    if not found:
        return text, None
    place, stop = min(found)
    return text[:place], stop


def _searches(ask: Ask) -> tuple[str, ...]:
    wanted = ask.offers("web_search") and ask.last.role == "user" and _USE_SEARCH.search(ask.last.text)
    return ("sandbox",) if wanted else ()


def _citations(content: str, count: int) -> tuple[Citation, ...]:
    """Each covers the whole text: where the parts of a made-up text come from is nothing to be exact about."""
    return tuple(
        Citation(
            f"https://example.com/{index + 1}", f"Example {index + 1}", 0, len(content), content[:QUOTED_CHARACTERS]
        )
        for index in range(count)
    )


def _tool_calls(ask: Ask, directives: Directives) -> tuple[ToolCall, ...]:
    tools = {tool.name: tool for tool in ask.tools if tool.kind in ("function", "custom")}
    choice = ask.tool_choice or ToolChoice("auto")
    decided = directives.text is not None or directives.words is not None or directives.refusal is not None
    if decided or directives.echo or not tools or choice.mode == "none" or ask.last.role == "tool":
        return ()
    if choice.mode == "named":
        names = list(choice.names)
    else:
        names = _USE_TOOL.findall(ask.last.text)
        if choice.mode.startswith("allowed"):
            names = [name for name in names if name in choice.names]
        if choice.mode in ("required", "allowed_required") and not names:
            names = [next(iter(choice.names or tools))]
    most = 1 if ask.parallel_tool_calls is False else MAX_TOOL_CALLS
    return tuple(ToolCall(name, _arguments(tools[name])) for name in names if name in tools)[:most]


def _arguments(tool: Tool) -> str:
    return "sandbox" if tool.kind == "custom" else _json(example_of(tool.parameters) or {})


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
