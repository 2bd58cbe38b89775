"""Invitations in PostgreSQL. The token is in one letter and nowhere else; its SHA-256 is stored.

Who changes invitations of a workspace holds the team's lock first (members.py).
"""

import hashlib
import secrets
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import psycopg

from farebox.base.ids import random_id, show_short
from farebox.identity.roles import Role
from farebox.identity.team.model import Invitation
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

# 256 bits, of which nobody guesses one.
TOKEN_BYTES: Final = 32
# A longer text is no token; it is not even hashed.
MAX_TOKEN_CHARS: Final = 100
# Open invitations of a workspace: more at once is not a team, but a mailing.
MAX_OPEN: Final = 50

_QUERIES = load_queries("farebox.identity.team", "invitations.sql")


class NewInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to invite as what. `email` in lower case; moments in microseconds since 1970 UTC."""

    workspace_id: int
    email: str
    role: Role
    invited_by: str
    expires_at: int


async def make_invitation(connection: Connection, new: NewInvitation, *, now_micros: int) -> tuple[int, str]:
    """Its id, and its token for the only time. Raises psycopg.errors.UniqueViolation where one is open already."""
    invitation_id, token = random_id(), secrets.token_urlsafe(TOKEN_BYTES)
    wanted = {
        **msgspec.structs.asdict(new),
        "invitation_id": invitation_id,
        "token_hash": hash_token(token),
        "now_micros": now_micros,
    }
    await connection.execute(_QUERIES["make_invitation"], wanted)
    return invitation_id, token


async def renew_invitation(connection: Connection, invitation: Invitation, *, expires_at: int) -> str | None:
    """A new token; the former one is void from now on. None: it is not open any more."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    wanted = _named(invitation) | {"token_hash": hash_token(token), "expires_at": expires_at}
    cursor = await connection.execute(_QUERIES["renew_invitation"], wanted)
    return token if cursor.rowcount == 1 else None


async def withdraw_invitation(connection: Connection, invitation: Invitation, *, now_micros: int) -> bool:
    """Take it back. False: it is not open any more."""
    wanted = _named(invitation) | {"now_micros": now_micros}
    return (await connection.execute(_QUERIES["withdraw_invitation"], wanted)).rowcount == 1


async def accept_invitation(connection: Connection, invitation: Invitation, person_id: int, *, now_micros: int) -> bool:
    """Use it up. False: it is not open any more."""
    wanted = _named(invitation) | {"person_id": person_id, "now_micros": now_micros}
    return (await connection.execute(_QUERIES["accept_invitation"], wanted)).rowcount == 1


async def list_invitations(
    connection: Connection,
    workspace_id: int,
    *,
    invitation_id: int | None = None,
    invited_by: str | None = None,
    email: str | None = None,
) -> list[Invitation]:
    """Those that nobody has accepted or withdrawn, the newest first; expired ones, too."""
    wanted = {
        "workspace_id": workspace_id,
        "invitation_id": invitation_id,
        "invited_by": invited_by,
        "email": email,
        "most": 2 * MAX_OPEN,
    }
    return await _invitations(connection, "list_invitations", wanted)


async def invitations_to(connection: Connection, emails: Sequence[str], *, now_micros: int) -> list[Invitation]:
    """The open invitations to any of these addresses, the newest first; at most MAX_OPEN."""
    wanted = {"emails": list(emails), "now_micros": now_micros, "most": MAX_OPEN}
    return await _invitations(connection, "invitations_to", wanted)


async def find_invitation(connection: Connection, token: str, *, now_micros: int) -> Invitation | None:
    """The open invitation of a token; None: there is none, or not any more."""
    if not token or len(token) > MAX_TOKEN_CHARS or not token.isascii():
        return None
    wanted = {"token_hash": hash_token(token), "now_micros": now_micros}
    found = await _invitations(connection, "find_invitation", wanted)
    return found[0] if found else None


def hash_token(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).digest()


def show_invitation(invitation_id: int) -> str:
    """`invitation_…`"""
    return show_short("invitation", invitation_id)


def mask_email(email: str) -> str:
    """`a…@example.com`: enough for who knows the address, and not the address."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}…@{domain}"


def _named(invitation: Invitation) -> dict[str, Any]:
    return {"workspace_id": invitation.workspace_id, "invitation_id": invitation.invitation_id}


async def _invitations(connection: Connection, name: str, wanted: dict[str, Any]) -> list[Invitation]:
    rows = await (await connection.execute(_QUERIES[name], wanted)).fetchall()
    return [_invitation(*row) for row in rows]


def _invitation(*columns: Any) -> Invitation:
    workspace_id, workspace_name, invitation_id, email, role, *rest = columns
    return Invitation(workspace_id, workspace_name, invitation_id, email, Role(role), *rest)
