"""One reply, before a dialect writes it as a JSON body or as a stream."""

from typing import Any, NamedTuple

import msgspec

from farebox_sandbox.ask import Ask
from farebox_sandbox.compose import Answer
from farebox_sandbox.faults import Directives
from farebox_sandbox.prompt_cache import NO_CACHE, CacheUse
from farebox_sandbox.signatures import marked_id


class Reply(NamedTuple):
    """`stem` is what all ids are made from. `created` in Unix seconds."""

    stem: str
    created: int
    ask: Ask
    answer: Answer
    prompt_tokens: int
    directives: Directives
    cache: CacheUse = NO_CACHE

    @property
    def model(self) -> str:
        return self.ask.model

    @property
    def completion_tokens(self) -> int:
        """Of all choices."""
        return self.answer.completion_tokens * self.ask.choices

    @property
    def reasoning_tokens(self) -> int:
        """Of all choices; part of the completion."""
        return self.answer.reasoning_tokens * self.ask.choices

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens that were read from a cache: what the directive says, or what the prompt cache found."""
        return min(self.directives.cached_tokens or self.cache.read_tokens, self.prompt_tokens)

    @property
    def service_tier(self) -> str | None:
        return self.directives.service_tier

    @property
    def extra_text(self) -> str:
        """What `oversize_bytes` adds to the first text of a JSON answer."""
        return "x" * self.directives.oversize_bytes

    def tool_call_id(self, prefix: str, position: int, choice: int = 0) -> str:
        """Marked when thinking came before the call, so that its loss is noticed in the next turn."""
        stem = f"{self.stem}{choice}{position}"
        return marked_id(prefix, stem) if self.answer.reasoning_tokens else prefix + stem


def json_or_value(arguments: str) -> Any:
    """Tool arguments as a value; those that a token limit cut are an empty object."""
    try:
        return msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return {}
