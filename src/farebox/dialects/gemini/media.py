"""Pictures, files and sound as Gemini's parts: bytes as `inlineData`, addresses as `fileData`."""

from typing import Any, Final
from urllib.parse import urlsplit

from farebox.dialects.canonical.parts import Audio, Document, FileId, Image, Inline, Source, Url
from farebox.dialects.port import Inexpressible

# Addresses that Gemini fetches itself (its guide to file input).
_SCHEMES: Final = frozenset(("http", "https", "gs"))
_AUDIO_TYPES: Final = {
    "wav": "audio/wav",
    "mp3": "audio/mp3",
    "aiff": "audio/aiff",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "m4a": "audio/m4a",
    "pcm16": "audio/pcm",
}
_AUDIO_FORMATS: Final = {kind: name for name, kind in _AUDIO_TYPES.items()} | {
    "audio/mpeg": "mp3",
    "audio/x-wav": "wav",
    "audio/mp4": "m4a",
    "audio/l16": "pcm16",
}
# Types by the ending of a name: what Google's guides say that the models read.
_TYPES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "json": "application/json",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "css": "text/css",
    "csv": "text/csv",
    "xml": "text/xml",
    "rtf": "text/rtf",
}


def media(part: Image | Document | Audio) -> dict[str, Any]:
    """The part. Raises Inexpressible for content at another provider, or of a type that cannot be told."""
    if isinstance(part, Audio):
        if part.format not in _AUDIO_TYPES:
            raise Inexpressible("part:audio", "messages")
        return {"inlineData": {"mimeType": _AUDIO_TYPES[part.format], "data": part.data}}
    kind = "image" if isinstance(part, Image) else "document"
    filename = part.filename if isinstance(part, Document) else ""
    return _source(part.source, kind, filename)


def _source(source: Source, kind: str, filename: str) -> dict[str, Any]:
    match source:
        case Inline():
            media_type = source.media_type or _guess(filename)
            if media_type:
                return {"inlineData": {"mimeType": media_type, "data": source.data}}
        case Url():
            path = _path_of(source.url)
            media_type = source.media_type or _guess(path) or _guess(filename)
            if path and media_type:
                return {"fileData": {"mimeType": media_type, "fileUri": source.url}}
        case FileId(origin="gemini"):
            # Files at Google keep the type they were uploaded with.
            return {"fileData": {"fileUri": source.file_id}}
        case FileId():
            raise Inexpressible("part:file_id", "messages")
    raise Inexpressible(f"part:{kind}", "messages")


def _path_of(url: str) -> str:
    """The path of an address that Gemini can fetch, empty for any other."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return parts.path or "/" if parts.scheme in _SCHEMES else ""


def _guess(name: str) -> str:
    return _TYPES.get(name.rpartition(".")[2].lower(), "")


def part_of(media_type: str, data: str) -> Image | Audio | Document:
    """Content that a model made."""
    kind = media_type.partition(";")[0].strip().lower()
    if kind.startswith("image/"):
        return Image(Inline(media_type, data))
    if kind.startswith("audio/"):
        return Audio(data, _AUDIO_FORMATS.get(kind, kind.removeprefix("audio/")))
    return Document(Inline(media_type, data))
