"""The live catalog as a process sees it: frozen, complete, and looked up by id."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from farebox.catalog.rules import Price
from farebox.catalog.terms import NO_TERMS, Terms
from farebox.dialects.canonical.parts import DialectName
from farebox.dialects.port import Profile

Status = Literal["live", "disabled"]
Workload = Literal["text", "coding", "image", "video", "audio", "embedding", "moderation"]
OutputLimitField = Literal["max_tokens", "max_completion_tokens"]
VideoDialect = Literal["openai", "veo"]
AuthHeader = Literal["bearer", "x-api-key", "x-goog-api-key"]

_TEXT_SCOPES: Final = frozenset({"chat.completions", "responses", "messages"})
# A key needs one of these to call models of a workload. Who may call models of text may have text checked.
SCOPES_OF_WORKLOAD: Final[Mapping[Workload, frozenset[str]]] = MappingProxyType(
    {
        "text": _TEXT_SCOPES,
        "coding": _TEXT_SCOPES,
        "image": frozenset({"images"}),
        "video": frozenset({"videos"}),
        "audio": frozenset({"audio"}),
        "embedding": frozenset({"embeddings"}),
        "moderation": _TEXT_SCOPES,
    }
)

Tokens = Annotated[int, Meta(ge=0, le=100_000_000)]
Count = Annotated[int, Meta(gt=0, le=1_000_000)]
# Longer than any model thinks; a timeout above it would only hide a hang.
TimeoutSeconds = Annotated[float, Meta(gt=0, le=86_400)]


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """An upstream vendor. `base_url` has no slash at its end; `api_key_env` names a variable, never holds a key.

    Requests in one of its `dialects` pass untouched, others are translated into the first. `unsupported` names features
    (`docs/reference/catalog.md`) that it does not take of them.
    """

    provider_id: str
    display_name: Annotated[str, Meta(min_length=1, max_length=200)]
    base_url: str
    api_key_env: str | None = None
    status: Status = "live"
    status_reason: str = ""
    # False: after a disconnect the answer is read to its end, because the provider bills it anyway.
    cancel_stops_billing: bool = False
    dialects: tuple[DialectName, ...] = ("openai_chat",)
    # The other workloads speak OpenAI's API, but films may be Google's long-running operations.
    video_dialect: VideoDialect = "openai"
    # None: what its first dialect wants; see `auth_of`.
    auth: AuthHeader | None = None
    output_limit_field: OutputLimitField = "max_tokens"
    # Whether `stream_options.include_usage` is understood.
    stream_usage: bool = True
    # Whether chat knows the role `developer`.
    developer_role: bool = False
    unsupported: tuple[str, ...] = ()
    # None: the gateway's own default.
    connect_timeout_seconds: TimeoutSeconds | None = None
    first_byte_timeout_seconds: TimeoutSeconds | None = None
    idle_timeout_seconds: TimeoutSeconds | None = None
    total_timeout_seconds: TimeoutSeconds | None = None


_AUTH_OF_DIALECT: Final[Mapping[DialectName, AuthHeader]] = {
    "openai_chat": "bearer",
    "openai_responses": "bearer",
    "anthropic_messages": "x-api-key",
    "gemini": "x-goog-api-key",
}


def auth_of(provider: Provider) -> AuthHeader:
    """How the provider wants its key: as `Authorization: Bearer`, or in a header of that name."""
    return provider.auth or _AUTH_OF_DIALECT[provider.dialects[0]]


def profile_of(provider: Provider, route: "Route") -> Profile:
    """What the dialects have to know of the provider, and of its model."""
    return Profile(
        output_limit_field=provider.output_limit_field,
        stream_usage=provider.stream_usage,
        developer_role=provider.developer_role,
        unsupported=frozenset((*provider.unsupported, *route.unsupported)),
    )


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer asks for. Overheads, ceilings and maxima are what the hold adds to what the request says.

    `context_tokens` is 0 where a workload has none, `max_output_tokens` where an answer is no text or sound.
    `media_ceiling_tokens` maps a kind of content part (`image`, `audio`, `file`) to the most input tokens that one
    part can become; `server_tool_ceilings` a tool that the provider runs and bills by use (`web_search`) to the most
    uses in one call. What is absent has no known ceiling, so the gateway refuses it. `server_tool_ceiling_tokens` maps
    such a tool to the most input tokens that one use adds; where it is absent, one may fill the whole context.

    `image_output_ceiling_tokens` maps a variant (`1024x1024/high`) to the most tokens of one picture made; any other
    variant counts as the largest.
    """

    model_id: str
    display_name: Annotated[str, Meta(min_length=1, max_length=200)]
    workload: Workload = "text"
    owned_by: str = ""
    created: Annotated[int, Meta(ge=0)] = 0  # seconds since 1970 UTC
    context_tokens: Tokens = 0
    max_output_tokens: Tokens = 0
    template_overhead_tokens: Tokens = 64
    message_overhead_tokens: Tokens = 16
    tools_overhead_tokens: Tokens = 1_024
    media_ceiling_tokens: dict[Literal["image", "audio", "file"], Tokens] = {}
    server_tool_ceilings: dict[str, Count] = {}
    server_tool_ceiling_tokens: dict[str, Tokens] = {}
    max_images: Count = 10
    max_video_seconds: Count = 60
    max_audio_seconds: Count = 14_400
    max_characters: Count = 4_096
    image_output_ceiling_tokens: dict[str, Tokens] = {}
    audio_input_tokens_per_second: Tokens = 0  # of sound to write down
    audio_output_tokens_per_character: Tokens = 0  # of text to speak
    status: Status = "live"
    status_reason: str = ""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One way to serve a model. Lower `priority` goes first. `price` None: unknown, so a call is refused.
    `unsupported`: features that this model does not take, besides those of its provider. It serves nobody before the
    checklist of its `terms` is complete."""

    route_id: str
    model_id: str
    provider_id: str
    upstream_model: Annotated[str, Meta(min_length=1, max_length=200)]
    priority: Annotated[int, Meta(ge=0, le=1_000_000)] = 100
    terms: Terms = NO_TERMS
    unsupported: tuple[str, ...] = ()
    status: Status = "live"
    status_reason: str = ""
    price: Price | None = None


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on sale at one moment. `version` grows with every change that took effect; "0" is empty."""

    version: str
    providers: Mapping[str, Provider]
    models: Mapping[str, Model]
    routes_by_model: Mapping[str, tuple[Route, ...]]

    def provider(self, provider_id: str) -> Provider | None:
        """The provider, or None."""
        return self.providers.get(provider_id)

    def model(self, model_id: str) -> Model | None:
        """The model, or None."""
        return self.models.get(model_id)

    def routes_of(self, model_id: str) -> tuple[Route, ...]:
        """The model's routes in the order in which they are tried, disabled ones included."""
        return self.routes_by_model.get(model_id, ())


def build_catalog(
    version: str, *, providers: Mapping[str, Provider], models: Mapping[str, Model], routes: Mapping[str, Route]
) -> Catalog:
    """Put the parts together. Routes whose model or provider is gone are left out: nothing can reach them."""
    by_model: dict[str, list[Route]] = {model_id: [] for model_id in models}
    for route in routes.values():
        if route.model_id in models and route.provider_id in providers:
            by_model[route.model_id].append(route)
    ordered = {
        model_id: tuple(sorted(found, key=lambda route: (route.priority, route.route_id)))
        for model_id, found in by_model.items()
    }
    return Catalog(
        version=version,
        providers=MappingProxyType(dict(sorted(providers.items()))),
        models=MappingProxyType(dict(sorted(models.items()))),
        routes_by_model=MappingProxyType(ordered),
    )


EMPTY_CATALOG = build_catalog("0", providers={}, models={}, routes={})
