"""Reading a chat request: what it asks for, how large it is, and the three edits that it gets on its way upstream.

The top level is kept as raw JSON values, so whatever we do not know passes byte for byte.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from farebox.base.errors import Problem

Fields = dict[str, msgspec.Raw]

_top = msgspec.json.Decoder(Fields)
_any = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode

OUTPUT_LIMIT_FIELDS = ("max_completion_tokens", "max_tokens")
# Top-level fields whose JSON the model reads; the rest are switches.
_PROMPT_FIELDS = ("tools", "functions", "response_format", "prediction", "web_search_options")
# Values of these parts are media: counted in bytes and by the catalog's ceiling, not as text.
_MEDIA_PARTS = {"image_url": ("image", "url"), "input_audio": ("audio", "data"), "file": ("file", "file_data")}


class Size(msgspec.Struct, gc=False):
    """How large a prompt is. `text_bytes` bounds its tokens from above: no tokenizer makes more tokens than bytes."""

    text_chars: int = 0
    text_bytes: int = 0
    messages: int = 0
    media_bytes: int = 0
    has_tools: bool = False
    media: dict[str, int] = msgspec.field(default_factory=dict)

    def add_text(self, text: str) -> None:
        """Count a text that the model reads."""
        self.text_chars += len(text)
        self.text_bytes += len(text) if text.isascii() else len(text.encode())

    def add_json(self, value: bytes) -> None:
        """Count JSON that the model reads."""
        self.text_bytes += len(value)
        self.text_chars += len(value) if value.isascii() else len(value.decode(errors="replace"))


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a client asked for. `output_limit` is None when it set none; it counts per choice."""

    fields: Fields
    model: str
    stream: bool
    wants_usage: bool
    output_limit: int | None
    choices: int
    service_tier: str | None
    size: Size


def read_request(body: bytes) -> ChatRequest:
    """Parse and measure. Raises Problem (`invalid_request`, `invalid_max_tokens`)."""
    try:
        fields = _top.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The decoder's message can quote a key of the body, so it is not passed on.
        raise Problem("invalid_request", "The body must be one JSON object.") from error
    model = _value(fields, "model")
    if not isinstance(model, str) or not model:
        raise Problem("invalid_request", "`model` must be the id of a model.", param="model")
    options = _value(fields, "stream_options")
    return ChatRequest(
        fields=fields,
        model=model,
        stream=_boolean(fields, "stream"),
        wants_usage=isinstance(options, dict) and options.get("include_usage") is True,
        output_limit=_output_limit(fields),
        choices=_choices(fields),
        service_tier=_optional_text(fields, "service_tier"),
        size=_size(fields),
    )


def _value(fields: Fields, name: str) -> Any:
    raw = fields.get(name)
    if raw is None:
        return None
    try:
        return _any.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem("invalid_request", f"`{name}` is not valid JSON.", param=name) from error


def _boolean(fields: Fields, name: str) -> bool:
    value = _value(fields, name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Problem("invalid_request", f"`{name}` must be true or false.", param=name)


def _optional_text(fields: Fields, name: str) -> str | None:
    value = _value(fields, name)
    if value is None or isinstance(value, str):
        return value
    raise Problem("invalid_request", f"`{name}` must be a string.", param=name)


def _output_limit(fields: Fields) -> int | None:
    limits = [_positive(fields, name) for name in OUTPUT_LIMIT_FIELDS]
    given = [limit for limit in limits if limit is not None]
    return max(given) if given else None


def _positive(fields: Fields, name: str) -> int | None:
    value = _value(fields, name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Problem("invalid_max_tokens", f"`{name}` must be a positive whole number.", param=name)
    return value


def _choices(fields: Fields) -> int:
    value = _value(fields, "n")
    if value is None:
        return 1
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Problem("invalid_request", "`n` must be a positive whole number.", param="n")
    return value


def _size(fields: Fields) -> Size:
    messages = _value(fields, "messages")
    if not isinstance(messages, list) or not messages:
        raise Problem("invalid_request", "`messages` must be a list of at least one message.", param="messages")
    size = Size(messages=len(messages))
    for number, message in enumerate(messages):
        if not isinstance(message, dict):
            raise Problem("invalid_request", "Every message must be an object.", param=f"messages[{number}]")
        _add_message(size, message)
    for name in _PROMPT_FIELDS:
        if name in fields and (raw := bytes(fields[name])) != b"null":
            size.add_json(raw)
    size.has_tools = "tools" in fields or "functions" in fields
    return size


def _add_message(size: Size, message: Mapping[str, Any]) -> None:
    for name, value in message.items():
        if isinstance(value, str):
            size.add_text(value)
        elif name == "content" and isinstance(value, list):
            for part in value:
                _add_part(size, part)
        elif value is not None:
            size.add_json(_encode(value))


def _add_part(size: Size, part: Any) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        size.add_text(part["text"])
    elif isinstance(kind, str) and kind in _MEDIA_PARTS:
        media, field = _MEDIA_PARTS[kind]
        size.media[media] = size.media.get(media, 0) + 1
        inner = part.get(kind)
        content = inner.get(field) if isinstance(inner, dict) else inner
        size.media_bytes += len(content) if isinstance(content, str) else len(_encode(part))
    else:
        size.add_json(_encode(part))


def upstream_body(
    request: ChatRequest, *, model: str, output_limit: int, output_field: str, stream_usage: bool
) -> bytes:
    """The body as it goes upstream: everything as it came, but for the model's id there, the output limit where the
    client set none, and the wish for usage in a stream."""
    fields = dict(request.fields)
    fields["model"] = msgspec.Raw(_encode(model))
    if request.output_limit is None:
        for name in OUTPUT_LIMIT_FIELDS:
            fields.pop(name, None)
        fields[output_field] = msgspec.Raw(_encode(output_limit))
    if request.stream and stream_usage and not request.wants_usage:
        options = _value(fields, "stream_options")
        merged = {**options, "include_usage": True} if isinstance(options, dict) else {"include_usage": True}
        fields["stream_options"] = msgspec.Raw(_encode(merged))
    return _encode(fields)
