"""Members, invitations and platform roles. Moments are microseconds since 1970 UTC."""

import msgspec

from farebox.identity.roles import Role


class Membership(msgspec.Struct, frozen=True):
    """A workspace that somebody belongs to, and as what."""

    workspace_id: int
    workspace_name: str
    is_active: bool
    role: Role
    joined_at: int
