"""Whose limits and policies are meant: the workspace of a key, one of its keys, or any for the operator. What is not of
the workspace is refused as if there were no such thing."""

from farebox.base.errors import Problem
from farebox.base.ids import IdError, read_short
from farebox.identity.store import Connection, read_key, workspace_of
from farebox.ledger.limits import LimitHolder


async def own_key(connection: Connection, workspace_id: int, key_id: str) -> LimitHolder:
    """Whose limits and policy are those of a key of the workspace: its own, or the first's of those that it took over
    from. Raises Problem(`not_found`)."""
    try:
        number = read_short("key", key_id)
    except IdError:
        raise _no_key() from None
    # Zero stands for the workspace itself, which is not a key's to change.
    listing = await read_key(connection, workspace_id, number) if number else None
    if listing is None:
        raise _no_key()
    return LimitHolder(workspace_id, listing.record.holder_id)


async def any_holder(connection: Connection, workspace_id: str, key_id: str | None) -> LimitHolder:
    """A workspace, or one of its keys. Raises Problem(`not_found`)."""
    try:
        number = read_short("ws", workspace_id)
    except IdError:
        raise _no_workspace() from None
    if await workspace_of(connection, number) is None:
        raise _no_workspace()
    return LimitHolder(number) if key_id is None else await own_key(connection, number, key_id)


def _no_key() -> Problem:
    return Problem("not_found", "This workspace has no such key.", param="key_id")


def _no_workspace() -> Problem:
    return Problem("not_found", "There is no such workspace.", param="workspace_id")
