"""The chat-completions request as the sandbox reads it. Fields that it does not act on are ignored, as upstreams do."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

MAX_CHOICES = 128  # the limit that OpenAI documents for `n`

TokenLimit = Annotated[int, Meta(ge=1)]


class Part(Struct):
    """One content part. Anything that is not text counts as media."""

    type: str
    text: str = ""


class Message(Struct):
    role: str
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[Any] | None = None

    @property
    def text(self) -> str:
        """All text of the message, its parts joined by line feeds."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or () if part.text)

    @property
    def media_parts(self) -> int:
        """How many parts are images, audio or files."""
        if not isinstance(self.content, list):
            return 0
        return sum(part.type not in ("text", "refusal") for part in self.content)


class Function(Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(Struct):
    type: str = "function"
    function: Function | None = None


class StreamOptions(Struct, omit_defaults=True):
    include_usage: bool | UnsetType | None = UNSET
    include_obfuscation: bool | UnsetType | None = UNSET


class ChatRequest(Struct):
    model: str
    messages: Annotated[list[Message], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=MAX_CHOICES)] | None = None
    max_tokens: TokenLimit | None = None
    max_completion_tokens: TokenLimit | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    sandbox: dict[str, Any] | None = None

    @property
    def token_limit(self) -> int | None:
        """Output tokens of one choice; None when the client set no limit."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with a usage chunk."""
        return bool(self.stream_options and self.stream_options.include_usage is True)


_decoder = msgspec.json.Decoder(ChatRequest)


def read_request(body: bytes) -> ChatRequest:
    """The request of a JSON body; raises msgspec.DecodeError (of which ValidationError is a kind)."""
    return _decoder.decode(body)
