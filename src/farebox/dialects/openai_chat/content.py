"""Content parts of messages, both ways. Source: ChatCompletionContentPartParam of the official SDK; `cache_control` as
Anthropic and OpenRouter take it, `thinking` parts as Mistral writes them.
"""

from base64 import b64decode
from typing import Any

from farebox.dialects.canonical.parts import (
    Audio,
    CacheMark,
    Citation,
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
    Url,
)
from farebox.dialects.openai_chat.shape import Unreadable, list_at, object_at, optional_text_at, plain_name, text_at
from farebox.dialects.port import Inexpressible

_BASE64 = ";base64"
_DATA = "data:"
DEFAULT_MEDIA_TYPE = "application/pdf"


def read_cache(holder: dict[str, Any]) -> CacheMark | None:
    """`cache_control`, or OpenAI's own breakpoint; lifetimes that are not Anthropic's become the nearest one."""
    mark = holder.get("cache_control")
    if isinstance(mark, dict):
        return CacheMark("1h" if mark.get("ttl") == "1h" else "5m")
    mark = holder.get("prompt_cache_breakpoint")
    if isinstance(mark, dict):
        return CacheMark("1h" if mark.get("ttl") == "12h" else "5m")
    return None


def cache_control(mark: CacheMark) -> dict[str, str]:
    """A mark as `cache_control`; five minutes are the default and are not said."""
    return {"type": "ephemeral"} if mark.ttl == "5m" else {"type": "ephemeral", "ttl": mark.ttl}


def read_part(part: Any, param: str) -> Part:
    """One content part. What is not known is opaque. Raises Unreadable."""
    part = object_at(part, param)
    kind = text_at(part.get("type"), f"{param}.type")
    match kind:
        case "text" | "input_text" | "output_text":
            return Text(text_at(part.get("text"), f"{param}.text"), cache=read_cache(part))
        case "refusal":
            return Refusal(text_at(part.get("refusal"), f"{param}.refusal"))
        case "image_url":
            return read_image(part, param)
        case "input_audio":
            return _read_audio(part, param)
        case "file":
            return _read_file(part, param)
        case "thinking":
            return Reasoning(text=_thinking_text(part.get("thinking"), param), origin="openai_chat")
        case _:
            return Opaque("openai_chat", plain_name(kind), part)


def read_image(part: dict[str, Any], param: str) -> Image:
    """An `image_url` part, whose address some clients give as a bare string. Raises Unreadable."""
    image = part.get("image_url")
    if isinstance(image, str):
        image = {"url": image}
    image = object_at(image, f"{param}.image_url")
    url = text_at(image.get("url"), f"{param}.image_url.url")
    detail = optional_text_at(image.get("detail"), f"{param}.image_url.detail")
    return Image(source_of(url), detail=detail, cache=read_cache(part))


def source_of(url: str) -> Source:
    """What an address says: its own content (`data:` with base64), or where it lies."""
    if url.startswith(_DATA):
        head, comma, data = url.partition(",")
        if comma and head.endswith(_BASE64):
            return Inline(head[len(_DATA) : -len(_BASE64)], data)
    return Url(url)


def address_of(source: Url | Inline) -> str:
    """The inverse of `source_of`."""
    return source.url if isinstance(source, Url) else f"{_DATA}{source.media_type}{_BASE64},{source.data}"


def _read_audio(part: dict[str, Any], param: str) -> Audio:
    audio = object_at(part.get("input_audio"), f"{param}.input_audio")
    data = text_at(audio.get("data"), f"{param}.input_audio.data")
    return Audio(data, text_at(audio.get("format"), f"{param}.input_audio.format"), cache=read_cache(part))


def _read_file(part: dict[str, Any], param: str) -> Document:
    param = f"{param}.file"
    file = object_at(part.get("file"), param)
    filename = optional_text_at(file.get("filename"), f"{param}.filename")
    if file.get("file_data") is None:
        file_id = text_at(file.get("file_id"), f"{param}.file_id")
        return Document(FileId(file_id, "openai_chat"), filename=filename, cache=read_cache(part))
    data = text_at(file["file_data"], f"{param}.file_data")
    source = source_of(data)
    if isinstance(source, Url) and not data.startswith(("http://", "https://")):
        source = Inline(DEFAULT_MEDIA_TYPE, data)
    return Document(source, filename=filename, cache=read_cache(part))


def _thinking_text(value: Any, param: str) -> str:
    if isinstance(value, str):
        return value
    pieces = [object_at(piece, f"{param}.thinking") for piece in list_at(value, f"{param}.thinking")]
    return "".join(text for piece in pieces if isinstance(text := piece.get("text"), str))


def read_citations(annotations: Any) -> tuple[Citation, ...]:
    """The web citations among `annotations`; others mean nothing without their provider."""
    if not isinstance(annotations, list):
        return ()
    return tuple(found for annotation in annotations if (found := _read_citation(annotation)) is not None)


def _read_citation(annotation: Any) -> Citation | None:
    cited = annotation.get("url_citation") if isinstance(annotation, dict) else None
    if not isinstance(cited, dict) or not isinstance(cited.get("url"), str):
        return None
    start, end = cited.get("start_index"), cited.get("end_index")
    whole = not (_is_place(start) and _is_place(end))
    return Citation(
        url=cited["url"],
        title=_text_or_empty(cited.get("title")),
        quote=_text_or_empty(cited.get("content")),
        start=None if whole else start,
        end=None if whole else end,
    )


def _is_place(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _text_or_empty(value: Any) -> str:
    return value if isinstance(value, str) else ""


def annotation(citation: Citation, *, offset: int, length: int) -> dict[str, Any] | None:
    """A web citation as an annotation of the whole content; None for one that only its provider understands.

    `offset`: where its text begins in the content, `length`: how long it is; both in characters.
    """
    if not citation.url:
        return None
    cited: dict[str, Any] = {
        "url": citation.url,
        "title": citation.title,
        "start_index": offset + (citation.start or 0),
        "end_index": offset + (length if citation.end is None else citation.end),
    }
    if citation.quote:
        cited["content"] = citation.quote
    return {"type": "url_citation", "url_citation": cited}


def text_of_search_result(part: SearchResult) -> str:
    """A found text as plain text with its origin above it."""
    return "\n".join(line for line in (part.title, part.source, *part.texts) if line)


def text_of_document(part: Document) -> str | None:
    """A text file as plain text with its name above it, for vendors that take no files; None for any other file."""
    if not isinstance(part.source, Inline) or not part.source.media_type.startswith("text/"):
        return None
    try:
        text = b64decode(part.source.data, validate=True).decode()
    except ValueError:
        return None
    return f"{part.filename}\n{text}" if part.filename else text


def image_part(part: Image) -> dict[str, Any]:
    """Raises Inexpressible for a picture that lies at another provider."""
    if isinstance(part.source, FileId):
        raise Inexpressible("part:image", "messages")
    image = {"url": address_of(part.source)}
    if part.detail:
        image["detail"] = part.detail
    return {"type": "image_url", "image_url": image}


def file_part(part: Document) -> dict[str, Any]:
    """Raises Inexpressible for a file by address, or one that lies at another provider."""
    match part.source:
        case FileId(file_id=file_id, origin="openai_chat"):
            file = {"file_id": file_id}
        case Inline() as source:
            file = {"file_data": address_of(source)}
        case _:
            feature = "part:file_id" if isinstance(part.source, FileId) else "part:document"
            raise Inexpressible(feature, "messages")
    name = part.filename
    if not name and isinstance(part.source, Inline):
        name = "document.pdf" if part.source.media_type == DEFAULT_MEDIA_TYPE else "document"
    return {"type": "file", "file": {**file, "filename": name} if name else file}


def audio_part(part: Audio) -> dict[str, Any]:
    """Sound as input."""
    return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}


__all__ = [
    "Unreadable",
    "address_of",
    "annotation",
    "audio_part",
    "cache_control",
    "file_part",
    "image_part",
    "read_cache",
    "read_citations",
    "read_image",
    "read_part",
    "source_of",
    "text_of_document",
    "text_of_search_result",
]
