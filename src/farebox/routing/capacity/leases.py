"""What this worker holds of one resource, in memory. The path of a call looks at nothing else."""

from typing import Final

from farebox.routing.capacity.shares import Need, Row, Share, block_of

# No call count comes near it, so a comparison with it is always won.
UNLIMITED: Final = 1 << 62


class Lease:
    """Units of one resource. A call may take one while `in_use < usable`; `capacity` None: as many as it likes, and the
    database never hears of it.

    `ask_at`: so many in use are nearly all, so the lessor is asked for more. `granted > usable` means that units go
    back as calls end. `stored`: there is a row of it. `short`: others know that
    more is wanted. `tell`: they should look at it at once. `alone`:
    no other worker lives.
    """

    __slots__ = (
        *("resource", "capacity", "in_use", "borrowed", "waiting", "loans", "usable", "granted", "ask_at"),
        *("contended", "refused", "called_at", "called_elsewhere_at", "shared_at", "stored", "tell", "short", "alone"),
    )

    def __init__(self, resource: str, capacity: int | None) -> None:
        self.resource = resource
        self.capacity = capacity
        self.in_use = self.borrowed = self.waiting = self.loans = 0
        self.granted = 0
        self.usable = UNLIMITED if capacity is None else 0
        self.ask_at = UNLIMITED
        self.contended = self.refused = False
        self.called_at: int | None = None
        self.called_elsewhere_at: int | None = None
        self.shared_at = 0
        self.stored = False
        self.tell = self.short = self.alone = False

    @property
    def need(self) -> Need:
        """What to ask for. A lane's spare is at least what may be lent of it. Who is alone keeps everything: there is
        nobody to leave it to, and no call has to look elsewhere because a lease is on its way."""
        assert self.capacity is not None
        by_right = self.in_use - self.borrowed
        waiting = min(self.waiting, max(0, self.capacity - by_right))
        spare = self.capacity if self.alone else max(block_of(self.capacity), self.loans)
        return Need(self.in_use, self.borrowed, waiting, spare)

    @property
    def yields(self) -> bool:
        """Whether a unit that comes free goes back to others rather than to the next call."""
        return self.granted > self.usable

    @property
    def lacks_unasked(self) -> bool:
        """Whether a call finds none free though there may be more, and the database has not been asked for it yet."""
        return self.usable <= self.in_use < (self.capacity or 0) and not self.short

    def resize(self, capacity: int | None) -> None:
        """The operator changed the limit. A lower one holds for new calls at once."""
        if capacity is None:
            self.usable = self.ask_at = UNLIMITED
        elif self.capacity is None:
            self.usable = self.granted = 0
        else:
            self.usable = min(self.usable, capacity)
        self.capacity = capacity
        self.short = False

    def suspend(self) -> None:
        """What was granted may belong to others by now: nothing new until the database has answered."""
        if self.capacity is not None:
            self.usable = self.shared_at = 0

    def promise(self, share: Share) -> None:
        """Before the commit: what is about to be given back is not used any more, whatever becomes of the commit."""
        self.usable = min(self.usable, share.usable)

    def settle(self, share: Share, others: "list[Row]", *, now_micros: int) -> None:
        """After the commit."""
        need = self.need
        self.granted, self.usable, self.contended = share
        self.short = share.granted < need.wanted
        capacity = self.capacity or 0
        self.refused = share.usable < min(capacity, need.in_use + need.waiting + need.spare)
        self.called_elsewhere_at = max((row.called_at for row in others if row.called_at is not None), default=None)
        self.shared_at = now_micros
        grows = not self.refused and share.usable < capacity
        self.ask_at = share.usable - need.spare // 2 if grows else UNLIMITED

    def restless(self, now_micros: int, *, refresh_micros: int) -> bool:
        """Whether it should be shared anew at the next tick: short, in dispute, too much idle, or not for long."""
        if self.capacity is None:
            return self.stored
        if self.contended or self.refused or now_micros - self.shared_at >= refresh_micros:
            return True
        need = self.need
        idle = self.usable - need.in_use - need.waiting
        return idle < 0 or idle > 2 * need.spare
