"""Pictures: by the piece, by size and quality, or by token. Pure."""

from typing import Final

import msgspec

from farebox.base.usage import Usage
from farebox.catalog.ceilings import image_ceiling
from farebox.catalog.model import Model
from farebox.catalog.rules import Ceiling, Price
from farebox.dataplane.answer import Received
from farebox.dataplane.estimate import BYTES_PER_TOKEN_FOR_CHARGES
from farebox.dataplane.relay import EVENTS, Framing
from farebox.dataplane.workloads.job import Priced, named_tiers, native_body
from farebox.dataplane.workloads.upload import FormReader
from farebox.dialects.openai_media.fold import MediaFold, Streamed
from farebox.dialects.openai_media.images import (
    TOKENS_OF_A_PARTIAL_IMAGE,
    ImagesAsked,
    ImagesMade,
    read_images,
    read_images_answer,
    read_images_form,
    read_images_usage,
    told_name,
    variant_of,
)
from farebox.dialects.port import Told
from farebox.dialects.request import Size
from farebox.dialects.translate import Passage, Untouched
from farebox.dialects.usage import Reported
from farebox.providers.client import Body

_TOKEN_RATES = ("input", "output", "image_input", "image_output")


class PicturesJob:
    """Pictures to make or to edit. A form is sent as it comes, JSON as it came."""

    param: Final = "prompt"

    def __init__(self, asked: ImagesAsked, form: FormReader | None = None) -> None:
        self._asked = asked
        self.form = form

    @property
    def model(self) -> str:
        """The model's id."""
        return self._asked.model

    @property
    def size(self) -> Size:
        """How large the prompt is."""
        return self._asked.size

    @property
    def framing(self) -> Framing | None:
        """Events, where the client asked for a stream."""
        return EVENTS if self._asked.stream else None

    def ceiling(self, model: Model) -> Ceiling:
        """Raises Problem for more pictures than the model makes, and for pictures where it takes none."""
        asked = self._asked
        full = f"{asked.picture_size}/{asked.quality}" if asked.picture_size and asked.quality else None
        ceiling = image_ceiling(
            model,
            prompt_bytes=asked.size.text_bytes,
            images=asked.images,
            variant=full,
            input_images=asked.input_images,
        )
        tokens = ceiling.image_output_tokens * asked.frames + asked.partial_images * TOKENS_OF_A_PARTIAL_IMAGE
        return msgspec.structs.replace(ceiling, image_output_tokens=tokens)

    def variant(self, price: Price) -> str | None:
        """Certain only where both size and quality were asked for."""
        asked = self._asked
        if asked.picture_size is None or asked.quality is None:
            return None
        return variant_of(asked.picture_size, asked.quality, dict(named_tiers(price)))

    def body(self, upstream_model: str) -> Body:
        """Raises Inexpressible when a form has left already."""
        if self.form is not None:
            return self.form.body(upstream_model)
        return native_body(self._asked.fields, upstream_model)

    def at_most(self) -> Reported:
        """All the pictures."""
        return Reported(Usage(images=self._asked.images), basis="counted")

    def received(self, priced: Priced, body: bytes, content_type: str) -> Received:
        """The pictures in the answer are counted, their tokens are as told."""
        made = read_images_answer(body)
        return Received(body, self._used(priced, made), self._charged_as(priced, made), len(body))

    def passage(self, priced: Priced, told: Told) -> Passage:
        """A picture on its way is none."""

        def measure(streamed: Streamed) -> tuple[Reported, str | None]:
            made = ImagesMade(
                images=1 if streamed.completed else 0,
                reported=read_images_usage(streamed.usage),
                picture_size=told_name(streamed.picture_size),
                quality=told_name(streamed.quality),
            )
            return self._used(priced, made), self._charged_as(priced, made)

        return Untouched(MediaFold(measure), told)

    def _used(self, priced: Priced, made: ImagesMade) -> Reported:
        # What came beyond the request is the provider's gift.
        images = min(made.images, self._asked.images)
        told = made.reported
        if told.usage is not None:
            return Reported(msgspec.structs.replace(told.usage, images=images))
        if not priced.rates(*_TOKEN_RATES):
            return Reported(Usage(images=images), malformed=told.malformed, basis="counted")
        each = min(priced.model.image_output_ceiling_tokens.values(), default=0)
        usage = Usage(
            input_tokens=-(-self.size.text_bytes // BYTES_PER_TOKEN_FOR_CHARGES),
            image_output_tokens=images * each,
            images=images,
        )
        return Reported(usage, malformed=told.malformed, basis="estimated")

    def _charged_as(self, priced: Priced, made: ImagesMade) -> str | None:
        """What was asked for counts before what the provider tells; it decides where nothing was asked for."""
        asked = self._asked
        return variant_of(
            asked.picture_size or made.picture_size, asked.quality or made.quality, dict(named_tiers(priced.price))
        )


def read_pictures_job(body: bytes) -> PicturesJob:
    """`/images/generations`, and `/images/edits` in JSON. Raises Problem."""
    return PicturesJob(read_images(body))


def read_pictures_form(form: FormReader) -> PicturesJob:
    """`/images/edits`. Raises Problem."""
    return PicturesJob(read_images_form(form.form), form)
