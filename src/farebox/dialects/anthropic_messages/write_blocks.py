"""Canonical parts into content blocks for a provider of this dialect."""

import base64
import binascii
import hashlib
import re
from typing import Any, Final

import msgspec

from farebox.dialects.anthropic_messages.citations import own_citations
from farebox.dialects.anthropic_messages.losses import Losses
from farebox.dialects.anthropic_messages.seals import OWN
from farebox.dialects.canonical.parts import (
    CacheMark,
    Document,
    FileId,
    Image,
    Inline,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    SearchResult,
    Source,
    Text,
    ToolCall,
    ToolResult,
    Url,
)
from farebox.dialects.namespaces import joined
from farebox.dialects.port import Inexpressible

PICTURE_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_PDF: Final = "application/pdf"
# Texts under other names: the API takes plain text only, and the name says nothing that the text does not.
_TEXT_TYPES: Final = frozenset({"application/json", "application/xml", "application/x-yaml", "application/javascript"})
_UNFIT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")

_object = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder().encode


class BlockWriter:
    """Writes parts as blocks, and what that leaves out into `losses`."""

    __slots__ = ("losses",)

    def __init__(self, losses: Losses) -> None:
        self.losses = losses

    def user(self, part: Part) -> dict[str, Any] | None:
        """A part of what a user says; None for what is left out. Raises Inexpressible."""
        match part:
            case Text():
                return self.text(part)
            case Image():
                return self._image(part)
            case Document():
                return self._document(part)
            case SearchResult():
                return self._search_result(part)
            case ToolResult():
                return self._tool_result(part)
        return self._other(part)

    def assistant(self, part: Part) -> dict[str, Any] | None:
        """A part of what an assistant said; None for what is left out. Raises Inexpressible."""
        match part:
            case Text():
                return self.text(part)
            case Refusal():
                return {"type": "text", "text": part.text} if part.text.strip() else None
            case Reasoning():
                return self._reasoning(part)
            case ToolCall():
                return self._tool_call(part)
        return self._other(part)

    def _other(self, part: Part) -> dict[str, Any] | None:
        if isinstance(part, Opaque):
            if part.origin == OWN and isinstance(part.value, dict):
                return part.value
            self.losses.add(f"part:{part.kind}")
            return None
        if isinstance(part, Reasoning | Refusal):
            self.losses.add(f"part:{type(part).__name__}")
            return None
        # Sound, or a picture that an assistant made: an answer without it would be another one.
        raise Inexpressible(f"part:{type(part).__name__.lower()}", "messages")

    def text(self, part: Text) -> dict[str, Any] | None:
        """A text; None for one without a visible character, which the API refuses."""
        if not part.text.strip():
            if part.cache is not None:
                self.losses.add("cache_control")
            return None
        block: dict[str, Any] = {"type": "text", "text": part.text}
        if part.citations:
            own = own_citations(part.citations)
            if len(own) < len(part.citations):
                self.losses.add("citations")
            if own:
                block["citations"] = own
        return self._marked(block, part.cache)

    def _marked(self, block: dict[str, Any], mark: CacheMark | None) -> dict[str, Any]:
        if mark is not None and self.losses.takes("cache_control"):
            block["cache_control"] = cache_control(mark)
        return block

    # ── pictures and files ────────────────────────────────────────────────────────────────────────────────────────

    def _image(self, part: Image) -> dict[str, Any]:
        if not self.losses.supports("part:image"):
            raise Inexpressible("part:image", "messages")
        if part.detail not in ("", "auto"):
            self.losses.add("image_detail")
        source = _inline_of(part.source)
        if isinstance(source, Inline) and source.media_type not in PICTURE_TYPES:
            raise Inexpressible("part:image", "messages")
        return self._marked({"type": "image", "source": _plain_source(source, "part:image")}, part.cache)

    def _document(self, part: Document) -> dict[str, Any]:
        if not self.losses.supports("part:document"):
            raise Inexpressible("part:document", "messages")
        source = _inline_of(part.source)
        if isinstance(source, Inline) and source.media_type in PICTURE_TYPES:
            return self._image(Image(source, cache=part.cache))
        block: dict[str, Any] = {"type": "document", "source": _document_source(source)}
        if part.filename:
            block["title"] = part.filename
        if part.context:
            block["context"] = part.context
        if part.cite:
            block["citations"] = {"enabled": True}
        return self._marked(block, part.cache)

    def _search_result(self, part: SearchResult) -> dict[str, Any]:
        block: dict[str, Any] = {
            "type": "search_result",
            "source": part.source,
            "title": part.title,
            "content": [{"type": "text", "text": text} for text in part.texts if text.strip()],
        }
        if part.cite:
            block["citations"] = {"enabled": True}
        return self._marked(block, part.cache)

    # ── tools and thinking ────────────────────────────────────────────────────────────────────────────────────────

    def _tool_result(self, part: ToolResult) -> dict[str, Any]:
        if part.custom:
            raise Inexpressible("custom_tools", "messages")
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": fit_id(part.call_id)}
        content = [held for inner in part.content if (held := self.user(inner)) is not None]
        if content:
            block["content"] = content
        if part.is_error:
            block["is_error"] = True
        return self._marked(block, part.cache)

    def _tool_call(self, part: ToolCall) -> dict[str, Any]:
        if part.custom:
            raise Inexpressible("custom_tools", "messages")
        if part.seal:
            self.losses.add("foreign_reasoning")
        block: dict[str, Any] = {
            "type": "tool_use",
            "id": fit_id(part.call_id),
            "name": joined(part.namespace, part.name),
            "input": self._arguments(part.arguments),
        }
        return self._marked(block, part.cache)

    def _arguments(self, text: str) -> Any:
        value = object_of(text)
        if value is None:
            # A model wrote what is no object and was told so: the conversation goes on with what it wrote.
            self.losses.add("field:arguments")
            return {"arguments": text}
        return value

    def _reasoning(self, part: Reasoning) -> dict[str, Any] | None:
        if part.origin != OWN or not part.seal:
            # Without its signature the API refuses a thought.
            self.losses.add("foreign_reasoning")
            return None
        if part.redacted:
            return {"type": "redacted_thinking", "data": part.seal}
        return {"type": "thinking", "thinking": part.text, "signature": part.seal}


def object_of(text: str) -> dict[str, Any] | msgspec.Raw | None:
    """Arguments as an object: their own bytes where they are one, None where they are something else."""
    if not text.strip():
        return {}
    try:
        _object.decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return None
    return msgspec.Raw(text.encode())


def fit_id(call_id: str) -> str:
    """An id that the API takes: itself, or one that is the same for a call and its result, and no other call's."""
    fit = _UNFIT_IN_IDS.sub("_", call_id)
    if fit == call_id and fit:
        return fit
    mark = hashlib.blake2s(call_id.encode(errors="replace"), digest_size=6).hexdigest()
    return f"{fit[:40]}_{mark}" if fit else f"toolu_{mark}"


def cache_control(mark: CacheMark) -> dict[str, str]:
    """A mark as `cache_control`; five minutes are the default and are not said."""
    return {"type": "ephemeral"} if mark.ttl == "5m" else {"type": "ephemeral", "ttl": mark.ttl}


def _inline_of(source: Source) -> Source:
    """A `data:` address as the content that it holds."""
    if isinstance(source, Url) and source.url.startswith("data:"):
        head, comma, data = source.url.removeprefix("data:").partition(",")
        if comma and head.endswith(";base64"):
            return Inline(head.removesuffix(";base64").partition(";")[0], data)
    return source


def _plain_source(source: Source, feature: str) -> dict[str, Any]:
    match source:
        case Inline():
            return {"type": "base64", "media_type": source.media_type, "data": source.data}
        case Url() if source.url.startswith(("http://", "https://")):
            return {"type": "url", "url": source.url}
        case FileId():
            if source.origin != OWN:
                raise Inexpressible("part:file_id", "messages")
            return {"type": "file", "file_id": source.file_id}
    raise Inexpressible(feature, "messages")


def _document_source(source: Source) -> dict[str, Any]:
    if isinstance(source, Url) and source.media_type not in ("", _PDF):
        raise Inexpressible("part:document", "messages")
    if not isinstance(source, Inline):
        return _plain_source(source, "part:document")
    media_type = source.media_type.partition(";")[0].strip().lower()
    if media_type == _PDF:
        return {"type": "base64", "media_type": _PDF, "data": source.data}
    if not media_type.startswith("text/") and media_type not in _TEXT_TYPES:
        raise Inexpressible("part:document", "messages")
    try:
        text = base64.b64decode(source.data, validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise Inexpressible("part:document", "messages") from error
    return {"type": "text", "media_type": "text/plain", "data": text}
