"""The record of security events: who did what, to what, from where. Rows are only ever added.

An event is written in the transaction of what it tells of, so neither can be without the other. A refusal that changed
nothing (a wrong code) is written in a transaction of its own.
"""

import itertools
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from farebox.base.ids import show_short, uuid7
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_QUERIES = load_queries("farebox.identity", "audit.sql")
# Of an id the 34 bits after its moment, but for the two of the variant between them: they count, the rest is random.
_SEQUENCE_BITS: Final = (3 << 64) | ((2**32 - 1) << 30)
_SEQUENCE: Final = itertools.count()

ACTIONS: Final[Mapping[str, str]] = {
    "sign_in.succeeded": "somebody signed in",
    "sign_in.failed": "a code, signature or passkey was wrong, used up or too late",
    "sign_in.limited": "sign-in was tried too often and refused",
    "session.second_factor": "the second factor was given",
    "session.stepped_up": "somebody proved again who they are",
    "session.ended": "a session was ended: signed out, or revoked from another one",
    "person.created": "an account was made at its first sign-in, or by the operator",
    "person.disabled": "the operator shut an account; its sessions ended",
    "person.enabled": "the operator let an account sign in again",
    "person.reset": "the operator took away the second factor of somebody who lost it; all sessions ended",
    "person.renamed": "somebody changed the name that others see",
    "email.linked": "an e-mail address became a way to sign in",
    "email.unlinked": "an e-mail address is no way to sign in any more",
    "wallet.linked": "a wallet became a way to sign in",
    "wallet.unlinked": "a wallet is no way to sign in any more",
    "passkey.linked": "a passkey became a way to sign in",
    "passkey.unlinked": "a passkey is no way to sign in any more",
    "totp.enabled": "codes of an authenticator app became the second factor",
    "totp.disabled": "the authenticator app is no second factor any more",
    "recovery.renewed": "new recovery codes were made; the former ones are void",
    "recovery.used": "a recovery code was used",
    "workspace.created": "a workspace was made",
    "workspace.renamed": "a workspace got another name",
    "workspace.frozen": "the operator suspended a workspace",
    "workspace.unfrozen": "the operator let a workspace work again",
    "workspace.credited": "the operator changed a balance",
    "workspace.limits": "limits of a workspace or a key were set",
    "workspace.policy": "the policy of a workspace or a key was set",
    "member.joined": "somebody accepted an invitation",
    "member.role": "a member got another role",
    "member.removed": "somebody is no member any more",
    "ownership.transferred": "a workspace got another owner",
    "invitation.sent": "somebody was invited",
    "invitation.resent": "an invitation was sent once more, with a new link",
    "invitation.withdrawn": "an invitation was taken back",
    "key.created": "an API key was made",
    "key.changed": "an API key was changed",
    "key.rolled": "an API key got a successor",
    "key.revoked": "an API key was revoked",
    "holding_wallet.linked": "a wallet's holdings count for a workspace",
    "holding_wallet.unlinked": "a wallet's holdings count for a workspace no more",
    "request.made": "somebody asked the operator for a decision",
    "request.decided": "the operator accepted or declined a request",
    "request.withdrawn": "somebody took a request back",
    "platform_role.granted": "somebody got a role in the whole installation",
    "platform_role.taken": "somebody has no role in the whole installation any more",
}
"""Every event there is."""

NOBODY: Final = "nobody"

RECORD_EVENTS: Final = "record_events"
RECORD_EVENTS_SQL: Final = _QUERIES["record_events"]
"""Inserts a JSON array of `StoredEvent`s, its one parameter `$1`: so events ride in the ledger's own transaction."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One security event. `detail`: short texts and numbers; never a secret, a code or a token.

    `person_id`: whose sign-in, session or role it is about; `workspace_id`: whose members may read it.
    """

    action: str
    actor: str
    workspace_id: int | None = None
    person_id: int | None = None
    subject: str = ""
    detail: Mapping[str, str | int | bool | None] = {}
    address: str = ""


class StoredEvent(msgspec.Struct, frozen=True):
    """An event as it stands in the record."""

    event_id: UUID
    workspace_id: int | None
    person_id: int | None
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    address: str
    happened_at: int


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Whose events: of a workspace, of a person, or (both None) all. `before`: those older than this one.

    `for_members`: without the addresses of operators, which are not theirs to know. `for_person`: read by that person,
    so without the addresses of others who changed something about them.
    """

    workspace_id: int | None = None
    person_id: int | None = None
    action: str | None = None
    before: UUID | None = None
    for_members: bool = False
    for_person: bool = False


def row_of(event: Event, *, now_micros: int) -> StoredEvent:
    """An event as it will stand in the record. Raises KeyError for an action that is not among ACTIONS."""
    assert ACTIONS[event.action]
    return StoredEvent(
        _event_id(now_micros),
        event.workspace_id,
        event.person_id,
        event.actor,
        event.action,
        event.subject,
        dict(event.detail),
        event.address,
        now_micros,
    )


async def record(connection: Connection, event: Event, *, now_micros: int) -> None:
    """Write an event. Raises KeyError for an action that is not among ACTIONS."""
    assert ACTIONS[event.action]
    await connection.execute(
        _QUERIES["record_event"],
        {
            "event_id": _event_id(now_micros),
            "workspace_id": event.workspace_id,
            "person_id": event.person_id,
            "actor": event.actor,
            "action": event.action,
            "subject": event.subject,
            "detail": Jsonb(dict(event.detail)),
            "address": event.address,
            "now_micros": now_micros,
        },
    )


def _event_id(now_micros: int) -> UUID:
    """Events of one moment stand in the order in which this process recorded them: a request that does several things
    asks once what time it is."""
    number = next(_SEQUENCE) % 2**32
    return UUID(int=(uuid7(now_micros).int & ~_SEQUENCE_BITS) | (number << 30))


async def list_events(connection: Connection, wanted: EventFilter, *, most: int) -> list[StoredEvent]:
    """The newest first."""
    own = None if wanted.person_id is None else show_short("person", wanted.person_id)
    parameters = {**msgspec.structs.asdict(wanted), "own": own, "nobody": NOBODY, "most": most}
    cursor = await connection.execute(_QUERIES["list_events"], parameters)
    return [StoredEvent(*row) for row in await cursor.fetchall()]
