"""Who may do what: the one table. Pure.

A member's role counts in one workspace, a platform role everywhere and only behind a second factor. What is in STEP_UP
is asked for again by a fresh proof. `docs/reference/roles.md` shows the same, and a test compares them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """What a member is in a workspace."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    BILLING = "billing"
    VIEWER = "viewer"


class PlatformRole(StrEnum):
    """What somebody is to the whole installation."""

    SUPERADMIN = "superadmin"
    FINANCE = "finance"
    SUPPORT = "support"
    AUDITOR = "auditor"


class Verb(StrEnum):
    """What is done in a workspace."""

    WORKSPACE_READ = "workspace.read"
    WORKSPACE_CHANGE = "workspace.change"
    USAGE_READ = "usage.read"
    KEYS_READ = "keys.read"
    KEYS_MANAGE = "keys.manage"
    POLICY_READ = "policy.read"
    POLICY_CHANGE = "policy.change"
    MEMBERS_READ = "members.read"
    MEMBERS_MANAGE = "members.manage"
    OWNERSHIP_TRANSFER = "ownership.transfer"
    BILLING_READ = "billing.read"
    BILLING_MANAGE = "billing.manage"
    AUDIT_READ = "audit.read"


class PlatformVerb(StrEnum):
    """What is done to any workspace, or to the installation."""

    WORKSPACES_READ = "platform.workspaces.read"
    CREDIT = "platform.credit"
    LIMITS_CHANGE = "platform.limits.change"
    POLICY_CHANGE = "platform.policy.change"
    FREEZE = "platform.freeze"
    REQUESTS_READ = "platform.requests.read"
    REQUESTS_DECIDE = "platform.requests.decide"
    AUDIT_READ = "platform.audit.read"
    ROLES_READ = "platform.roles.read"
    ROLES_MANAGE = "platform.roles.manage"


_READS: Final = frozenset(
    {Verb.WORKSPACE_READ, Verb.USAGE_READ, Verb.KEYS_READ, Verb.POLICY_READ, Verb.MEMBERS_READ, Verb.BILLING_READ}
)

MAY: Final[Mapping[Role, frozenset[Verb]]] = {
    Role.OWNER: frozenset(Verb),
    Role.ADMIN: frozenset(Verb) - {Verb.OWNERSHIP_TRANSFER},
    Role.DEVELOPER: _READS | {Verb.KEYS_MANAGE},
    Role.BILLING: _READS | {Verb.BILLING_MANAGE},
    Role.VIEWER: _READS,
}

_LOOKS: Final = frozenset({PlatformVerb.WORKSPACES_READ, PlatformVerb.REQUESTS_READ})

PLATFORM_MAY: Final[Mapping[PlatformRole, frozenset[PlatformVerb]]] = {
    PlatformRole.SUPERADMIN: frozenset(PlatformVerb),
    PlatformRole.FINANCE: _LOOKS
    | {PlatformVerb.CREDIT, PlatformVerb.LIMITS_CHANGE, PlatformVerb.REQUESTS_DECIDE, PlatformVerb.AUDIT_READ},
    PlatformRole.SUPPORT: _LOOKS | {PlatformVerb.LIMITS_CHANGE, PlatformVerb.POLICY_CHANGE, PlatformVerb.FREEZE},
    PlatformRole.AUDITOR: _LOOKS | {PlatformVerb.AUDIT_READ, PlatformVerb.ROLES_READ},
}

STEP_UP: Final[frozenset[Verb | PlatformVerb]] = frozenset(
    {
        Verb.KEYS_MANAGE,
        Verb.MEMBERS_MANAGE,
        Verb.OWNERSHIP_TRANSFER,
        Verb.BILLING_MANAGE,
        Verb.POLICY_CHANGE,
        PlatformVerb.CREDIT,
        PlatformVerb.LIMITS_CHANGE,
        PlatformVerb.POLICY_CHANGE,
        PlatformVerb.FREEZE,
        PlatformVerb.REQUESTS_DECIDE,
        PlatformVerb.ROLES_MANAGE,
    }
)
"""Money, keys and members."""

KEY_SCOPES: Final[Mapping[Verb, str]] = {
    Verb.WORKSPACE_READ: "usage.read",
    Verb.USAGE_READ: "usage.read",
    Verb.KEYS_READ: "keys.manage",
    Verb.KEYS_MANAGE: "keys.manage",
    Verb.POLICY_READ: "usage.read",
}
"""What an API key needs for a verb. What is not here is for people alone: a key has no second factor."""

_PEOPLE_SCOPES: Final = frozenset({"usage.read", "models.read"})


def may(role: Role, verb: Verb) -> bool:
    """Whether a member of that role may do it."""
    return verb in MAY[role]


def platform_may(role: PlatformRole, verb: PlatformVerb) -> bool:
    """Whether somebody of that platform role may do it."""
    return verb in PLATFORM_MAY[role]


def scopes_of(role: Role, all_scopes: frozenset[str]) -> frozenset[str]:
    """What a member may look at or preview as an API key could. It opens no call: those take keys only."""
    if may(role, Verb.KEYS_MANAGE):
        return all_scopes
    return all_scopes & _PEOPLE_SCOPES


def outranks(role: Role, other: Role) -> bool:
    """Whether a member who manages members may give or take that role: an admin is no match for the owner, and nobody
    gives the owner's away (that is a transfer)."""
    if other is Role.OWNER:
        return False
    return role in (Role.OWNER, Role.ADMIN)
