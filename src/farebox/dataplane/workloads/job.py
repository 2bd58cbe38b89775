"""What the data plane needs of one request of a workload, whatever it is. Pure."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import msgspec

from farebox.catalog.model import Model
from farebox.catalog.rules import Ceiling, Price
from farebox.dataplane.answer import Received
from farebox.dataplane.relay import Framing
from farebox.dataplane.workloads.upload import FormReader
from farebox.dialects.port import Told
from farebox.dialects.request import Fields, Size, raw
from farebox.dialects.translate import Passage
from farebox.dialects.usage import Reported
from farebox.providers.client import Body

_encode = msgspec.json.Encoder().encode


class Priced(NamedTuple):
    """What was asked of which model, and the price of the route that answers."""

    model: Model
    price: Price

    def rates(self, *names: str) -> bool:
        """Whether the price has any of these rates (without `_picos`)."""
        return any(getattr(tier.rates, f"{name}_picos") for tier in self.price.tiers for name in names)


class Job(Protocol):
    """One request. `framing` is None where the answer comes in one piece; `param` names the field that has the prompt;
    `form` is there where the request is one."""

    @property
    def model(self) -> str: ...
    @property
    def size(self) -> Size: ...
    @property
    def param(self) -> str: ...
    @property
    def form(self) -> FormReader | None: ...
    @property
    def framing(self) -> Framing | None: ...

    def ceiling(self, model: Model) -> Ceiling:
        """More than this no answer can use. Raises Problem for what the model does not do."""

    def variant(self, price: Price) -> str | None:
        """The variant that is certain to be charged; None where any may be."""

    def body(self, upstream_model: str) -> Body:
        """The request as a provider gets it. Raises Inexpressible when it cannot be sent once more."""

    def at_most(self) -> Reported:
        """What a provider may bill even if it never answers, as far as the request tells."""

    def received(self, priced: Priced, body: bytes, content_type: str) -> Received:
        """A whole answer. Raises Problem when it is none. Never asked of one that is streamed."""

    def passage(self, priced: Priced, told: Told) -> Passage:
        """The way of a streamed answer."""


def native_body(fields: Fields, upstream_model: str) -> bytes:
    """A JSON request as it came, but for the model's id."""
    return _encode({**fields, "model": raw(upstream_model)})


def named_tiers(price: Price) -> Iterator[tuple[str, int]]:
    """The variants of a price, and what orders them by what they cost."""
    for tier in price.tiers:
        if tier.service_tier != "default" and tier.above_input_tokens == 0:
            yield tier.service_tier, tier.rates.image_picos + tier.rates.image_output_picos
