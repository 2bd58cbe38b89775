"""OpenAI's Videos API, towards providers: `POST /videos`, `GET /videos/{id}`, `/content`, `DELETE`."""

import re
from typing import Any, Final

import msgspec

from farebox.dialects.port import Broken, Target
from farebox.dialects.videos.form import Part, write_form
from farebox.dialects.videos.port import (
    Content,
    Progress,
    Standing,
    Submission,
    Variant,
    VideoUpstream,
    percentage,
    plain_code,
    read_object,
)
from farebox.dialects.videos.request import VideoRequest

# OpenAI keeps films for a day, and says so with the job; this counts where a compatible vendor does not.
LASTING_SECONDS: Final = 86_400

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
_STANDINGS: Final = {
    "queued": Standing.QUEUED,
    "in_progress": Standing.RUNNING,
    "completed": Standing.COMPLETED,
    "failed": Standing.FAILED,
    "cancelled": Standing.FAILED,
    "expired": Standing.FAILED,
}
_BLOCKED: Final = frozenset({"moderation_blocked", "content_policy_violation", "sentinel_block"})
_EXTENSIONS: Final = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
_MAX_MOMENT: Final = 1 << 40  # seconds; what is beyond is no moment

_encode = msgspec.json.Encoder().encode


def submission(request: VideoRequest, upstream_model: str) -> Submission:
    """JSON, or a form where there is a picture to send along."""
    fields: dict[str, Any] = {
        "model": upstream_model,
        "prompt": request.prompt,
        "seconds": str(request.seconds),
        "size": request.size,
    }
    dropped = tuple(f"field:{name}" for name in request.unknown)
    if request.picture is None:
        if request.picture_url is not None:
            fields["input_reference"] = {"image_url": request.picture_url}
        return Submission(Target("/videos"), _encode(fields), dropped)
    kind = request.picture.media_type
    parts = [Part(name, value.encode()) for name, value in fields.items()]
    parts.append(Part("input_reference", request.picture.data, f"reference.{_EXTENSIONS[kind]}", kind))
    content_type, body = write_form(parts)
    return Submission(Target("/videos", (("content-type", content_type),)), body, dropped)


def read_submitted(body: bytes) -> str:
    """The job's id. Raises Broken: an id goes into addresses, so it has to look like one."""
    found = read_object(body).get("id")
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise Broken("no id")
    return found


def read_progress(body: bytes) -> Progress:
    """A video object. Raises Broken."""
    found = read_object(body)
    standing = _STANDINGS.get(found["status"]) if isinstance(found.get("status"), str) else None
    if standing is None:
        raise Broken("no status")
    error = found.get("error")
    code = plain_code(error.get("code")) if isinstance(error, dict) else None
    expires_at = found.get("expires_at")
    if isinstance(expires_at, bool) or not isinstance(expires_at, int) or not 0 < expires_at < _MAX_MOMENT:
        expires_at = None
    return Progress(
        standing=standing,
        progress=percentage(found.get("progress")),
        blocked=standing is Standing.FAILED and code in _BLOCKED,
        code=code if standing is Standing.FAILED else None,
        expires_at=expires_at,
    )


def content(upstream_id: str, uri: str | None, variant: Variant) -> Content:
    """The film, or a preview of it, below the job's address."""
    query = "" if variant == "video" else f"?variant={variant}"
    return Content(f"{_path(upstream_id)}/content{query}")


def _path(upstream_id: str) -> str:
    return f"/videos/{upstream_id}"


UPSTREAM: Final = VideoUpstream(
    submission=submission,
    read_submitted=read_submitted,
    poll_path=_path,
    read_progress=read_progress,
    content=content,
    deletion=_path,
    lasting_seconds=LASTING_SECONDS,
)
