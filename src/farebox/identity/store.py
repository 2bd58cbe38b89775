"""Workspaces and keys in PostgreSQL. Each change is announced on the change feed by the tables' triggers."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
import psycopg
import structlog

from farebox.base.addresses import Network, read_network
from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.errors import OperatorError, Problem
from farebox.base.ids import IdError, random_id, read_short, show_short
from farebox.identity.checks import DEFAULT_OVERLAP_SECONDS, MAX_OVERLAP_SECONDS, MAX_WORKING_KEYS, KeyFault, check_key
from farebox.identity.keys import MalformedKey, new_secret, read_secret, visible_prefix
from farebox.identity.model import (
    DEFAULT_SCOPES,
    NO_LABELS,
    OPERATOR,
    SCOPES,
    CreatedKey,
    KeyCursor,
    KeyListing,
    KeyRecord,
    KeyStatus,
    Kind,
    Labels,
    RolledKey,
    Status,
    Workspace,
)
from farebox.identity.policies import StoredRules, UnreadableRule, decode_rule
from farebox.identity.rates import decode_rates
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

# Rows of one list: what a person can look through; more is a job for a search.
MAX_LISTED = 1_000

_QUERIES = load_queries("farebox.identity", "queries.sql")

_log = structlog.get_logger(__name__)


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """What a new key may do. `allowed_models` None: all; `expires_at` in microseconds since 1970 UTC, None: never;
    `ip_allow` None: from any address; `created_by`: OPERATOR, or the key that asks for it (`key_…`)."""

    name: str
    scopes: frozenset[str] = DEFAULT_SCOPES
    allowed_models: frozenset[str] | None = None
    expires_at: int | None = None
    labels: Labels = NO_LABELS
    ip_allow: tuple[Network, ...] | None = None
    created_by: str = OPERATOR


class KeyChange(msgspec.Struct, frozen=True, kw_only=True):
    """What of a key shall be different; what is UNSET stays."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    scopes: frozenset[str] | msgspec.UnsetType = msgspec.UNSET
    allowed_models: frozenset[str] | msgspec.UnsetType | None = msgspec.UNSET
    expires_at: int | msgspec.UnsetType | None = msgspec.UNSET
    ip_allow: tuple[Network, ...] | msgspec.UnsetType | None = msgspec.UNSET
    department: str | msgspec.UnsetType = msgspec.UNSET
    project: str | msgspec.UnsetType = msgspec.UNSET
    customer: str | msgspec.UnsetType = msgspec.UNSET


class KeyFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which keys to list. None: any; '' is the label of keys without one. `now_micros` decides what has expired."""

    status: KeyStatus | None = None
    department: str | None = None
    project: str | None = None
    customer: str | None = None
    now_micros: int = 0


EVERY_KEY: Final = KeyFilter()


# ── workspaces ────────────────────────────────────────────────────────────────────────────────────────────────────


async def create_workspace(connection: Connection, name: str, *, kind: Kind, now_micros: int) -> Workspace:
    """A new, active workspace; names need not be unique. Raises OperatorError for an empty name."""
    name = name.strip()
    if not name:
        raise OperatorError("a workspace needs a name", "say one, like `farebox workspace create acme`")
    parameters = {"workspace_id": random_id(), "name": name, "kind": kind, "now_micros": now_micros}
    return _workspace(*(await _fetch(connection, "create_workspace", parameters))[0])


async def find_workspace(connection: Connection, text: str) -> Workspace:
    """By id (`ws_…`) or exact name. Raises OperatorError when there is none, or several of that name.

    What looks like an id is one: customers name their workspaces themselves, and none may pass for another's id.
    """
    try:
        rows = await _fetch(connection, "workspace_by_id", {"workspace_id": read_short("ws", text)})
    except IdError:
        rows = []
    if not text.startswith("ws_"):
        rows = await _fetch(connection, "workspaces_by_name", {"name": text})
    if not rows:
        raise OperatorError(f"there is no workspace {text!r}", "list them with `farebox workspace list`")
    if len(rows) > 1:
        raise OperatorError(f"several workspaces are named {text!r}", "say which one by its id, ws_…")
    return _workspace(*rows[0])


async def list_workspaces(connection: Connection, *, most: int = MAX_LISTED) -> list[Workspace]:
    """The newest first."""
    return [_workspace(*row) for row in await _fetch(connection, "list_workspaces", {"most": most})]


async def suspend_workspace(connection: Connection, workspace_id: int) -> None:
    """Its keys stop working within a second; its money and its holds stay as they are."""
    await connection.execute(_QUERIES["set_status"], {"workspace_id": workspace_id, "status": Status.SUSPENDED})


async def activate_workspace(connection: Connection, workspace_id: int) -> None:
    """Its keys work again."""
    await connection.execute(_QUERIES["set_status"], {"workspace_id": workspace_id, "status": Status.ACTIVE})


# ── keys ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def create_key(
    connection: Connection, workspace: Workspace, wanted: NewKey, *, key_prefix: str, now_micros: int
) -> CreatedKey:
    """A new key of the workspace, and its secret for the only time. Raises KeyFault."""
    secret = new_secret(key_prefix)
    record = KeyRecord(
        workspace_id=workspace.workspace_id,
        key_id=random_id(),
        name=wanted.name,
        visible_prefix=visible_prefix(secret),
        scopes=wanted.scopes,
        allowed_models=wanted.allowed_models,
        expires_at=wanted.expires_at,
        active=True,
        workspace_active=workspace.status is Status.ACTIVE,
        ip_allow=wanted.ip_allow,
        labels=_stripped(wanted.labels),
    )
    created = CreatedKey(record, secret)
    await _insert(connection, created, key_prefix, created_by=wanted.created_by, now_micros=now_micros)
    return created


async def _insert(
    connection: Connection, created: CreatedKey, key_prefix: str, *, created_by: str, now_micros: int
) -> None:
    record = created.record
    check_key(record)
    counted = {"workspace_id": record.workspace_id, "now_micros": now_micros}
    if (await _fetch(connection, "count_working_keys", counted))[0][0] >= MAX_WORKING_KEYS:
        fix = "revoke those that are not needed"
        raise KeyFault(f"the workspace has {MAX_WORKING_KEYS:,} working keys already", fix, param="workspace")
    parameters = {
        "key_hash": read_secret(key_prefix, created.secret),
        "visible_prefix": record.visible_prefix,
        "first_key_id": record.first_key_id or None,
        "created_by": created_by,
        "now_micros": now_micros,
    }
    await connection.execute(_QUERIES["create_key"], _columns(record) | parameters)


async def update_key(
    connection: Connection, workspace_id: int, key_id: int, change: KeyChange, *, now_micros: int
) -> KeyListing | None:
    """Change a key for every process within a second; None: the workspace has no such key.

    Raises KeyFault, also for a revoked key and for one that was rolled and should work for longer than it will.
    """
    async with connection.transaction():
        found = await read_key(connection, workspace_id, key_id, lock=True)
        if found is None:
            return None
        if not found.record.active:
            raise KeyFault("this key was revoked", "make a new one", param="key_id")
        record = _changed(found.record, change)
        check_key(record)
        if found.rolled_to is not None and _later(record.expires_at, found.record.expires_at):
            fix = "put that one in its place, or roll it again with a longer overlap"
            raise KeyFault("another key took over from this one, so it cannot be prolonged", fix, param="expires_at")
        await connection.execute(_QUERIES["update_key"], _columns(record))
    return msgspec.structs.replace(found, record=record)


async def roll_key(
    connection: Connection,
    workspace_id: int,
    key_id: int,
    *,
    key_prefix: str,
    now_micros: int,
    overlap_seconds: int = DEFAULT_OVERLAP_SECONDS,
    created_by: str = OPERATOR,
) -> RolledKey | None:
    """A new secret in the place of a key: everything else is the same, and limits, rates and policy are shared, so that
    both together may use what one could. The former one works on for the overlap.

    None: the workspace has no such key. Raises KeyFault, also for a key that works no more or was rolled already.
    """
    if not 0 <= overlap_seconds <= MAX_OVERLAP_SECONDS:
        what = f"an overlap is 0 to {MAX_OVERLAP_SECONDS // 86_400} days"
        raise KeyFault(what, "name a shorter one", param="overlap_seconds")
    async with connection.transaction():
        found = await read_key(connection, workspace_id, key_id, lock=True)
        if found is None:
            return None
        status = found.status_at(now_micros)
        if status is KeyStatus.ROLLED:
            raise KeyFault("another key took over from this one already", "roll that one", param="key_id")
        if status is not KeyStatus.ACTIVE:
            raise KeyFault(f"this key works no more: it is {status}", "make a new one", param="key_id")
        former = found.record
        secret = new_secret(key_prefix)
        record = msgspec.structs.replace(
            former, key_id=random_id(), visible_prefix=visible_prefix(secret), first_key_id=former.holder_id
        )
        created = CreatedKey(record, secret)
        await _insert(connection, created, key_prefix, created_by=created_by, now_micros=now_micros)
        ends_at = now_micros + overlap_seconds * MICROS_PER_SECOND
        ended = {"workspace_id": workspace_id, "key_id": key_id, "rolled_to": record.key_id, "ends_at": ends_at}
        await connection.execute(_QUERIES["end_rolled_key"], ended)
        now = await read_key(connection, workspace_id, key_id)
    return None if now is None else RolledKey(created, now)


async def find_key(connection: Connection, key_hash: bytes) -> KeyRecord | None:
    """The key that is stored under a hash, whatever its state; None: it was never given out here.

    Raises Problem(`internal_error`) when its rule cannot be read: it might forbid the call.
    """
    rows = await _fetch(connection, "find_key", {"key_hash": key_hash})
    if not rows:
        return None
    *columns, of_workspace, of_key, rates = rows[0]
    record = _record(*columns)
    try:
        rule = StoredRules(decode_rule(of_workspace), decode_rule(of_key)).effective
    except UnreadableRule as error:
        _log.error("a stored policy cannot be read", key=show_key(record.key_id), why=str(error))
        message = "The policy of this key cannot be read, so nothing is allowed by it; tell the operator."
        raise Problem("internal_error", message) from error
    return msgspec.structs.replace(record, rule=rule, rates=decode_rates(rates))


async def list_keys(
    connection: Connection,
    workspace_id: int,
    *,
    wanted: KeyFilter = EVERY_KEY,
    after: KeyCursor | None = None,
    most: int = MAX_LISTED,
) -> list[KeyListing]:
    """The workspace's keys, revoked ones too, the newest first; `after`: those that follow that place in the list."""
    parameters = msgspec.structs.asdict(wanted) | {
        "workspace_id": workspace_id,
        "after_created_at": None if after is None else after.created_at,
        "after_key_id": None if after is None else after.key_id,
        "most": most,
    }
    return [_listing(*row) for row in await _fetch(connection, "list_keys", parameters)]


async def workspace_of(connection: Connection, workspace_id: int) -> Workspace | None:
    """The workspace of an id."""
    rows = await _fetch(connection, "workspace_by_id", {"workspace_id": workspace_id})
    return _workspace(*rows[0]) if rows else None


async def read_key(connection: Connection, workspace_id: int, key_id: int, *, lock: bool = False) -> KeyListing | None:
    """A workspace's key of an id; None where it is of another workspace.

    `lock`: it stays as it is until the transaction ends.
    """
    named = {"workspace_id": workspace_id, "key_id": key_id}
    if lock:
        await connection.execute(_QUERIES["lock_key"], named)
    rows = await _fetch(connection, "read_key", named)
    return _listing(*rows[0]) if rows else None


async def find_key_called(connection: Connection, workspace: Workspace, text: str) -> KeyListing:
    """A workspace's key by id, visible prefix or name. Raises OperatorError."""
    try:
        key_id = read_short("key", text)
    except IdError:
        key_id = None
    named = {"workspace_id": workspace.workspace_id, "key_id": key_id, "text": text}
    rows = await _fetch(connection, "keys_called", named)
    if len(rows) != 1:
        how_many = "several keys are" if rows else "there is no key"
        raise OperatorError(
            f"{how_many} {text!r} in {workspace.name}", "name one by its id; `farebox key list` shows them"
        )
    return _listing(*rows[0])


async def find_any_key(connection: Connection, text: str, *, key_prefix: str) -> KeyListing:
    """A key of whatever workspace by id (`key_…`), visible prefix or whole secret. Raises OperatorError when there is
    none, or more than one."""
    return await _find_one(connection, _named(key_prefix, text) | {"workspace_id": None})


async def revoke_key_by_id(
    connection: Connection, workspace_id: int, key_id: int, *, now_micros: int
) -> KeyListing | None:
    """Stop a key within a second; revoking a revoked one changes nothing. None: the workspace has no such key."""
    named = {"workspace_id": workspace_id, "key_id": key_id}
    await connection.execute(_QUERIES["revoke_key"], named | {"now_micros": now_micros})
    return await read_key(connection, workspace_id, key_id)


async def write_uses(connection: Connection, uses: Sequence[tuple[int, int, int]]) -> None:
    """Store when keys were last used: workspace, key, moment. An earlier moment than the stored one changes nothing;
    nothing is announced."""
    workspace_ids, key_ids, moments = (list(column) for column in zip(*uses, strict=True))
    parameters = {"workspace_ids": workspace_ids, "key_ids": key_ids, "moments": moments}
    await connection.execute(_QUERIES["note_uses"], parameters)


async def revoke_key(
    connection: Connection, text: str, *, key_prefix: str, now_micros: int, workspace_id: int | None = None
) -> KeyListing:
    """Revoke by key id (`key_…`), visible prefix or whole secret; within a workspace if one is given.

    Revoking a revoked key changes nothing. Raises OperatorError when there is no such key, or more than one.
    """
    found = await _find_one(connection, _named(key_prefix, text) | {"workspace_id": workspace_id})
    record = found.record
    revoked = await revoke_key_by_id(connection, record.workspace_id, record.key_id, now_micros=now_micros)
    return revoked or found


def _named(key_prefix: str, text: str) -> dict[str, object]:
    """What the text can be the name of."""
    named: dict[str, object] = {"key_hash": None, "visible_prefix": None, "key_id": None}
    try:
        named["key_hash"] = read_secret(key_prefix, text)
    except MalformedKey:
        named["visible_prefix"] = text
    if text.startswith("key_"):
        try:
            named["key_id"] = read_short("key", text)
        except IdError:
            named["key_id"] = None
    return named


async def _find_one(connection: Connection, named: Mapping[str, object]) -> KeyListing:
    rows = await _fetch(connection, "keys_named", named)
    if not rows:
        # Not repeated in the message: it may be a secret.
        raise OperatorError("there is no such key", "list them with `farebox key list WORKSPACE`")
    if len(rows) > 1:
        raise OperatorError("several keys start like that", "say which one by its id, key_…")
    return _listing(*rows[0])


def show_workspace(workspace_id: int) -> str:
    """`ws_…`"""
    return show_short("ws", workspace_id)


def show_key(key_id: int) -> str:
    """`key_…`"""
    return show_short("key", key_id)


async def _fetch(connection: Connection, name: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(_QUERIES[name], parameters)
    return await cursor.fetchall()


def _workspace(*columns: Any) -> Workspace:
    workspace_id, name, kind, status, created_at = columns
    return Workspace(workspace_id, name, Kind(kind), Status(status), created_at)


def _record(*columns: Any) -> KeyRecord:
    workspace_id, key_id, name, prefix, scopes, models, expires_at, active, workspace_active, *rest = columns
    ip_allow, department, project, customer, first_key_id = rest
    return KeyRecord(
        workspace_id=workspace_id,
        key_id=key_id,
        name=name,
        visible_prefix=prefix,
        scopes=frozenset(scopes),
        allowed_models=None if models is None else frozenset(models),
        expires_at=expires_at,
        active=active,
        workspace_active=workspace_active,
        ip_allow=None if ip_allow is None else _networks(ip_allow),
        labels=Labels(department, project, customer),
        first_key_id=first_key_id or 0,
    )


def _networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """What cannot be read was written by somebody's hand; it allows no address."""
    found = []
    for text in texts:
        with suppress(ValueError):
            found.append(read_network(text))
    return tuple(found)


def _columns(record: KeyRecord) -> dict[str, object]:
    """What may be changed of a key, as it is stored."""
    return {
        "workspace_id": record.workspace_id,
        "key_id": record.key_id,
        "name": record.name,
        "scopes": [scope for scope in SCOPES if scope in record.scopes],
        "allowed_models": None if record.allowed_models is None else sorted(record.allowed_models),
        "expires_at": record.expires_at,
        "ip_allow": None if record.ip_allow is None else [str(network) for network in record.ip_allow],
        **msgspec.structs.asdict(record.labels),
    }


def _changed(record: KeyRecord, change: KeyChange) -> KeyRecord:
    fields = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not msgspec.UNSET}
    own = {name: fields.pop(name) for name in Labels.__struct_fields__ if name in fields}
    labels = _stripped(msgspec.structs.replace(record.labels, **own))
    return msgspec.structs.replace(record, **fields, labels=labels)


def _stripped(labels: Labels) -> Labels:
    return Labels(*(getattr(labels, name).strip() for name in Labels.__struct_fields__))


def _later(moment: int | None, than: int | None) -> bool:
    return than is not None and (moment is None or moment > than)


def _listing(*columns: Any) -> KeyListing:
    *record, created_at, revoked_at, last_used_at, rolled_to, created_by = columns
    return KeyListing(_record(*record), created_at, revoked_at, last_used_at, rolled_to, created_by)
