"""Workspaces, events and roles as operators see them in JSON."""

from typing import Any

import msgspec

from farebox.access.look_up import Found, Sheet, SheetMember, WorkspaceRow
from farebox.access.requests import ReviewRequest
from farebox.api.events import EventShape, event_shape
from farebox.api.request_shapes import RequestShape, request_shape
from farebox.api.shapes import GrantShape, LimitShape, grant_shape, limit_shape, moment
from farebox.base.clock import rfc3339
from farebox.base.ids import show_short
from farebox.base.money import format_usd
from farebox.identity.model import KeyListing, KeyStatus, Kind, Status, Workspace
from farebox.identity.people.model import show_person
from farebox.identity.roles import PlatformRole, Role
from farebox.identity.team.platform import Holder


class WorkspaceItem(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace in a list. `last_active_at`: when one of its keys was last used, up to a minute old."""

    workspace_id: str
    name: str
    kind: Kind
    status: Status
    created_at: str
    members: int
    available_usd: str
    last_active_at: str | None


class WorkspaceList(msgspec.Struct, frozen=True, kw_only=True):
    """Workspaces, newest first. Go on with `?cursor=<next_cursor>`."""

    data: list[WorkspaceItem]
    has_more: bool
    next_cursor: str | None
    object: str = "list"


class SheetBalance(msgspec.Struct, frozen=True, kw_only=True):
    """`available = posted - held`, less what expired grants still have posted."""

    available_usd: str
    held_usd: str
    posted_usd: str
    cash_usd: str
    grants: list[GrantShape]


class SheetMemberShape(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who belongs to the workspace."""

    person_id: str
    name: str
    emails: list[str]
    role: Role
    joined_at: str
    active: bool


class SheetKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret."""

    key_id: str
    name: str
    prefix: str
    scopes: list[str]
    status: KeyStatus
    created_at: str
    created_by: str
    last_used_at: str | None
    expires_at: str | None


class SheetShape(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one workspace. `limits` are its own, not its keys'. Members and keys: the first 200 of each.
    `events`: the latest; null: whoever asks may not read them. `requests`: those that wait."""

    workspace_id: str
    name: str
    kind: Kind
    status: Status
    created_at: str
    balance: SheetBalance
    limits: list[LimitShape]
    members: list[SheetMemberShape]
    keys: list[SheetKey]
    events: list[EventShape] | None
    requests: list[RequestShape]
    as_of: str


class CreditShape(msgspec.Struct, frozen=True, kw_only=True):
    """What a credit did. `replayed`: this command id had done it before, so nothing was booked now."""

    workspace_id: str
    credited_usd: str
    available_usd: str
    command_id: str
    replayed: bool


class StatusShape(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a workspace's keys work."""

    workspace_id: str
    name: str
    status: Status


class RoleShape(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with a role in the whole installation. `has_second_factor` false: the role is of no use to them yet."""

    person_id: str
    name: str
    emails: list[str]
    role: PlatformRole
    granted_at: str
    granted_by: str
    has_second_factor: bool
    active: bool


class RoleList(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody with a role, who got it first first."""

    data: list[RoleShape]
    object: str = "list"


def workspace_list(found: Found) -> WorkspaceList:
    """A page of workspaces."""
    data = [_item(row) for row in found.rows]
    return WorkspaceList(data=data, has_more=found.next_cursor is not None, next_cursor=found.next_cursor)


def sheet_shape(sheet: Sheet, now_micros: int) -> SheetShape:
    """A workspace's sheet."""
    balance = sheet.balance
    return SheetShape(
        **_named(sheet.workspace),
        kind=sheet.workspace.kind,
        created_at=rfc3339(sheet.workspace.created_at),
        balance=SheetBalance(
            available_usd=format_usd(balance.available_nanos),
            held_usd=format_usd(balance.held_nanos),
            posted_usd=format_usd(balance.posted_nanos),
            cash_usd=format_usd(balance.cash_nanos),
            grants=[grant_shape(grant) for grant in balance.grants],
        ),
        limits=[limit_shape(limit) for limit in sheet.limits],
        members=[_member(member) for member in sheet.members],
        keys=[_key(key, now_micros) for key in sheet.keys],
        events=None if sheet.events is None else [event_shape(event) for event in sheet.events],
        requests=[_request(request) for request in sheet.requests],
        as_of=rfc3339(now_micros),
    )


def status_shape(workspace: Workspace) -> StatusShape:
    """How it stands."""
    return StatusShape(**_named(workspace))


def role_shape(holder: Holder) -> RoleShape:
    """Somebody with a role."""
    return RoleShape(
        person_id=show_person(holder.person_id),
        name=holder.name,
        emails=list(holder.emails),
        role=holder.role,
        granted_at=rfc3339(holder.granted_at),
        granted_by=holder.granted_by,
        has_second_factor=holder.has_second_factor,
        active=holder.is_active,
    )


def _item(row: WorkspaceRow) -> WorkspaceItem:
    return WorkspaceItem(
        **_named(row.workspace),
        kind=row.workspace.kind,
        created_at=rfc3339(row.workspace.created_at),
        members=row.members,
        available_usd=format_usd(row.available_nanos),
        last_active_at=moment(row.last_active_at),
    )


def _named(workspace: Workspace) -> dict[str, Any]:
    workspace_id = show_short("ws", workspace.workspace_id)
    return {"workspace_id": workspace_id, "name": workspace.name, "status": workspace.status}


def _member(member: SheetMember) -> SheetMemberShape:
    return SheetMemberShape(
        person_id=show_person(member.person_id),
        name=member.name,
        emails=list(member.emails),
        role=member.role,
        joined_at=rfc3339(member.joined_at),
        active=member.is_active,
    )


def _key(key: KeyListing, now_micros: int) -> SheetKey:
    record = key.record
    return SheetKey(
        key_id=show_short("key", record.key_id),
        name=record.name,
        prefix=record.visible_prefix,
        scopes=sorted(record.scopes),
        status=key.status_at(now_micros),
        created_at=rfc3339(key.created_at),
        created_by=key.created_by,
        last_used_at=moment(key.last_used_at),
        expires_at=moment(record.expires_at),
    )


def _request(request: ReviewRequest) -> RequestShape:
    return request_shape(request, for_operator=True)
