"""A `generateContent` request read into canonical form: written for tests, and sharing nothing with the encoder but the
canonical types. It reads what the public reference says, also what the encoder never writes."""

import json
from typing import Any

import msgspec

from farebox.dialects.canonical.conversation import (
    Conversation,
    FunctionTool,
    JsonSchema,
    Sampling,
    ServerTool,
    Thinking,
    Tool,
    ToolChoice,
    Turn,
)
from farebox.dialects.canonical.parts import (
    Audio,
    Document,
    FileId,
    Image,
    Inline,
    Opaque,
    Part,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
    Url,
)

Json = dict[str, Any]
PLACEHOLDER = "skip_thought_signature_validator"
FORMATS = {"audio/wav": "wav", "audio/mp3": "mp3", "audio/flac": "flac", "audio/ogg": "ogg"}
SERVER_TOOLS = {"googleSearch": "web_search", "codeExecution": "code_execution", "urlContext": "web_fetch"}
OWN_PARTS = {"executableCode": "executable_code", "codeExecutionResult": "code_execution_result"}


def read_conversation(body: bytes) -> Conversation:
    """The conversation that a request body asks for."""
    request = _with_raw(body)
    config = request.get("generationConfig", {})
    system = request.get("systemInstruction")
    turns = [_turn(content) for content in request["contents"]]
    if system is not None:
        turns.insert(0, Turn("system", tuple(_part(part) for part in system["parts"])))
    return Conversation(
        origin="gemini",
        turns=tuple(turns),
        tools=tuple(tool for entry in request.get("tools", ()) for tool in _tools(entry)),
        tool_choice=_choice(request.get("toolConfig")),
        thinking=_thinking(config.get("thinkingConfig")),
        answer_form=_form(config),
        sampling=Sampling(
            temperature=config.get("temperature"),
            top_p=config.get("topP"),
            top_k=config.get("topK"),
            seed=config.get("seed"),
            presence_penalty=config.get("presencePenalty"),
            frequency_penalty=config.get("frequencyPenalty"),
            logprobs=config.get("responseLogprobs", False),
            top_logprobs=config.get("logprobs"),
            stop=tuple(config.get("stopSequences", ())),
        ),
        choices=config.get("candidateCount", 1),
        service_tier=request.get("serviceTier"),
        modalities=tuple(name.lower() for name in config.get("responseModalities", ())),
    )


class _Raw(msgspec.Struct):
    """An object whose text matters: arguments and responses."""

    text: str


def _with_raw(body: bytes) -> Json:
    """The request, with `args` and `response` as their own text."""

    def walk(value: Any, raw: Any) -> Any:
        if isinstance(value, dict):
            inner = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            return {
                name: _Raw(bytes(inner[name]).decode()) if name in ("args", "response") else walk(one, inner[name])
                for name, one in value.items()
            }
        if isinstance(value, list):
            return [walk(*pair) for pair in zip(value, msgspec.json.decode(raw, type=list[msgspec.Raw]), strict=True)]
        return value

    request: Json = json.loads(body)
    raw = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    return {name: walk(value, raw[name]) if name == "contents" else value for name, value in request.items()}


def _turn(content: Json) -> Turn:
    parts = content["parts"]
    if content.get("role", "user") == "model":
        return Turn("assistant", tuple(_part(part) for part in parts))
    if any("functionResponse" in part for part in parts):
        return Turn("tool", tuple(_results(parts)))
    return Turn("user", tuple(_part(part) for part in parts))


def _results(parts: list[Json]) -> list[ToolResult]:
    """Media after a response belong to it."""
    results: list[ToolResult] = []
    for part in parts:
        if "functionResponse" in part:
            results.append(_result(part["functionResponse"]))
        else:
            last = results[-1]
            results[-1] = msgspec.structs.replace(last, content=(*last.content, _part(part)))
    return results


def _result(response: Json) -> ToolResult:
    said = response["response"].text
    fields = json.loads(said)
    failed = set(fields) == {"error"}
    output = fields["error"] if failed else fields.get("output", said) if set(fields) == {"output"} else said
    texts = output if isinstance(output, list) else [output]
    content = (*(Text(text) for text in texts), *(_part(part) for part in response.get("parts", ())))
    return ToolResult(response["id"], content, is_error=failed)  # type: ignore[arg-type]


def _part(part: Json) -> Part:
    seal = part.get("thoughtSignature", "")
    if "functionCall" in part:
        call = part["functionCall"]
        seal = "" if seal == PLACEHOLDER else seal
        return ToolCall(
            call["id"], call["name"], call["args"].text, seal=seal, origin="gemini" if seal else None
        )  # fmt: skip
    if "text" in part and part.get("thought"):
        return Reasoning(text=part["text"], seal=seal, origin="gemini")
    if "text" in part and seal:
        return Reasoning(seal=seal, redacted=True, origin="gemini")
    if "text" in part:
        return Text(part["text"])
    for name, kind in OWN_PARTS.items():
        if name in part:
            return Opaque("gemini", kind, part)
    return _media(part)


def _media(part: Json) -> Image | Document | Audio:
    source: Source
    if "inlineData" in part:
        kind, data = part["inlineData"]["mimeType"], part["inlineData"]["data"]
        if kind in FORMATS:
            return Audio(data, FORMATS[kind])
        source = Inline(kind, data)
    else:
        kind, uri = part["fileData"].get("mimeType", ""), part["fileData"]["fileUri"]
        source = Url(uri) if kind else FileId(uri, "gemini")
    return Image(source) if kind.startswith("image/") else Document(source)


def _tools(entry: Json) -> list[Tool]:
    if "functionDeclarations" in entry:
        return [
            FunctionTool(one["name"], one.get("description", ""), one.get("parametersJsonSchema"))
            for one in entry["functionDeclarations"]
        ]
    (name,) = entry
    return [ServerTool("gemini", SERVER_TOOLS[name], entry)]


def _choice(config: Json | None) -> ToolChoice | None:
    if config is None:
        return None
    calling = config["functionCallingConfig"]
    names = tuple(calling.get("allowedFunctionNames", ()))
    match calling["mode"], len(names):
        case "AUTO", 0:
            return ToolChoice("auto")
        case "NONE", 0:
            return ToolChoice("none")
        case "ANY", 0:
            return ToolChoice("required")
        case "ANY", 1:
            return ToolChoice("named", names)
        case "ANY", _:
            return ToolChoice("allowed_required", names)
        case "VALIDATED", _:
            return ToolChoice("allowed_auto", names)
    raise AssertionError(f"not a choice of the reference: {calling}")


def _thinking(config: Json | None) -> Thinking | None:
    if config is None:
        return None
    budget, level, shown = (config.get(name) for name in ("thinkingBudget", "thinkingLevel", "includeThoughts"))
    return Thinking(
        effort=None if level is None else level.lower(),
        budget_tokens=budget if budget is not None and budget > 0 else None,
        adaptive=budget == -1,
        disabled=budget == 0,
        summary=None if shown is None else "auto" if shown else "omitted",
    )


def _form(config: Json) -> JsonSchema | None:
    if config.get("responseMimeType") != "application/json":
        return None
    return JsonSchema(config.get("responseJsonSchema"))
