"""What each `farebox key …` command does. A change is in force in every process within a second."""

import msgspec

from farebox.base.clock import monotone_clock, rfc3339
from farebox.base.errors import OperatorError
from farebox.identity import store
from farebox.identity.audit import Event
from farebox.identity.audit import record as write_event
from farebox.identity.checks import DEFAULT_OVERLAP_SECONDS, read_networks
from farebox.identity.model import DEFAULT_SCOPES, OPERATOR, SCOPES, KeyListing, KeyRecord, Labels
from farebox.ledger.limits import LimitHolder
from farebox.wiring.arguments import WantedLimit
from farebox.wiring.operate import LimitView, connected, opened_ledger, set_limits

_now = monotone_clock()
# The one scope of a key that can only look.
USAGE_SCOPE = "usage.read"


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret. `models` and `ip_allow` None: all. `rolled_to`: the key that took over."""

    key_id: str
    name: str
    prefix: str
    scopes: list[str]
    status: str
    created_at: str
    department: str
    project: str
    customer: str
    last_used_at: str | None
    expires_at: str | None
    revoked_at: str | None
    models: list[str] | None
    ip_allow: list[str] | None
    rolled_to: str | None
    created_by: str


class NewKeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A new key; `api_key` is shown this once."""

    api_key: str = ""
    workspace_id: str
    key: KeyView
    limits: list[LimitView]

    def __repr__(self) -> str:
        return f"NewKeyView({self.key.key_id})"


class RolledKeyView(msgspec.Struct, frozen=True, kw_only=True):
    """The key that takes over, whose `api_key` is shown this once, and the one that works until its `expires_at`."""

    api_key: str = ""
    workspace_id: str
    key: KeyView
    former: KeyView

    def __repr__(self) -> str:
        return f"RolledKeyView({self.key.key_id})"


class KeyWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a new key may do; empty scopes: the default ones; empty models and networks: all."""

    name: str
    scopes: list[str] = []
    models: list[str] = []
    expires_at_micros: int | None = None
    limits: list[WantedLimit] = []
    labels: Labels = Labels()
    ip_allow: list[str] = []


async def create_key(dsn: str, name: str, wish: KeyWish, *, key_prefix: str) -> NewKeyView:
    """A new key with its limits in force before its secret is shown. Raises OperatorError."""
    wanted = store.NewKey(
        name=wish.name,
        scopes=frozenset(wish.scopes) or DEFAULT_SCOPES,
        allowed_models=frozenset(wish.models) or None,
        expires_at=wish.expires_at_micros,
        labels=wish.labels,
        ip_allow=read_networks(wish.ip_allow) or None,
    )
    async with opened_ledger(dsn) as ledger, connected(dsn) as connection:
        workspace = await store.find_workspace(connection, name)
        created_at = _now()
        async with connection.transaction():
            created = await store.create_key(
                connection, workspace, wanted, key_prefix=key_prefix, now_micros=created_at
            )
            record = created.record
            await _note(connection, "key.created", record, name=record.name, prefix=record.visible_prefix)
        holder = LimitHolder(workspace.workspace_id, created.record.key_id)
        limits = await set_limits(ledger, connection, holder, wish.limits)
    return NewKeyView(
        api_key=created.secret,
        workspace_id=store.show_workspace(workspace.workspace_id),
        key=_view(KeyListing(created.record, created_at, None)),
        limits=limits,
    )


async def update_key(dsn: str, text: str, change: store.KeyChange, *, key_prefix: str) -> KeyView:
    """Change a key, named by id, visible prefix or whole secret. Raises OperatorError."""
    if change == store.KeyChange():
        raise OperatorError("there is nothing to change", "`farebox key update --help` shows what can be")
    async with connected(dsn) as connection, connection.transaction():
        record = (await store.find_any_key(connection, text, key_prefix=key_prefix)).record
        place = (record.workspace_id, record.key_id)
        updated = await store.update_key(connection, *place, change, now_micros=_now())
        await _note(connection, "key.changed", record, changed=", ".join(_named(change)))
    return _view(_there(updated))


async def roll_key(
    dsn: str, text: str, *, key_prefix: str, overlap_seconds: int = DEFAULT_OVERLAP_SECONDS
) -> RolledKeyView:
    """A new secret in the place of a key, which works on for the overlap. Raises OperatorError."""
    async with connected(dsn) as connection, connection.transaction():
        record = (await store.find_any_key(connection, text, key_prefix=key_prefix)).record
        now_micros = _now()
        rolled = await store.roll_key(
            connection,
            record.workspace_id,
            record.key_id,
            key_prefix=key_prefix,
            now_micros=now_micros,
            overlap_seconds=overlap_seconds,
        )
        if rolled is None:
            raise _NO_KEY
        new = rolled.created.record
        await _note(connection, "key.rolled", record, successor=store.show_key(new.key_id), prefix=new.visible_prefix)
    return RolledKeyView(
        api_key=rolled.created.secret,
        workspace_id=store.show_workspace(record.workspace_id),
        key=_view(KeyListing(rolled.created.record, now_micros, None)),
        former=_view(rolled.former),
    )


async def list_keys(dsn: str, name: str) -> list[KeyView]:
    """A workspace's keys, revoked ones too, the newest first."""
    async with connected(dsn) as connection:
        workspace = await store.find_workspace(connection, name)
        return [_view(key) for key in await store.list_keys(connection, workspace.workspace_id)]


async def revoke_key(dsn: str, text: str, *, key_prefix: str) -> KeyView:
    """Revoke by id, visible prefix or whole secret. Raises OperatorError."""
    async with connected(dsn) as connection, connection.transaction():
        former = await store.find_any_key(connection, text, key_prefix=key_prefix)
        revoked = await store.revoke_key(connection, text, key_prefix=key_prefix, now_micros=_now())
        if former.revoked_at is None:
            await _note(connection, "key.revoked", former.record, name=former.record.name)
        return _view(revoked)


_NO_KEY = OperatorError("there is no such key", "list them with `farebox key list WORKSPACE`")


async def _note(connection: store.Connection, action: str, key: KeyRecord, **detail: str) -> None:
    """Write what was done from the terminal, for the record that members of the workspace can read."""
    subject = store.show_key(key.key_id)
    event = Event(action=action, actor=OPERATOR, workspace_id=key.workspace_id, subject=subject, detail=detail)
    await write_event(connection, event, now_micros=_now())


def _named(change: store.KeyChange) -> list[str]:
    """The fields that a change names."""
    return [name for name in change.__struct_fields__ if getattr(change, name) is not msgspec.UNSET]


def _there(listing: KeyListing | None) -> KeyListing:
    if listing is None:
        raise _NO_KEY
    return listing


def _view(listing: KeyListing) -> KeyView:
    record = listing.record
    return KeyView(
        key_id=store.show_key(record.key_id),
        name=record.name,
        prefix=record.visible_prefix,
        scopes=[scope for scope in SCOPES if scope in record.scopes],
        status=listing.status_at(_now()),
        created_at=rfc3339(listing.created_at),
        department=record.labels.department,
        project=record.labels.project,
        customer=record.labels.customer,
        last_used_at=_moment(listing.last_used_at),
        expires_at=_moment(record.expires_at),
        revoked_at=_moment(listing.revoked_at),
        models=None if record.allowed_models is None else sorted(record.allowed_models),
        ip_allow=None if record.ip_allow is None else [str(network) for network in record.ip_allow],
        rolled_to=None if listing.rolled_to is None else store.show_key(listing.rolled_to),
        created_by=listing.created_by,
    )


def _moment(micros: int | None) -> str | None:
    return None if micros is None else rfc3339(micros)
