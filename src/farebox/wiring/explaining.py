"""What `farebox route …` does: the real router over the stored catalog, in a process of its own beside the gateway."""

from typing import Final

from farebox.base.clock import monotone_clock
from farebox.base.errors import OperatorError, Problem
from farebox.catalog.model import SCOPES_OF_WORKLOAD, Catalog, Model
from farebox.catalog.policy import NO_RULE, Rule, combined
from farebox.identity.model import SCOPES
from farebox.identity.policies import UnreadableRule, read_rules
from farebox.identity.store import find_key_called, find_workspace
from farebox.ledger.limits import LimitHolder
from farebox.providers.accounts import Accounts
from farebox.routing.explain import Explanation, explanation
from farebox.routing.health import Health
from farebox.routing.moment import LiveMoment
from farebox.routing.router import Router
from farebox.routing.rules import Ask, Stage
from farebox.routing.sale import OperatorSaleView, operator_sale, sales
from farebox.routing.sticky import Sticky
from farebox.routing.wishes import read_wishes
from farebox.wiring.catalogs import current_catalog
from farebox.wiring.operate import connected, find_holder
from farebox.wiring.providers import accounts_of, stored_pools
from farebox.wiring.settings import Settings

KEYS_OF_THIS_COMMAND: Final = (
    "seen are the stored keys and those of this command's environment; a demo's sandbox plays providers without one"
)
NOT_KNOWN: Final = (
    "not seen is the running gateway: every route counts as healthy, with free slots and a budget left",
    KEYS_OF_THIS_COMMAND,
)


async def list_routes(dsn: str, settings: Settings, *, model_id: str | None) -> list[OperatorSaleView]:
    """Every route, or those of a model, with the state of its checklist. Raises OperatorError."""
    catalog = await current_catalog(dsn)
    router = _router(accounts_of(settings, await stored_pools(dsn, settings)))
    models = list(catalog.models.values()) if model_id is None else [_model(catalog, model_id)]
    return [operator_sale(catalog, sale) for model in models for sale in sales(router, catalog, model=model)]


async def explain_route(
    dsn: str,
    settings: Settings,
    model_id: str,
    *,
    workspace: str | None = None,
    key: str | None = None,
    provider: str | None = None,
    scope: str | None = None,
    input_tokens: int = 0,
) -> Explanation:
    """Where a call would go: of anybody, of a workspace, or of one of its keys. Raises OperatorError."""
    catalog = await current_catalog(dsn)
    model = _model(catalog, model_id)
    if scope is not None and scope not in SCOPES:
        raise OperatorError(f"there is no scope {scope!r}", f"choose among {', '.join(SCOPES)}")
    holder, rule, notes = await _stored(dsn, model, workspace=workspace, key=key)
    rule = combined(rule, _wishes(provider))
    ask = Ask(
        model=model,
        workspace_id=holder.workspace_id,
        policy=rule.policy,
        preference=rule.preference,
        scope=scope or next(known for known in SCOPES if known in SCOPES_OF_WORKLOAD[model.workload]),
        input_tokens=input_tokens,
    )
    choice = _router(accounts_of(settings, await stored_pools(dsn, settings))).choose(catalog, ask, most=None)
    if any(excluded.reason.stage is Stage.OPERATOR for excluded in choice.excluded):
        notes.append(f"`farebox route list --model {model_id}` says how to mend what is yours to mend")
    return explanation(catalog, ask, choice, notes=(*notes, *NOT_KNOWN))


async def _stored(
    dsn: str, model: Model, *, workspace: str | None, key: str | None
) -> tuple[LimitHolder, Rule, list[str]]:
    """Whose call it is, what they allow, and what there is to say of the key."""
    if workspace is None:
        if key is not None:
            raise OperatorError("a key belongs to a workspace", "name the workspace as well, with --workspace")
        return LimitHolder(0), NO_RULE, []
    async with connected(dsn) as connection:
        holder = await find_holder(connection, workspace, key)
        found = await find_workspace(connection, workspace)
        listing = None if key is None else await find_key_called(connection, found, key)
        try:
            rule = (await read_rules(connection, holder.workspace_id, holder.key_id)).effective
        except UnreadableRule as error:
            fix = "lift it with `farebox workspace policy clear`, and set it anew"
            raise OperatorError(f"the stored policy cannot be read, so it allows nothing: {error}", fix) from error
    allowed = None if listing is None else listing.record.allowed_models
    if allowed is not None and model.model_id not in allowed:
        return holder, rule, [f"this key may not call {model.model_id} at all"]
    return holder, rule, []


def _wishes(provider: str | None) -> Rule:
    if provider is None:
        return NO_RULE
    try:
        return read_wishes(provider.encode(), param="provider")
    except Problem as problem:
        example = """write it like --provider '{"regions": ["sg"], "zdr": true}'"""
        raise OperatorError(problem.message.removesuffix("."), example) from problem


def _model(catalog: Catalog, model_id: str) -> Model:
    model = catalog.model(model_id)
    if model is None:
        raise OperatorError(f"there is no model {model_id!r}", "`farebox route list` shows all models")
    return model


def _router(accounts: Accounts) -> Router:
    """Like a worker's on its first call, but that equals keep the catalog's order, so that two runs say the same."""
    clock = monotone_clock()
    health = Health(clock, jitter=lambda: 0.0)
    return Router(
        moment_of=lambda catalog: LiveMoment(catalog, accounts=accounts, health=health),
        health=health,
        sticky=Sticky(clock),
        draw=lambda _: 0,
    )
