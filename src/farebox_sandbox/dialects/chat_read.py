"""Reading OpenAI chat completions. Fields that the sandbox does not act on are noted or ignored, as upstreams do."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from farebox_sandbox.ask import Ask, Form, Media, Part, Thinking, Tool, ToolChoice, Turn, data_url, given
from farebox_sandbox.exchange import Exchange

MAX_CHOICES = 128  # the limit that OpenAI documents for `n`
MAX_TOP_LOGPROBS = 20  # OpenAI's

TokenLimit = Annotated[int, Meta(ge=1)]


class Message(Struct):
    role: str
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning_details: Any = None
    cache_control: Any = None


class Function(Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ChatTool(Struct):
    type: str = "function"
    function: Function | None = None
    custom: dict[str, Any] | None = None
    cache_control: Any = None


class StreamOptions(Struct, omit_defaults=True):
    include_usage: bool | UnsetType | None = UNSET
    include_obfuscation: bool | UnsetType | None = UNSET


class ChatRequest(Struct):
    model: str
    messages: Annotated[list[Message], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=MAX_CHOICES)] | None = None
    max_tokens: TokenLimit | None = None
    max_completion_tokens: TokenLimit | None = None
    tools: list[ChatTool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    stop: str | list[str] | None = None
    metadata: dict[str, Any] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Any = None
    service_tier: str | None = None
    modalities: list[str] | None = None
    store: bool | None = None
    audio: Any = None
    prediction: Any = None
    web_search_options: Any = None
    sandbox: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(ChatRequest)
_names = frozenset(ChatRequest.__struct_fields__)


def read(body: bytes, exchange: Exchange) -> Ask:
    """The request of a JSON body; raises msgspec.DecodeError (of which ValidationError is a kind)."""
    request = _decoder.decode(body)
    exchange.call.stream_options = request.stream_options and msgspec.to_builtins(request.stream_options)
    exchange.call.n = request.n
    exchange.call.max_tokens = request.max_tokens
    exchange.call.max_completion_tokens = request.max_completion_tokens
    return Ask(
        dialect="openai_chat",
        model=request.model,
        turns=tuple([_turn(message) for message in request.messages]),
        tools=_tools(request),
        tool_choice=_tool_choice(request.tool_choice),
        parallel_tool_calls=request.parallel_tool_calls,
        thinking=_thinking(request.reasoning_effort),
        form=_form(request.response_format),
        token_limit=request.max_completion_tokens or request.max_tokens,
        choices=request.n or 1,
        sampling=_sampling(request),
        stop=_stop(request.stop),
        logprobs=(request.top_logprobs or 0) if request.logprobs else None,
        metadata=request.metadata or {},
        user=request.safety_identifier or request.user,
        cache_key=request.prompt_cache_key,
        service_tier=request.service_tier,
        verbosity=request.verbosity,
        modalities=tuple(request.modalities or ()),
        stream=bool(request.stream),
        include_usage=bool(request.stream_options and request.stream_options.include_usage is True),
        own=request.sandbox,
        unknown=_unknown(body),
    )


def _unknown(body: bytes) -> tuple[str, ...]:
    # Decoding only the names costs as much as decoding all: it is done where there is a chance of finding any.
    names = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return tuple(sorted(name for name in names if name not in _names))


def _turn(message: Message) -> Turn:
    if message.role == "tool":
        content = _content(message.content)
        result = Part(kind="tool_result", call_id=message.tool_call_id or "", content=content)
        return Turn("tool", (result,))
    # Many clients send an empty text beside tool calls: it says nothing.
    parts = _content(None if message.tool_calls and not message.content else message.content)
    if message.reasoning_content:
        parts = (Part(kind="reasoning", text=message.reasoning_content), *parts)
    if message.refusal:
        parts = (*parts, Part(kind="refusal", text=message.refusal))
    return Turn(message.role, (*parts, *map(_tool_call, message.tool_calls or ())), message.name or "")


def _tool_call(call: dict[str, Any]) -> Part:
    called = call.get("function") or call.get("custom") or {}
    arguments = called.get("arguments", called.get("input", ""))
    return Part(kind="tool_call", call_id=str(call.get("id")), name=str(called.get("name")), arguments=str(arguments))


def _content(content: str | list[dict[str, Any]] | None) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Part(kind="text", text=content),)
    return tuple([_part(part) for part in content or ()])


def _part(part: dict[str, Any]) -> Part:
    cache = cache_mark(part.get("cache_control"))
    match part:
        case {"type": "text", "text": str(text)}:
            return Part(kind="text", text=text, cache=cache)
        case {"type": "refusal", "refusal": str(text)}:
            return Part(kind="refusal", text=text)
        case {"type": "image_url", "image_url": {"url": str(url)} as image}:
            return Part(kind="image", media=data_url(url), detail=str(image.get("detail") or ""), cache=cache)
        case {"type": "input_audio", "input_audio": {"data": str(data), "format": str(form)}}:
            media_type = "audio/mpeg" if form == "mp3" else f"audio/{form}"
            return Part(kind="audio", media=Media("inline", data, media_type), cache=cache)
        case {"type": "file", "file": dict(file)}:
            return Part(kind="document", media=_file(file), filename=str(file.get("filename") or ""), cache=cache)
        case {"type": str(kind)}:
            raise msgspec.ValidationError(f"`{kind}` is not a complete content part")
    raise msgspec.ValidationError("a content part has a `type`")


def _file(file: dict[str, Any]) -> Media:
    if file.get("file_data"):
        return data_url(str(file["file_data"]))
    return Media("file_id", str(file.get("file_id")))


def cache_mark(control: Any) -> str:
    """ "5m", "1h", or "" for none."""
    return str(control.get("ttl") or "5m") if isinstance(control, dict) else ""


def _tools(request: ChatRequest) -> tuple[Tool, ...]:
    tools = [_tool(tool) for tool in request.tools or ()]
    if request.web_search_options is not None:
        tools.append(Tool("web_search", "web_search"))
    return tuple(tools)


def _tool(tool: ChatTool) -> Tool:
    function = tool.function
    if function is None:
        custom = tool.custom or {}
        return Tool(tool.type, str(custom.get("name", tool.type)), str(custom.get("description") or ""))
    cache = cache_mark(tool.cache_control)
    return Tool("function", function.name, function.description or "", function.parameters, function.strict, cache)


def _tool_choice(choice: str | dict[str, Any] | None) -> ToolChoice | None:
    match choice:
        case None:
            return None
        case str():
            return ToolChoice(choice)
        case {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": list(tools)}}:
            names = tuple((tool.get("function") or tool.get("custom") or {}).get("name", "") for tool in tools)
            return ToolChoice(f"allowed_{mode}", names)
        case {"function": {"name": str(name)}} | {"custom": {"name": str(name)}}:
            return ToolChoice("named", (name,))
    raise msgspec.ValidationError("`tool_choice` names no tool")


def _thinking(effort: str | None) -> Thinking | None:
    return None if effort is None else Thinking(effort != "none", effort)


def _form(wanted: dict[str, Any] | None) -> Form | None:
    match wanted:
        case {"type": "json_schema", "json_schema": {"schema": schema} as form}:
            return Form(schema, str(form.get("name") or ""), form.get("strict"))
        case {"type": "json_object"}:
            return Form()
    return None


def _sampling(request: ChatRequest) -> dict[str, Any]:
    return given(
        temperature=request.temperature,
        top_p=request.top_p,
        seed=request.seed,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        logit_bias=request.logit_bias or None,
    )


def _stop(stop: str | list[str] | None) -> tuple[str, ...]:
    return (stop,) if isinstance(stop, str) else tuple(stop or ())
