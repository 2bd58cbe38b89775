"""`POST /v1/images/generations` and `/v1/images/edits`: as GPT image models answer, or as `dall-e*` did."""

import base64
import hashlib
import re
import time
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta, Struct

from farebox_sandbox.core import Core
from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.exchange import Exchange
from farebox_sandbox.tokens import count_tokens
from farebox_sandbox.workloads.answers import answer_events, answer_json, base_url, event, reported
from farebox_sandbox.workloads.form import Received, receive
from farebox_sandbox.workloads.png import picture

USUAL_MODEL = "sandbox-image"
MAX_EDGE_PIXELS = 4096
IMAGE_INPUT_TOKENS = 256  # for each image and mask that comes in
PARTIAL_IMAGE_TOKENS = 100
SQUARE_TOKENS = {"low": 272, "medium": 1056, "high": 4160, "xhigh": 6240, "max": 8320}  # of 1024x1024 pixels
SQUARE_PIXELS = 1024 * 1024

_SIZE = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})")
_FILE = re.compile(r"(\d+x\d+)-([0-9a-f]{16})\.png")


class ImageRequest(Struct):
    prompt: str
    model: str | None = None
    n: Annotated[int, Meta(ge=1, le=10)] | None = None
    size: str | None = None
    quality: Literal["low", "medium", "high", "xhigh", "max", "auto", "standard", "hd"] | None = None
    background: Literal["transparent", "opaque", "auto"] | None = None
    output_format: Literal["png", "webp", "jpeg"] | None = None
    response_format: Literal["url", "b64_json"] | None = None
    stream: bool | None = None
    partial_images: Annotated[int, Meta(ge=0, le=3)] | None = None
    image: Any = None
    images: Any = None
    mask: Any = None


class Picture(NamedTuple):
    """What all images of one request share. `kind` names the events of its stream."""

    kind: str
    prompt: str
    width: int
    height: int
    quality: str
    background: str
    output_format: str
    n: int
    input_images: int
    partials: int

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def output_tokens(self) -> int:
        """Of one image, with the partial ones before it."""
        pixels = self.width * self.height
        return -(-SQUARE_TOKENS[self.quality] * pixels // SQUARE_PIXELS) + self.partials * PARTIAL_IMAGE_TOKENS

    @property
    def echoed(self) -> dict[str, str]:
        names = ("size", "quality", "background", "output_format")
        return {name: getattr(self, name) for name in names}

    def png(self, index: int, step: str = "") -> bytes:
        return picture(self.width, self.height, f"{self.prompt}\n{index}{step}")


class Images:
    def __init__(self, sandbox: Core) -> None:
        self._sandbox = sandbox

    async def generate(self, exchange: Exchange) -> None:
        await self._create(exchange, "image_generation")

    async def edit(self, exchange: Exchange) -> None:
        await self._create(exchange, "image_edit")

    async def file(self, exchange: Exchange) -> None:
        """An image that was answered as a URL; like the signed ones of the API, it needs no key."""
        match = _FILE.fullmatch(exchange.parameters["name"])
        if match is None:
            raise UpstreamError(404, "There is no such image.")
        width, height = _pixels(match[1])
        data = picture(width, height, match[2])
        await exchange.transfer("image/png", [data], headers=[(b"content-length", b"%d" % len(data))])

    async def _create(self, exchange: Exchange, kind: str) -> None:
        self._sandbox.authenticate(exchange)
        received = await receive(self._sandbox, exchange)
        request = received.read(ImageRequest)
        model = request.model or USUAL_MODEL
        described = {
            "stream": bool(request.stream),
            "n": request.n,
            "size": request.size,
            "quality": request.quality,
            "files": received.logged,
        }
        if await self._sandbox.begin(exchange, model, received.own, **described):
            return
        asked = _picture(request, received, kind)
        if model.startswith("dall-e"):
            await answer_json(exchange, _old_answer(exchange, request, asked))
            return
        if request.response_format is not None:
            raise UpstreamError(400, "Unknown parameter: 'response_format'.")
        exchange.call.prompt_tokens = _input_tokens(asked)
        exchange.call.completion_tokens = asked.output_tokens * asked.n
        if request.stream:
            await answer_events(exchange, _partial_events(asked), _completed_event(exchange, asked))
        else:
            await answer_json(exchange, _answer(exchange, asked))


def _picture(request: ImageRequest, received: Received, kind: str) -> Picture:
    if not request.prompt:
        raise UpstreamError(400, "Missing required parameter: 'prompt'.")
    images = _count_inputs(received, request)
    if kind == "image_edit" and not images:
        raise UpstreamError(400, "Missing required parameter: 'image'.")
    if request.stream and (request.n or 1) > 1:
        raise UpstreamError(400, "A stream has one image: 'n' must be 1.")
    width, height = _pixels("1024x1024" if request.size in (None, "auto") else str(request.size))
    return Picture(
        kind=kind,
        prompt=request.prompt,
        width=width,
        height=height,
        quality=request.quality if request.quality in SQUARE_TOKENS else "medium",
        background="opaque" if request.background in (None, "auto") else str(request.background),
        output_format=request.output_format or "png",
        n=request.n or 1,
        input_images=images,
        partials=(request.partial_images or 0) if request.stream else 0,
    )


def _count_inputs(received: Received, request: ImageRequest) -> int:
    """Images and mask, as files or, in JSON, by reference."""
    listed = [*_as_list(request.image), *_as_list(request.images), *_as_list(request.mask)]
    return len(received.uploads("image", "images", "mask")) + len(listed)


def _as_list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _pixels(size: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(size)
    if match is None or max(int(match[1]), int(match[2])) > MAX_EDGE_PIXELS:
        raise UpstreamError(400, f"'size' must be 'auto' or WIDTHxHEIGHT of at most {MAX_EDGE_PIXELS} pixels each.")
    return int(match[1]), int(match[2])


def _input_tokens(asked: Picture) -> int:
    return count_tokens(asked.prompt) + asked.input_images * IMAGE_INPUT_TOKENS


def _usage(asked: Picture) -> dict[str, Any]:
    """For all images together."""
    text = count_tokens(asked.prompt)
    output = asked.output_tokens * asked.n
    return {
        "input_tokens": _input_tokens(asked),
        "input_tokens_details": {"text_tokens": text, "image_tokens": asked.input_images * IMAGE_INPUT_TOKENS},
        "output_tokens": output,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": output},
        "total_tokens": _input_tokens(asked) + output,
    }


def _answer(exchange: Exchange, asked: Picture) -> dict[str, Any]:
    data = [{"b64_json": _base64(asked.png(index))} for index in range(asked.n)]
    usage = reported(_usage(asked), exchange.directives)
    return {"created": int(time.time()), "data": data, **asked.echoed, **usage}


def _old_answer(exchange: Exchange, request: ImageRequest, asked: Picture) -> dict[str, Any]:
    data: list[dict[str, Any]] = []
    for index in range(asked.n):
        seed = hashlib.sha256(f"{asked.prompt}\n{index}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
        if request.response_format == "b64_json":
            shown = {"b64_json": _base64(picture(asked.width, asked.height, seed))}
        else:
            shown = {"url": f"{base_url(exchange)}/sandbox/images/{asked.size}-{seed}.png"}
        data.append({"revised_prompt": f"In the sandbox: {asked.prompt}", **shown})
    return {"created": int(time.time()), "data": data}


def _partial_events(asked: Picture) -> Iterator[bytes]:
    for index in range(asked.partials):
        value = {
            "type": f"{asked.kind}.partial_image",
            "b64_json": _base64(asked.png(0, f" partial {index}")),
            "partial_image_index": index,
            "created_at": int(time.time()),
            **asked.echoed,
        }
        yield event(value, named=True)


def _completed_event(exchange: Exchange, asked: Picture) -> bytes:
    usage = {name: value for name, value in _usage(asked).items() if name != "output_tokens_details"}
    value = {
        "type": f"{asked.kind}.completed",
        "b64_json": _base64(asked.png(0)),
        "created_at": int(time.time()),
        **asked.echoed,
        **reported(usage, exchange.directives),
    }
    return event(value, named=True)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
