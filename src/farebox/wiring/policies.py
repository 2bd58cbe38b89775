"""What each `farebox workspace policy …` command does, one function each."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from farebox.base.clock import monotone_clock
from farebox.base.errors import OperatorError, Problem
from farebox.catalog.model import Catalog
from farebox.catalog.policy import NO_RULE, Rule
from farebox.identity import store
from farebox.identity.audit import Event, record
from farebox.identity.policies import StoredRules, UnreadableRule, read_rules, write_rule
from farebox.ledger.limits import LimitHolder
from farebox.routing.shown import RuleView, rule_view
from farebox.routing.wishes import read_policy
from farebox.wiring.catalogs import current_catalog
from farebox.wiring.operate import ACTOR, connected, find_holder

# Lifts a field, as it lifts a limit.
LIFTED: Final = "none"
MAX_PRICES: Final = ("prompt", "completion", "request", "image")
_now = monotone_clock()


class PolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace's policy and a key's (null: the workspace's own was asked for), and what holds. `warnings` name ids
    that the catalog does not have."""

    workspace_id: str
    key_id: str | None
    effective: RuleView
    workspace: RuleView
    key: RuleView | None
    warnings: list[str]


async def set_policy(dsn: str, name: str, *, key: str | None, changes: Mapping[str, Any]) -> PolicyView:
    """Change fields of a policy of a workspace or a key; None lifts one, and what is not named stays. Raises
    OperatorError."""
    if not changes:
        raise OperatorError("there is nothing to set", "name a field, like --region sg; `policy clear` lifts them all")
    catalog = await current_catalog(dsn)
    async with connected(dsn) as connection:
        holder = await find_holder(connection, name, key)
        stored = await _read(connection, holder)
        rule = _changed(stored.key if holder.key_id else stored.workspace, changes)
        await _write(connection, holder, rule)
        return _view(holder, await _read(connection, holder), warnings=_strangers(catalog, rule))


async def clear_policy(dsn: str, name: str, *, key: str | None) -> PolicyView:
    """Lift a whole policy, also one that cannot be read. Raises OperatorError."""
    async with connected(dsn) as connection:
        holder = await find_holder(connection, name, key)
        await _write(connection, holder, NO_RULE)
        return _view(holder, await _read(connection, holder))


async def show_policy(dsn: str, name: str, *, key: str | None) -> PolicyView:
    """What is stored, and what holds. Raises OperatorError."""
    async with connected(dsn) as connection:
        holder = await find_holder(connection, name, key)
        return _view(holder, await _read(connection, holder))


def read_max_prices(texts: Iterable[str]) -> dict[str, str | None]:
    """`prompt=1.00` and the like; `none` lifts one. Raises OperatorError."""
    prices: dict[str, str | None] = {}
    for text in texts:
        name, equals, amount = text.partition("=")
        if not equals or name not in MAX_PRICES:
            raise OperatorError(
                f"{text!r} is not a maximum price", "write it like prompt=1.00, completion=5 or image=0.04"
            )
        prices[name] = None if amount == LIFTED else amount
    return prices


async def _write(connection: store.Connection, holder: LimitHolder, rule: Rule) -> None:
    workspace_id, key_id = holder
    subject = store.show_key(key_id) if key_id else store.show_workspace(workspace_id)
    event = Event(action="workspace.policy", actor=ACTOR, workspace_id=workspace_id, subject=subject)
    now_micros = _now()
    async with connection.transaction():
        await write_rule(connection, workspace_id, key_id, rule=rule, now_micros=now_micros)
        await record(connection, event, now_micros=now_micros)


async def _read(connection: store.Connection, holder: LimitHolder) -> StoredRules:
    try:
        return await read_rules(connection, holder.workspace_id, holder.key_id)
    except UnreadableRule as error:
        raise OperatorError(
            f"the stored policy cannot be read by this version, so nothing is allowed by it: {error}",
            "lift it with `farebox workspace policy clear` and set it anew, or use the version that wrote it",
        ) from error


def _changed(rule: Rule, changes: Mapping[str, Any]) -> Rule:
    """The rule as it stands, as a document with the changes in it, read like every policy."""
    document: dict[str, Any] = msgspec.to_builtins(rule_view(rule))
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(document.get(name), dict)
        document[name] = {**document[name], **value} if both else value
    try:
        return read_policy(msgspec.json.encode(document), param="policy")
    except Problem as problem:
        fix = "`farebox workspace policy set --help` shows how each field is written"
        raise OperatorError(problem.message.removesuffix("."), fix) from problem


def _strangers(catalog: Catalog, rule: Rule) -> list[str]:
    policy = rule.policy
    providers = {*(policy.only_providers or ()), *policy.ignored_providers, *rule.preference.order}
    unknown = [f"the catalog has no provider {name!r}" for name in sorted(providers - set(catalog.providers))]
    models = (policy.models or frozenset()) - set(catalog.models)
    return [*unknown, *(f"the catalog has no model {name!r}" for name in sorted(models))]


def _view(holder: LimitHolder, stored: StoredRules, *, warnings: list[str] | None = None) -> PolicyView:
    return PolicyView(
        workspace_id=store.show_workspace(holder.workspace_id),
        key_id=store.show_key(holder.key_id) if holder.key_id else None,
        effective=rule_view(stored.effective),
        workspace=rule_view(stored.workspace),
        key=rule_view(stored.key) if holder.key_id else None,
        warnings=warnings or [],
    )
