"""Canonical turns as the API wants them: a system prompt at the top, and messages of users, assistants and, where the
API takes one, of the system.

A system message may stand after a user's message and before an assistant's or at the end, and never beside another one.
Source: Anthropic's page on mid-conversation system messages. Elsewhere it becomes a text of the user, in its place.
"""

from collections.abc import Sequence
from typing import Any, Final

from farebox.dialects.anthropic_messages.losses import Losses
from farebox.dialects.anthropic_messages.write_blocks import BlockWriter
from farebox.dialects.canonical.conversation import Role, Turn
from farebox.dialects.canonical.parts import Opaque, Part, Text
from farebox.dialects.port import Inexpressible

_ABOVE: Final[tuple[Role, ...]] = ("system", "developer")
# What is dropped when a system message loses its rank, or a provider knows none between the turns.
_RANK = "field:role"

Blocks = list[dict[str, Any]]


def messages_of(turns: Sequence[Turn], losses: Losses) -> tuple[Blocks, Blocks]:
    """The system prompt and the messages. Raises Inexpressible."""
    writer = MessageWriter(losses)
    first = next((place for place, turn in enumerate(turns) if turn.role not in _ABOVE), len(turns))
    system = [block for turn in turns[:first] for block in writer.system(turn.parts)]
    for turn, follower in zip(turns[first:], _followers(turns[first:]), strict=True):
        writer.write(turn, follower)
    if not writer.messages and system:
        # The API wants something to answer.
        losses.add(_RANK)
        return [], [{"role": "user", "content": system}]
    return system, writer.messages


def _followers(turns: Sequence[Turn]) -> list[Role]:
    """For each turn the role of the next one that is not the system's; the assistant answers the last."""
    found: list[Role] = []
    follower: Role = "assistant"
    for turn in reversed(turns):
        found.append(follower)
        follower = follower if turn.role in _ABOVE else turn.role
    return found[::-1]


class MessageWriter:
    """Writes turn after turn into `messages`."""

    def __init__(self, losses: Losses) -> None:
        self.messages: Blocks = []
        self._losses = losses
        self._blocks = BlockWriter(losses)
        self._results: dict[str, Any] | None = None  # the message that has nothing but results of tools

    def write(self, turn: Turn, follower: Role) -> None:
        """One turn; `follower` is the role of the next one that is not the system's. Raises Inexpressible."""
        if turn.name:
            self._losses.add("message_name")
        if turn.role in _ABOVE:
            self._write_system(self.system(turn.parts), follower)
            return
        written = self._blocks.assistant if turn.role == "assistant" else self._blocks.user
        blocks = [block for part in turn.parts if (block := written(part)) is not None]
        last = self.messages[-1] if self.messages else None
        if not blocks:
            return
        if turn.role == "assistant":
            if last is not None and last["role"] == "assistant":
                last["content"] += blocks
            else:
                self.messages.append({"role": "assistant", "content": blocks})
        elif last is not None and last is self._results:
            # What the user says besides stands in one message with the results.
            last["content"] += blocks
            self._results = last if _only_results(blocks) else None
        else:
            self.messages.append({"role": "user", "content": blocks})
            self._results = self.messages[-1] if _only_results(blocks) else None

    def system(self, parts: Sequence[Part]) -> Blocks:
        """The blocks of a system turn. Raises Inexpressible."""
        blocks: Blocks = []
        for part in parts:
            if not isinstance(part, Text | Opaque):
                raise Inexpressible(f"part:{type(part).__name__.lower()}", "messages")
            if (block := self._blocks.user(part)) is not None:
                blocks.append(block)
        return blocks

    def _write_system(self, blocks: Blocks, follower: Role) -> None:
        if not blocks:
            return
        last = self.messages[-1] if self.messages else None
        if last is not None and last["role"] == "system":
            last["content"] += blocks
        elif last is not None and last["role"] == "user" and follower == "assistant" and self._losses.supports(_RANK):
            self.messages.append({"role": "system", "content": blocks})
        else:
            self._losses.add(_RANK)
            self.messages.append({"role": "user", "content": blocks})


def _only_results(blocks: Blocks) -> bool:
    return all(block.get("type") == "tool_result" for block in blocks)
