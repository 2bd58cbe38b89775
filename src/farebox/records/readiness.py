"""What this deployment can do now: computed where it can be known, declared by the operator where it cannot. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, Protocol, get_args

import msgspec

from farebox.catalog.model import Catalog, Provider, Workload

State = Literal["live", "operator_action_needed", "third_party_blocked", "disabled_safely"]


class ReadinessItem(msgspec.Struct, frozen=True, kw_only=True):
    """One capability. `detail` is for customers; `fix` is for the operator alone and never leaves /admin and doctor."""

    capability: str
    title: str
    state: State
    detail: str
    fix: str = ""


class Declared(Protocol):
    """An item of `[[readiness]]` in `farebox.toml`."""

    @property
    def capability(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def state(self) -> State: ...
    @property
    def detail(self) -> str: ...


READY: Final = "ready"
RESTING: Final = "resting"


def readiness(
    catalog: Catalog,
    provider_states: Mapping[str, str],
    declared: Iterable[Declared],
    *,
    database_ok: bool,
) -> list[ReadinessItem]:
    """The database, each provider of the catalog, then what is declared.

    `provider_states` maps provider ids to `ready`, `not_configured` (also when absent) or `resting`. A declared item
    replaces a computed one of the same capability, unless that is live: what works is never shown as blocked.
    """
    computed = [_database(database_ok), *(_provider(catalog, p, provider_states) for p in catalog.providers.values())]
    items = {item.capability: item for item in computed}
    for other in declared:
        known = items.get(other.capability)
        if known is None or known.state != "live":
            items[other.capability] = ReadinessItem(
                capability=other.capability,
                title=other.title,
                state=other.state,
                detail=other.detail,
                fix="" if known is None else known.fix,
            )
    return list(items.values())


def _database(database_ok: bool) -> ReadinessItem:
    if database_ok:
        return ReadinessItem(
            capability="database", title="Database", state="live", detail="Balances and receipts are being written."
        )
    return ReadinessItem(
        capability="database",
        title="Database",
        state="operator_action_needed",
        detail="Calls are refused until the database answers again.",
        fix="Check that PostgreSQL runs and that DATABASE_URL names it.",
    )


def _provider(catalog: Catalog, provider: Provider, states: Mapping[str, str]) -> ReadinessItem:
    state, detail, fix = _provider_state(catalog, provider, states.get(provider.provider_id, "not_configured"))
    return ReadinessItem(
        capability=f"{provider.provider_id}_availability",
        title=f"{provider.display_name} availability",
        state=state,
        detail=detail,
        fix=fix,
    )


def _provider_state(catalog: Catalog, provider: Provider, state: str) -> tuple[State, str, str]:
    """State, detail and fix."""
    if provider.status != "live":
        detail = provider.status_reason or "Switched off by the operator."
        return "disabled_safely", detail, "Set its status to live in catalog.toml and apply the file."
    if state == RESTING:
        detail = "The provider refuses our calls at the moment; other providers are used."
        return "operator_action_needed", detail, "Check the account's key and funding at the provider."
    if state != READY:
        fix = f"Set the environment variable {provider.api_key_env}." if provider.api_key_env else ""
        return "operator_action_needed", "Not connected yet.", fix
    sold = _workloads_sold(catalog, provider)
    if not sold:
        return "operator_action_needed", "None of its models has a price yet.", "Add price and cost to its routes."
    return "live", provider.status_reason or f"Serves models for {', '.join(sold)}.", ""


def _workloads_sold(catalog: Catalog, provider: Provider) -> list[Workload]:
    """The workloads of its models that can be called, in the order of the closed list."""
    found = {
        catalog.models[model_id].workload
        for model_id, routes in catalog.routes_by_model.items()
        for route in routes
        if route.provider_id == provider.provider_id and route.status == "live" and route.price is not None
        if catalog.models[model_id].status == "live"
    }
    return [workload for workload in get_args(Workload) if workload in found]
