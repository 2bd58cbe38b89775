"""Reading Anthropic Messages."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from farebox_sandbox.ask import Ask, Form, Media, Part, Thinking, Tool, ToolChoice, Turn, canonical_json, given
from farebox_sandbox.exchange import Exchange

HEADERS = ("anthropic-version", "anthropic-beta")

Unit = Annotated[float, Meta(ge=0, le=1)]


class Message(Struct):
    role: str
    content: str | list[dict[str, Any]]


class CountRequest(Struct):
    """What `count_tokens` takes."""

    model: str
    messages: Annotated[list[Message], Meta(min_length=1)]
    system: str | list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    cache_control: dict[str, Any] | None = None
    context_management: Any = None
    mcp_servers: Any = None
    speed: str | None = None
    sandbox: dict[str, Any] | None = None


class MessagesRequest(CountRequest, kw_only=True):
    max_tokens: Annotated[int, Meta(ge=0)]
    stream: bool | None = None
    temperature: Unit | None = None
    top_p: Unit | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    stop_sequences: list[str] | None = None
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None
    container: Any = None
    inference_geo: str | None = None
    diagnostics: Any = None
    user_profile_id: str | None = None
    workspace_id: str | None = None
    billing_policy: Any = None
    compaction: Any = None
    fallback_credit_token: Any = None
    fallbacks: Any = None
    thread: Any = None


_names = frozenset(MessagesRequest.__struct_fields__)


def read(body: bytes, exchange: Exchange) -> Ask:
    """The request of `POST /v1/messages`; raises msgspec.DecodeError."""
    request = msgspec.json.decode(body, type=MessagesRequest)
    exchange.call.max_tokens = request.max_tokens
    base = _common(request, body, exchange)
    return msgspec.structs.replace(
        base,
        token_limit=request.max_tokens,
        sampling=given(temperature=request.temperature, top_p=request.top_p, top_k=request.top_k),
        stop=tuple(request.stop_sequences or ()),
        user=(request.metadata or {}).get("user_id"),
        service_tier=request.service_tier,
        stream=bool(request.stream),
    )


def read_count(body: bytes, exchange: Exchange) -> Ask:
    """The request of `POST /v1/messages/count_tokens`; raises msgspec.DecodeError."""
    return _common(msgspec.json.decode(body, type=CountRequest), body, exchange)


def _common(request: CountRequest, body: bytes, exchange: Exchange) -> Ask:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in exchange.scope["headers"]}
    system = (Turn("system", _content(request.system)),) if request.system else ()
    effort = (request.output_config or {}).get("effort")
    choice = request.tool_choice or {}
    return Ask(
        dialect="anthropic_messages",
        model=request.model,
        turns=system + tuple(turn for message in request.messages for turn in _turns(message)),
        tools=tuple([_tool(tool) for tool in request.tools or ()]),
        tool_choice=_tool_choice(choice),
        parallel_tool_calls=not choice["disable_parallel_tool_use"] if "disable_parallel_tool_use" in choice else None,
        thinking=_thinking(request.thinking, effort),
        form=_form((request.output_config or {}).get("format")),
        cache=cache_mark(request.cache_control),
        own=request.sandbox,
        unknown=tuple(sorted(set(msgspec.json.decode(body, type=dict[str, msgspec.Raw])) - _names)),
        headers={name: headers[name] for name in HEADERS if name in headers},
    )


def cache_mark(control: Any) -> str:
    """ "5m", "1h", or "" for none."""
    if not isinstance(control, dict):
        return ""
    ttl = control.get("ttl") or "5m"
    if control.get("type") != "ephemeral" or ttl not in ("5m", "1h"):
        raise msgspec.ValidationError("cache_control: type is `ephemeral`, ttl is `5m` or `1h`")
    return str(ttl)


def _turns(message: Message) -> list[Turn]:
    """A user message with tool results is a tool turn and, for the rest, a user turn."""
    parts = _content(message.content)
    if message.role != "user":
        return [Turn(message.role, parts)]
    results = tuple(part for part in parts if part.kind == "tool_result")
    others = tuple(part for part in parts if part.kind != "tool_result")
    if results and others and parts[: len(results)] != results:
        raise msgspec.ValidationError("messages: `tool_result` blocks come first in their message")
    return [Turn(role, some) for role, some in (("tool", results), ("user", others)) if some or not parts]


def _content(content: str | list[dict[str, Any]] | None) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Part(kind="text", text=content),)
    return tuple([_part(block) for block in content or ()])


def _part(block: dict[str, Any]) -> Part:
    cache = cache_mark(block.get("cache_control"))
    match block:
        case {"type": "text", "text": str(text)}:
            return Part(kind="text", text=text, citations=len(block.get("citations") or ()), cache=cache)
        case {"type": "image", "source": dict(source)}:
            return Part(kind="image", media=_media(source), cache=cache)
        case {"type": "document", "source": dict(source)}:
            return _document(block, source, cache)
        case {"type": "search_result", "source": str(source), "title": str(title), "content": list(content)}:
            text = "\n".join((source, title, *(str(one.get("text")) for one in content)))
            return Part(kind="search_result", text=text, cite=_cites(block), cache=cache)
        case {"type": "thinking", "thinking": str(text), "signature": str(signature)}:
            return Part(kind="reasoning", text=text, signature=signature)
        case {"type": "redacted_thinking", "data": str(data)}:
            return Part(kind="reasoning", signature=data, redacted=True)
        case {"type": "tool_use", "id": str(call_id), "name": str(name), "input": dict(given_input)}:
            arguments = canonical_json(given_input)
            return Part(kind="tool_call", call_id=call_id, name=name, arguments=arguments, cache=cache)
        case {"type": "tool_result", "tool_use_id": str(call_id)}:
            told, failed = _content(block.get("content")), bool(block.get("is_error"))
            return Part(kind="tool_result", call_id=call_id, content=told, is_error=failed, cache=cache)
        case {"type": "text" | "image" | "document" | "thinking" | "tool_use" | "tool_result" as kind}:
            raise msgspec.ValidationError(f"messages.content: a `{kind}` block lacks a field")
        case {"type": str(kind)}:
            return Part(kind=f"other:{kind}", text=canonical_json(block), cache=cache)
    raise msgspec.ValidationError("messages.content: a block has a `type`")


def _document(block: dict[str, Any], source: dict[str, Any], cache: str) -> Part:
    return Part(
        kind="document",
        media=_media(source),
        filename=str(block.get("title") or ""),
        context=str(block.get("context") or ""),
        cite=_cites(block),
        cache=cache,
    )


def _cites(block: dict[str, Any]) -> bool:
    return bool((block.get("citations") or {}).get("enabled"))


def _media(source: dict[str, Any]) -> Media:
    match source:
        case {"type": "base64", "media_type": str(media_type), "data": str(data)}:
            return Media("inline", data, media_type)
        case {"type": "text", "data": str(data)}:
            return Media("text", data, str(source.get("media_type") or "text/plain"))
        case {"type": "content", "content": content}:
            return Media("text", content if isinstance(content, str) else canonical_json(content), "text/plain")
        case {"type": "url", "url": str(url)}:
            return Media("url", url)
        case {"type": "file", "file_id": str(file_id)}:
            return Media("file_id", file_id)
    raise msgspec.ValidationError("messages.content.source: not a source")


def _tool(tool: dict[str, Any]) -> Tool:
    cache = cache_mark(tool.get("cache_control"))
    match tool:
        case {"name": str(name), "input_schema": {"type": "object"} as schema}:
            return Tool("function", name, str(tool.get("description") or ""), schema, tool.get("strict"), cache)
        case {"type": str(kind), "name": str(name)} if kind != "custom":
            # A version is the date at the end: web_search_20250305.
            plain = kind.rpartition("_")[0] if kind.rpartition("_")[2].isdigit() else kind
            return Tool(plain, name, cache=cache)
    raise msgspec.ValidationError("tools.custom.input_schema.type: a tool has a name and a schema of type `object`")


def _tool_choice(choice: dict[str, Any]) -> ToolChoice | None:
    match choice:
        case {"type": "tool", "name": str(name)}:
            return ToolChoice("named", (name,))
        case {"type": "any"}:
            return ToolChoice("required")
        case {"type": "auto" | "none" as mode}:
            return ToolChoice(mode)
    if choice:
        raise msgspec.ValidationError("tool_choice.type: one of auto, any, tool, none")
    return None


def _thinking(thinking: dict[str, Any] | None, effort: str | None) -> Thinking | None:
    if thinking is None:
        return None if effort is None else Thinking(False, effort)
    mode, display = thinking.get("type"), thinking.get("display")
    if mode not in ("enabled", "adaptive", "disabled", "between_tools"):
        raise msgspec.ValidationError("thinking.type: one of enabled, adaptive, between_tools, disabled")
    budget = thinking.get("budget_tokens")
    active = mode in ("enabled", "adaptive")
    return Thinking(active, effort, budget, mode, shown=display != "omitted", summary=display)


def _form(wanted: dict[str, Any] | None) -> Form | None:
    match wanted:
        case None:
            return None
        case {"type": "json_schema", "schema": dict(schema)}:
            return Form(schema)
    raise msgspec.ValidationError("output_config.format: a `json_schema` with a schema")
