"""Pictures: what is asked for, and what an answer says that they used. Source: OpenAI's API reference
(`/images/generations`, `/images/edits`) and the types of its SDK.

A request is JSON, or a form whose files are the pictures to edit.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from farebox.base.errors import Problem
from farebox.base.usage import Usage
from farebox.dialects.openai_media.form import Form
from farebox.dialects.request import Fields, Size, boolean_of, model_of, raw, read_fields, text_of, value_of
from farebox.dialects.usage import MALFORMED, MISSING, Nonsense, Reported, count

# Pictures of a moving one, where the request does not say: OpenAI's own default.
USUAL_FRAMES = 9
MAX_FRAMES = 16
# Nobody edits more at once; a form says only at its end how many there are.
MAX_INPUT_IMAGES = 17
# What comes before the whole picture in a stream; each is billed as so many tokens of it (OpenAI's guide to pictures).
MAX_PARTIAL_IMAGES = 10
TOKENS_OF_A_PARTIAL_IMAGE = 100
# Part of the name of a tier, which is stored.
_NAME = re.compile(r"[A-Za-z0-9._:-]{1,31}")
_SIZED = re.compile(r"\d+x\d+")
_CHOSEN_FOR_US = frozenset({None, "", "auto"})
_WHOLE_NUMBERS = ("n", "frame_count", "partial_images", "output_compression")


class ImagesAsked(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Pictures to make. `picture_size` and `quality` are None where the provider chooses; `frames` are those of one
    picture, `partial_images` are shown before it in a stream; `input_images` counts masks too."""

    fields: Fields
    model: str
    stream: bool
    images: int
    picture_size: str | None
    quality: str | None
    frames: int
    partial_images: int
    input_images: int
    size: Size


class ImagesMade(NamedTuple):
    """What an answer says. `picture_size` and `quality`: as told, None where it does not tell."""

    images: int
    reported: Reported
    picture_size: str | None
    quality: str | None


class _Answer(msgspec.Struct, gc=False):
    data: list[msgspec.Raw]
    usage: Any = None
    size: Any = None
    quality: Any = None


_answer = msgspec.json.Decoder(_Answer)


def read_images(body: bytes) -> ImagesAsked:
    """A request in JSON. Raises Problem `invalid_request`."""
    fields = read_fields(body)
    size = Size(messages=1)
    inputs = [*_listed(fields, "images"), *_listed(fields, "image"), *_listed(fields, "mask")]
    for item in inputs:
        size.add_media("image", _content(item))
    return _asked(fields, size, len(inputs))


def read_images_form(form: Form) -> ImagesAsked:
    """A request as a form, as far as it was read. Raises Problem `invalid_request`."""
    size = Size(messages=1)
    size.media["image"] = len(form.files) if form.ended else MAX_INPUT_IMAGES
    # A name that ends in `[]` is one of a list; any other may stand there once.
    texts = {name: form.value(name) for name in form.fields if not name.endswith("[]")}
    fields = {name: raw(_typed(name, text)) for name, text in texts.items() if text is not None}
    return _asked(fields, size, size.media["image"])


def _typed(name: str, text: str) -> Any:
    """A form has only texts."""
    if name == "stream":
        return {"true": True, "false": False, "1": True, "0": False}.get(text.lower(), text)
    return int(text) if name in _WHOLE_NUMBERS and text.isascii() and text.isdigit() and len(text) < 10 else text


def _asked(fields: Fields, size: Size, input_images: int) -> ImagesAsked:
    prompt = text_of(fields, "prompt")
    if prompt:
        size.add_text(prompt)
    images = _positive(fields, "n", 1)
    stream = boolean_of(fields, "stream")
    if stream and images > 1:
        # No document says what the usage of each of several pictures in a stream counts.
        raise Problem("invalid_request", "A stream has one picture: `n` must be 1.", param="n")
    asks_svg = any(name == "svg" or name.startswith("svg[") for name, value in fields.items() if value != b"null")
    if text_of(fields, "output_format") == "svg" or asks_svg:
        # A second model writes it, at a price of its own that nobody here knows.
        raise Problem("invalid_request", "Pictures in SVG have no price here.", param="output_format")
    frames = 1
    if text_of(fields, "output_format") == "gif":
        frames = min(_positive(fields, "frame_count", USUAL_FRAMES), MAX_FRAMES)
    return ImagesAsked(
        fields=fields,
        model=model_of(fields),
        stream=stream,
        images=images,
        picture_size=_chosen(fields, "size"),
        quality=_chosen(fields, "quality"),
        frames=frames,
        partial_images=_partial_images(fields) if stream else 0,
        input_images=input_images,
        size=size,
    )


def _listed(fields: Fields, name: str) -> list[Any]:
    value = value_of(fields, name)
    return [] if value is None else value if isinstance(value, list) else [value]


def _content(item: Any) -> Any:
    return item.get("image_url") or item if isinstance(item, dict) else item


def _positive(fields: Fields, name: str, default: int) -> int:
    value = value_of(fields, name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Problem("invalid_request", f"`{name}` must be a positive whole number.", param=name)
    return value


def _partial_images(fields: Fields) -> int:
    value = value_of(fields, "partial_images") or 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_PARTIAL_IMAGES:
        message = f"`partial_images` must be a whole number from 0 to {MAX_PARTIAL_IMAGES}."
        raise Problem("invalid_request", message, param="partial_images")
    return value


def _chosen(fields: Fields, name: str) -> str | None:
    value = text_of(fields, name)
    if value in _CHOSEN_FOR_US:
        return None
    if value is None or not _NAME.fullmatch(value):
        raise Problem("invalid_request", f"`{name}` is not the name of one.", param=name)
    return value


def read_images_answer(body: bytes) -> ImagesMade:
    """Raises Problem `upstream_exception` when the body has no pictures."""
    try:
        answer = _answer.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem("upstream_exception", "The provider's answer has no pictures.") from error
    return ImagesMade(
        len(answer.data), read_images_usage(answer.usage), told_name(answer.size), told_name(answer.quality)
    )


def told_name(value: Any) -> str | None:
    """A size or quality that the provider tells; what is no name of one is not told."""
    return value if isinstance(value, str) and value not in _CHOSEN_FOR_US and _NAME.fullmatch(value) else None


def read_images_usage(report: Any) -> Reported:
    """Tokens of pictures are apart from those of text; what is not told apart in the output is picture."""
    if report is None:
        return MISSING
    if not isinstance(report, dict):
        return MALFORMED
    try:
        total_in, total_out = count(report, "input_tokens", -1), count(report, "output_tokens", -1)
        inputs, outputs = report.get("input_tokens_details"), report.get("output_tokens_details")
        cached, seen = count(inputs, "cached_tokens"), count(inputs, "image_tokens")
        written = count(outputs, "text_tokens")
    except Nonsense:
        return MALFORMED
    if total_in < 0 or total_out < 0 or cached > total_in or seen > total_in or written > total_out:
        return MALFORMED
    # What of a picture was cached is reported twice; it is counted once, as cached.
    seen = min(seen, total_in - cached)
    return Reported(
        Usage(
            input_tokens=total_in - cached - seen,
            cached_input_tokens=cached,
            image_input_tokens=seen,
            output_tokens=written,
            image_output_tokens=total_out - written,
        )
    )


def variant_of(picture_size: str | None, quality: str | None, prices: Mapping[str, int]) -> str | None:
    """Under which of its names a price knows such a picture; `prices` compares them. None: the usual price.

    `size/quality` or one of the two; where only one of them is known, the cheapest variant that has it. What the price
    does not know keeps its own name, which then costs the most.
    """
    known = [name for name in (picture_size, quality) if name is not None]
    full = "/".join(known)
    for name in (full, *known):
        if name in prices:
            return name
    if len(known) == 2:
        return full
    fitting = [name for name in prices if known and known[0] in name.split("/")]
    if not fitting and picture_size is not None and any(_SIZED.search(name) for name in prices):
        return picture_size
    return min(fitting, key=prices.__getitem__, default=None)
