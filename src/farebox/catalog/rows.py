"""The four kinds of stored rows, and their one encoding."""

from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

from farebox.catalog.model import Model, Provider, Route
from farebox.catalog.rules import Tier

Kind = Literal["provider", "model", "route", "price"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


class PriceTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a price row says; its id is the route's. `margin_bps` is None when the price was listed."""

    tiers: tuple[Tier, ...]
    cost_tiers: tuple[Tier, ...]
    margin_bps: int | None = None


Body = Provider | Model | Route | PriceTerms
RowKey = tuple[Kind, str]
Rows = Mapping[RowKey, Body]

_TYPES: Final[Mapping[Kind, type[Body]]] = {
    "provider": Provider,
    "model": Model,
    "route": Route,  # stored without its price, which has versions of its own
    "price": PriceTerms,
}


def encode_body(body: Body) -> str:
    """JSON with every field, so that a later change of a default never changes what was stored."""
    return msgspec.json.encode(body).decode()


def decode_body(kind: Kind, text: str) -> Body:
    """The inverse of `encode_body`."""
    return msgspec.json.decode(text, type=_TYPES[kind])


def price_version(route_id: str, version: int) -> str:
    """The name of one version of a route's price, as calls store it: `anthropic/claude-haiku-4-5@3`."""
    return f"{route_id}@{version}"


def read_price_version(text: str) -> tuple[str, int]:
    """The inverse of `price_version`. Raises LookupError."""
    route_id, mark, version = text.rpartition("@")
    if not (mark and route_id and version.isascii() and version.isdigit() and len(version) < 10):
        raise LookupError(f"{text!r} is not a price version")
    return route_id, int(version)
