"""The most that a call of each workload can use, from what its request says and what the catalog knows of the model.
Pure. What is bounded by bytes is bounded for certain: no tokenizer makes more tokens than bytes.

Text calls are bounded by the data plane, which reads the prompt; only the tools that a provider runs are counted here.
"""

from collections.abc import Iterable

from farebox.base.errors import Problem
from farebox.catalog.model import Model
from farebox.catalog.rules import Ceiling

MILLISECONDS_PER_SECOND = 1_000
# No voice takes a second for a character; so much silence may be around it.
PAUSE_SECONDS = 10


def server_tool_tokens(model: Model, tools: Iterable[str]) -> int:
    """The most input tokens that the provider's own tools add to a prompt: what each use finds is read as input."""
    per_use = model.server_tool_ceiling_tokens
    return sum(model.server_tool_ceilings.get(tool, 0) * per_use.get(tool, model.context_tokens) for tool in tools)


def embedding_ceiling(model: Model, texts_bytes: Iterable[int]) -> Ceiling:
    """Texts to embed or to moderate, by their lengths in bytes; each is refused upstream above the model's context."""
    return Ceiling(input_tokens=sum(_text_tokens(model, size) for size in texts_bytes))


def image_ceiling(
    model: Model, *, prompt_bytes: int, images: int, variant: str | None, input_images: int = 0
) -> Ceiling:
    """`images` pictures to make of a variant, from a prompt and `input_images` given ones (a mask is one of them).
    Raises Problem when there are more pictures than the model makes at once, or when it does not take any."""
    if images > model.max_images:
        raise _exceeded("n", images, model.max_images, "pictures")
    if input_images and "image" not in model.media_ceiling_tokens:
        raise Problem("invalid_request", f"{model.model_id} does not take pictures here.", param="image")
    ceilings = model.image_output_ceiling_tokens
    most = max(ceilings.values(), default=0)
    return Ceiling(
        input_tokens=_text_tokens(model, prompt_bytes),
        image_input_tokens=input_images * model.media_ceiling_tokens.get("image", 0),
        image_output_tokens=images * (most if variant is None else ceilings.get(variant, most)),
        images=images,
    )


def speech_ceiling(model: Model, *, characters: int, text_bytes: int) -> Ceiling:
    """A text to speak; `text_bytes` counts instructions as well. Raises Problem for a text that is too long, and for a
    model that is priced by the tokens of sound that it reads."""
    if characters > model.max_characters:
        raise _exceeded("input", characters, model.max_characters, "characters")
    per_character = model.audio_output_tokens_per_character
    if not per_character and model.audio_input_tokens_per_second:
        raise Problem("invalid_request", f"{model.model_id} does not speak.", param="model")
    spoken = model.template_overhead_tokens + characters * per_character if per_character else 0
    return Ceiling(
        input_tokens=_text_tokens(model, text_bytes),
        audio_output_tokens=min(spoken, model.max_output_tokens or spoken),
        characters=characters,
        audio_milliseconds=min(model.max_audio_seconds, characters + PAUSE_SECONDS) * MILLISECONDS_PER_SECOND,
    )


def transcription_ceiling(model: Model, *, seconds: int, prompt_bytes: int = 0) -> Ceiling:
    """Sound to write down, of at most so many seconds: what is not known before it was read is bounded by its bytes.
    Raises Problem for more than the model takes, and for a model that is priced by the tokens of sound it makes."""
    if not model.audio_input_tokens_per_second and model.audio_output_tokens_per_character:
        raise Problem("invalid_request", f"{model.model_id} does not write down speech.", param="model")
    if seconds > model.max_audio_seconds:
        raise _exceeded("file", seconds, model.max_audio_seconds, "seconds of sound")
    return Ceiling(
        input_tokens=_text_tokens(model, prompt_bytes),
        audio_input_tokens=seconds * model.audio_input_tokens_per_second,
        output_tokens=model.max_output_tokens,
        audio_milliseconds=seconds * MILLISECONDS_PER_SECOND,
    )


def video_ceiling(model: Model, *, seconds: int) -> Ceiling:
    """A film of so many seconds. Raises Problem for more than the model makes."""
    if seconds > model.max_video_seconds:
        raise _exceeded("seconds", seconds, model.max_video_seconds, "seconds of film")
    return Ceiling(video_milliseconds=seconds * MILLISECONDS_PER_SECOND)


def _text_tokens(model: Model, size_bytes: int) -> int:
    tokens = size_bytes + model.template_overhead_tokens
    return min(tokens, model.context_tokens) if model.context_tokens else tokens


def _exceeded(param: str, asked: int, limit: int, what: str) -> Problem:
    message = f"{asked} {what} are asked for; the limit is {limit}."
    return Problem("request_limit_exceeded", message, facts={"requested": asked, "request_limit": limit}, param=param)
