"""The sandbox's own canonical request: what every dialect's reader makes of a body, and all else works with.

It has nothing to do with the gateway's canonical form, on purpose: two programs that read the same request agree only
when both read it right.
"""

from typing import Any

import msgspec
from msgspec import Struct


class Media(Struct, frozen=True):
    """`source`: `inline` (base64 in `data`), `text` (plain text in `data`), `url` or `file_id` (that, in `data`)."""

    source: str
    data: str
    media_type: str = ""


class Part(Struct, frozen=True, kw_only=True):
    """One part of a turn. `kind`: text, refusal, image, document, audio, video, search_result, reasoning, tool_call,
    tool_result, or `other:TYPE` for what only the dialect knows.

    `signature` is whatever opaque proof came with it. `item_id` is that of a Responses item.
    `arguments` of a tool call is JSON text. `cache`: "", "5m", "1h".
    """

    kind: str
    text: str = ""
    media: Media | None = None
    filename: str = ""
    detail: str = ""
    context: str = ""
    cite: bool = False
    citations: int = 0
    item_id: str = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    content: tuple["Part", ...] = ()
    is_error: bool = False
    signature: str = ""
    redacted: bool = False
    cache: str = ""


class Turn(Struct, frozen=True):
    """`role`: system, developer, user, assistant or tool (whose parts are tool results)."""

    role: str
    parts: tuple[Part, ...]
    name: str = ""

    @property
    def text(self) -> str:
        """All text of the turn, also inside tool results, joined by line feeds."""
        return "\n".join(text for part in self.parts if (text := text_of(part)))


def text_of(part: Part) -> str:
    """The text that a part shows to the model."""
    if part.kind == "tool_result":
        return "\n".join(text for one in part.content if (text := text_of(one)))
    return part.text if part.kind in ("text", "refusal", "search_result") else ""


class Tool(Struct, frozen=True):
    """`kind`: function, custom, web_search, or the dialect's name of another tool that it runs itself."""

    kind: str
    name: str
    description: str = ""
    parameters: Any = None
    strict: bool | None = None
    cache: str = ""


class ToolChoice(Struct, frozen=True):
    """`mode`: auto, none, required, named, allowed_auto, allowed_required."""

    mode: str
    names: tuple[str, ...] = ()


class Thinking(Struct, frozen=True):
    """`active`: the model shall think. `mode`: "", enabled, adaptive, disabled. `shown`: the client wants to see text
    of it. `summary`: how, as it said. `sealed`: it wants it as opaque content that comes back in the next turn."""

    active: bool
    effort: str | None = None
    budget_tokens: int | None = None
    mode: str = ""
    shown: bool = True
    summary: str | None = None
    sealed: bool = False


class Form(Struct, frozen=True):
    """The form of the answer; `schema` None: any JSON object."""

    schema: Any = None
    name: str = ""
    strict: bool | None = None


class Ask(Struct, frozen=True, kw_only=True):
    """One request. `sampling` has the fields that were given, by OpenAI's names. `logprobs`: how many alternatives for
    each token, None when none were asked for. `own`: its `sandbox` field. `unknown`: names of top-level fields that
    the dialect does not have. `headers`: those that belong to the dialect. `repeated`: fields that the dialect's answer
    says again as they came."""

    dialect: str
    model: str
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    thinking: Thinking | None = None
    form: Form | None = None
    token_limit: int | None = None
    choices: int = 1
    sampling: dict[str, Any] = {}
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    metadata: dict[str, Any] = {}
    user: str | None = None
    cache_key: str | None = None
    cache: str = ""
    service_tier: str | None = None
    verbosity: str | None = None
    modalities: tuple[str, ...] = ()
    stream: bool = False
    include_usage: bool = False
    own: dict[str, Any] | None = None
    unknown: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    repeated: dict[str, Any] = {}

    @property
    def last(self) -> Turn:
        return self.turns[-1]

    @property
    def last_user_text(self) -> str:
        return next((turn.text for turn in reversed(self.turns) if turn.role == "user"), "")

    def offers(self, kind: str) -> bool:
        """Whether a tool of this kind is on offer."""
        return any(tool.kind == kind for tool in self.tools)


def given(**fields: Any) -> dict[str, Any]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def canonical_json(value: Any) -> str:
    """JSON without blanks and with sorted names; whole floats are integers, as they are in other languages."""
    return msgspec.json.encode(_whole(value), order="sorted").decode()


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(one) for one in value]
    return value


def canonical_text(text: str) -> str:
    """JSON text in canonical form; any other text as it is."""
    try:
        return canonical_json(msgspec.json.decode(text))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return text


def data_url(value: str) -> Media:
    """The media of a URL that may be a data URL."""
    head, comma, data = value.partition(",")
    if not (value.startswith("data:") and comma):
        return Media("url", value)
    return Media("inline", data, head.removeprefix("data:").removesuffix(";base64"))
