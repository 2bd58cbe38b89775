"""Embeddings and moderations: texts in, numbers out, by input token. Pure."""

from collections.abc import Callable
from typing import Final

import msgspec

from farebox.base.errors import Problem
from farebox.base.usage import Usage
from farebox.catalog.ceilings import embedding_ceiling
from farebox.catalog.model import Model
from farebox.catalog.rules import Ceiling, Price
from farebox.dataplane.answer import Received
from farebox.dataplane.relay import Framing
from farebox.dataplane.workloads.job import Priced, native_body
from farebox.dialects.openai_media.texts import (
    TextsAsked,
    read_embeddings,
    read_embeddings_answer,
    read_moderation,
    read_moderation_answer,
)
from farebox.dialects.port import Inexpressible, Told
from farebox.dialects.request import Size
from farebox.dialects.translate import Passage
from farebox.dialects.usage import MISSING, Reported


class TextsJob:
    """Texts to embed or to moderate."""

    param: Final = "input"
    form: Final = None
    framing: Final[Framing | None] = None

    def __init__(self, asked: TextsAsked, read_answer: Callable[[bytes], Reported]) -> None:
        self._asked = asked
        self._read_answer = read_answer

    @property
    def model(self) -> str:
        """The model's id."""
        return self._asked.model

    @property
    def size(self) -> Size:
        """How large the texts are."""
        return self._asked.size

    def ceiling(self, model: Model) -> Ceiling:
        """A token has at least one byte. Raises Problem for pictures where the model takes none."""
        ceiling = embedding_ceiling(model, self._asked.most_tokens)
        pictures = self.size.media.get("image", 0)
        if pictures and "image" not in model.media_ceiling_tokens:
            raise Problem("invalid_request", f"{model.model_id} does not take pictures here.", param="input")
        tokens = pictures * model.media_ceiling_tokens.get("image", 0)
        return msgspec.structs.replace(ceiling, image_input_tokens=tokens)

    def variant(self, price: Price) -> str | None:
        """Texts have none."""
        return None

    def body(self, upstream_model: str) -> bytes:
        """As it came, but for the model's id."""
        return native_body(self._asked.fields, upstream_model)

    def at_most(self) -> Reported:
        """Nothing is known that the size of the prompt does not say."""
        return MISSING

    def received(self, priced: Priced, body: bytes, content_type: str) -> Received:
        """The usage that is told; without one, what a price by request needs is known."""
        reported = self._read_answer(body)
        if reported.usage is None and not priced.rates("input"):
            reported = Reported(Usage(), malformed=reported.malformed, basis="counted")
        return Received(body, reported)

    def passage(self, priced: Priced, told: Told) -> Passage:
        """Numbers are never streamed."""
        raise Inexpressible("stream")


def read_embeddings_job(body: bytes) -> TextsJob:
    """`/embeddings`. Raises Problem."""
    return TextsJob(read_embeddings(body), read_embeddings_answer)


def read_moderation_job(body: bytes) -> TextsJob:
    """`/moderations`. Raises Problem."""
    return TextsJob(read_moderation(body), read_moderation_answer)
