"""Reading Gemini's generateContent. As Google does, it takes both spellings of a name: `inlineData`, `inline_data`."""

import re
from typing import Any

import msgspec

from farebox_sandbox.ask import Ask, Form, Media, Part, Thinking, Tool, ToolChoice, Turn, canonical_json
from farebox_sandbox.exchange import Exchange

_REQUEST_NAMES = frozenset(
    (
        *("contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings"),
        *("cachedContent", "labels", "serviceTier", "store", "model", "sandbox"),
    )
)
_CONFIG_NAMES = frozenset(
    (
        *("temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "responseLogprobs"),
        *("logprobs", "presencePenalty", "frequencyPenalty", "seed", "responseMimeType", "responseSchema"),
        *("responseJsonSchema", "responseModalities", "mediaResolution", "speechConfig", "thinkingConfig"),
        *("imageConfig", "enableEnhancedCivicAnswers", "audioTranscriptionConfig"),
    )
)
_SAMPLING = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "seed": "seed",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}
_KINDS = {"image": "image", "audio": "audio", "video": "video"}
_EXTENSIONS = {"png": "image", "jpg": "image", "jpeg": "image", "webp": "image", "gif": "image", "mp3": "audio"}
_EXTENSIONS |= {"wav": "audio", "mp4": "video"}
_SNAKE = re.compile(r"_([a-z])")

Json = dict[str, Any]


def read(body: bytes, exchange: Exchange) -> Ask:
    """The request of `:generateContent`; raises msgspec.DecodeError."""
    raw = _camel(msgspec.json.decode(body, type=Json), _REQUEST_NAMES, "")
    config = _camel(_object(raw, "generationConfig"), _CONFIG_NAMES, "generation_config")
    if not raw.get("contents"):
        raise msgspec.ValidationError("contents is not specified")
    exchange.call.max_output_tokens = _count(config, "maxOutputTokens")
    return Ask(
        dialect="gemini",
        model=exchange.parameters["model"],
        turns=(*_system(raw), *_Contents().turns(raw["contents"])),
        tools=tuple(tool for one in raw.get("tools") or () for tool in _tools(one)),
        tool_choice=_tool_choice(raw.get("toolConfig")),
        thinking=_thinking(config.get("thinkingConfig")),
        form=_form(config),
        token_limit=_count(config, "maxOutputTokens"),
        choices=_count(config, "candidateCount") or 1,
        sampling=_sampling(config),
        stop=msgspec.convert(config.get("stopSequences") or (), tuple[str, ...]),
        logprobs=(_count(config, "logprobs") or 0) if config.get("responseLogprobs") else None,
        metadata=_object(raw, "labels"),
        service_tier=raw.get("serviceTier"),
        modalities=tuple(str(one).lower() for one in config.get("responseModalities") or ()),
        stream=exchange.scope["path"].endswith(":streamGenerateContent"),
        own=raw.get("sandbox"),
    )


def _camel(fields: Json, names: frozenset[str], where: str) -> Json:
    """The fields by their camel-case names. Google refuses names that it does not know."""
    told = {_SNAKE.sub(lambda match: match[1].upper(), name): value for name, value in fields.items()}
    if unknown := sorted(set(told) - names):
        place = f" at '{where}'" if where else ""
        raise msgspec.ValidationError(
            f'Invalid JSON payload received. Unknown name "{unknown[0][:80]}"{place}: Cannot find field.'
        )
    return told


def _get(fields: Json, name: str) -> Any:
    """A field by its camel-case name, in whichever spelling it came."""
    value = fields.get(name)
    return fields.get(re.sub(r"([A-Z])", r"_\1", name).lower()) if value is None else value


def _object(fields: Json, name: str) -> Json:
    value = _get(fields, name)
    if value is not None and not isinstance(value, dict):
        raise msgspec.ValidationError(f"Invalid value at '{name}': an object is expected")
    return value or {}


def _count(config: Json, name: str) -> int | None:
    value = config.get(name)
    if value is not None and (not isinstance(value, int) or value < 1):
        raise msgspec.ValidationError(f"{name} must be a positive integer")
    return value


def _sampling(config: Json) -> Json:
    given = {name: config[own] for own, name in _SAMPLING.items() if config.get(own) is not None}
    return msgspec.convert(given, dict[str, float | int])


def _system(raw: Json) -> tuple[Turn, ...]:
    instruction = _object(raw, "systemInstruction")
    texts = [str(part.get("text")) for part in instruction.get("parts") or ()]
    return (Turn("system", tuple(Part(kind="text", text=text) for text in texts)),) if texts else ()


class _Contents:
    """Reads the turns. Calls and responses may lack ids: then the order of equal names tells which belong together."""

    def __init__(self) -> None:
        self._calls = 0
        self._waiting: list[tuple[str, str]] = []  # id and name of calls without a response

    def turns(self, contents: Any) -> list[Turn]:
        found: list[Turn] = []
        for content in contents if isinstance(contents, list) else [contents]:
            role, parts = content.get("role") or "user", content.get("parts")
            if role not in ("user", "model"):
                raise msgspec.ValidationError("Please use a valid role: user, model.")
            if not parts:
                raise msgspec.ValidationError("contents.parts must not be empty.")
            found += self._split("assistant" if role == "model" else "user", tuple([self._part(one) for one in parts]))
        return found

    def _split(self, role: str, parts: tuple[Part, ...]) -> list[Turn]:
        results = tuple(part for part in parts if part.kind == "tool_result")
        others = tuple(part for part in parts if part.kind != "tool_result")
        return [Turn(own, some) for own, some in (("tool", results), (role, others)) if some]

    def _part(self, part: Json) -> Part:
        signature = str(_get(part, "thoughtSignature") or "")
        if (call := _get(part, "functionCall")) is not None:
            return self._call(call, signature)
        if (response := _get(part, "functionResponse")) is not None:
            return self._response(response)
        if part.get("thought"):
            return Part(kind="reasoning", text=str(part.get("text") or ""), signature=signature)
        if isinstance(text := part.get("text"), str):
            return Part(kind="text", text=text, signature=signature)
        if media := _media(part):
            return media
        kinds = [name for name in part if name not in ("thoughtSignature", "thought_signature")]
        return Part(kind=f"other:{kinds[0] if kinds else 'nothing'}", text=canonical_json(part), signature=signature)

    def _call(self, call: Json, signature: str) -> Part:
        call_id = str(call.get("id") or f"call-{self._calls}")
        name = str(call.get("name"))
        self._calls += 1
        self._waiting.append((call_id, name))
        arguments = canonical_json(call.get("args") or {})
        return Part(kind="tool_call", call_id=call_id, name=name, arguments=arguments, signature=signature)

    def _response(self, response: Json) -> Part:
        name, said = str(response.get("name")), response.get("id")
        fits = [one for one in self._waiting if (one[0] == said if said else one[1] == name)]
        if not fits:
            raise msgspec.ValidationError(f"functionResponse `{name[:80]}` answers no function call of the turn before")
        self._waiting.remove(fits[0])
        content, failed = _result(response.get("response") or {})
        media = tuple(one for part in response.get("parts") or () if (one := _media(part)))
        return Part(kind="tool_result", call_id=fits[0][0], name=name, content=(*content, *media), is_error=failed)


def _result(response: Json) -> tuple[tuple[Part, ...], bool]:
    """Google's convention: the value under `output` (or `result`), or under `error`; else the whole object."""
    match response:
        case {"error": value} if len(response) == 1:
            failed = True
        case {"output": value} | {"result": value} if len(response) == 1:
            failed = False
        case _:
            value, failed = response, False
    text = value if isinstance(value, str) else canonical_json(value)
    return (Part(kind="text", text=text),) if text else (), failed


def _media(part: Json) -> Part | None:
    if inline := _object(part, "inlineData"):
        media_type = str(_get(inline, "mimeType") or "")
        media = Media("inline", str(inline.get("data")), media_type)
    elif file := _object(part, "fileData"):
        media_type = str(_get(file, "mimeType") or "")
        uri = str(_get(file, "fileUri"))
        google = uri.startswith("https://generativelanguage.googleapis.com/") or not uri.startswith("http")
        media = Media("file_id" if google else "url", uri, media_type)
    else:
        return None
    family = media_type.partition("/")[0]
    extension = media.data.rpartition(".")[2].lower() if media.source == "url" and not media_type else ""
    name = str(_get(inline or file, "displayName") or "")
    return Part(kind=_KINDS.get(family) or _EXTENSIONS.get(extension, "document"), media=media, filename=name)


def _tools(tool: Json) -> list[Tool]:
    found = []
    for name, value in tool.items():
        plain = re.sub(r"([A-Z])", r"_\1", name).lower()
        if plain == "function_declarations":
            found += [_function(one) for one in value]
        else:
            kind = "web_search" if plain in ("google_search", "google_search_retrieval") else plain
            found.append(Tool(kind, kind))
    return found


def _function(declared: Json) -> Tool:
    schema = _get(declared, "parametersJsonSchema")
    if schema is None:
        schema = lower_types(declared.get("parameters"))
    return Tool("function", str(declared.get("name")), str(declared.get("description") or ""), schema)


def lower_types(schema: Any) -> Any:
    """Google's own schemas have types in capitals."""
    if isinstance(schema, dict):
        return {
            name: value.lower() if name == "type" and isinstance(value, str) else lower_types(value)
            for name, value in schema.items()
        }
    return [lower_types(one) for one in schema] if isinstance(schema, list) else schema


def _tool_choice(config: Json | None) -> ToolChoice | None:
    calling = _object(config or {}, "functionCallingConfig")
    if not calling:
        return None
    mode = str(calling.get("mode") or "AUTO").upper()
    names = tuple(_get(calling, "allowedFunctionNames") or ())
    if names and mode not in ("ANY", "VALIDATED"):
        raise msgspec.ValidationError("allowed_function_names: only with mode ANY or VALIDATED")
    match mode:
        case "ANY":
            return ToolChoice({0: "required", 1: "named"}.get(len(names), "allowed_required"), names)
        case "VALIDATED":
            return ToolChoice("allowed_auto" if names else "auto", names)
        case "AUTO" | "NONE":
            return ToolChoice(mode.lower())
    raise msgspec.ValidationError("function_calling_config.mode: one of AUTO, ANY, NONE, VALIDATED")


def _thinking(config: Json | None) -> Thinking | None:
    if config is None:
        return None
    level, budget = _get(config, "thinkingLevel"), _get(config, "thinkingBudget")
    if level is not None and budget is not None:
        raise msgspec.ValidationError("You can only set only one of thinking budget and thinking level.")
    shown = bool(_get(config, "includeThoughts"))
    effort = None if level is None else str(level).lower()
    return Thinking(budget != 0, effort, budget, shown=shown, summary="auto" if shown else None)


def _form(config: Json) -> Form | None:
    schema = config.get("responseJsonSchema")
    if schema is None:
        schema = lower_types(config.get("responseSchema"))
    json_wanted = config.get("responseMimeType") == "application/json"
    if schema is not None and not json_wanted:
        raise msgspec.ValidationError("A response schema needs response_mime_type application/json")
    return Form(schema) if json_wanted else None
