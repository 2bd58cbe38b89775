"""Which route a conversation was answered by, so that its next call finds the provider's cache warm. Pure.

A conversation is known by a number alone, and only in memory: nothing of what it says is kept.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from farebox.base.clock import MICROS_PER_SECOND, Clock

# Conversations that a process remembers, about 350 bytes each; then the one that was quiet for the longest time goes.
MAX_CONVERSATIONS: Final = 50_000
# Providers keep their caches for five to ten minutes.
STICKY_SECONDS: Final = 600.0
# Entries that are over leave while others come: two for each, so that they never pile up and no call pays for many.
_SWEPT_AT_ONCE: Final = 2


class _Conversation(NamedTuple):
    workspace_id: int
    model_id: str
    affinity: int


class Sticky:
    """Remembers the route of each conversation until it was quiet for `ttl_seconds`."""

    def __init__(
        self, clock: Clock, *, max_conversations: int = MAX_CONVERSATIONS, ttl_seconds: float = STICKY_SECONDS
    ) -> None:
        self._clock = clock
        self._max_conversations = max_conversations
        self._ttl_micros = round(ttl_seconds * MICROS_PER_SECOND)
        # From the longest quiet to the latest: the route and when it is over.
        self._routes: OrderedDict[_Conversation, tuple[str, int]] = OrderedDict()

    def get(self, workspace_id: int, model_id: str, affinity: int) -> str | None:
        """The route that answered last, if that is not too long ago."""
        found = self._routes.get(_Conversation(workspace_id, model_id, affinity))
        return found[0] if found is not None and found[1] > self._clock() else None

    def keep(self, workspace_id: int, model_id: str, affinity: int, route_id: str) -> None:
        """A route answered: the conversation stays there."""
        now = self._clock()
        conversation = _Conversation(workspace_id, model_id, affinity)
        self._routes[conversation] = (route_id, now + self._ttl_micros)
        self._routes.move_to_end(conversation)
        for _ in range(_SWEPT_AT_ONCE):
            oldest = next(iter(self._routes))
            if self._routes[oldest][1] > now and len(self._routes) <= self._max_conversations:
                break
            del self._routes[oldest]
            if not self._routes:
                break

    def __len__(self) -> int:
        return len(self._routes)
