"""Limits changed as people ask for it: what they do not name stays as it is. Each change is a command of the ledger, so
it holds for the next call of every process, and what calls under way hold is counted.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec

from farebox.base.clock import Clock
from farebox.base.ids import uuid7
from farebox.ledger.book import Span
from farebox.ledger.commands import Command, OpenBook, SetLimit
from farebox.ledger.reading import Connection, LimitUse, read_limits
from farebox.storage.queries import load_queries

_QUERIES = load_queries("farebox.ledger", "limits.sql")

Submit = Callable[[Command], Awaitable[object]]
"""Sends a command to the ledger; raises in its caller's own way where the ledger refuses."""


class LimitHolder(NamedTuple):
    """Whose limits they are: a workspace's own (key 0), or one of its keys'."""

    workspace_id: int
    key_id: int = 0


class LimitChange(NamedTuple):
    """What a limit shall be from now on, dollars in nano-USD. None lifts that half of it, UNSET leaves it as it is."""

    span: Span
    max_requests: int | msgspec.UnsetType | None = msgspec.UNSET
    max_nanos: int | msgspec.UnsetType | None = msgspec.UNSET


async def change_limits(
    submit: Submit, connection: Connection, holder: LimitHolder, *, changes: Sequence[LimitChange], clock: Clock
) -> list[LimitUse]:
    """Change them, and return all that the holder has then. Whether there is such a holder is the caller's to know.

    Opens the workspace's book if that was left undone. `connection` must be in no transaction.
    """
    workspace_id, key_id = holder
    async with connection.transaction():
        await connection.execute(_QUERIES["one_at_a_time"], {"workspace_id": workspace_id})
        now_micros = clock()
        await submit(OpenBook(workspace_id=workspace_id, command_id=uuid7(now_micros), now_micros=now_micros))
        known = await read_limits(connection, workspace_id, key_ids=[key_id], now_micros=now_micros)
        by_span = {limit.span: limit for limit in known}
        for change in changes:
            await submit(_command(holder, change, by_span.get(change.span), clock()))
    return await holder_limits(connection, holder, clock=clock)


async def holder_limits(connection: Connection, holder: LimitHolder, *, clock: Clock) -> list[LimitUse]:
    """The limits of a holder that limit something, with what is used and held of them."""
    found = await read_limits(connection, holder.workspace_id, key_ids=[holder.key_id], now_micros=clock())
    return [use for use in found if use.max_requests is not None or use.max_nanos is not None]


def _command(holder: LimitHolder, change: LimitChange, before: LimitUse | None, now_micros: int) -> SetLimit:
    max_requests, max_nanos = (None, None) if before is None else (before.max_requests, before.max_nanos)
    return SetLimit(
        workspace_id=holder.workspace_id,
        command_id=uuid7(now_micros),
        now_micros=now_micros,
        key_id=holder.key_id,
        span=change.span,
        max_requests=max_requests if change.max_requests is msgspec.UNSET else change.max_requests,
        max_nanos=max_nanos if change.max_nanos is msgspec.UNSET else change.max_nanos,
    )
