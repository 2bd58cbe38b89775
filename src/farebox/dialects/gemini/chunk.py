"""One `GenerateContentResponse`: a whole answer, or one event of a stream. Fields that say nothing of the answer itself
(safety ratings, versions, averages) are not read."""

import re
from typing import Any

import msgspec

from farebox.dialects.port import Broken


class Call(msgspec.Struct, rename="camel", gc=False):
    """A function call; `args` is the JSON of an object. Gemini's own API always sends it whole."""

    name: str
    args: msgspec.Raw = msgspec.Raw()
    id: str | None = None
    partial_args: msgspec.Raw = msgspec.Raw()


class Blob(msgspec.Struct, rename="camel", gc=False):
    """Content that the model made."""

    mime_type: str = ""
    data: str = ""


class Part(msgspec.Struct, rename="camel"):
    """One part. The fields below `inline_data` are for the provider's own tools and go back as they came."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: Call | None = None
    inline_data: Blob | None = None
    executable_code: Any = None
    code_execution_result: Any = None
    tool_call: Any = None
    tool_response: Any = None
    file_data: Any = None


class Content(msgspec.Struct, rename="camel"):
    """What a candidate says."""

    parts: list[Part] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    """One answer. What stands beside its content is read only where it is there."""

    content: Content | None = None
    finish_reason: str | None = None
    grounding_metadata: Any = None
    citation_metadata: Any = None
    logprobs_result: Any = None
    url_context_metadata: Any = None


class Feedback(msgspec.Struct, rename="camel", gc=False):
    """What was found about the prompt."""

    block_reason: str | None = None


class Chunk(msgspec.Struct, rename="camel"):
    """The response. `error` stands alone, in the place of all others."""

    candidates: list[Candidate] | None = None
    prompt_feedback: Feedback | None = None
    usage_metadata: Any = None
    response_id: str | None = None
    error: Any = None


_chunk = msgspec.json.Decoder(Chunk)
_names = msgspec.json.Decoder(dict[str, Any])
# Fields of a part that tell something about another field of it.
_QUIET = ("mediaResolution", "videoMetadata", "partMetadata")
_KNOWN = frozenset((*Part.__struct_encode_fields__, *_QUIET))


def read_chunk(data: bytes) -> Chunk:
    """Raises Broken for an error, and for what is no response."""
    try:
        chunk = _chunk.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Broken from error
    if chunk.error is not None:
        raise Broken
    return chunk


def unknown_kinds(data: bytes) -> set[str]:
    """The names of the kinds of part in a response that has one that is not known here. Raises Broken."""
    try:
        parts = _names.decode(data)["candidates"][0]["content"]["parts"]
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Broken from error  # what is skipped above is not looked at: it need not be text
    return {plain(name) for part in parts for name in part if name not in _KNOWN}


def plain(name: str) -> str:
    """A name of Google's as names of what was dropped are written: short, in small letters with underscores."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"([A-Z])", r"_\1", name[:48]).lower()).strip("_")
