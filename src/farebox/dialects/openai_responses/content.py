"""Parts of messages and of tools' outputs: text, refusals, pictures, files, and citations on text. Both ways."""

from collections.abc import Sequence
from typing import Any

from farebox.dialects.canonical.parts import (
    Audio,
    Citation,
    Document,
    FileId,
    Image,
    Inline,
    Opaque,
    Part,
    Refusal,
    SearchResult,
    Source,
    Text,
    Url,
)
from farebox.dialects.openai_responses.losses import Losses
from farebox.dialects.openai_responses.reading import (
    Unknowns,
    Wrong,
    index_of,
    list_of,
    object_of,
    optional_text_at,
    text_at,
)
from farebox.dialects.port import Inexpressible

# Kinds of opaque parts of a message, told apart from opaque items, which stand beside messages.
CONTENT_PREFIX = "content."
_KNOWN = {
    "input_text": ("type", "text"),
    "output_text": ("type", "text", "annotations", "logprobs"),
    "text": ("type", "text"),
    "input_image": ("type", "image_url", "file_id", "detail"),
    "input_file": ("type", "filename", "file_data", "file_url", "file_id"),
}
# File ids of these dialects lie at the same provider.
_OUR_FILES = ("openai_responses", "openai_chat")


def read_parts(content: Any, unknown: Unknowns) -> tuple[Part, ...]:
    """The content of a message or of a tool's output. Raises Wrong."""
    if isinstance(content, str):
        return (Text(content),)
    return tuple([read_part(part, unknown) for part in list_of(content, "content")])


def read_part(value: Any, unknown: Unknowns) -> Part:
    """One part. What is not known is opaque. Raises Wrong."""
    part = object_of(value, "content")
    kind = text_at(part, "type")
    if (known := _KNOWN.get(kind)) is not None and len(part) > 2:
        unknown.add_rest("input.", part, known)
    match kind:
        case "input_text" | "text":
            return Text(text_at(part, "text"))
        case "output_text":
            return Text(text_at(part, "text"), read_citations(part.get("annotations")))
        case "refusal":
            return Refusal(text_at(part, "refusal"))
        case "input_image":
            return Image(_image_source(part), optional_text_at(part, "detail"))
        case "input_file":
            return Document(_file_source(part), optional_text_at(part, "filename"))
        case "input_audio":
            sound = object_of(part.get("input_audio"), "input_audio")
            return Audio(text_at(sound, "data"), text_at(sound, "format"))
    return Opaque("openai_responses", CONTENT_PREFIX + kind, part)


def _image_source(part: dict[str, Any]) -> Source:
    if part.get("file_id") is not None:
        return FileId(text_at(part, "file_id"), "openai_responses")
    return _address(text_at(part, "image_url"))


def _file_source(part: dict[str, Any]) -> Source:
    if part.get("file_id") is not None:
        return FileId(text_at(part, "file_id"), "openai_responses")
    if part.get("file_url") is not None:
        return Url(text_at(part, "file_url"))
    data = text_at(part, "file_data")
    if data.startswith("data:") and isinstance(source := _address(data), Inline):
        return source
    # Bare base64: its type can only be read off the name.
    pdf = optional_text_at(part, "filename").lower().endswith(".pdf")
    return Inline("application/pdf" if pdf else "", data)


def _address(url: str) -> Source:
    """A URL, or what a data URL holds. Source: RFC 2397."""
    if url.startswith("data:"):
        head, comma, data = url.partition(",")
        if comma and head.endswith(";base64"):
            return Inline(head[5:-7], data)
    return Url(url)


def read_citations(annotations: Any) -> tuple[Citation, ...]:
    """The citations of a text. Raises Wrong."""
    if not annotations:
        return ()
    return tuple([read_citation(annotation) for annotation in list_of(annotations, "annotations")])


def read_citation(value: Any) -> Citation:
    """One annotation: a web citation, or another that only this dialect understands. Raises Wrong."""
    annotation = object_of(value, "annotations")
    if annotation.get("type") != "url_citation":
        return Citation(origin="openai_responses", raw=annotation)
    return Citation(
        url=text_at(annotation, "url"),
        title=optional_text_at(annotation, "title"),
        start=index_of(annotation.get("start_index")),
        end=index_of(annotation.get("end_index")),
    )


def citation_value(citation: Citation, length: int, losses: Losses) -> dict[str, Any] | None:
    """An annotation; None for one of another origin, which is lost. `length` is that of the text: a citation without
    a range covers all of it."""
    if citation.origin == "openai_responses" and isinstance(citation.raw, dict):
        return citation.raw
    if not citation.url:
        losses.add("citations")
        return None
    if citation.quote:
        losses.add("citations")
    return {
        "type": "url_citation",
        "url": citation.url,
        "title": citation.title,
        "start_index": citation.start or 0,
        "end_index": length if citation.end is None else citation.end,
    }


def text_value(text: Text, losses: Losses) -> dict[str, Any]:
    """A text that the model wrote, with its annotations."""
    found = [citation_value(citation, len(text.text), losses) for citation in text.citations]
    annotations = [value for value in found if value is not None]
    return {"type": "output_text", "text": text.text, "annotations": annotations}


def input_values(parts: Sequence[Part], losses: Losses) -> list[dict[str, Any]]:
    """What a model reads: the content of a message or of a tool's output. Raises Inexpressible."""
    return [value for part in parts if (value := _input_value(part, losses)) is not None]


def _input_value(part: Part, losses: Losses) -> dict[str, Any] | None:
    if getattr(part, "cache", None) is not None:
        losses.add("cache_control")
    match part:
        case Text():
            if part.citations:
                losses.add("citations")
            return {"type": "input_text", "text": part.text}
        case Refusal():
            return {"type": "input_text", "text": part.text}
        case Image():
            return _image_value(part, losses)
        case Document():
            return _file_value(part, losses)
        case SearchResult():
            losses.add("part:search_result")
            return {"type": "input_text", "text": "\n".join((part.title, part.source, *part.texts))}
        case Audio():
            raise Inexpressible("part:audio")
        case Opaque():
            if part.origin == "openai_responses" and part.kind.startswith(CONTENT_PREFIX):
                return dict(part.value) if isinstance(part.value, dict) else None
            losses.add(f"part:{part.kind}")
            return None
    raise Wrong("content", "a part that a model reads")


def _image_value(image: Image, losses: Losses) -> dict[str, Any]:
    value: dict[str, Any] = {"type": "input_image"}
    match image.source:
        case FileId():
            value["file_id"] = _file_id(image.source)
        case Url():
            value["image_url"] = image.source.url
        case Inline():
            value["image_url"] = _data_url(image.source)
    if image.detail and not losses.lacks("image_detail"):
        value["detail"] = image.detail
    return value


def _file_value(document: Document, losses: Losses) -> dict[str, Any]:
    if document.context:
        losses.add("document_context")
    if document.cite:
        losses.add("citations")
    value: dict[str, Any] = {"type": "input_file"}
    if document.filename:
        value["filename"] = document.filename
    match document.source:
        case FileId():
            value["file_id"] = _file_id(document.source)
        case Url():
            value["file_url"] = document.source.url
        case Inline():
            # A file without a name is refused.
            value.setdefault("filename", "document.pdf" if "pdf" in document.source.media_type else "document.txt")
            value["file_data"] = _data_url(document.source)
    return value


def _data_url(source: Inline) -> str:
    return f"data:{source.media_type};base64,{source.data}"


def _file_id(source: FileId) -> str:
    if source.origin not in _OUR_FILES:
        raise Inexpressible("part:file_id")
    return source.file_id


def tokens_value(tokens: Sequence[Any]) -> list[dict[str, Any]]:
    """Log probabilities as this API has them: with the bytes of each token, which chat may leave out. What is no token
    is left out, so that a provider's nonsense does not reach the client's types."""
    values = []
    for token in tokens:
        value = _token_value(token)
        if value is not None:
            others = token.get("top_logprobs")
            found = [_token_value(other) for other in others] if isinstance(others, list) else []
            values.append(value | {"top_logprobs": [other for other in found if other is not None]})
    return values


def _token_value(token: Any) -> dict[str, Any] | None:
    text = token.get("token") if isinstance(token, dict) else None
    if not isinstance(text, str):
        return None
    logprob, made_of = token.get("logprob"), token.get("bytes")
    if not isinstance(made_of, list) or not all(isinstance(byte, int) for byte in made_of):
        made_of = list(text.encode())
    return {"token": text, "bytes": made_of, "logprob": logprob if isinstance(logprob, int | float) else 0.0}
