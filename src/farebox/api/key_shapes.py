"""Keys as the API shows them, and the bodies from which they are made and changed. No shape but those of a new key has
its secret, and none its hash."""

from typing import Final
from uuid import UUID

import msgspec
from msgspec import UNSET

from farebox.access.key_views import KeyBody, KeyView, NewKey
from farebox.access.manage_keys import CHANGEABLE
from farebox.api.bodies import NULL, fields_of, read_moment, read_seconds, read_text, read_texts, refuse
from farebox.api.limits import RateShape, rate_shape, read_changes
from farebox.api.shapes import LimitShape, limit_shape, moment
from farebox.base.addresses import Network
from farebox.base.clock import rfc3339
from farebox.base.errors import Problem
from farebox.base.ids import show_short
from farebox.catalog.policy import NO_PREFERENCE
from farebox.identity.checks import (
    DEFAULT_OVERLAP_SECONDS,
    MAX_LABEL_CHARS,
    MAX_MODEL_CHARS,
    MAX_MODELS,
    MAX_NAME_CHARS,
    MAX_NETWORKS,
    MAX_OVERLAP_SECONDS,
    read_networks,
)
from farebox.identity.grants import Wanted
from farebox.identity.model import SCOPES, KeyCursor, KeyStatus, Labels
from farebox.records.page import FIRST_PAGE, Cursor
from farebox.routing.shown import RuleView, rule_view
from farebox.routing.wishes import read_policy

LABELS: Final = Labels.__struct_fields__
# The largest lists and policy that are read fit; more is no key.
MAX_BODY_BYTES: Final = 262_144
# A network in figures with its prefix.
_MAX_NETWORK_CHARS: Final = 50
_LOW_BITS: Final = (1 << 64) - 1
_MAX_BIGINT: Final = (1 << 63) - 1


class LabelsShape(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the key's calls are counted for. Null: not said."""

    department: str | None
    project: str | None
    customer: str | None


class KeyShape(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret. `prefix` is the part of the secret that may be shown; `created_by` is `operator`, or
    the id of a person or of a key. `models` and `ip_allow` null: any. `rolled_to` is the key that took over; keys that
    took over from one another share `limits`, `rates` and `policy`. `policy` null: one is stored that cannot be read,
    so nothing is allowed; set it again."""

    key_id: str
    name: str
    prefix: str
    scopes: list[str]
    status: KeyStatus
    created_at: str
    created_by: str
    expires_at: str | None
    revoked_at: str | None
    last_used_at: str | None
    rolled_to: str | None
    labels: LabelsShape
    models: list[str] | None
    ip_allow: list[str] | None
    limits: list[LimitShape]
    rates: list[RateShape]
    policy: RuleView | None


class NewKeyShape(msgspec.Struct, frozen=True, kw_only=True):
    """A new key. `secret` is shown here and never again. `replaces`: the key that it took over from, as it is now."""

    key: KeyShape
    secret: str
    replaces: KeyShape | None

    def __repr__(self) -> str:
        return f"NewKeyShape({self.key.key_id})"


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    """Keys, newest first. Go on with `?cursor=<next_cursor>`."""

    data: list[KeyShape]
    has_more: bool
    next_cursor: str | None
    object: str = "list"


def key_shape(view: KeyView) -> KeyShape:
    """A key as the API shows it."""
    key, listing, holding = view.record, view.listing, view.holding
    return KeyShape(
        key_id=view.key_id,
        name=key.name,
        prefix=key.visible_prefix,
        scopes=[scope for scope in SCOPES if scope in key.scopes],
        status=view.status,
        created_at=rfc3339(listing.created_at),
        created_by=listing.created_by,
        expires_at=moment(key.expires_at),
        revoked_at=moment(listing.revoked_at),
        last_used_at=moment(listing.last_used_at),
        rolled_to=None if listing.rolled_to is None else show_short("key", listing.rolled_to),
        labels=LabelsShape(**{name: getattr(key.labels, name) or None for name in LABELS}),
        models=None if key.allowed_models is None else sorted(key.allowed_models),
        ip_allow=None if key.ip_allow is None else [str(network) for network in key.ip_allow],
        limits=[limit_shape(state) for state in view.limits],
        rates=[rate_shape(rate) for rate in holding.rates if not rate.limits_nothing],
        policy=None if holding.rule is None else rule_view(holding.rule),
    )


def new_key_shape(made: NewKey) -> NewKeyShape:
    """A new key as the API shows it, once."""
    replaces = None if made.replaces is None else key_shape(made.replaces)
    return NewKeyShape(key=key_shape(made.key), secret=made.secret, replaces=replaces)


def cursor_of(place: KeyCursor) -> Cursor:
    """A place in the list in the form in which pages tell theirs."""
    return Cursor(UUID(int=(place.created_at << 64) | place.key_id))


def place_of(cursor: Cursor) -> KeyCursor | None:
    """The inverse; None: the first page. Raises Problem(`invalid_request`) for a cursor of another list."""
    if cursor == FIRST_PAGE:
        return None
    created_at, key_id = cursor.before_id.int >> 64, cursor.before_id.int & _LOW_BITS
    if max(created_at, key_id) > _MAX_BIGINT or cursor.amount_nanos is not None:
        raise Problem("invalid_request", "Use the next_cursor of the page before, unchanged.", param="cursor")
    return KeyCursor(created_at, key_id)


# ── bodies ────────────────────────────────────────────────────────────────────────────────────────────────────────

_NEW: Final = (*CHANGEABLE, "limits", "policy")


def read_new_key(raw: bytes) -> KeyBody:
    """The body of a new key. Raises Problem(`invalid_request`), KeyFault."""
    fields = fields_of(raw, _NEW)
    body = _read(fields)
    wanted, preference = body.wanted, NO_PREFERENCE
    if fields.get("limits", NULL) != NULL:
        changes = tuple(read_changes(fields["limits"], within="limits."))
        wanted = msgspec.structs.replace(wanted, limits=changes)
    if fields.get("policy", NULL) != NULL:
        rule = read_policy(fields["policy"], param="policy")
        wanted, preference = msgspec.structs.replace(wanted, policy=rule.policy), rule.preference
    return msgspec.structs.replace(body, wanted=wanted, preference=preference)


def read_key_change(raw: bytes) -> KeyBody:
    """The body of a change. Raises Problem(`invalid_request`), KeyFault."""
    fields = fields_of(raw, CHANGEABLE)
    if not fields:
        raise refuse("key", f"is not changed by this; name any of {', '.join(CHANGEABLE)}")
    return _read(fields)


def read_overlap(raw: bytes) -> int:
    """For how many seconds the former key works on; without a body a day. Raises Problem(`invalid_request`)."""
    fields = fields_of(raw, ("overlap_seconds",)) if raw.strip() else {}
    if "overlap_seconds" not in fields:
        return DEFAULT_OVERLAP_SECONDS
    return read_seconds(fields["overlap_seconds"], "overlap_seconds", most=MAX_OVERLAP_SECONDS)


def _read(fields: dict[str, bytes]) -> KeyBody:
    name = fields.get("name")
    labels = fields_of(fields["labels"], LABELS, what="labels", within="labels.") if "labels" in fields else {}
    return KeyBody(
        name=UNSET if name is None else read_text(name, "name", least=1, most=MAX_NAME_CHARS),
        labels={label: _label(text, f"labels.{label}") for label, text in labels.items()},
        wanted=Wanted(
            scopes=_scopes(fields["scopes"]) if "scopes" in fields else UNSET,
            models=_models(fields["models"]) if "models" in fields else UNSET,
            ip_allow=_networks(fields["ip_allow"]) if "ip_allow" in fields else UNSET,
            expires_at=_expiry(fields["expires_at"]) if "expires_at" in fields else UNSET,
        ),
    )


def _label(raw: bytes, param: str) -> str:
    return "" if raw == NULL else read_text(raw, param, least=0, most=MAX_LABEL_CHARS)


def _scopes(raw: bytes) -> frozenset[str]:
    scopes = frozenset(read_texts(raw, "scopes", most=len(SCOPES), most_letters=MAX_NAME_CHARS))
    if unknown := sorted(scopes - set(SCOPES)):
        raise refuse("scopes", f"has {unknown[0][:40]!r}, which is none; choose among {', '.join(SCOPES)}")
    return scopes


def _models(raw: bytes) -> frozenset[str] | None:
    return None if raw == NULL else frozenset(read_texts(raw, "models", most=MAX_MODELS, most_letters=MAX_MODEL_CHARS))


def _networks(raw: bytes) -> tuple[Network, ...] | None:
    if raw == NULL:
        return None
    return read_networks(read_texts(raw, "ip_allow", most=MAX_NETWORKS, most_letters=_MAX_NETWORK_CHARS))


def _expiry(raw: bytes) -> int | None:
    return None if raw == NULL else read_moment(raw, "expires_at")
