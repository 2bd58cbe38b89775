"""What clients are told of a job: OpenAI's video object, lists of them, and what is left of a deleted one."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

Status = Literal["queued", "in_progress", "completed", "failed"]

_encode = msgspec.json.Encoder().encode


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A job as clients see it. Moments in seconds since 1970; `facts` are what the gateway adds, such as the cost."""

    video_id: str
    status: Status
    progress: int
    model: str
    seconds: int
    size: str
    created_at: int
    completed_at: int | None = None
    expires_at: int | None = None
    error: tuple[str, str] | None = None  # code and message
    facts: Mapping[str, Any] = {}


def video_object(shown: Shown) -> dict[str, Any]:
    """A video object. The prompt is not in it: it is not kept."""
    error = None if shown.error is None else {"code": shown.error[0], "message": shown.error[1]}
    return {
        "id": shown.video_id,
        "object": "video",
        "status": shown.status,
        "progress": shown.progress,
        "model": shown.model,
        "created_at": shown.created_at,
        "completed_at": shown.completed_at,
        "expires_at": shown.expires_at,
        "seconds": str(shown.seconds),
        "size": shown.size,
        "error": error,
        "remixed_from_video_id": None,
        **shown.facts,
    }


def video_body(shown: Shown) -> bytes:
    """One job."""
    return _encode(video_object(shown))


def list_body(page: Sequence[Shown], *, has_more: bool) -> bytes:
    """A page of jobs, with the ids that the next one is asked by."""
    return _encode(
        {
            "object": "list",
            "data": [video_object(shown) for shown in page],
            "first_id": page[0].video_id if page else None,
            "last_id": page[-1].video_id if page else None,
            "has_more": has_more,
        }
    )


def deleted_body(video_id: str) -> bytes:
    """The confirmation of a deletion."""
    return _encode({"id": video_id, "object": "video.deleted", "deleted": True})
