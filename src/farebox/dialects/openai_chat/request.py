"""Reading a chat request: what it asks for, how large it is, and the three edits that it gets on its way upstream."""

from collections.abc import Mapping
from typing import Any

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.openai_chat.rewrite import is_responses_shaped, rewrite
from farebox.dialects.openai_chat.shape import plain_name
from farebox.dialects.port import Edits
from farebox.dialects.request import (
    Fields,
    Request,
    Size,
    boolean_of,
    model_of,
    output_limit_of,
    raw,
    read_fields,
    text_of,
    value_of,
)

OUTPUT_LIMIT_FIELDS = ("max_completion_tokens", "max_tokens")
# Top-level fields whose JSON the model reads; the rest are switches.
_PROMPT_FIELDS = ("tools", "functions", "response_format", "prediction", "web_search_options")
# Values of these parts are media: counted in bytes and by the catalog's ceiling, not as text. The last ones are
# vendors' own (Mistral, vLLM): an address of some characters, and what lies there is read.
_MEDIA_PARTS = {
    "image_url": ("image", "url"),
    "input_audio": ("audio", "data"),
    "file": ("file", "file_data"),
    "audio_url": ("audio", "url"),
    "document_url": ("file", "url"),
    "file_url": ("file", "url"),
    "video_url": ("video", "url"),
}
# Tools that the client runs; every other tool is run, and may be billed, by the provider.
_CLIENT_TOOLS = frozenset({"function", "custom"})
# Fields by which vendors bill more than the request shows: they search, run tools of their own, or let another model
# answer, at another price (xAI, Alibaba, OpenRouter). Their `provider` is ours: no vendor is sent it.
_BILLED_APART = {
    "web_search_options": "web_search",
    "search_parameters": "live_search",
    "enable_search": "web_search",
    "plugins": "plugins",
    "models": "model_fallback",
}

# Where parts stand in a message: what it says, and pictures that a model made (OpenRouter).
_PARTS_FIELDS = ("content", "images")

_encode = msgspec.json.Encoder().encode


def read_request(body: bytes) -> Request:
    """Parse and measure; a body in the form of the Responses API is rewritten. Raises Problem (`invalid_request`,
    `invalid_max_tokens`)."""
    fields = read_fields(body)
    if is_responses_shaped(fields):
        fields = rewrite(fields)
    model = model_of(fields)
    options = value_of(fields, "stream_options")
    return Request(
        dialect="openai_chat",
        fields=fields,
        model=model,
        stream=boolean_of(fields, "stream"),
        wants_usage=isinstance(options, dict) and options.get("include_usage") is True,
        output_limit=output_limit_of(fields, *OUTPUT_LIMIT_FIELDS),
        choices=_choices(fields),
        service_tier=text_of(fields, "service_tier"),
        size=_size(fields),
    )


def native_body(request: Request, edits: Edits) -> bytes:
    """The body as it goes to a provider of chat: everything as it came, but for the model's id there, the output limit
    where it does not stand where the provider looks for it, and the wish for usage in a stream."""
    fields = dict(request.fields)
    fields["model"] = raw(edits.model)
    limit_field = edits.profile.output_limit_field
    if value_of(fields, limit_field) is None:
        # A limit under the other name may be one that this vendor does not look at.
        for name in OUTPUT_LIMIT_FIELDS:
            fields.pop(name, None)
        fields[limit_field] = raw(request.output_limit or edits.output_limit)
    if request.stream and edits.profile.stream_usage and not request.wants_usage:
        options = value_of(fields, "stream_options")
        merged = {**options, "include_usage": True} if isinstance(options, dict) else {"include_usage": True}
        fields["stream_options"] = raw(merged)
    return _encode(fields)


def _choices(fields: Fields) -> int:
    value = value_of(fields, "n")
    if value is None:
        return 1
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Problem("invalid_request", "`n` must be a positive whole number.", param="n")
    return value


def _size(fields: Fields) -> Size:
    messages = value_of(fields, "messages")
    if not isinstance(messages, list) or not messages:
        raise Problem("invalid_request", "`messages` must be a list of at least one message.", param="messages")
    size = Size(messages=len(messages))
    for number, message in enumerate(messages):
        if not isinstance(message, dict):
            raise Problem("invalid_request", "Every message must be an object.", param=f"messages[{number}]")
        _add_message(size, message)
    for name in _PROMPT_FIELDS:
        if name in fields and (value := bytes(fields[name])) != b"null":
            size.add_json(value)
    size.has_tools = "tools" in fields or "functions" in fields
    size.server_tools = _billed_apart(fields)
    return size


def _billed_apart(fields: Fields) -> tuple[str, ...]:
    """What the provider runs and bills by use."""
    kinds = {kind for name, kind in _BILLED_APART.items() if value_of(fields, name) not in (None, False)}
    tools = value_of(fields, "tools")
    for tool in tools if isinstance(tools, list) else ():
        kind = tool.get("type", "function") if isinstance(tool, dict) else None
        if isinstance(kind, str) and kind not in _CLIENT_TOOLS:
            kinds.add(plain_name(kind))
    return tuple(sorted(kinds))


def _add_message(size: Size, message: Mapping[str, Any]) -> None:
    for name, value in message.items():
        if isinstance(value, str):
            size.add_text(value)
        elif name in _PARTS_FIELDS and isinstance(value, list):
            for part in value:
                _add_part(size, part)
        elif value is not None:
            size.add_json(_encode(value))


def _kind_of(part: dict[str, Any]) -> Any:
    """The kind of a part; some vendors read one without a type by the field that it has."""
    return part["type"] if "type" in part else next((name for name in _MEDIA_PARTS if name in part), None)


def _add_part(size: Size, part: Any) -> None:
    kind = _kind_of(part) if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        size.add_text(part["text"])
    elif isinstance(kind, str) and kind in _MEDIA_PARTS:
        media, field = _MEDIA_PARTS[kind]
        inner = part.get(kind)
        content = inner.get(field) if isinstance(inner, dict) else inner
        size.add_media(media, content if isinstance(content, str) else part)
    else:
        size.add_json(_encode(part))
