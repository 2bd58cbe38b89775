"""Workspaces and keys as values."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import msgspec

from farebox.base.addresses import Network
from farebox.catalog.policy import NO_RULE, Rule

# The closed list of what a key may be allowed to do, in the order in which it is shown.
SCOPES = (
    "chat.completions",
    "responses",
    "messages",
    "embeddings",
    "images",
    "videos",
    "audio",
    "models.read",
    "usage.read",
    "keys.manage",
)
# What a key gets when nobody says otherwise: everything but the power over other keys.
DEFAULT_SCOPES = frozenset(SCOPES) - {"keys.manage"}


class Kind(StrEnum):
    """What a workspace is for."""

    CUSTOMER = "customer"
    RESELLER = "reseller"
    CHILD = "child"  # of a reseller
    X402_PAYER = "x402_payer"  # one per wallet
    VISITOR = "visitor"  # of the playground


class Status(StrEnum):
    """Whether a workspace's keys work."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class KeyStatus(StrEnum):
    """What has become of a key. Only active and rolled ones work."""

    ACTIVE = "active"
    ROLLED = "rolled"  # another key took over; this one works until it expires
    EXPIRED = "expired"
    REVOKED = "revoked"


class Workspace(msgspec.Struct, frozen=True):
    """A customer account. `created_at`: microseconds since 1970 UTC."""

    workspace_id: int
    name: str
    kind: Kind
    status: Status
    created_at: int


class RateLimit(msgspec.Struct, frozen=True, array_like=True):
    """How fast a workspace (`key_id` 0) or a key may call one model, or ("") all together. None: no limit."""

    key_id: int
    model_id: str
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_calls: int | None = None

    @property
    def limits_nothing(self) -> bool:
        """Whether it has no limit at all."""
        return self.requests_per_minute is None and self.tokens_per_minute is None and self.concurrent_calls is None


class Labels(msgspec.Struct, frozen=True):
    """Whom a key's calls are counted for, in its owner's words; '': not said."""

    department: str = ""
    project: str = ""
    customer: str = ""


NO_LABELS = Labels()
# Who made a key, where no key did.
OPERATOR = "operator"


class KeyRecord(msgspec.Struct, frozen=True):
    """What a call needs to know of its key. `allowed_models` None: all; `expires_at` in microseconds, None: never.

    `rule`: the workspace's and the key's, put together; `rates`: those of the workspace and those of the key. Only
    `find_key` reads them; records of lists have none. `ip_allow`: the networks it may be used from, None: any.
    `first_key_id`: of a key that took over from another, the first of that line; 0: it is that itself.
    """

    workspace_id: int
    key_id: int
    name: str
    visible_prefix: str
    scopes: frozenset[str]
    allowed_models: frozenset[str] | None
    expires_at: int | None
    active: bool
    workspace_active: bool
    rule: Rule = NO_RULE
    rates: tuple[RateLimit, ...] = ()
    ip_allow: tuple[Network, ...] | None = None
    labels: Labels = NO_LABELS
    first_key_id: int = 0

    @property
    def holder_id(self) -> int:
        """The key under which limits, rates and policy are kept, which all keys of a rolled line share."""
        return self.first_key_id or self.key_id


class KeyCursor(NamedTuple):
    """A place in the list of a workspace's keys: after this one."""

    created_at: int
    key_id: int


class KeyListing(msgspec.Struct, frozen=True):
    """A key as its owner sees it; moments in microseconds since 1970 UTC.

    `rolled_to`: the id of the key that took over. `created_by`: OPERATOR, or the key that made it (`key_…`).
    `last_used_at` is written in the background, so it may be a minute old.
    """

    record: KeyRecord
    created_at: int
    revoked_at: int | None
    last_used_at: int | None = None
    rolled_to: int | None = None
    created_by: str = OPERATOR

    @property
    def cursor(self) -> KeyCursor:
        """Where the list goes on after this key."""
        return KeyCursor(self.created_at, self.record.key_id)

    def status_at(self, now_micros: int) -> KeyStatus:
        """What has become of it by that moment."""
        if not self.record.active:
            return KeyStatus.REVOKED
        if self.record.expires_at is not None and self.record.expires_at <= now_micros:
            return KeyStatus.EXPIRED
        return KeyStatus.ACTIVE if self.rolled_to is None else KeyStatus.ROLLED


@dataclass(frozen=True)
class CreatedKey:
    """A new key. `secret` exists only here: show it once."""

    record: KeyRecord
    secret: str = field(repr=False)


@dataclass(frozen=True)
class RolledKey:
    """A key that takes over, and the one that it takes over from as that is now."""

    created: CreatedKey
    former: KeyListing
