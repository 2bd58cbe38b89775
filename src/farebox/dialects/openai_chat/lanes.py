"""Parts of a stream in the order in which they began, one open at a time.

Chat names what a piece belongs to (text, reasoning, the call with this index), so pieces of several parts may come
mixed; canonical events know one open part. The first part that is not complete is open; pieces of later ones wait.
A text or a thought ends when something else begins. A call ends when its arguments are a whole JSON object and
something else has begun, or with the answer.
"""

from collections import deque
from collections.abc import Callable

import msgspec

from farebox.dialects.canonical.parts import Part, ToolCall
from farebox.dialects.canonical.reply import (
    CitationAdded,
    PartEnded,
    PartStarted,
    ReplyEvent,
    SealDelta,
    SummaryDelta,
    TextDelta,
)
from farebox.dialects.port import Broken

# Characters that wait for their turn, or tell whether a call is complete: more than any model writes in one answer.
MAX_HELD_CHARS = 4_000_000
# What a piece costs beside its text, so that many empty ones are bounded too.
PIECE_CHARS = 64

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Lane:
    """One part. `kind`: `text`, `refusal`, `reasoning`, `call`, or `whole` for one that came in one piece."""

    __slots__ = ("arguments", "closed", "held_chars", "kind", "part", "seal", "waiting")

    def __init__(self, kind: str, part: Part) -> None:
        self.kind = kind
        self.part = part
        # Makes the seal when the part ends, of all that came for it.
        self.seal: Callable[[], str] | None = None
        self.closed = False
        self.held_chars = 0
        self.waiting: list[ReplyEvent] = []
        # Pieces of a function call's arguments; None once they are too long to look at, and for free text.
        self.arguments: list[str] | None = [] if isinstance(part, ToolCall) and not part.custom else None

    def can_end(self) -> bool:
        """Whether this part is complete when something else has begun."""
        if self.kind != "call":
            return True
        if not self.arguments or not self.arguments[-1].rstrip().endswith("}"):
            return False
        try:
            _object.decode("".join(self.arguments))
        except (msgspec.MsgspecError, RecursionError):
            return False
        return True


class Lanes:
    """All parts of one answer. Holds at most `MAX_HELD_CHARS` characters of text; raises Broken beyond it."""

    __slots__ = ("_held_chars", "_lanes", "events")

    def __init__(self) -> None:
        self.events: list[ReplyEvent] = []  # for the owner to take
        self._lanes: deque[Lane] = deque()
        self._held_chars = 0

    @property
    def last(self) -> Lane | None:
        """The part that began last, unless it has ended."""
        return self._lanes[-1] if self._lanes else None

    def start(self, kind: str, part: Part) -> Lane:
        """Begin a part; what is before it ends, where that can be told."""
        lane = Lane(kind, part)
        self._lanes.append(lane)
        if len(self._lanes) == 1:
            self.events.append(PartStarted(part))
        else:
            self._advance()
        return lane

    def speak(self, kind: str, empty: Part, text: str) -> None:
        """More text of that kind: of the part that began last if it is of the same kind, else of a new one."""
        lane = self._lanes[-1] if self._lanes else None
        if lane is None or lane.kind != kind:
            lane = self.start(kind, empty)
        self.add(lane, TextDelta(text))

    def add(self, lane: Lane, event: TextDelta | SummaryDelta | CitationAdded | SealDelta) -> None:
        """A piece of a part. Raises Broken for a piece of one that has ended."""
        if lane.closed:
            if isinstance(event, TextDelta) and not event.text.strip():
                return
            raise Broken
        if lane.arguments is not None and isinstance(event, TextDelta):
            self._collect(lane, lane.arguments, event.text)
        if lane is self._lanes[0]:
            self.events.append(event)
            if len(self._lanes) > 1:
                self._advance()
            return
        self.hold(lane, PIECE_CHARS + (len(event.text) if isinstance(event, TextDelta | SummaryDelta) else 0))
        lane.waiting.append(event)

    def hold(self, lane: Lane, chars: int) -> None:
        """Count what is kept until the part ends. Raises Broken when it is too much."""
        lane.held_chars += chars
        self._held_chars += chars
        if self._held_chars > MAX_HELD_CHARS:
            raise Broken

    def _collect(self, lane: Lane, arguments: list[str], text: str) -> None:
        chars = PIECE_CHARS + len(text)
        if self._held_chars + chars > MAX_HELD_CHARS:
            lane.arguments = None
            return
        self.hold(lane, chars)
        arguments.append(text)

    def _advance(self) -> None:
        while len(self._lanes) > 1 and self._lanes[0].can_end():
            self._end_first()

    def _end_first(self) -> None:
        lane = self._lanes.popleft()
        if lane.seal is not None and (seal := lane.seal()):
            self.events.append(SealDelta(seal))
        self.events.append(PartEnded())
        lane.closed, lane.arguments = True, None
        self._held_chars -= lane.held_chars
        if self._lanes:
            following = self._lanes[0]
            self.events.append(PartStarted(following.part))
            self.events += following.waiting
            following.waiting = []

    def finish(self) -> None:
        """The answer is over: every part ends, in order."""
        while self._lanes:
            self._end_first()

    def take(self) -> list[ReplyEvent]:
        """The events since the last time."""
        events, self.events = self.events, []
        return events
