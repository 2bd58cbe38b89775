"""Reading OpenAI Responses."""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from farebox_sandbox.ask import (
    Ask,
    Form,
    Media,
    Part,
    Thinking,
    Tool,
    ToolChoice,
    Turn,
    canonical_json,
    data_url,
    given,
)
from farebox_sandbox.dialects.chat_read import MAX_TOP_LOGPROBS
from farebox_sandbox.exchange import Exchange

Json = dict[str, Any]

ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"

# Fields that the answer says again, with what it says when they were not given.
_REPEATED: Json = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


class ResponsesRequest(Struct):
    model: str
    input: str | list[Json]
    instructions: str | None = None
    stream: bool | None = None
    stream_options: Any = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_tool_calls: int | None = None
    tools: list[Json] | None = None
    tool_choice: str | Json | None = None
    parallel_tool_calls: bool | None = None
    text: Json | None = None
    reasoning: Json | None = None
    include: list[str] | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    background: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    metadata: Json | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: Any = None
    prompt: Any = None
    service_tier: str | None = None
    truncation: str | None = None
    context_management: Any = None
    moderation: Any = None
    client_metadata: Any = None
    access_programs: Any = None
    background_options: Any = None
    image: Any = None
    sandbox: Json | None = None


_names = frozenset(ResponsesRequest.__struct_fields__)


def read(body: bytes, exchange: Exchange) -> Ask:
    """The request of a JSON body; raises msgspec.DecodeError."""
    raw = msgspec.json.decode(body, type=Json)
    request = msgspec.convert(raw, ResponsesRequest)
    exchange.call.max_output_tokens = request.max_output_tokens
    include = request.include or ()
    instructions = (Turn("system", (Part(kind="text", text=request.instructions),)),) if request.instructions else ()
    turns = (*instructions, *_turns(request.input))
    if not turns:
        raise msgspec.ValidationError("`input` is empty")
    return Ask(
        dialect="openai_responses",
        model=request.model,
        turns=turns,
        tools=tuple(tool for one in request.tools or () for tool in _tools(one)),
        tool_choice=_tool_choice(request.tool_choice),
        parallel_tool_calls=request.parallel_tool_calls,
        thinking=_thinking(request.reasoning, ENCRYPTED in include or request.store is False),
        form=_form((request.text or {}).get("format")),
        token_limit=request.max_output_tokens,
        sampling=given(temperature=request.temperature, top_p=request.top_p),
        logprobs=(request.top_logprobs or 0) if LOGPROBS in include else None,
        metadata=request.metadata or {},
        user=request.safety_identifier or request.user,
        cache_key=request.prompt_cache_key,
        service_tier=request.service_tier,
        verbosity=(request.text or {}).get("verbosity"),
        stream=bool(request.stream),
        own=request.sandbox,
        unknown=tuple(sorted(set(raw) - _names)),
        repeated=_repeated(raw, request),
    )


def _repeated(raw: Json, request: ResponsesRequest) -> Json:
    told = {name: usual if raw.get(name) is None else raw[name] for name, usual in _REPEATED.items()}
    tools = [
        {"strict": True, "parameters": None, **one} if one.get("type") == "function" else one
        for one in request.tools or ()
    ]
    kept = given(
        previous=request.previous_response_id, conversation=request.conversation, background=request.background
    )
    return {**told, "tools": tools, "text": {"format": {"type": "text"}, **(request.text or {})}, "_stateful": kept}


def _turns(given_input: str | list[Json]) -> list[Turn]:
    """Items by their role. What the model made (reasoning, messages, calls) is one turn until someone else speaks."""
    if isinstance(given_input, str):
        return [Turn("user", (Part(kind="text", text=given_input),))]
    turns: list[Turn] = []
    for item in given_input:
        role, parts = _item(item)
        if role in ("assistant", "tool") and turns and turns[-1].role == role:
            parts = turns.pop().parts + parts
        turns.append(Turn(role, parts))
    return turns


def _item(item: Json) -> tuple[str, tuple[Part, ...]]:
    match item:
        case {"role": str(role), "content": content}:
            return role, _content(content)
        case {"type": "reasoning"}:
            return "assistant", (_reasoning(item),)
        case {"type": "function_call" | "custom_tool_call", "call_id": str(call_id), "name": str(name)}:
            arguments = str(item.get("arguments", item.get("input", "")))
            # The id of the item, not of the call, tells whether reasoning came before it: see the check.
            item_id = str(item.get("id") or "")
            call = Part(kind="tool_call", call_id=call_id, name=name, arguments=arguments, item_id=item_id)
            return "assistant", (call,)
        case {"type": "function_call_output" | "custom_tool_call_output", "call_id": str(call_id), "output": output}:
            return "tool", (Part(kind="tool_result", call_id=call_id, content=_content(output)),)
        case {"type": "item_reference", "id": str(item_id)}:
            raise msgspec.ValidationError(f"Item with id '{item_id[:80]}' not found.")
        case {"type": "message" | "reasoning" | "function_call" | "function_call_output" as kind}:
            raise msgspec.ValidationError(f"input: a `{kind}` item lacks a field")
        case {"type": str(kind)}:
            return "assistant", (Part(kind=f"other:{kind}", text=canonical_json(item)),)
    raise msgspec.ValidationError("input: an item has a `type` or a `role`")


def _reasoning(item: Json) -> Part:
    summary = "\n\n".join(str(one.get("text")) for one in item.get("summary") or ())
    return Part(
        kind="reasoning",
        text=summary,
        signature=str(item.get("encrypted_content") or ""),
        item_id=str(item.get("id") or ""),
    )


def _content(content: str | list[Json]) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Part(kind="text", text=content),)
    return tuple([_part(part) for part in content])


def _part(part: Json) -> Part:
    match part:
        case {"type": "input_text", "text": str(text)}:
            return Part(kind="text", text=text)
        case {"type": "output_text", "text": str(text)}:
            return Part(kind="text", text=text, citations=len(part.get("annotations") or ()))
        case {"type": "refusal", "refusal": str(text)}:
            return Part(kind="refusal", text=text)
        case {"type": "input_image"}:
            return Part(kind="image", media=_media(part, "image_url"), detail=str(part.get("detail") or ""))
        case {"type": "input_file"}:
            name = str(part.get("filename") or "")
            return Part(kind="document", media=_media(part, "file_data", "file_url"), filename=name)
        case {"type": "input_audio", "input_audio": {"data": str(data), "format": str(form)}}:
            media_type = "audio/mpeg" if form == "mp3" else f"audio/{form}"
            return Part(kind="audio", media=Media("inline", data, media_type))
        case {"type": str(kind)}:
            raise msgspec.ValidationError(f"Invalid value: '{kind[:80]}'.")
    raise msgspec.ValidationError("input.content: a part has a `type`")


def _media(part: Json, *names: str) -> Media:
    if part.get("file_id"):
        return Media("file_id", str(part["file_id"]))
    for name in names:
        if part.get(name):
            return data_url(str(part[name]))
    raise msgspec.ValidationError(f"input.content: one of {', '.join(('file_id', *names))} is required")


def _tools(tool: Json) -> Iterator[Tool]:
    kind, name = str(tool.get("type")), str(tool.get("name") or tool.get("type"))
    described = str(tool.get("description") or "")
    if kind == "namespace":
        for one in tool.get("tools") or ():
            yield from _tools(one)
    elif kind == "function":
        yield Tool("function", name, described, tool.get("parameters"), tool.get("strict"))
    else:
        yield Tool("web_search" if kind.startswith("web_search") else kind, name, described)


def _tool_choice(choice: str | Json | None) -> ToolChoice | None:
    match choice:
        case None:
            return None
        case str():
            return ToolChoice(choice)
        case {"type": "allowed_tools", "mode": mode, "tools": list(tools)}:
            return ToolChoice(f"allowed_{mode}", tuple(str(tool.get("name") or tool.get("type")) for tool in tools))
        case {"type": str(kind)}:
            return ToolChoice("named", (str(choice.get("name") or kind),))
    raise msgspec.ValidationError("`tool_choice` names no tool")


def _thinking(reasoning: Json | None, sealed: bool) -> Thinking | None:
    if reasoning is None:
        return None
    effort, summary = reasoning.get("effort"), reasoning.get("summary") or reasoning.get("generate_summary")
    return Thinking(effort != "none", effort, shown=summary is not None, summary=summary, sealed=sealed)


def _form(wanted: Json | None) -> Form | None:
    kind = (wanted or {}).get("type")
    if wanted is None or kind not in ("json_schema", "json_object"):
        return None
    if kind == "json_object":
        return Form()
    return Form(wanted.get("schema"), str(wanted.get("name") or ""), wanted.get("strict"))
