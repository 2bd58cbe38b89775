"""What turns and answers are made of. Frozen; equal parts say the same thing, whatever dialect they came in."""

from typing import Any, Literal

import msgspec

DialectName = Literal["openai_chat", "openai_responses", "anthropic_messages", "gemini"]
Json = Any


class CacheMark(msgspec.Struct, frozen=True, gc=False):
    """Everything up to here may be cached by the provider, for so long. Source: Anthropic prompt caching."""

    ttl: Literal["5m", "1h"] = "5m"


class Url(msgspec.Struct, frozen=True, gc=False, tag="url"):
    """Content that the provider fetches itself. `media_type` where the dialect tells it (Gemini does)."""

    url: str
    media_type: str = ""


class Inline(msgspec.Struct, frozen=True, gc=False, tag="inline"):
    """Content in the request: base64 exactly as it came, not decoded."""

    media_type: str
    data: str


class FileId(msgspec.Struct, frozen=True, gc=False, tag="file_id"):
    """Content that lies at one provider. It means nothing to another: `origin` says whose it is."""

    file_id: str
    origin: DialectName


Source = Url | Inline | FileId


class Citation(msgspec.Struct, frozen=True, gc=False):
    """Where a text comes from. A web citation is portable: url, title, and the characters `start` to `end` of the text
    that it covers (None: the whole text). Any other kind has `raw` as `origin` said it, for the same dialect only."""

    url: str = ""
    title: str = ""
    quote: str = ""
    start: int | None = None
    end: int | None = None
    origin: DialectName | None = None
    raw: Json = None


class Text(msgspec.Struct, frozen=True, tag="text"):
    """Text of any role."""

    text: str
    citations: tuple[Citation, ...] = ()
    cache: CacheMark | None = None


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """What the model said instead of an answer. A dialect without refusals shows it as text."""

    text: str


class Image(msgspec.Struct, frozen=True, tag="image"):
    """A picture. `detail` is OpenAI's (`auto`, `low`, `high`, `original`)."""

    source: Source
    detail: str = ""
    cache: CacheMark | None = None


class Document(msgspec.Struct, frozen=True, tag="document"):
    """A file to read: PDF, text and so on. `context` and `cite` are Anthropic's: a note beside it, and whether the
    answer shall cite it."""

    source: Source
    filename: str = ""
    context: str = ""
    cite: bool = False
    cache: CacheMark | None = None


class SearchResult(msgspec.Struct, frozen=True, tag="search_result"):
    """A text with its origin that the client found (Anthropic). Others get it as plain text."""

    source: str
    title: str
    texts: tuple[str, ...]
    cite: bool = False
    cache: CacheMark | None = None


class Audio(msgspec.Struct, frozen=True, tag="audio"):
    """Sound, base64 as it came. `format` is OpenAI's name: `wav`, `mp3`, …"""

    data: str
    format: str
    cache: CacheMark | None = None


class Reasoning(msgspec.Struct, frozen=True, tag="reasoning"):
    """What the model thought. `seal` is the provider's signature or encrypted content: it must come back unchanged in
    the next turn, and means nothing to a provider of another dialect than `origin`.

    `text` is the thinking itself, `summary` the paragraphs of a summary (OpenAI). `redacted`: only the seal is known.
    `item_id` is the id of a Responses reasoning item.
    """

    text: str = ""
    summary: tuple[str, ...] = ()
    seal: str = ""
    redacted: bool = False
    origin: DialectName | None = None
    item_id: str = ""


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call"):
    """The model wants a tool used. `arguments` is JSON text exactly as the model wrote it; for a `custom` tool (OpenAI)
    it is free text. `seal`: Gemini's thought signature on the call. `namespace`: of a Responses namespace tool."""

    call_id: str
    name: str
    arguments: str
    custom: bool = False
    namespace: str = ""
    seal: str = ""
    origin: DialectName | None = None
    item_id: str = ""
    cache: CacheMark | None = None


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result"):
    """What a tool answered. Its content is text, images and documents."""

    call_id: str
    content: tuple["Text | Image | Document | SearchResult", ...]
    is_error: bool = False
    custom: bool = False
    cache: CacheMark | None = None


class Opaque(msgspec.Struct, frozen=True, tag="opaque"):
    """Something that only `origin` understands, as decoded JSON: a server tool's call, a computer action, a container
    upload. Other dialects drop it and name it by `kind`."""

    origin: DialectName
    kind: str
    value: Json


Part = Text | Refusal | Image | Document | SearchResult | Audio | Reasoning | ToolCall | ToolResult | Opaque
