"""/api/keys: the keys of a workspace, managed by those of them that have the scope `keys.manage`.

A managing key gives no more than it has, and leaves alone what has more (identity/grants.py). A secret is in the answer
to the request that made it and nowhere else, so a request that makes one cannot be answered twice: it takes no
Idempotency-Key, and a key whose answer got lost is found in the list and rolled or revoked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

import msgspec
import structlog
from litestar import Response, delete, get, patch, post
from litestar.params import FromPath, QueryParameter

from farebox.api.depend import AnyRequest, TheKey, TheParts
from farebox.api.describe import ERRORS, KEYED, MANAGED, answers
from farebox.api.filters import Query
from farebox.api.key_bodies import KEY_CHANGE_BODY, NEW_KEY_BODY, ROLL_BODY
from farebox.api.key_shapes import (
    LABELS,
    MAX_BODY_BYTES,
    KeyBody,
    KeyList,
    KeyShape,
    NewKeyShape,
    cursor_of,
    key_shape,
    place_of,
    read_key_change,
    read_new_key,
    read_overlap,
)
from farebox.api.limits import set_limits
from farebox.api.managed import MANAGE, Manager, fault, managing, no_key, read_key_id
from farebox.api.parts import Parts
from farebox.base.errors import Problem
from farebox.base.ids import show_short
from farebox.catalog.policy import NO_RULE, Rule
from farebox.identity import store
from farebox.identity.authenticate import require_scope
from farebox.identity.checks import KeyFault
from farebox.identity.grants import Reach, changes_of, new_reach
from farebox.identity.model import CreatedKey, KeyListing, KeyStatus, Labels
from farebox.identity.policies import write_rule
from farebox.identity.rates import write_rate
from farebox.identity.reaches import read_holdings
from farebox.identity.roles import Verb
from farebox.ledger.limits import LimitHolder
from farebox.records.page import show_cursor
from farebox.storage.pool import connected

_PARAMETERS: Final = frozenset({"status", "cursor", "limit", *LABELS})
_STATUSES: Final = tuple(KeyStatus)
_TAGS: Final = ["keys"]
_log = structlog.get_logger(__name__)

Text = str | None


@get(
    "/api/keys",
    summary="Keys, newest first",
    security=KEYED,
    opt={"verb": Verb.KEYS_READ},
    responses=answers(KeyList, "A page"),
    tags=_TAGS,
)
async def list_keys(
    request: AnyRequest,
    parts: TheParts,
    key: TheKey,
    *,
    status: Annotated[Text, QueryParameter(description=f"One of {', '.join(_STATUSES)}")] = None,
    department: Annotated[Text, QueryParameter(description="Only keys with this label")] = None,
    project: Annotated[Text, QueryParameter(description="Only keys with this label")] = None,
    customer: Annotated[Text, QueryParameter(description="Only keys with this label")] = None,
    cursor: Annotated[Text, QueryParameter(description="`next_cursor` of the page before")] = None,
    limit: Annotated[Text, QueryParameter(description="Lines of a page, 1 to 500, default 50")] = None,
) -> Response[Any]:
    """All keys of the workspace, those that work no more too. Never a secret."""
    del status, department, project, customer, cursor, limit
    require_scope(key, MANAGE)
    query, now_micros = Query(request, _PARAMETERS), parts.clock()
    named = query.choice("status", _STATUSES)
    labels = {label: query.text(label) for label in LABELS}
    wanted = store.KeyFilter(status=None if named is None else KeyStatus(named), now_micros=now_micros, **labels)
    after, size = place_of(query.cursor()), query.page()
    async with connected(parts.pool) as connection:
        found = await store.list_keys(connection, key.workspace_id, wanted=wanted, after=after, most=size + 1)
        shown = await _shapes(connection, found[:size], now_micros)
    has_more = len(found) > size
    next_cursor = show_cursor(cursor_of(found[size - 1].cursor)) if has_more else None
    return Response(KeyList(data=shown, has_more=has_more, next_cursor=next_cursor))


@get(
    "/api/keys/{key_id:str}",
    summary="One key",
    security=KEYED,
    opt={"verb": Verb.KEYS_READ},
    responses=ERRORS,
    tags=_TAGS,
)
async def show_key(parts: TheParts, key: TheKey, key_id: FromPath[str]) -> KeyShape:
    """What the key may do and what it has used of its limits. 404 for keys of other workspaces."""
    require_scope(key, MANAGE)
    number = read_key_id(key_id)
    async with connected(parts.pool) as connection:
        found = await store.read_key(connection, key.workspace_id, number)
        return (await _shapes(connection, _required(found), parts.clock()))[0]


@post(
    "/api/keys",
    summary="Make a key",
    security=KEYED,
    opt={"verb": Verb.KEYS_MANAGE},
    responses=MANAGED,
    operation_class=NEW_KEY_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    tags=_TAGS,
)
async def make_key(request: AnyRequest, parts: TheParts, key: TheKey) -> NewKeyShape:
    """The answer has the secret, once. No Idempotency-Key is taken: if the answer gets lost, find the key in the list
    and roll or revoke it."""
    require_scope(key, MANAGE)
    _refuse_idempotency(request)
    with _faults():
        body = read_new_key(await request.body(), parts.clock())
        _require_models(parts, body)
        async with managing(parts, key) as manager:
            created = await _make(parts, manager, body)
            _log.info("key made", key=show_short("key", created.record.key_id), by=show_short("key", key.key_id))
            return await _new_key(manager, created, None)


@patch(
    "/api/keys/{key_id:str}",
    summary="Change a key",
    security=KEYED,
    opt={"verb": Verb.KEYS_MANAGE},
    responses=MANAGED,
    operation_class=KEY_CHANGE_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    tags=_TAGS,
)
async def change_key(request: AnyRequest, parts: TheParts, key: TheKey, key_id: FromPath[str]) -> KeyShape:
    """Name, labels, scopes, models, addresses and expiry. Calls heed it within a second."""
    require_scope(key, MANAGE)
    with _faults():
        raw = await request.body()
        async with managing(parts, key) as manager:
            # First whether there is such a key: what is asked of one that is not there is neither right nor wrong.
            target, body = await manager.find(key_id), read_key_change(raw, manager.now_micros)
            _require_models(parts, body)
            manager.changed(target, wanted := body.wanted)
            change = store.KeyChange(
                name=body.name,
                scopes=wanted.scopes,
                allowed_models=wanted.models,
                expires_at=wanted.expires_at,
                ip_allow=wanted.ip_allow,
                **body.labels,
            )
            found = await store.update_key(
                manager.connection, manager.workspace_id, target.key_id, change, now_micros=manager.now_micros
            )
            return (await _shapes(manager.connection, _required(found), manager.now_micros))[0]


@post(
    "/api/keys/{key_id:str}/roll",
    summary="Put a new key in the place of one",
    security=KEYED,
    opt={"verb": Verb.KEYS_MANAGE},
    responses=MANAGED,
    operation_class=ROLL_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    tags=_TAGS,
)
async def roll_key(request: AnyRequest, parts: TheParts, key: TheKey, key_id: FromPath[str]) -> NewKeyShape:
    """The new key may do what the former may, and both share limits, rate limits and policy. The former works on for
    the overlap, a day unless it is said. The answer has the new secret, once."""
    require_scope(key, MANAGE)
    _refuse_idempotency(request)
    raw = await request.body()
    with _faults():
        async with managing(parts, key) as manager:
            target, overlap_seconds = await manager.find(key_id), read_overlap(raw)
            rolled = await store.roll_key(
                manager.connection,
                manager.workspace_id,
                target.key_id,
                key_prefix=parts.brand.key_prefix,
                now_micros=manager.now_micros,
                overlap_seconds=overlap_seconds,
                created_by=show_short("key", key.key_id),
            )
            if rolled is None:
                raise no_key()
            return await _new_key(manager, rolled.created, rolled.former)


@delete(
    "/api/keys/{key_id:str}",
    summary="Revoke a key",
    security=KEYED,
    opt={"verb": Verb.KEYS_MANAGE},
    responses=MANAGED,
    status_code=200,
    tags=_TAGS,
)
async def revoke_key(parts: TheParts, key: TheKey, key_id: FromPath[str]) -> KeyShape:
    """It stops working within a second and stays in the list. Revoking a revoked key changes nothing."""
    require_scope(key, MANAGE)
    async with managing(parts, key) as manager:
        target = await manager.find(key_id)
        found = await store.revoke_key_by_id(
            manager.connection, manager.workspace_id, target.key_id, now_micros=manager.now_micros
        )
        return (await _shapes(manager.connection, _required(found), manager.now_micros))[0]


async def _make(parts: Parts, manager: Manager, body: KeyBody) -> CreatedKey:
    """Nobody can use the key, and nobody sees it, before its limits and its policy are stored as well."""
    connection, own = manager.connection, manager.own
    reach = new_reach(own.reach, body.wanted)
    workspace = await store.workspace_of(connection, manager.workspace_id)
    if workspace is None:
        raise no_key()
    wanted = store.NewKey(
        name=str(body.name),
        scopes=reach.scopes,
        allowed_models=reach.models,
        expires_at=reach.expires_at,
        labels=Labels(**body.labels),
        ip_allow=reach.ip_allow,
        created_by=show_short("key", own.key_id),
    )
    created = await store.create_key(
        connection, workspace, wanted, key_prefix=parts.brand.key_prefix, now_micros=manager.now_micros
    )
    await _give(parts, manager, LimitHolder(workspace.workspace_id, created.record.key_id), reach=reach, body=body)
    return created


async def _give(parts: Parts, manager: Manager, holder: LimitHolder, *, reach: Reach, body: KeyBody) -> None:
    """What a new key has beside its own row."""
    rule = Rule(policy=reach.policy, preference=body.preference)
    if rule != NO_RULE:
        await write_rule(manager.connection, *holder, rule=rule, now_micros=manager.now_micros)
    for rate in reach.rates:
        own_rate = msgspec.structs.replace(rate, key_id=holder.key_id)
        await write_rate(manager.connection, holder.workspace_id, own_rate)
    if changes := changes_of(reach.limits):
        await set_limits(parts, manager.connection, holder, changes)


async def _new_key(manager: Manager, created: CreatedKey, former: KeyListing | None) -> NewKeyShape:
    found = await store.read_key(manager.connection, manager.workspace_id, created.record.key_id)
    shown = await _shapes(manager.connection, [*_required(found), *([former] if former else [])], manager.now_micros)
    return NewKeyShape(key=shown[0], secret=created.secret, replaces=shown[1] if former else None)


async def _shapes(connection: store.Connection, found: list[KeyListing], now_micros: int) -> list[KeyShape]:
    if not found:
        return []
    records = [listing.record for listing in found]
    holdings = await read_holdings(connection, records[0].workspace_id, records, now_micros=now_micros)
    return [key_shape(listing, holdings[listing.record.key_id], now_micros) for listing in found]


def _required(found: KeyListing | None) -> list[KeyListing]:
    if found is None:
        raise no_key()
    return [found]


def _require_models(parts: Parts, body: KeyBody) -> None:
    """A misspelt model would make a key that nobody can use."""
    models = body.wanted.models
    if models is msgspec.UNSET or models is None:
        return
    unknown = sorted(models - parts.catalog().models.keys())
    if unknown:
        raise Problem(
            "invalid_request", f"models has {unknown[0][:100]!r}, and there is no such model.", param="models"
        )


def _refuse_idempotency(request: AnyRequest) -> None:
    if "idempotency-key" in request.headers:
        message = (
            "No Idempotency-Key is taken here: a secret is shown once and not kept, so no second answer could have it. "
            "If an answer got lost, find the key with GET /api/keys, and roll or revoke it."
        )
        raise Problem("invalid_request", message, param="Idempotency-Key")


@contextmanager
def _faults() -> Iterator[None]:
    """What no key can be given is the caller's to mend."""
    try:
        yield
    except KeyFault as found:
        raise fault(found) from None
