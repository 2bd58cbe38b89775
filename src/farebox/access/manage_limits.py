"""Limits of keys: how many requests and dollars they may use by day, month and lifetime.

A change goes through the ledger like every call, so it holds for the next call of every process.
"""

from collections.abc import Callable, Sequence

from farebox.access.asking import Caller
from farebox.access.managing import managing
from farebox.access.parts import Access
from farebox.access.set_limits import set_limits
from farebox.identity.grants import Wanted
from farebox.ledger.limits import LimitChange
from farebox.ledger.reading import LimitUse


async def set_key_limits(
    access: Access, caller: Caller, key_id: str, read: Callable[[], Sequence[LimitChange]]
) -> list[LimitUse]:
    """Change limits of a key, and what it has then. `read` gives the changes once it is known that the key is there.

    Raises Problem: not_found, invalid_request, exceeds_own_key: no key gets a higher limit than the one that sets it
    has, itself included.
    """
    async with managing(access, caller) as manager:
        target, changes = await manager.find_holder(key_id), read()
        manager.changed(target, Wanted(limits=tuple(changes)))
        event = caller.event("workspace.limits", subject=target.shown)
        return await set_limits(access, manager.connection, target.holder, changes, event=event)
