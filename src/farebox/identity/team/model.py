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


class Member(msgspec.Struct, frozen=True):
    """Somebody who belongs to a workspace. `email`: the oldest that they sign in with; None: they have none.
    `added_by`: whose invitation it was, or `operator`."""

    person_id: int
    name: str
    email: str | None
    role: Role
    joined_at: int
    added_by: str


class Invitation(msgspec.Struct, frozen=True):
    """An invitation that is open, or was. `invited_by`: `person_…`, or `operator`."""

    workspace_id: int
    workspace_name: str
    invitation_id: int
    email: str
    role: Role
    invited_by: str
    created_at: int
    expires_at: int

    def is_open_at(self, now_micros: int) -> bool:
        """Whether it has not expired."""
        return self.expires_at > now_micros


class MadeKey(msgspec.Struct, frozen=True):
    """A working key that somebody made: it is the workspace's, and goes on when they leave."""

    key_id: int
    name: str
    visible_prefix: str
