"""Workspaces and keys in PostgreSQL. Each change is announced on the change feed by the tables' triggers."""

from collections.abc import Mapping
from typing import Any

import msgspec
import psycopg
import structlog

from farebox.base.errors import OperatorError, Problem
from farebox.base.ids import IdError, random_id, read_short, show_short
from farebox.identity.keys import MalformedKey, new_secret, read_secret, visible_prefix
from farebox.identity.model import (
    DEFAULT_SCOPES,
    SCOPES,
    CreatedKey,
    KeyListing,
    KeyRecord,
    Kind,
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
    """What a new key may do. `allowed_models` None: all; `expires_at` in microseconds since 1970 UTC, None: never."""

    name: str
    scopes: frozenset[str] = DEFAULT_SCOPES
    allowed_models: frozenset[str] | None = None
    expires_at: int | None = None


# ── workspaces ────────────────────────────────────────────────────────────────────────────────────────────────────


async def create_workspace(connection: Connection, name: str, *, kind: Kind, now_micros: int) -> Workspace:
    """A new, active workspace; names need not be unique. Raises OperatorError for an empty name."""
    name = name.strip()
    if not name:
        raise OperatorError("a workspace needs a name", "say one, like `farebox workspace create acme`")
    parameters = {"workspace_id": random_id(), "name": name, "kind": kind, "now_micros": now_micros}
    return _workspace(*(await _fetch(connection, "create_workspace", parameters))[0])


async def find_workspace(connection: Connection, text: str) -> Workspace:
    """By id (`ws_…`) or exact name. Raises OperatorError when there is none, or several of that name."""
    try:
        rows = await _fetch(connection, "workspace_by_id", {"workspace_id": read_short("ws", text)})
    except IdError:
        rows = []
    rows = rows or await _fetch(connection, "workspaces_by_name", {"name": text})
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
    """A new key of the workspace, and its secret for the only time. Raises OperatorError for an unknown scope."""
    unknown = sorted(wanted.scopes - set(SCOPES))
    if unknown:
        raise OperatorError(f"there is no scope {unknown[0]!r}", f"choose among {', '.join(SCOPES)}")
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
    )
    parameters = msgspec.structs.asdict(record) | {
        "key_hash": read_secret(key_prefix, secret),
        "scopes": [scope for scope in SCOPES if scope in wanted.scopes],
        "allowed_models": None if wanted.allowed_models is None else sorted(wanted.allowed_models),
        "now_micros": now_micros,
    }
    await connection.execute(_QUERIES["create_key"], parameters)
    return CreatedKey(record, secret)


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


async def list_keys(connection: Connection, workspace_id: int, *, most: int = MAX_LISTED) -> list[KeyListing]:
    """The workspace's keys, revoked ones too, the newest first."""
    rows = await _fetch(connection, "list_keys", {"workspace_id": workspace_id, "most": most})
    return [_listing(*row) for row in rows]


async def workspace_of(connection: Connection, workspace_id: int) -> Workspace | None:
    """The workspace of an id."""
    rows = await _fetch(connection, "workspace_by_id", {"workspace_id": workspace_id})
    return _workspace(*rows[0]) if rows else None


async def key_of(connection: Connection, workspace_id: int, key_id: int) -> KeyListing | None:
    """A workspace's key of an id; None where it is of another workspace."""
    named = {"key_hash": None, "visible_prefix": None, "key_id": key_id, "workspace_id": workspace_id}
    rows = await _fetch(connection, "keys_named", named)
    return _listing(*rows[0]) if rows else None


async def revoke_key(
    connection: Connection, text: str, *, key_prefix: str, now_micros: int, workspace_id: int | None = None
) -> KeyListing:
    """Revoke by key id (`key_…`), visible prefix or whole secret; within a workspace if one is given.

    Revoking a revoked key changes nothing. Raises OperatorError when there is no such key, or more than one.
    """
    found = await _find_one(connection, _named(key_prefix, text) | {"workspace_id": workspace_id})
    key: dict[str, object] = {"workspace_id": found.record.workspace_id, "key_id": found.record.key_id}
    await connection.execute(_QUERIES["revoke_key"], key | {"now_micros": now_micros})
    return await _find_one(connection, key | {"key_hash": None, "visible_prefix": None})


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
    workspace_id, key_id, name, prefix, scopes, allowed_models, *rest = columns
    models = None if allowed_models is None else frozenset(allowed_models)
    return KeyRecord(workspace_id, key_id, name, prefix, frozenset(scopes), models, *rest)


def _listing(*columns: Any) -> KeyListing:
    *record, created_at, revoked_at = columns
    return KeyListing(_record(*record), created_at, revoked_at)
