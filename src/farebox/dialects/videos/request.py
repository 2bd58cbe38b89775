"""What a client asks for when it orders a film: as JSON or as a form, in OpenAI's fields.

A film is sold at a price that is fixed before it is made, so nothing that we do not know goes upstream: it could change
what the provider bills. Such fields are named as dropped.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Any, Final

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.request import model_of, read_fields, text_of, value_of
from farebox.dialects.videos.form import Part, is_form, read_form

# What OpenAI takes when a client does not say; sent upstream, so that what is priced is what is made.
DEFAULT_SECONDS: Final = 4
DEFAULT_SIZE: Final = "720x1280"
# Far above any film; what a model makes at most stands in the catalog.
MAX_SECONDS: Final = 100_000

_KNOWN: Final = frozenset({"model", "prompt", "seconds", "size", "input_reference", "webhook_url"})
_SIZE: Final = re.compile(r"[1-9][0-9]{1,4}x[1-9][0-9]{1,4}")
_SECONDS: Final = re.compile(r"[1-9][0-9]{0,5}")
_DATA_URL: Final = re.compile(r"data:image/[a-z0-9.+-]{1,40};base64,", re.IGNORECASE)
_WEBP_NAME: Final = slice(8, 12)


class Picture(msgspec.Struct, frozen=True):
    """A picture that the film begins with."""

    media_type: str
    data: bytes

    def __repr__(self) -> str:
        return f"Picture({self.media_type}, {len(self.data)} bytes)"


class VideoRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A film as ordered. The reference is at most one of `picture` and `picture_url` (an address that the provider
    would fetch). `webhook_url` is as it was sent, and goes to no provider. `unknown` are the names of fields that are
    not passed on."""

    model: str
    prompt: str
    seconds: int
    size: str
    picture: Picture | None = None
    picture_url: str | None = None
    webhook_url: str | None = None
    unknown: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"VideoRequest({self.model!r}, {self.seconds} s, {self.size})"


def read_video_request(content_type: str, body: bytes) -> VideoRequest:
    """The order in a request's body. Raises Problem `invalid_request`."""
    return _of_form(read_form(content_type, body)) if is_form(content_type) else _of_json(body)


def _of_json(body: bytes) -> VideoRequest:
    fields = read_fields(body)
    picture, address = _reference(value_of(fields, "input_reference"))
    _refuse_many(value_of(fields, "n"))
    return VideoRequest(
        model=model_of(fields),
        prompt=_prompt(text_of(fields, "prompt")),
        seconds=_seconds(value_of(fields, "seconds")),
        size=_size(text_of(fields, "size")),
        picture=picture,
        picture_url=address,
        webhook_url=text_of(fields, "webhook_url"),
        unknown=tuple(sorted(set(fields) - _KNOWN)),
    )


def _of_form(parts: list[Part]) -> VideoRequest:
    named: dict[str, Part] = {}
    for part in parts:
        if part.name in named:
            raise _wrong(part.name if part.name in _KNOWN else None, "stands in the form more than once.")
        named[part.name] = part
    _refuse_many(_text(named, "n"))
    model = _text(named, "model")
    if not model:
        raise _wrong("model", "must be the id of a model.")
    picture, address = _form_reference(named)
    known = {*_KNOWN, "input_reference[image_url]"}
    return VideoRequest(
        model=model,
        prompt=_prompt(_text(named, "prompt")),
        seconds=_seconds(_text(named, "seconds")),
        size=_size(_text(named, "size")),
        picture=picture,
        picture_url=address,
        webhook_url=_text(named, "webhook_url"),
        unknown=tuple(sorted(set(named) - known)),
    )


def _text(named: dict[str, Part], name: str) -> str | None:
    part = named.get(name)
    if part is None:
        return None
    try:
        return part.data.decode()
    except UnicodeDecodeError as error:
        raise _wrong(name, "is not UTF-8 text.") from error


def _prompt(prompt: str | None) -> str:
    if not prompt:
        raise _wrong("prompt", "must be a text.")
    return prompt


def _seconds(value: Any) -> int:
    if value is None:
        return DEFAULT_SECONDS
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not _SECONDS.fullmatch(text) or int(text) > MAX_SECONDS:
        raise _wrong("seconds", 'must be a positive whole number of seconds, like "4".')
    return int(text)


def _size(size: str | None) -> str:
    if size is None:
        return DEFAULT_SIZE
    if not _SIZE.fullmatch(size):
        raise _wrong("size", f'must be width x height, like "{DEFAULT_SIZE}".')
    return size


def _refuse_many(count: Any) -> None:
    if count is not None and str(count) != "1":
        raise _wrong("n", "must be 1: one job makes one film.")


def _form_reference(named: dict[str, Part]) -> tuple[Picture | None, str | None]:
    address = _text(named, "input_reference[image_url]")
    if "input_reference" not in named:
        return _reference(None if address is None else {"image_url": address})
    if address is not None:
        raise _wrong("input_reference", "must be one picture.")
    part = named["input_reference"]
    return _reference(_text(named, "input_reference")) if part.file_name is None else (_picture(part.data), None)


def _reference(value: Any) -> tuple[Picture | None, str | None]:
    """A picture's bytes or its address. Files of a provider's account are nobody's here, so their ids are refused."""
    if isinstance(value, dict):
        if set(value) == {"file_id"}:
            raise _wrong("input_reference", "cannot be a file id here: send the picture itself.")
        value = value.get("image_url")
        if not isinstance(value, str):
            raise _wrong("input_reference", "must have an `image_url`.")
    if value is None:
        return None, None
    if not isinstance(value, str):
        raise _wrong("input_reference", "must be a picture.")
    if found := _DATA_URL.match(value):
        try:
            return _picture(b64decode(value[found.end() :], validate=True)), None
        except (Base64Error, ValueError) as error:
            raise _wrong("input_reference", "has base64 that cannot be read.") from error
    if value.startswith("https://"):
        return None, value
    raise _wrong("input_reference", "must be a data URL of a picture, or its https:// address.")


def _picture(data: bytes) -> Picture:
    """The kind is told by the bytes: what a client says of them could be anything."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return Picture("image/png", data)
    if data.startswith(b"\xff\xd8\xff"):
        return Picture("image/jpeg", data)
    if data.startswith(b"RIFF") and data[_WEBP_NAME] == b"WEBP":
        return Picture("image/webp", data)
    raise _wrong("input_reference", "must be a PNG, JPEG or WebP picture.")


def _wrong(param: str | None, what: str) -> Problem:
    subject = f"`{param}`" if param else "A field"
    return Problem("invalid_request", f"{subject} {what}", param=param)
