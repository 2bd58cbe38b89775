"""What is decided before the hold of a video job: which model and routes, at what price. Pure."""

from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from farebox.base.addresses import check_url
from farebox.base.errors import Problem
from farebox.base.limits import RequestLimits, Webhooks
from farebox.base.usage import Usage
from farebox.catalog.ceilings import MILLISECONDS_PER_SECOND, video_ceiling
from farebox.catalog.model import Catalog, Provider, Route
from farebox.catalog.rules import charge_nanos
from farebox.dataplane.admit import (
    Admission,
    admitted,
    ask_of,
    candidates,
    exceeded,
    price_hold,
    require_workload,
)
from farebox.dataplane.sending import Outgoing
from farebox.dataplane.wanted import Wanted
from farebox.dialects.registry import UPSTREAMS
from farebox.dialects.videos import VIDEO_UPSTREAMS
from farebox.dialects.videos.request import VideoRequest
from farebox.identity.model import KeyRecord
from farebox.routing.asking import find_model
from farebox.routing.router import Router

SCOPE = "videos"
# As receipts name this way of calling.
DIALECT = "videos"

# Whose words a provider uses when it finds fault with an order.
_ERRORS_OF = {"openai": UPSTREAMS["openai_chat"], "veo": UPSTREAMS["gemini"]}


@dataclass(slots=True)
class VideoSending:
    """How an order is put for a route."""

    request: VideoRequest

    def prepare(self, route: Route, provider: Provider) -> Outgoing:
        """The order for this route. Raises Inexpressible."""
        form = provider.video_dialect
        submission = VIDEO_UPSTREAMS[form].submission(self.request, route.upstream_model)
        native = form == "openai"  # the dialect of this surface, so a provider's error bodies pass as they are
        return Outgoing(submission.target, submission.body, _ERRORS_OF[form], native, submission.dropped)


def admit_video(
    catalog: Catalog,
    limits: RequestLimits,
    router: Router,
    *,
    key: KeyRecord,
    request: VideoRequest,
    wanted: Wanted,
) -> tuple[Admission, VideoSending]:
    """Decide everything that comes before the hold. Raises Problem."""
    model = find_model(catalog, key, request.model)
    require_workload(model, "video")
    _check_size(request, limits)
    ceiling = video_ceiling(model, seconds=request.seconds)
    ask = ask_of(key, model, wanted, scope=SCOPE)
    found = candidates(router, catalog, ask, wanted=wanted, ceiling=ceiling, variant=request.size)
    sending = VideoSending(request)
    choice = admitted(sending, catalog, ask, found)
    admission = Admission(
        key=key,
        model=model,
        ask=ask,
        choice=choice,
        catalog_version=catalog.version,
        routes=choice.routes,
        hold_nanos=price_hold(choice.routes, ceiling, variant=request.size),
        dialect=DIALECT,
        streamed=False,
        prompt_bytes=len(request.prompt.encode()),
    )
    return admission, sending


def check_webhook(url: str | None, webhooks: Webhooks) -> None:
    """Refuse what could not be told, or must not be. Raises Problem `invalid_request`."""
    if url is None:
        return
    if not webhooks.enabled:
        message = "`webhook_url` is not offered: this gateway has no webhooks, so ask after the job."
        raise Problem("invalid_request", message, param="webhook_url")
    check_url(url, param="webhook_url", allow_private=webhooks.allow_private_networks)


def _check_size(request: VideoRequest, limits: RequestLimits) -> None:
    chars = len(request.prompt)
    if limits.max_prompt_chars is not None and chars > limits.max_prompt_chars:
        raise exceeded("prompt", chars, limits.max_prompt_chars, "The prompt's length in characters")
    media_bytes = 0 if request.picture is None else len(request.picture.data)
    if media_bytes > limits.max_media_bytes:
        raise exceeded("input_reference", media_bytes, limits.max_media_bytes, "The size of its media in bytes")


def film_of(seconds: int) -> Usage:
    """What a film of that length is charged for."""
    return Usage(video_milliseconds=seconds * MILLISECONDS_PER_SECOND, requests=1)


def price_of(route: Route, seconds: int, size: str) -> tuple[int, int]:
    """What a film costs by this route, in nano-USD: the customer, and the operator."""
    if route.price is None:
        raise Problem("internal_error", "The price of this film is not known.")
    film = film_of(seconds)
    return charge_nanos(route.price.tiers, film, size), charge_nanos(route.price.cost_tiers, film, size)


def identity_of(request: VideoRequest) -> bytes:
    """The order as bytes that do not depend on how it was sent: a form has another boundary each time."""
    picture = None if request.picture is None else blake2b(request.picture.data, digest_size=32).digest()
    plain = (request.model, request.prompt, request.seconds, request.size)
    webhook = () if request.webhook_url is None else (request.webhook_url,)
    return msgspec.msgpack.encode((*plain, picture, request.picture_url, request.unknown, *webhook))
