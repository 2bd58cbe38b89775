"""What a call would cost by each route that could serve it, before anything is held or sent. Values only."""

from typing import Final, Literal, get_args

import msgspec

from farebox.catalog.model import Workload
from farebox.routing.explain import Explanation
from farebox.routing.shown import RouteView

Surface = Literal[
    "chat.completions",
    "responses",
    "messages",
    "embeddings",
    "images",
    "audio.speech",
    "moderations",
    "videos",
]
"""Whose body is estimated: what is sent as JSON to `/v1/chat/completions`, `/v1/responses`, `/v1/messages`,
`/v1/embeddings`, `/v1/images/generations`, `/v1/audio/speech`, `/v1/moderations` or `/v1/videos`."""

SURFACES: Final[tuple[str, ...]] = get_args(Surface)
# Where nobody says it: the surface that most clients use for a model of that workload.
SURFACE_OF_WORKLOAD: Final[dict[Workload, Surface]] = {
    "text": "chat.completions",
    "coding": "chat.completions",
    "image": "images",
    "video": "videos",
    "audio": "audio.speech",
    "embedding": "embeddings",
    "moderation": "moderations",
}


class RouteEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """`ceiling`: more than this the call cannot cost. `likely`: what it costs if its text makes as many tokens as such
    text usually does; null where nothing tells. `likely_basis` says how it came to be."""

    route: RouteView
    ceiling_usd: str
    ceiling_nanos: int
    likely_usd: str | None
    likely_nanos: int | None
    likely_basis: str = ""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """`hold` is what a call would take from the balance until it ends: the dearest ceiling of the routes that would be
    tried. Routes stand in the order in which they would be tried. Nothing was held and nobody was asked."""

    model: str
    surface: str
    hold_usd: str
    hold_nanos: int
    max_cost_usd: str | None
    max_cost_nanos: int | None
    routes: list[RouteEstimate]
    explanation: Explanation
    object: str = "estimate"
