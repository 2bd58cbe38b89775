"""What the data plane needs of a provider's way with video jobs: how to ask, and how to read what it says."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Literal, NamedTuple

import msgspec

from farebox.dialects.port import Broken, Target
from farebox.dialects.videos.request import VideoRequest

Variant = Literal["video", "thumbnail", "spritesheet"]
# A provider's own word for an error: short and plain, or it is not one.
MAX_CODE_CHARS = 64

_any = msgspec.json.Decoder()


class Standing(StrEnum):
    """Where a job stands at its provider."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class Submission(NamedTuple):
    """A job as one provider gets it. `dropped` names what it cannot be told."""

    target: Target
    body: bytes
    dropped: tuple[str, ...] = ()


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says of a job. `progress` is a percentage; `content_uri` says where the film is, where the
    provider does not have it at the job's own address; `expires_at` until when, in seconds since 1970.

    `blocked`: the job failed because of its content. `code` is the provider's own word for a failure, if it has one.
    """

    standing: Standing
    progress: int = 0
    blocked: bool = False
    code: str | None = None
    content_uri: str | None = None
    expires_at: int | None = None


class Content(NamedTuple):
    """Where a film is fetched from: a path below the provider's base URL, or an address that the provider named."""

    path: str | None
    uri: str | None = None


class VideoUpstream(NamedTuple):
    """One form of video jobs, towards providers. What reads raises Broken for what is no answer.

    `submission` and `content` raise Inexpressible for what the provider cannot do. `lasting_seconds` is how long it
    keeps a film when it does not say so. `deletion`: where to delete a job and its film; None: it does that itself.
    """

    submission: Callable[[VideoRequest, str], Submission]
    read_submitted: Callable[[bytes], str]
    poll_path: Callable[[str], str]
    read_progress: Callable[[bytes], Progress]
    content: Callable[[str, str | None, Variant], Content]
    deletion: Callable[[str], str | None]
    lasting_seconds: int


def read_object(body: bytes) -> dict[str, Any]:
    """An answer that has to be one JSON object. Raises Broken."""
    try:
        found = _any.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Broken("not JSON") from error
    if not isinstance(found, dict):
        raise Broken("not an object")
    return found


def plain_code(value: Any) -> str | None:
    """A provider's word for an error, if it is plain enough to be repeated: it may never carry a prompt."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not 0 < len(text) <= MAX_CODE_CHARS:
        return None
    return text if all(c.isascii() and (c.isalnum() or c in "_.-") for c in text) else None


def percentage(value: Any) -> int:
    """A percentage as a whole number from 0 to 100, whatever was sent."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        return 0
    return int(value)
