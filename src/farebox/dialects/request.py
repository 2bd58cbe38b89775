"""What is read of every text request before anything is decided, whatever its dialect: which model, how much at most,
how large. The top level is kept as raw JSON values, so whatever we do not know passes byte for byte.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.canonical.parts import DialectName

Fields = dict[str, msgspec.Raw]

# Names of fields that decide what a request holds and costs. Some providers read names without regard to case, so the
# same name in other letters would be a second value of it: another model, more pictures, a longer text.
DECIDING = frozenset(
    {
        *("model", "messages", "system", "instructions", "input", "prompt", "tools", "n", "stream", "stream_options"),
        *("max_tokens", "max_completion_tokens", "max_output_tokens", "service_tier", "thinking", "modalities"),
        *("size", "quality", "output_format", "frame_count", "partial_images", "svg", "image", "images", "mask"),
        *("stream_format", "seconds", "file", "provider", "max_cost"),
    }
)

# What a request says to the gateway alone.
_NOT_IN_FORMS = frozenset({"provider", "max_cost", "session_id"})

_top = msgspec.json.Decoder(Fields)
_any = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


class Size(msgspec.Struct, gc=False):
    """How large a prompt is. `text_bytes` bounds its tokens from above: no tokenizer makes more tokens than bytes.

    `media` counts parts by kind (`image`, `audio`, `file`), `server_tools` names the tools that the provider runs and
    bills by use (`web_search`, `code_execution`, …).
    """

    text_chars: int = 0
    text_bytes: int = 0
    messages: int = 0
    media_bytes: int = 0
    has_tools: bool = False
    media: dict[str, int] = msgspec.field(default_factory=dict)
    server_tools: tuple[str, ...] = ()

    def add_text(self, text: str) -> None:
        """Count a text that the model reads."""
        self.text_chars += len(text)
        self.text_bytes += len(text) if text.isascii() else len(text.encode())

    def add_json(self, value: bytes) -> None:
        """Count JSON that the model reads."""
        self.text_bytes += len(value)
        self.text_chars += len(value) if value.isascii() else len(value.decode(errors="replace"))

    def add_media(self, kind: str, content: Any) -> None:
        """Count a part that is not text: `content` is its base64 or its address."""
        self.media[kind] = self.media.get(kind, 0) + 1
        self.media_bytes += len(content) if isinstance(content, str | bytes) else len(_encode(content))


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a client asked for. `output_limit` is None when it set none; it counts per choice.

    `headers` are the client's headers that its dialect forwards to a provider of the same dialect, by allow-list
    (`anthropic-version`, `anthropic-beta`); `query` likewise (`beta=true`).
    """

    dialect: DialectName
    fields: Fields
    model: str
    stream: bool
    wants_usage: bool
    output_limit: int | None
    choices: int
    service_tier: str | None
    size: Size
    headers: tuple[tuple[str, str], ...] = ()
    query: str = ""


def read_fields(body: bytes) -> Fields:
    """The top level of a request. Raises Problem `invalid_request`."""
    try:
        fields = _top.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The decoder's message can quote a key of the body, so it is not passed on.
        raise Problem("invalid_request", "The body must be one JSON object.") from error
    for name in fields:
        refuse_lookalike(name)
    return fields


def refuse_lookalike(name: str) -> None:
    """Raises Problem `invalid_request` for a field whose name is one of `DECIDING` in other letters."""
    if name not in DECIDING and (meant := name.casefold()) in DECIDING:
        raise Problem("invalid_request", f"Write `{meant}` in small letters.", param=meant)


def refuse_in_form(name: str) -> None:
    """Raises Problem `invalid_request` for a field that is the gateway's, in whatever letters: a form passes as it is,
    so it would be sent to the provider and heeded by nobody."""
    meant = name.partition("[")[0].casefold()
    if meant in _NOT_IN_FORMS:
        raise Problem("invalid_request", f"A form says `{meant}` in its header, not in a field.", param=meant)


def value_of(fields: Mapping[str, msgspec.Raw], name: str) -> Any:
    """The decoded value of a field, None where it is absent. Raises Problem `invalid_request`."""
    raw = fields.get(name)
    if raw is None:
        return None
    try:
        return _any.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem("invalid_request", f"`{name}` is not valid JSON.", param=name) from error


def model_of(fields: Fields) -> str:
    """The model's id. Raises Problem `invalid_request`."""
    model = value_of(fields, "model")
    if not isinstance(model, str) or not model:
        raise Problem("invalid_request", "`model` must be the id of a model.", param="model")
    return model


def boolean_of(fields: Fields, name: str) -> bool:
    """A switch, false where it is absent. Raises Problem `invalid_request`."""
    value = value_of(fields, name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Problem("invalid_request", f"`{name}` must be true or false.", param=name)


def text_of(fields: Fields, name: str) -> str | None:
    """An optional string. Raises Problem `invalid_request`."""
    value = value_of(fields, name)
    if value is None or isinstance(value, str):
        return value
    raise Problem("invalid_request", f"`{name}` must be a string.", param=name)


def output_limit_of(fields: Fields, *names: str) -> int | None:
    """The largest of the named output limits that are given. Raises Problem `invalid_max_tokens`."""
    given = [limit for name in names if (limit := _positive(fields, name)) is not None]
    return max(given) if given else None


def _positive(fields: Fields, name: str) -> int | None:
    value = value_of(fields, name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Problem("invalid_max_tokens", f"`{name}` must be a positive whole number.", param=name)
    return value


def raw(value: Any) -> msgspec.Raw:
    """A value as the raw JSON that stands in `Fields`."""
    return msgspec.Raw(_encode(value))
