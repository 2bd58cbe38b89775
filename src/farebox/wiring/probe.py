"""`farebox provider test`: one small real call by the encoder, the client and the key that calls use."""

import asyncio
import time
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from farebox.base.errors import OperatorError
from farebox.base.money import format_usd
from farebox.base.usage import Usage
from farebox.catalog.model import Catalog, Model, Provider, Route, profile_of
from farebox.catalog.rules import charge_nanos
from farebox.dialects.canonical.conversation import Conversation, Turn
from farebox.dialects.canonical.parts import Text
from farebox.dialects.canonical.reply import Reply
from farebox.dialects.port import Broken, Edits, Upstream
from farebox.dialects.registry import UPSTREAMS
from farebox.providers import store
from farebox.providers.accounts import Accounts
from farebox.providers.client import FailureKind, UpstreamFailure, UpstreamResponse, host_of, waits_for
from farebox.providers.pools import Credential
from farebox.providers.secrets import CannotOpen, Safe, safe_of
from farebox.wiring.catalogs import current_catalog
from farebox.wiring.operate import connected
from farebox.wiring.providers import accounts_of, find_provider
from farebox.wiring.settings import Settings
from farebox.wiring.upstream import upstream_client

PROMPT: Final = "Reply exactly: OK"
MAX_OUTPUT_TOKENS: Final = 16
# The answer to that is a few kilobytes, whatever is around it.
MAX_ANSWER_BYTES: Final = 1_000_000
# Of what the provider says about an error.
MAX_DETAIL_CHARS: Final = 500

_TEXT: Final = ("text", "coding")


class ProbeView(msgspec.Struct, frozen=True, kw_only=True):
    """How it went. `outcome` is `answered`, or how it failed; `detail` the provider's words on an error."""

    provider_id: str
    credential_id: str
    route_id: str
    upstream_model: str
    dialect: str
    outcome: str
    status: int | None = None
    first_byte_milliseconds: int | None = None
    total_milliseconds: int | None = None
    tokens: dict[str, int] = {}
    cost_usd: str | None = None
    answer: str = ""
    detail: str = ""
    fix: str = ""


class _Probe(NamedTuple):
    provider: Provider
    route: Route
    credential: Credential
    upstream: Upstream


async def probe(
    dsn: str, settings: Settings, provider_id: str, *, model: str | None, credential: str | None
) -> ProbeView:
    """Make the call. Raises OperatorError when there is nothing to call, or no key to call it with."""
    catalog = await current_catalog(dsn)
    provider = find_provider(catalog, provider_id)
    route = _route(catalog, provider, model)
    safe = safe_of(settings.secrets_key, settings.old_secrets_key)
    async with connected(dsn) as connection:
        loaded = await store.load_pools(connection, safe)
        accounts = accounts_of(settings, loaded)
        found = await _credential(connection, accounts, provider, credential, safe=safe)
    return await _call(settings, accounts, _Probe(provider, route, found, UPSTREAMS[provider.dialects[0]]))


def _route(catalog: Catalog, provider: Provider, model: str | None) -> Route:
    """A route to a text model, live ones first; its checklist may still be open."""
    routes = [
        route
        for candidate in catalog.models.values()
        if candidate.workload in _TEXT
        for route in catalog.routes_of(candidate.model_id)
        if route.provider_id == provider.provider_id and model in (None, route.model_id, route.upstream_model)
    ]
    if routes:
        return next((route for route in routes if route.status == "live"), routes[0])
    if model is not None:
        raise OperatorError(
            f"{provider.provider_id} has no route to a text model {model!r}",
            f"it has {_names(_models_of(catalog, provider, _TEXT))}",
        )
    others = _models_of(catalog, provider, None)
    raise OperatorError(
        f"{provider.provider_id} has no route to a text model, which is what a test calls",
        f"call {_names(others)} through the gateway instead" if others else "add a route to catalog.toml",
    )


def _models_of(catalog: Catalog, provider: Provider, workloads: tuple[str, ...] | None) -> list[Model]:
    return [
        model
        for model in catalog.models.values()
        if workloads is None or model.workload in workloads
        if any(route.provider_id == provider.provider_id for route in catalog.routes_of(model.model_id))
    ]


def _names(models: Iterable[Model]) -> str:
    return ", ".join(model.model_id for model in models) or "none"


async def _credential(
    connection: store.Connection, accounts: Accounts, provider: Provider, text: str | None, *, safe: Safe | None
) -> Credential:
    if text is not None:
        implicit = accounts.find(provider, text)
        if implicit is not None:
            return implicit
        stored = await store.find_credential(connection, provider.provider_id, text)
        try:
            # One that is disabled can be tested, too: that is how it is found out whether it works again.
            return store.credential_of(stored, store.open_secret(stored, safe))
        except CannotOpen as error:
            raise OperatorError(
                f"{stored.credential_id} cannot be opened: {error}",
                "set the key that it was encrypted with, or give it a new secret with `farebox provider rotate`",
            ) from error
    found = [each for pool in accounts.pools(provider) for each in pool.credentials]
    if found:
        return found[0]
    variable = f"set {provider.api_key_env}, or " if provider.api_key_env else ""
    raise OperatorError(
        f"there is no key for {provider.provider_id}",
        f"{variable}store one with `farebox provider add {provider.provider_id}`",
    )


# ── the call ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def _call(settings: Settings, accounts: Accounts, probe: _Probe) -> ProbeView:
    provider, route, credential, upstream = probe
    view = ProbeView(
        provider_id=provider.provider_id,
        credential_id=credential.credential_id,
        route_id=route.route_id,
        upstream_model=route.upstream_model,
        dialect=upstream.name,
        outcome="answered",
    )
    conversation = Conversation(origin=upstream.name, turns=(Turn("user", (Text(PROMPT),)),))
    edits = Edits(route.upstream_model, MAX_OUTPUT_TOKENS, profile_of(provider, route))
    body = upstream.encode_request(conversation, edits, False).body
    endpoint = accounts.endpoint(provider, credential)
    assert endpoint is not None, "a credential has an endpoint"
    waits = waits_for(provider, settings.timeouts)
    client = upstream_client(settings, max_connections=1)
    began_at = time.monotonic()
    try:
        async with asyncio.timeout(waits.total):
            response = await client.post(endpoint, upstream.target(route.upstream_model, False), body, waits)
            view = _with(view, status=response.status, first_byte_milliseconds=_since(began_at))
            answer = await _read(response)
    except (UpstreamFailure, TimeoutError) as error:
        kind = error.kind if isinstance(error, UpstreamFailure) else FailureKind.TOTAL_TIMEOUT
        return _with(view, outcome=kind.value, total_milliseconds=_since(began_at), fix=_fix(kind, provider))
    finally:
        await client.close()
    return _judged(_with(view, total_milliseconds=_since(began_at)), probe, answer)


async def _read(response: UpstreamResponse) -> bytes:
    try:
        return await response.body(MAX_ANSWER_BYTES)
    finally:
        response.close()


def _judged(view: ProbeView, probe: _Probe, answer: bytes) -> ProbeView:
    assert view.status is not None, "an answer has a status"
    if not 200 <= view.status < 300:
        said = (probe.upstream.read_error(answer) or "")[:MAX_DETAIL_CHARS]
        secret = probe.credential.api_key
        # Some providers repeat the key that they refuse.
        detail = said.replace(secret, "…") if secret else said
        return _with(view, outcome="error_status", detail=detail, fix=_fix_of_status(view))
    try:
        reply = probe.upstream.decode_reply(answer)
    except Broken:
        return _with(view, outcome="broken", fix="check base_url and dialects of the provider in catalog.toml")
    usage = reply.reported.usage
    view = _with(view, answer=_text(reply))
    return view if usage is None else _with(view, tokens=_tokens(usage), cost_usd=_cost(probe.route, usage, reply))


def _text(reply: Reply) -> str:
    return "".join(part.text for part in reply.parts if isinstance(part, Text))[:MAX_DETAIL_CHARS]


def _tokens(usage: Usage) -> dict[str, int]:
    return {name: units for name, units in msgspec.structs.asdict(usage).items() if units and name != "requests"}


def _cost(route: Route, usage: Usage, reply: Reply) -> str | None:
    if route.price is None:
        return None
    return format_usd(charge_nanos(route.price.cost_tiers, usage, reply.service_tier))


def _fix(kind: FailureKind, provider: Provider) -> str:
    if kind is FailureKind.REFUSED_ADDRESS:
        return (
            f"its address is not public: add {host_of(provider.base_url)!r} to upstream.private_hosts if that is meant"
        )
    return f"check that {provider.base_url} can be reached from here"


def _fix_of_status(view: ProbeView) -> str:
    if view.status in (401, 403):
        return f"give it a working key: `farebox provider rotate {view.provider_id} {view.credential_id}`"
    if view.status == 402:
        return "top up the account with the provider"
    return "the provider's words say what is wrong; check the route's upstream_model"


def _with(view: ProbeView, **changed: object) -> ProbeView:
    return msgspec.structs.replace(view, **changed)


def _since(began_at: float) -> int:
    return int((time.monotonic() - began_at) * 1_000)
