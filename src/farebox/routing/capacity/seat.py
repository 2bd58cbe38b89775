"""One call's seat, or why there is none."""

from typing import Protocol

from farebox.providers.pools import Credential
from farebox.routing.capacity.doors import WayIn
from farebox.routing.capacity.leases import Lease


class NoSeat(Exception):
    """No slot is free, or came free in time. Try again after so many seconds (at least 1)."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"no capacity for {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


class Home(Protocol):
    """Where a seat goes back to."""

    @property
    def waiting(self) -> int:
        """How many calls wait there."""

    def came_free(self, *leases: Lease) -> None:
        """Units of these were given back. Never raises."""


class Seat:
    """The right to call with `credential` until it is given back. `taken_at`: in microseconds."""

    __slots__ = ("_at", "_found", "_is_unused", "_taken_at", "credential")

    def __init__(self, credential: Credential, found: WayIn, at: Home, *, taken_at: int) -> None:
        self.credential = credential
        self._found = found
        self._at: Home | None = at
        self._taken_at = taken_at
        self._is_unused = True

    def use(self) -> None:
        """The request goes out: from now on it counts among those of the minute."""
        self._is_unused = False

    def give_back(self) -> None:
        """The call is over. Harmless the second time; never raises."""
        at = self._at
        if at is None:
            return
        self._at = None
        state, gate, loans = self._found
        if self._is_unused and state.pace is not None:
            # Its hold was refused, say: who cannot pay must not use up what others could have.
            state.pace.take_back(self._taken_at)
        lease = state.lease
        lease.in_use -= 1
        gate.in_use -= 1
        if loans is not None:
            gate.borrowed -= 1
            loans.in_use -= 1
        if gate.granted > gate.usable or lease.granted > lease.usable or at.waiting:
            at.came_free(state.lease, gate)
