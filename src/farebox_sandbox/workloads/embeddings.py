"""`POST /v1/embeddings`: vectors of length 1 that follow from the text and the model's name, and nothing else."""

import base64
import hashlib
import math
import struct
from functools import lru_cache
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from farebox_sandbox.core import Core
from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.exchange import Exchange
from farebox_sandbox.tokens import count_tokens
from farebox_sandbox.workloads.answers import answer_json, reported
from farebox_sandbox.workloads.form import receive

MAX_INPUTS = 2048
MAX_INPUT_TOKENS = 8192
USUAL_DIMENSIONS = 1536
LARGE_DIMENSIONS = 3072  # of models whose name ends in `-large`
CACHED_VECTORS = 256  # at most 12 kB each

Tokens = list[Annotated[int, Meta(ge=0, le=2**31 - 1)]]
Text = Annotated[str, Meta(min_length=1)]


class EmbeddingsRequest(Struct):
    model: str
    input: str | list[Any]
    dimensions: Annotated[int, Meta(ge=1, le=LARGE_DIMENSIONS)] | None = None
    encoding_format: Literal["float", "base64"] = "float"


class Embeddings:
    def __init__(self, sandbox: Core) -> None:
        self._sandbox = sandbox

    async def create(self, exchange: Exchange) -> None:
        self._sandbox.authenticate(exchange)
        received = await receive(self._sandbox, exchange)
        request = received.read(EmbeddingsRequest)
        if await self._sandbox.begin(exchange, request.model, received.own):
            return
        inputs = _inputs(request.input)
        tokens = sum(_count(one) for one in inputs)
        exchange.call.prompt_tokens = tokens
        data = [
            {"object": "embedding", "index": index, "embedding": _embedding(one, request)}
            for index, one in enumerate(inputs)
        ]
        usage = reported({"prompt_tokens": tokens, "total_tokens": tokens}, exchange.directives)
        await answer_json(exchange, {"object": "list", "data": data, "model": request.model, **usage})


def _inputs(value: str | list[Any]) -> list[str | Tokens]:
    """The inputs one by one. Raises UpstreamError 400."""
    one = isinstance(value, str) or (value and all(type(token) is int for token in value))
    inputs: list[Any] = [value] if one else list(value)
    if not 1 <= len(inputs) <= MAX_INPUTS:
        raise UpstreamError(400, f"'$.input' must have 1 to {MAX_INPUTS} entries.")
    for item in inputs:
        is_tokens = isinstance(item, list) and all(type(token) is int and 0 <= token < 2**31 for token in item)
        if not item or not (isinstance(item, str) or is_tokens):
            raise UpstreamError(400, "'$.input' is invalid. Please check the API reference.")
        if _count(item) > MAX_INPUT_TOKENS:
            raise UpstreamError(400, f"This model's maximum context length is {MAX_INPUT_TOKENS} tokens.")
    return inputs


def _count(one: str | Tokens) -> int:
    return count_tokens(one) if isinstance(one, str) else len(one)


def _embedding(one: str | Tokens, request: EmbeddingsRequest) -> Any:
    seed = one if isinstance(one, str) else " ".join(map(str, one)) + " tokens"
    usual = LARGE_DIMENSIONS if request.model.endswith("-large") else USUAL_DIMENSIONS
    packed = vector(seed, request.model, request.dimensions or usual)
    if request.encoding_format == "base64":
        return base64.b64encode(packed).decode()
    return struct.unpack(f"<{len(packed) // 4}f", packed)


@lru_cache(CACHED_VECTORS)
def vector(text: str, model: str, dimensions: int) -> bytes:
    """A vector of length 1 as little-endian 32-bit floats. Fewer dimensions are the beginning of more, made longer."""
    noise = hashlib.shake_256(f"{model}\n{text}".encode("utf-8", "surrogatepass")).digest(2 * dimensions)
    numbers = [number + 0.5 for number in struct.unpack(f"<{dimensions}h", noise)]
    length = math.sqrt(sum(number * number for number in numbers))
    return struct.pack(f"<{dimensions}f", *(number / length for number in numbers))
