"""Calls that wait for a slot of a provider: round robin over workspaces, first come first served within one."""

import asyncio
from collections.abc import Iterator
from typing import Final

from farebox.catalog.terms import Region
from farebox.routing.capacity.doors import Plan
from farebox.routing.capacity.seat import Seat

# A class of callers: the region of the route, and the workspace where it has a lane or a private pool, else 0.
Key = tuple[Region | None, int]


class Waiter:
    """One waiting call."""

    __slots__ = ("line", "seat", "workspace_id")

    def __init__(self, line: "Line", workspace_id: int, seat: "asyncio.Future[Seat]") -> None:
        self.line = line
        self.workspace_id = workspace_id
        self.seat: Final = seat


class Line:
    """Waiting calls of one class of callers: where one of them finds nothing, none does.

    A workspace's ticket says when it was served last; the lowest is next. Dictionaries keep the order of arrival.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.waiting = 0
        self._tickets: dict[int, int] = {}
        self._waiters: dict[int, dict[Waiter, None]] = {}

    def join(self, workspace_id: int, seat: "asyncio.Future[Seat]", *, ticket: int) -> Waiter:
        """A call begins to wait. Its workspace queues behind those that wait already, unless it is among them."""
        waiter = Waiter(self, workspace_id, seat)
        if workspace_id not in self._waiters:
            self._waiters[workspace_id] = {}
            self._tickets[workspace_id] = ticket
        self._waiters[workspace_id][waiter] = None
        self.waiting += 1
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """It waits no more, for whatever reason. Nothing happens when it had left before."""
        of_workspace = self._waiters.get(waiter.workspace_id, {})
        if waiter not in of_workspace:
            return
        del of_workspace[waiter]
        self.waiting -= 1
        if not of_workspace:
            del self._waiters[waiter.workspace_id], self._tickets[waiter.workspace_id]

    @property
    def ticket(self) -> int:
        """Of the workspace that is next. Only where somebody waits."""
        return self._tickets[next(iter(self._tickets))]

    def serve(self, ticket: int) -> Waiter:
        """Take the next call out; its workspace goes to the end."""
        workspace_id = next(iter(self._tickets))
        of_workspace = self._waiters[workspace_id]
        waiter = next(iter(of_workspace))
        self.leave(waiter)
        if of_workspace:
            del self._tickets[workspace_id]
            self._tickets[workspace_id] = ticket
        return waiter


class Lines:
    """All that wait for one provider."""

    def __init__(self) -> None:
        self.waiting = 0
        self._ticket = 0
        self._lines: dict[Key, Line] = {}

    def join(self, key: Key, plan: Plan, workspace_id: int, seat: "asyncio.Future[Seat]") -> Waiter:
        """A call of that class begins to wait."""
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(plan)
        self.waiting += 1
        return line.join(workspace_id, seat, ticket=self._next_ticket())

    def leave(self, waiter: Waiter) -> None:
        """It waits no more."""
        before = waiter.line.waiting
        waiter.line.leave(waiter)
        self.waiting -= before - waiter.line.waiting

    def serve(self, line: Line) -> Waiter:
        """Take the next call of a line out."""
        self.waiting -= 1
        return line.serve(self._next_ticket())

    def busy(self) -> list[Line]:
        """Lines with somebody in them, the one whose turn it is first. Empty ones are forgotten."""
        for key in [key for key, line in self._lines.items() if not line.waiting]:
            del self._lines[key]
        return sorted(self._lines.values(), key=lambda line: line.ticket)

    def by_class(self) -> Iterator[tuple[Key, Line]]:
        """Each line with its class."""
        yield from self._lines.items()

    def _next_ticket(self) -> int:
        self._ticket += 1
        return self._ticket
