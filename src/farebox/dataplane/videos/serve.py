"""The addresses of video jobs. Errors are told by the application, in OpenAI's form."""

from uuid import UUID

from farebox.base.errors import Problem
from farebox.dataplane.asgi import Exchange, id_headers, send_whole
from farebox.dataplane.parts import Parts
from farebox.dataplane.videos.content import send_content
from farebox.dataplane.videos.delete import delete_video_job
from farebox.dataplane.videos.show import list_video_jobs, show_video_job
from farebox.dataplane.videos.submit import submit_video
from farebox.storage.errors import DatabaseUnavailable

PATH = "/videos"
_CONTENT = "content"


def serves_videos(path: str) -> bool:
    """Whether an address (without `/v1`) is one of video jobs."""
    return path == PATH or path.startswith(PATH + "/")


def video_methods(path: str) -> str:
    """What may be done at an address of video jobs, as the Allow header lists it."""
    if path == PATH:
        return "GET, HEAD, POST"
    return "GET, HEAD" if path.endswith(f"/{_CONTENT}") else "DELETE, GET, HEAD"


async def serve_videos(parts: Parts, path: str, method: str, exchange: Exchange, *, call_id: UUID) -> None:
    """Serve one request about video jobs. Raises Problem and Refused before anything was sent."""
    try:
        await _serve(parts, path.removeprefix(PATH).strip("/"), method, exchange, call_id=call_id)
    except DatabaseUnavailable as error:
        message = "The database cannot be reached; nothing was started and nothing is charged."
        raise Problem("database_unavailable", message, retry_after_seconds=5) from error


async def _serve(parts: Parts, place: str, method: str, exchange: Exchange, *, call_id: UUID) -> None:
    video_id, _, rest = place.partition("/")
    reads = method in ("GET", "HEAD")
    if rest not in ("", _CONTENT):
        raise Problem("not_found", "There is nothing at this address.")
    if rest and reads:
        await send_content(parts, exchange, video_id, only_headers=method == "HEAD")
        return
    if not place and method == "POST":
        await submit_video(parts, exchange, call_id)
        return
    if not place and reads:
        body = await list_video_jobs(parts, exchange)
    elif place and not rest and reads:
        body = await show_video_job(parts, exchange, video_id)
    elif place and not rest and method == "DELETE":
        body = await delete_video_job(parts, exchange, video_id)
    else:
        raise Problem("method_not_allowed", f"Use {video_methods(PATH + '/' + place if place else PATH)} here.")
    headers = [
        *id_headers(call_id),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send_whole(exchange.send, 200, headers, b"" if method == "HEAD" else body)
