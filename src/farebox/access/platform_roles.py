"""Who works on the whole installation: given and taken by a superadmin, or by whoever can run commands on the machine.

Nobody takes the last superadmin away from within: then no one could give a role any more.
"""

from typing import Any

import msgspec
import psycopg

from farebox.access.asking import Operator
from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.base.ids import IdError, read_short, show_short
from farebox.identity.audit import Event, record
from farebox.identity.people.email_codes import link_email, lock_email, read_email
from farebox.identity.people.model import Person, show_person
from farebox.identity.people.store import create_person, person_of_email
from farebox.identity.roles import PlatformRole
from farebox.identity.team.platform import (
    Holder,
    drop_role,
    is_last_superadmin,
    list_holders,
    lock_roles,
    put_role,
    read_holder,
)
from farebox.storage.pool import connected

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


async def list_roles(access: Access) -> list[Holder]:
    """Everybody with a role in the whole installation."""
    async with connected(access.pool) as connection:
        return await list_holders(connection)


async def grant_role(access: Access, operator: Operator, email: str, role: PlatformRole) -> Holder:
    """Give a role to whoever signs in with that address; there is somebody from then on. Raises Problem."""
    event = operator.event("platform_role.granted", workspace_id=None)
    async with connected(access.pool) as connection, connection.transaction():
        return await grant_role_to(connection, email, role, event=event, now_micros=access.clock())


async def take_role(access: Access, operator: Operator, person_id: str) -> None:
    """Take a role from a person (`person_…`). Raises Problem: not_found, conflict for the last superadmin."""
    number = _number(person_id)
    event = operator.event("platform_role.taken", workspace_id=None)
    async with connected(access.pool) as connection, connection.transaction():
        await lock_roles(connection)
        holder = await read_holder(connection, number)
        if holder is None:
            raise _no_holder()
        if holder.role is PlatformRole.SUPERADMIN:
            await _refuse_last(connection, number)
        await take_role_from(connection, holder, event=event, now_micros=access.clock())


async def grant_role_to(
    connection: Connection, email: str, role: PlatformRole, *, event: Event, now_micros: int
) -> Holder:
    """The same in a transaction of the caller's; `event` says who does it. Raises Problem."""
    email = read_email(email)
    await lock_roles(connection)
    await lock_email(connection, email)
    person = await person_of_email(connection, email) or await _new_person(connection, email, event, now_micros)
    if not person.is_active:
        raise Problem("conflict", "The account with this address is disabled.", param="email")
    before = await read_holder(connection, person.person_id)
    if before is not None and before.role is PlatformRole.SUPERADMIN and role is not PlatformRole.SUPERADMIN:
        await _refuse_last(connection, person.person_id)
    if before is None or before.role is not role:
        await put_role(connection, person.person_id, role, granted_by=event.actor, now_micros=now_micros)
        told = _about(
            event, "platform_role.granted", person.person_id, role=role, before=None if before is None else before.role
        )
        await record(connection, told, now_micros=now_micros)
    holder = await read_holder(connection, person.person_id)
    assert holder is not None
    return holder


async def take_role_from(connection: Connection, holder: Holder, *, event: Event, now_micros: int) -> None:
    """Take it, the last superadmin's too, in a transaction of the caller's."""
    if await drop_role(connection, holder.person_id) is not None:
        told = _about(event, "platform_role.taken", holder.person_id, role=holder.role)
        await record(connection, told, now_micros=now_micros)


async def _new_person(connection: Connection, email: str, event: Event, now_micros: int) -> Person:
    """Somebody who has not signed in yet, and can from now on."""
    person = await create_person(connection, now_micros=now_micros)
    email_id = await link_email(connection, person.person_id, email, now_micros=now_micros)
    await record(connection, _about(event, "person.created", person.person_id), now_micros=now_micros)
    linked = msgspec.structs.replace(
        _about(event, "email.linked", person.person_id), subject=show_short("email", email_id)
    )
    await record(connection, linked, now_micros=now_micros)
    return person


def _about(event: Event, action: str, person_id: int, **detail: str | None) -> Event:
    return Event(
        action=action,
        actor=event.actor,
        person_id=person_id,
        subject=show_person(person_id),
        detail=detail,
        address=event.address,
    )


async def _refuse_last(connection: Connection, person_id: int) -> None:
    if await is_last_superadmin(connection, person_id):
        message = "This is the last superadmin; give the role to somebody else first."
        raise Problem("conflict", message)


def _number(person_id: str) -> int:
    try:
        return read_short("person", person_id)
    except IdError:
        raise _no_holder() from None


def _no_holder() -> Problem:
    return Problem("not_found", "Nobody of that id has a role here.", param="person_id")
