"""Keys managed by a key: one act at a time in each workspace, judged by what both keys are at that moment, and not by
what was remembered of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from farebox.api.parts import Parts
from farebox.base.errors import Problem
from farebox.base.ids import IdError, read_short, show_short
from farebox.identity.authenticate import require_scope
from farebox.identity.checks import KeyFault
from farebox.identity.grants import Reach, Wanted, changed_reach, require_within
from farebox.identity.model import KeyListing, KeyRecord, KeyStatus
from farebox.identity.reaches import reach_of, read_holdings, take_turns
from farebox.identity.store import Connection, read_key
from farebox.ledger.limits import LimitHolder
from farebox.storage.pool import connected

MANAGE: Final = "keys.manage"


class Managed(NamedTuple):
    """A key of the manager's workspace, and what it reaches."""

    listing: KeyListing
    reach: Reach

    @property
    def key_id(self) -> int:
        """Its own id."""
        return self.listing.record.key_id

    @property
    def holder(self) -> LimitHolder:
        """Under which its limits and its policy are kept."""
        return LimitHolder(self.listing.record.workspace_id, self.listing.record.holder_id)


class Manager(NamedTuple):
    """The key that manages, as it is now, in a transaction of its own."""

    connection: Connection
    own: Managed
    now_micros: int

    @property
    def workspace_id(self) -> int:
        """Where it manages keys: there and nowhere else."""
        return self.own.listing.record.workspace_id

    async def find(self, key_id: str) -> Managed:
        """A key of the workspace. Raises Problem(`not_found`), and (`exceeds_own_key`) for one that reaches further."""
        found = await read_managed(self.connection, self.workspace_id, read_key_id(key_id), now_micros=self.now_micros)
        if found is None:
            raise no_key()
        require_within(self.own.reach, found.reach)
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
        return changed_reach(self.own.reach, target.reach, wanted)


@asynccontextmanager
async def managing(parts: Parts, key: KeyRecord) -> AsyncIterator[Manager]:
    """One act of a managing key; what it did is undone where a Problem is raised. Raises Problem."""
    require_scope(key, MANAGE)
    async with connected(parts.pool) as connection, connection.transaction():
        await take_turns(connection, key.workspace_id)
        now_micros = parts.clock()
        own = await read_managed(connection, key.workspace_id, key.key_id, now_micros=now_micros)
        status = KeyStatus.REVOKED if own is None else own.listing.status_at(now_micros)
        if own is None or status not in (KeyStatus.ACTIVE, KeyStatus.ROLLED):
            raise Problem("invalid_api_key", f"This key is {status}; use another one.", facts={"reason": str(status)})
        # What was remembered of the key may be a moment old.
        require_scope(own.listing.record, MANAGE)
        yield Manager(connection, own, now_micros)


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


def fault(found: KeyFault) -> Problem:
    """What no key can be given, told to a client."""
    return Problem(
        "invalid_request", f"{found.message[:1].upper()}{found.message[1:]}; {found.fix}.", param=found.param
    )
