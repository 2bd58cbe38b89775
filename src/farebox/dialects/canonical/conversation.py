"""A request in canonical form.

Turns are normal when: a `tool` turn has only tool results and at least one; no two `tool` turns and no two `assistant`
turns are neighbours; no part list is empty except an assistant's. Every dialect reads into normal form, so that
canonical → dialect → canonical is the identity wherever nothing was dropped.
"""

from typing import Literal

import msgspec

from farebox.dialects.canonical.parts import CacheMark, DialectName, Json, Part

Role = Literal["system", "developer", "user", "assistant", "tool"]


class Turn(msgspec.Struct, frozen=True):
    """One turn. `system` and `developer` turns may stand anywhere; `name` is OpenAI's name of a participant."""

    role: Role
    parts: tuple[Part, ...]
    name: str = ""


class FunctionTool(msgspec.Struct, frozen=True, tag="function"):
    """A tool of the client. `parameters` is a JSON schema; None: the client gave none."""

    name: str
    description: str = ""
    parameters: Json = None
    strict: bool | None = None
    namespace: str = ""
    cache: CacheMark | None = None


class CustomTool(msgspec.Struct, frozen=True, tag="custom"):
    """OpenAI's free-text tool; `format` is its grammar, if any."""

    name: str
    description: str = ""
    format: Json = None
    namespace: str = ""


class ServerTool(msgspec.Struct, frozen=True, tag="server"):
    """A tool that the provider runs or defines (web search, code execution, computer …), as its dialect says it.
    `kind` is its plain name without a version: `web_search`, `code_execution`, `file_search`, `computer`."""

    origin: DialectName
    kind: str
    value: Json


Tool = FunctionTool | CustomTool | ServerTool


class ToolChoice(msgspec.Struct, frozen=True):
    """`named`: exactly the one tool of `names`; `allowed_auto`: any of `names` or none; `allowed_required`: one of them
    at least; `custom`: the named one is a custom tool."""

    mode: Literal["auto", "none", "required", "named", "allowed_auto", "allowed_required"]
    names: tuple[str, ...] = ()
    custom: bool = False


class Thinking(msgspec.Struct, frozen=True):
    """How much to think. `effort`: none, minimal, low, medium, high, xhigh, max. `budget_tokens` and `adaptive` are
    Anthropic's and Gemini's. `summary`: whether thoughts shall be shown (OpenAI: auto, concise, detailed; Anthropic's
    display: summarized, omitted; Gemini's includeThoughts: auto). None: not said."""

    effort: str | None = None
    budget_tokens: int | None = None
    adaptive: bool = False
    disabled: bool = False
    summary: str | None = None


class JsonSchema(msgspec.Struct, frozen=True):
    """The answer's form. `schema` None: any JSON object."""

    schema: Json = None
    name: str = ""
    description: str = ""
    strict: bool | None = None


class Sampling(msgspec.Struct, frozen=True):
    """How tokens are drawn; None: the model's own way. `stop` ends the answer."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: tuple[tuple[str, float], ...] = ()
    logprobs: bool = False
    top_logprobs: int | None = None
    stop: tuple[str, ...] = ()


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a text request asks for, but for the model, the output limit and whether it streams.

    `origin`: the dialect it was read from. `unknown`: names of top-level fields (or `messages.field`) that its reader
    did not understand: they cannot be carried into another dialect and are named as dropped.
    """

    origin: DialectName
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    thinking: Thinking | None = None
    answer_form: JsonSchema | None = None
    sampling: Sampling = Sampling()
    choices: int = 1
    verbosity: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    user: str | None = None
    cache_key: str | None = None
    cache: CacheMark | None = None
    service_tier: str | None = None
    modalities: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
