"""Keys managed by a member or by a key: one act at a time in each workspace, judged by what both are at that moment,
and not by what was remembered of them.

A key stays within its own reach (identity/grants.py); a member whose role lets them manage keys reaches everything that
the workspace does.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, NamedTuple

from farebox.access.asking import Caller, require_key_verb
from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.base.ids import IdError, read_short, show_short
from farebox.identity.audit import record
from farebox.identity.checks import KeyFault
from farebox.identity.grants import Reach, Wanted, changed_reach, require_within
from farebox.identity.model import SCOPES, KeyListing, KeyStatus
from farebox.identity.reaches import reach_of, read_holdings, take_turns
from farebox.identity.roles import Verb, may
from farebox.identity.store import Connection, read_key
from farebox.identity.team.roles import membership_in
from farebox.ledger.limits import LimitHolder
from farebox.storage.pool import connected

EVERYTHING: Final = Reach(scopes=frozenset(SCOPES))
"""What a member who manages keys reaches: no bound but the workspace's own."""


class Managed(NamedTuple):
    """A key of the manager's workspace, and what it reaches."""

    listing: KeyListing
    reach: Reach

    @property
    def key_id(self) -> int:
        """Its own id."""
        return self.listing.record.key_id

    @property
    def shown(self) -> str:
        """Its id as people see it, `key_…`."""
        return show_short("key", self.key_id)

    @property
    def holder(self) -> LimitHolder:
        """Under which its limits and its policy are kept."""
        return LimitHolder(self.listing.record.workspace_id, self.listing.record.holder_id)


class Manager(NamedTuple):
    """Who manages, with what they reach now, in a transaction of their own."""

    connection: Connection
    caller: Caller
    reach: Reach
    now_micros: int

    @property
    def workspace_id(self) -> int:
        """Where they manage keys: there and nowhere else."""
        return self.caller.workspace_id

    async def find(self, key_id: str) -> Managed:
        """A key of the workspace. Raises Problem(`not_found`), and (`exceeds_own_key`) for one that reaches further."""
        found = await read_managed(self.connection, self.workspace_id, read_key_id(key_id), now_micros=self.now_micros)
        if found is None:
            raise no_key()
        require_within(self.reach, found.reach)
        return found

    async def find_holder(self, key_id: str) -> Managed:
        """A key whose limits and policy may be changed. Raises Problem as `find` does, and (`invalid_request`) for one
        that was revoked, or that shares them with the key that took over."""
        target = await self.find(key_id)
        if target.listing.status_at(self.now_micros) is KeyStatus.REVOKED:
            raise Problem("invalid_request", "This key was revoked, so nothing of it can be changed.", param="key_id")
        if target.listing.rolled_to is not None:
            heir = show_short("key", target.listing.rolled_to)
            message = f"Another key took over from this one and shares its limits and its policy; change {heir}."
            raise Problem("invalid_request", message, param="key_id")
        return target

    def changed(self, target: Managed, wanted: Wanted) -> Reach:
        """What a key reaches when it has become what is wanted. Raises Problem(`exceeds_own_key`)."""
        return changed_reach(self.reach, target.reach, wanted)

    async def note(self, action: str, subject: str, **detail: str | int | bool | None) -> None:
        """Write a security event of this act."""
        event = self.caller.event(action, subject=subject, **detail)
        await record(self.connection, event, now_micros=self.now_micros)


@asynccontextmanager
async def managing(access: Access, caller: Caller) -> AsyncIterator[Manager]:
    """One act of managing keys; what it did is undone where a Problem is raised. Raises Problem."""
    async with connected(access.pool) as connection, connection.transaction():
        await take_turns(connection, caller.workspace_id)
        now_micros = access.clock()
        if caller.session is None:
            reach = await _reach_of_key(connection, caller, now_micros)
        else:
            await _require_role(connection, caller)
            reach = EVERYTHING
        yield Manager(connection, caller, reach, now_micros)


async def read_managed(connection: Connection, workspace_id: int, key_id: int, *, now_micros: int) -> Managed | None:
    """A key of the workspace with what it reaches; None: there is none."""
    listing = await read_key(connection, workspace_id, key_id)
    if listing is None:
        return None
    record = listing.record
    holdings = await read_holdings(connection, workspace_id, [record], now_micros=now_micros)
    return Managed(listing, reach_of(record, holdings[key_id]))


def read_key_id(text: str) -> int:
    """The number of a key's id. Raises Problem(`not_found`): what cannot be an id is that of no key."""
    try:
        number = read_short("key", text)
    except IdError:
        raise no_key() from None
    if not number:
        raise no_key()
    return number


def no_key() -> Problem:
    """Keys of other workspaces are refused as if they did not exist."""
    return Problem("not_found", "This workspace has no such key.", param="key_id")


@contextmanager
def key_faults() -> Iterator[None]:
    """What no key can be given is the caller's to mend: KeyFault becomes Problem(`invalid_request`)."""
    try:
        yield
    except KeyFault as found:
        message = f"{found.message[:1].upper()}{found.message[1:]}; {found.fix}."
        raise Problem("invalid_request", message, param=found.param) from None


async def _reach_of_key(connection: Connection, caller: Caller, now_micros: int) -> Reach:
    """What was remembered of the key may be a moment old."""
    own = await read_managed(connection, caller.workspace_id, caller.key.key_id, now_micros=now_micros)
    status = KeyStatus.REVOKED if own is None else own.listing.status_at(now_micros)
    if own is None or status not in (KeyStatus.ACTIVE, KeyStatus.ROLLED):
        raise Problem("invalid_api_key", f"This key is {status}; use another one.", facts={"reason": str(status)})
    require_key_verb(own.listing.record, Verb.KEYS_MANAGE)
    return own.reach


async def _require_role(connection: Connection, caller: Caller) -> None:
    """Somebody may have lost their role while they waited for their turn."""
    assert caller.session is not None
    found = await membership_in(connection, caller.session.person_id, caller.workspace_id)
    if found is None:
        raise Problem("not_found", "You belong to no such workspace.", param="workspace_id")
    if not may(found.role, Verb.KEYS_MANAGE):
        message = f"A member with the role {found.role} may not do this ({Verb.KEYS_MANAGE})."
        raise Problem("role_not_allowed", message, facts={"role": found.role, "verb": Verb.KEYS_MANAGE})
