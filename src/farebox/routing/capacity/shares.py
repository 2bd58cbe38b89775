"""How a resource is shared among workers. Pure: what one worker is granted follows from the rows of the living.

Nobody is granted what another one holds, so together they never hold more than there is. While nobody is short, a
worker keeps what it uses, what is waited for, and a spare: a small one, or everything as long as no other worker lives.
As soon as somebody is short, everybody keeps only its fair share of what is wanted (max-min: small wishes in full, the
rest in equal parts), and gives the rest back as calls end.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

# A worker's idle spare, as a part of the whole: an eighth is refilled well before it is used up, and eight idle workers
# do not keep more than there is.
BLOCKS: Final = 8


class Row(NamedTuple):
    """What another living worker holds and wants of a resource, as it last said. `called_at` of a lane: when its
    workspace last called there, in microseconds."""

    owner_id: int
    granted: int
    wanted: int
    called_at: int | None = None

    @property
    def short(self) -> bool:
        """Whether it waits for more than it holds."""
        return self.wanted > self.granted


class Need(NamedTuple):
    """What this worker does with a resource: units in use, those among them that are only `borrowed`, calls that wait
    for one by right, and idle units it would like to keep while nobody is short."""

    in_use: int
    borrowed: int = 0
    waiting: int = 0
    spare: int = 0

    @property
    def wanted(self) -> int:
        """Units that it asks for: those used by right and those waited for. Who waits has nothing of a unit that is
        lent, so then these count too, or an idle one elsewhere would never come here."""
        return self.in_use + self.waiting - (0 if self.waiting else self.borrowed)


class Share(NamedTuple):
    """What a worker holds from now on. New calls may use only `usable` units; the difference is in use still and goes
    back as calls end. `contended`: another worker is short."""

    granted: int
    usable: int
    contended: bool


def block_of(capacity: int) -> int:
    """The idle spare of one worker."""
    return max(1, capacity // BLOCKS)


def share(capacity: int, others: Sequence[Row], need: Need, *, owner_id: int, turn: int) -> Share:
    """The new share of the worker `owner_id`, given the rows of all other living ones.

    `turn` grows with time and is about the same everywhere: units that cannot be divided go round.
    """
    free = max(0, capacity - sum(row.granted for row in others))
    contended = any(row.short for row in others)
    if contended:
        wants = {row.owner_id: row.wanted for row in others} | {owner_id: need.wanted}
        usable = entitled(capacity, wants, owner_id, turn) + (0 if need.waiting else need.borrowed)
    else:
        usable = min(capacity, need.in_use + need.waiting + need.spare)
    usable = min(usable, free)
    # What is in use is told even where it is too much, because a limit was lowered: nobody may count it as free.
    return Share(max(usable, need.in_use), usable, contended)


def entitled(capacity: int, wants: Mapping[int, int], owner_id: int, turn: int) -> int:
    """The fair part of one owner: Σ over all owners is all that there is, or all that is wanted."""
    left = capacity
    rising = sorted(wants.items(), key=lambda item: item[1])
    for place, (owner, wanted) in enumerate(rising):
        sharers = len(rising) - place
        if wanted > left // sharers:
            return _equal_part(left, sorted(other for other, _ in rising[place:]), owner_id, turn)
        if owner == owner_id:
            return wanted
        left -= wanted
    raise KeyError(owner_id)


def _equal_part(left: int, owners: Sequence[int], owner_id: int, turn: int) -> int:
    whole, rest = divmod(left, len(owners))
    return whole + ((owners.index(owner_id) - turn) % len(owners) < rest)
