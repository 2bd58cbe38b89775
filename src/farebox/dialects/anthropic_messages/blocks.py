"""Content blocks into canonical parts. Source: ContentBlockParam and ContentBlock of the official SDK."""

import base64
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from farebox.dialects.anthropic_messages.citations import read_citations
from farebox.dialects.anthropic_messages.seals import OWN, CallSeal, read_redacted, read_thinking
from farebox.dialects.anthropic_messages.shape import (
    Unknowns,
    Unreadable,
    list_at,
    object_at,
    optional_text_at,
    plain_name,
    switch_at,
    text_at,
)
from farebox.dialects.canonical.parts import (
    CacheMark,
    Document,
    FileId,
    Image,
    Inline,
    Opaque,
    Part,
    SearchResult,
    Source,
    Text,
    ToolCall,
    ToolResult,
    Url,
)

PLAIN_TEXT = "text/plain"
# Fields that are read, by the type of the block; others are named as not understood.
_KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("type", "text", "citations", "cache_control"),
    "image": ("type", "source", "cache_control"),
    "document": ("type", "source", "title", "context", "citations", "cache_control"),
    "search_result": ("type", "source", "title", "content", "citations", "cache_control"),
    "thinking": ("type", "thinking", "signature"),
    "redacted_thinking": ("type", "data"),
    "tool_use": ("type", "id", "name", "input", "cache_control"),
    "tool_result": ("type", "tool_use_id", "content", "is_error", "cache_control"),
}
_DIRECT: Final = {"type": "direct"}

_encode = msgspec.json.Encoder().encode


class BlockReader:
    """Reads the blocks of one message. `trusted`: it comes from a client, so our envelopes are opened."""

    __slots__ = ("_call_seals", "_trusted", "_unknown")

    def __init__(self, unknown: Unknowns, *, trusted: bool) -> None:
        self._unknown = unknown
        self._trusted = trusted
        self._call_seals: dict[str, CallSeal] = {}

    def content(self, value: Any, place: str) -> list[Part]:
        """A message's content: a text, or a list of blocks. Raises Unreadable."""
        if isinstance(value, str):
            return [Text(value)] if value else []
        parts: list[Part] = []
        for number, block in enumerate(list_at(value, place)):
            parts += self.block(block, f"{place}.{number}")
        if self._call_seals:
            parts = [self._sealed(part) if isinstance(part, ToolCall) else part for part in parts]
        return parts

    def _sealed(self, call: ToolCall) -> ToolCall:
        found = self._call_seals.get(call.call_id)
        if found is None:
            return call
        return msgspec.structs.replace(call, seal=found.seal, origin=found.origin)

    def block(self, value: Any, place: str) -> list[Part]:
        """One block: a part in most cases, none for the seal of a call. A type that is not known is opaque."""
        block = object_at(value, place)
        kind = text_at(block, "type", place)
        if kind in _KNOWN:
            self._note_rest(kind, block)
        match kind:
            case "text":
                return [self._text(block, place)]
            case "image":
                return [Image(_source(block.get("source"), f"{place}.source"), cache=read_cache(block, place))]
            case "document":
                return self._document(block, place)
            case "search_result":
                return [_search_result(block, place)]
            case "thinking":
                return [read_thinking(block, place, trusted=self._trusted)]
            case "redacted_thinking":
                return self._redacted(block, place)
            case "tool_use":
                return [_tool_call(block, place)]
            case "tool_result":
                return [self._tool_result(block, place)]
            case _:
                return [Opaque(OWN, plain_name(kind), block)]

    def _note_rest(self, kind: str, block: dict[str, Any]) -> None:
        known = _KNOWN[kind]
        for name, value in block.items():
            # Most blocks have no other field, and most calls come directly from the model.
            if name not in known and not (name == "caller" and value == _DIRECT):
                self._unknown.add_rest("messages.", {name: value}, ())

    def _text(self, block: dict[str, Any], place: str) -> Text:
        citations = read_citations(block.get("citations"), place)
        return Text(text_at(block, "text", place), citations, read_cache(block, place))

    def _redacted(self, block: dict[str, Any], place: str) -> list[Part]:
        found = read_redacted(block, place, trusted=self._trusted)
        if isinstance(found, CallSeal):
            self._call_seals[found.call_id] = found
            return []
        return [found]

    def _document(self, block: dict[str, Any], place: str) -> list[Part]:
        source = object_at(block.get("source"), f"{place}.source")
        pictures: list[Part] = []
        if source.get("type") == "content":
            text, pictures = self._pages(source.get("content"), f"{place}.source.content")
            read: Source = _inline_text(text)
        else:
            read = _source(source, f"{place}.source")
        document = Document(
            read,
            filename=optional_text_at(block, "title", place),
            context=optional_text_at(block, "context", place),
            cite=_cites(block, place),
            cache=read_cache(block, place),
        )
        return [document, *pictures]

    def _pages(self, content: Any, place: str) -> tuple[str, list[Part]]:
        """The text of a document that is made of blocks, and its pictures, which follow it."""
        parts = self.content(content, place)
        if any(not isinstance(part, Text | Image) for part in parts):
            raise Unreadable(place, "text and images")
        text = "\n\n".join(part.text for part in parts if isinstance(part, Text))
        return text, [part for part in parts if isinstance(part, Image)]

    def _tool_result(self, block: dict[str, Any], place: str) -> ToolResult:
        content = block.get("content")
        parts = self.content(content, f"{place}.content") if content is not None else []
        return ToolResult(
            text_at(block, "tool_use_id", place),
            tuple(_result_part(part, f"{place}.content") for part in parts),
            is_error=switch_at(block, "is_error", place) or False,
            cache=read_cache(block, place),
        )


def _result_part(part: Part, place: str) -> Text | Image | Document | SearchResult:
    match part:
        case Text() | Image() | Document() | SearchResult():
            return part
        case Opaque():
            # What a tool found is read by the model in any form: the name of another tool, the state of a browser.
            return Text(_encode(part.value).decode())
    raise Unreadable(place, "what a tool answers: text, images, documents and search results")


def _tool_call(block: dict[str, Any], place: str) -> ToolCall:
    arguments = object_at(block.get("input"), f"{place}.input")
    return ToolCall(
        text_at(block, "id", place),
        text_at(block, "name", place),
        _encode(arguments).decode(),
        cache=read_cache(block, place),
    )


def _search_result(block: dict[str, Any], place: str) -> SearchResult:
    texts = [
        text_at(object_at(entry, f"{place}.content.{number}"), "text", f"{place}.content.{number}")
        for number, entry in enumerate(list_at(block.get("content"), f"{place}.content"))
    ]
    source, title = text_at(block, "source", place), text_at(block, "title", place)
    return SearchResult(source, title, tuple(texts), _cites(block, place), read_cache(block, place))


def _cites(block: dict[str, Any], place: str) -> bool:
    wish = block.get("citations")
    if wish is None:
        return False
    where = f"{place}.citations"
    return switch_at(object_at(wish, where), "enabled", where) or False


def _source(value: Any, place: str) -> Source:
    source = object_at(value, place)
    match text_at(source, "type", place):
        case "base64":
            return Inline(text_at(source, "media_type", place), text_at(source, "data", place))
        case "url":
            return Url(text_at(source, "url", place))
        case "file":
            return FileId(text_at(source, "file_id", place), OWN)
        case "text":
            return _inline_text(text_at(source, "data", place))
    raise Unreadable(f"{place}.type", "a source that is known: base64, url, file, text or content")


def _inline_text(text: str) -> Inline:
    return Inline(PLAIN_TEXT, base64.b64encode(text.encode()).decode())


def read_cache(holder: dict[str, Any], place: str) -> CacheMark | None:
    """`cache_control`. Raises Unreadable."""
    mark = holder.get("cache_control")
    if mark is None:
        return None
    mark = object_at(mark, f"{place}.cache_control" if place else "cache_control")
    return CacheMark("1h" if mark.get("ttl") == "1h" else "5m")
