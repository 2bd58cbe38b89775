"""Workspaces and who belongs to them, for both shells: one door to the use cases of making a workspace, its members and
its invitations. Ids are texts as they stand in addresses (`person_…`, `invitation_…`); every refusal is a Problem."""

from farebox.access.invitations import (
    InvitationView,
    accept_invitation,
    invite,
    list_invitations,
    own_invitations,
    read_invitation,
    resend_invitation,
    show_invitation,
    withdraw_invitation,
)
from farebox.access.members import (
    MAX_WORKSPACE_NAME_CHARS,
    Removed,
    change_role,
    leave_workspace,
    list_members,
    list_workspaces,
    read_workspace_name,
    remove_member,
    rename_workspace,
    transfer_ownership,
)
from farebox.access.new_workspace import create_workspace, finish_unopened

__all__ = [
    "MAX_WORKSPACE_NAME_CHARS",
    "InvitationView",
    "Removed",
    "accept_invitation",
    "change_role",
    "create_workspace",
    "finish_unopened",
    "invite",
    "leave_workspace",
    "list_invitations",
    "list_members",
    "list_workspaces",
    "own_invitations",
    "read_invitation",
    "read_workspace_name",
    "remove_member",
    "rename_workspace",
    "resend_invitation",
    "show_invitation",
    "transfer_ownership",
    "withdraw_invitation",
]
