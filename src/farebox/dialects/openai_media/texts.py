"""Embeddings and moderations: texts go in, numbers come out. Source: OpenAI's API reference (`/embeddings`,
`/moderations`), which compatible vendors follow; some report only `total_tokens`.
"""

from typing import Any

import msgspec

from farebox.base.errors import Problem
from farebox.base.usage import Usage
from farebox.dialects.request import Fields, Size, model_of, read_fields, value_of
from farebox.dialects.usage import MALFORMED, MISSING, Nonsense, Reported, count

# OpenAI's own bound of one batch.
MAX_INPUTS = 2_048
# A token that a client made itself is taken for so many characters where characters are limited or estimated.
CHARACTERS_PER_TOKEN = 4


class TextsAsked(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Texts to embed or to moderate. `most_tokens`: for each input more tokens than it can have; pictures are counted
    in `size`."""

    fields: Fields
    model: str
    most_tokens: tuple[int, ...]
    size: Size


class _Embeddings(msgspec.Struct, gc=False):
    data: list[msgspec.Raw]
    usage: Any = None


class _Moderation(msgspec.Struct, gc=False):
    results: list[msgspec.Raw]
    usage: Any = None


_embeddings = msgspec.json.Decoder(_Embeddings)
_moderation = msgspec.json.Decoder(_Moderation)


def read_embeddings(body: bytes) -> TextsAsked:
    """A request for embeddings. Raises Problem (`invalid_request`, `request_limit_exceeded`)."""
    fields = read_fields(body)
    return _asked(fields, _inputs(value_of(fields, "input")), pictures=False)


def read_moderation(body: bytes) -> TextsAsked:
    """A request for moderation; the texts and pictures of a list of parts are one input.
    Raises Problem (`invalid_request`, `request_limit_exceeded`)."""
    fields = read_fields(body)
    value = value_of(fields, "input")
    parts = isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)
    return _asked(fields, [value] if parts else _inputs(value), pictures=True)


def _inputs(value: Any) -> list[Any]:
    """The batch: one text, texts, the tokens of one text, or those of several."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not value:
        raise _unreadable()
    return [value] if isinstance(value[0], int) else value


def _asked(fields: Fields, inputs: list[Any], *, pictures: bool) -> TextsAsked:
    if len(inputs) > MAX_INPUTS:
        facts = {"requested": len(inputs), "request_limit": MAX_INPUTS}
        message = f"`input` has {len(inputs)} texts; the limit is {MAX_INPUTS}."
        raise Problem("request_limit_exceeded", message, facts=facts, param="input")
    size = Size(messages=len(inputs))
    most = tuple(_measure(size, item, pictures=pictures) for item in inputs)
    return TextsAsked(fields=fields, model=model_of(fields), most_tokens=most, size=size)


def _measure(size: Size, item: Any, *, pictures: bool) -> int:
    """Count one input; returns more tokens than it can have."""
    before = size.text_bytes
    if isinstance(item, str):
        size.add_text(item)
        return size.text_bytes - before
    if not isinstance(item, list) or not item:
        raise _unreadable()
    if pictures:
        for part in item:
            _measure_part(size, part)
        return size.text_bytes - before
    if not all(isinstance(token, int) and not isinstance(token, bool) for token in item):
        raise _unreadable()
    size.text_bytes += len(item) * CHARACTERS_PER_TOKEN
    size.text_chars += len(item) * CHARACTERS_PER_TOKEN
    return len(item)


def _measure_part(size: Size, part: Any) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        size.add_text(part["text"])
    elif kind == "image_url" and part.get("image_url") is not None:
        picture = part["image_url"]
        size.add_media("image", picture.get("url") or "" if isinstance(picture, dict) else picture)
    else:
        raise _unreadable()


def _unreadable() -> Problem:
    return Problem("invalid_request", "`input` must be a text or a list of texts (or of tokens).", param="input")


def read_embeddings_answer(body: bytes) -> Reported:
    """The usage of an answer. Raises Problem `upstream_exception` when it is none."""
    try:
        answer = _embeddings.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem("upstream_exception", "The provider's answer has no embeddings.") from error
    return read_texts_usage(answer.usage)


def read_moderation_answer(body: bytes) -> Reported:
    """The usage of an answer: most providers report none. Raises Problem `upstream_exception` when it is none."""
    try:
        answer = _moderation.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem("upstream_exception", "The provider's answer has no results.") from error
    return read_texts_usage(answer.usage)


def read_texts_usage(report: Any) -> Reported:
    """`{"prompt_tokens", "total_tokens"}`, or only the latter."""
    if report is None:
        return MISSING
    if not isinstance(report, dict):
        return MALFORMED
    try:
        tokens = count(report, "prompt_tokens", count(report, "total_tokens", -1))
    except Nonsense:
        return MALFORMED
    return MALFORMED if tokens < 0 else Reported(Usage(input_tokens=tokens))
