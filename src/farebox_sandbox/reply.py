"""One reply, before a dialect writes it as a JSON body or as a stream."""

from typing import Any, NamedTuple

import msgspec

from farebox_sandbox.ask import Ask
from farebox_sandbox.compose import Answer
from farebox_sandbox.describe import media_parts
from farebox_sandbox.faults import Directives
from farebox_sandbox.prompt_cache import NO_CACHE, CacheUse
from farebox_sandbox.signatures import marked_id
from farebox_sandbox.usage import MEDIA_TOKENS


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
    def written_tokens(self) -> tuple[int, int]:
        """Prompt tokens that were written to a cache for 5 minutes and for an hour. None is counted twice."""
        said = (self.directives.cache_write_tokens, self.directives.cache_write_1h_tokens)
        if not any(said) and not self.directives.cached_tokens:
            said = (self.cache.written_5m_tokens, self.cache.written_1h_tokens)
        left = self.prompt_tokens - self.cached_tokens
        short = min(said[0], left)
        return short, min(said[1], left - short)

    @property
    def service_tier(self) -> str | None:
        return self.directives.service_tier

    def media_tokens(self, kind: str) -> int:
        """Prompt tokens of the parts of a kind: image, document, audio, video."""
        found = (part.kind for turn in self.ask.turns for part in media_parts(turn.parts))
        return MEDIA_TOKENS * sum(one == kind for one in found)

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
