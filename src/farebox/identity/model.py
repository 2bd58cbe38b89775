"""Workspaces and keys as values."""

from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

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


class KeyRecord(msgspec.Struct, frozen=True):
    """What a call needs to know of its key. `allowed_models` None: all; `expires_at` in microseconds, None: never.

    `rule`: the workspace's and the key's, put together; `rates`: those of the workspace and those of the key. Only
    `find_key` reads them; records of lists have none.
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


class KeyListing(msgspec.Struct, frozen=True):
    """A key as its owner sees it; moments in microseconds since 1970 UTC."""

    record: KeyRecord
    created_at: int
    revoked_at: int | None


@dataclass(frozen=True)
class CreatedKey:
    """A new key. `secret` exists only here: show it once."""

    record: KeyRecord
    secret: str = field(repr=False)
