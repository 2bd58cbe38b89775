"""Google's films, towards providers: `predictLongRunning`, an operation to ask after, and a file to fetch.

The Gemini API's form (`generateVideoResponse.generatedSamples`), as its reference and the types of `google-genai` have
it; sizes become an aspect ratio and a resolution.
"""

import re
from base64 import b64encode
from typing import Any, Final
from urllib.parse import quote

import msgspec

from farebox.dialects.port import Broken, Inexpressible, Target
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

# Google's guide: films stay on its server for two days.
LASTING_SECONDS: Final = 2 * 86_400
MAX_URI_CHARS: Final = 2_048
MAX_NAME_CHARS: Final = 400

_SHAPES: Final = {
    "1280x720": ("16:9", "720p"),
    "720x1280": ("9:16", "720p"),
    "1920x1080": ("16:9", "1080p"),
    "1080x1920": ("9:16", "1080p"),
    "3840x2160": ("16:9", "4k"),
    "2160x3840": ("9:16", "4k"),
}
_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*){1,9}")
_encode = msgspec.json.Encoder().encode


def submission(request: VideoRequest, upstream_model: str) -> Submission:
    """One instance, one sample. Raises Inexpressible for a size that Google does not make, or a picture's address."""
    shape = _SHAPES.get(request.size)
    if shape is None:
        raise Inexpressible(f"size:{request.size}", "size")
    if request.picture_url is not None:
        raise Inexpressible("part:image_url", "input_reference")
    instance: dict[str, Any] = {"prompt": request.prompt}
    if request.picture is not None:
        data = b64encode(request.picture.data).decode()
        instance["image"] = {"bytesBase64Encoded": data, "mimeType": request.picture.media_type}
    parameters = {
        "aspectRatio": shape[0],
        "resolution": shape[1],
        "durationSeconds": request.seconds,
        "sampleCount": 1,
    }
    target = Target(f"/models/{quote(upstream_model, safe='')}:predictLongRunning")
    dropped = tuple(f"field:{name}" for name in request.unknown)
    return Submission(target, _encode({"instances": [instance], "parameters": parameters}), dropped)


def read_submitted(body: bytes) -> str:
    """The operation's name. Raises Broken: a name goes into addresses, so it has to look like one."""
    name = read_object(body).get("name")
    if not isinstance(name, str) or len(name) > MAX_NAME_CHARS or not _NAME.fullmatch(name):
        raise Broken("no operation")
    return name


def read_progress(body: bytes) -> Progress:
    """An operation. Raises Broken."""
    found = read_object(body)
    if found.get("done") is not True:
        if found.get("name") is None and found.get("metadata") is None:
            raise Broken("no operation")
        metadata = found.get("metadata")
        percent = metadata.get("progressPercent") if isinstance(metadata, dict) else None
        return Progress(standing=Standing.RUNNING, progress=percentage(percent))
    error, response = found.get("error"), found.get("response")
    if isinstance(error, dict):
        return Progress(standing=Standing.FAILED, code=plain_code(error.get("status") or error.get("code")))
    if not isinstance(response, dict):
        raise Broken("no response")
    return _finished(response.get("generateVideoResponse"))


def _finished(answer: Any) -> Progress:
    """A finished operation: a film, or the reason why there is none."""
    if not isinstance(answer, dict):
        raise Broken("no answer")
    samples = answer.get("generatedSamples")
    for sample in samples if isinstance(samples, list) else ():
        video = sample.get("video") if isinstance(sample, dict) else None
        uri = video.get("uri") if isinstance(video, dict) else None
        if isinstance(uri, str) and 0 < len(uri) <= MAX_URI_CHARS:
            return Progress(standing=Standing.COMPLETED, progress=100, content_uri=uri)
    filtered = bool(answer.get("raiMediaFilteredReasons") or answer.get("raiMediaFilteredCount"))
    return Progress(standing=Standing.FAILED, blocked=filtered)


def content(upstream_id: str, uri: str | None, variant: Variant) -> Content:
    """The file that the operation named. Raises Inexpressible: there are no previews."""
    if variant != "video":
        raise Inexpressible(f"variant:{variant}", "variant")
    return Content(None, uri)


def _poll_path(upstream_id: str) -> str:
    return f"/{upstream_id}"


def _deletion(upstream_id: str) -> None:
    """Google deletes films by itself."""


UPSTREAM: Final = VideoUpstream(
    submission=submission,
    read_submitted=read_submitted,
    poll_path=_poll_path,
    read_progress=read_progress,
    content=content,
    deletion=_deletion,
    lasting_seconds=LASTING_SECONDS,
)
