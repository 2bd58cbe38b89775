"""`POST /v1/moderations`: a category is flagged when its name stands in the text, of two halves the second."""

import re
from typing import Any

from msgspec import Struct

from farebox_sandbox.core import Core
from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.exchange import Exchange
from farebox_sandbox.tokens import count_tokens
from farebox_sandbox.workloads.answers import answer_json
from farebox_sandbox.workloads.form import receive

USUAL_MODEL = "omni-moderation-latest"

_TEXT_ONLY = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "sexual/minors",
)
_ALSO_IMAGES = (
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "violence",
    "violence/graphic",
)
CATEGORIES = (*_TEXT_ONLY, *_ALSO_IMAGES)
FLAGGED_SCORE = 0.98
USUAL_SCORE = 0.0001


class ModerationsRequest(Struct):
    input: str | list[str | dict[str, Any]]
    model: str | None = None


class Moderations:
    def __init__(self, sandbox: Core) -> None:
        self._sandbox = sandbox

    async def create(self, exchange: Exchange) -> None:
        self._sandbox.authenticate(exchange)
        received = await receive(self._sandbox, exchange)
        request = received.read(ModerationsRequest)
        model = request.model or USUAL_MODEL
        if await self._sandbox.begin(exchange, model, received.own):
            return
        inputs = _inputs(request.input)
        exchange.call.prompt_tokens = sum(count_tokens(text) for text, _ in inputs)
        results = [_result(text, kinds) for text, kinds in inputs]
        await answer_json(exchange, {"id": f"modr-{exchange.stem}", "model": model, "results": results})


def _inputs(value: str | list[str | dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Text and kinds of input for each result: parts with a type make one result together. Raises UpstreamError 400."""
    if isinstance(value, str):
        return [(value, ["text"])]
    texts = [one for one in value if isinstance(one, str)]
    parts = [one for one in value if isinstance(one, dict)]
    if not value or (texts and parts):
        raise UpstreamError(400, "'$.input' is invalid. Please check the API reference.")
    if texts:
        return [(text, ["text"]) for text in texts]
    kinds = {str(part.get("type")).removesuffix("_url") for part in parts}
    if not kinds <= {"text", "image"}:
        raise UpstreamError(400, "'$.input' has a part that is neither text nor image_url.")
    return [("\n".join(str(part.get("text", "")) for part in parts), sorted(kinds, reverse=True))]


def _result(text: str, kinds: list[str]) -> dict[str, Any]:
    words = set(re.findall(r"[a-z-]+", text.lower()))
    flags = {category: bool(words.intersection(category.split("/")[-1:])) for category in CATEGORIES}
    return {
        "flagged": any(flags.values()),
        "categories": flags,
        "category_scores": {name: FLAGGED_SCORE if flag else USUAL_SCORE for name, flag in flags.items()},
        "category_applied_input_types": {
            name: [kind for kind in kinds if kind == "text" or name in _ALSO_IMAGES] for name in CATEGORIES
        },
    }
