"""Video jobs as OpenAI has them: `/v1/videos`."""

import re
import time
from typing import Annotated, Any
from urllib.parse import parse_qs

from msgspec import Meta, Struct

from farebox_sandbox.core import Core
from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.exchange import Exchange
from farebox_sandbox.routing import Routes
from farebox_sandbox.workloads.answers import answer_json
from farebox_sandbox.workloads.files import film, send_file
from farebox_sandbox.workloads.form import Received, receive
from farebox_sandbox.workloads.jobs import Job, JobBook, State
from farebox_sandbox.workloads.png import picture

USUAL_MODEL = "sora-2"
USUAL_SECONDS = 4
MAX_SECONDS = 60
USUAL_SIZE = "720x1280"
USUAL_PAGE = 20
MAX_PAGE = 100

_SIZE = re.compile(r"[1-9]\d{1,3}x[1-9]\d{1,3}")
_THUMBNAIL_SCALE = 4


class VideoRequest(Struct):
    prompt: Annotated[str, Meta(min_length=1)]
    model: str = USUAL_MODEL
    seconds: str | int | None = None
    size: str | None = None
    input_reference: Any = None


class Videos:
    def __init__(self, sandbox: Core) -> None:
        self._sandbox = sandbox
        self._jobs = JobBook()
        self.routes: Routes = {
            ("POST", "/v1/videos"): self._create,
            ("GET", "/v1/videos"): self._list,
            ("GET", "/v1/videos/{id}"): self._retrieve,
            ("DELETE", "/v1/videos/{id}"): self._delete,
            ("GET", "/v1/videos/{id}/content"): self._content,
        }

    async def _create(self, exchange: Exchange) -> None:
        self._sandbox.authenticate(exchange)
        received = await receive(self._sandbox, exchange)
        request = received.read(VideoRequest)
        seconds = None if request.seconds is None else str(request.seconds)
        described = {"seconds": seconds, "size": request.size, "files": received.logged}
        if await self._sandbox.begin(exchange, request.model, received.own, **described):
            return
        _check_reference(request, received)
        job = Job(
            id=f"video_{exchange.stem}",
            account=exchange.call.account,
            model=request.model,
            prompt=request.prompt,
            seconds=_seconds(seconds),
            size=_size(request.size),
            n=1,
            made_at=time.time(),
            started=time.monotonic(),
            directives=exchange.directives,
        )
        self._jobs.add(job)
        await answer_json(exchange, _shown(job, State("queued", 0)))

    async def _list(self, exchange: Exchange) -> None:
        self._sandbox.authenticate(exchange)
        asked = {name: values[0] for name, values in parse_qs(exchange.scope["query_string"].decode("latin-1")).items()}
        jobs = self._jobs.of(exchange.call.account)
        if asked.get("order") != "asc":
            jobs.reverse()
        ids = [job.id for job in jobs]
        if asked.get("after") in ids:
            jobs = jobs[ids.index(asked["after"]) + 1 :]
        limit = asked.get("limit", str(USUAL_PAGE))
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= MAX_PAGE):
            raise UpstreamError(400, f"'limit' must be a whole number from 1 to {MAX_PAGE}.")
        page = [_shown(job, job.state) for job in jobs[: int(limit)]]
        ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
        await answer_json(exchange, {"object": "list", "data": page, "has_more": len(jobs) > len(page), **ends})

    async def _retrieve(self, exchange: Exchange) -> None:
        job = await self._begin(exchange)
        if job is not None:
            await answer_json(exchange, _shown(job, job.state))

    async def _delete(self, exchange: Exchange) -> None:
        job = await self._begin(exchange)
        if job is not None:
            self._jobs.delete(job)
            await answer_json(exchange, {"id": job.id, "deleted": True, "object": "video.deleted"})

    async def _content(self, exchange: Exchange) -> None:
        job = await self._begin(exchange)
        if job is None:
            return
        status = job.state.status
        if status != "completed":
            message = (
                f"Video is {status}: there is nothing to download. Use GET /v1/videos/{job.id} to check its status."
            )
            raise UpstreamError(404, message, "not_found")
        variant = parse_qs(exchange.scope["query_string"].decode("latin-1")).get("variant", ["video"])[0]
        if variant == "video":
            await send_file(exchange, "video/mp4", film(f"{job.id}\n{job.prompt}", job.seconds))
        elif variant in ("thumbnail", "spritesheet"):
            width, height = (max(1, int(edge) // _THUMBNAIL_SCALE) for edge in job.size.split("x"))
            await send_file(exchange, "image/png", picture(width, height, f"{job.prompt}\n{variant}"))
        else:
            raise UpstreamError(400, "'variant' must be one of video, thumbnail, spritesheet.")

    async def _begin(self, exchange: Exchange) -> Job | None:
        """The job of the path, with the faults that were set ahead for its model; None when those have answered."""
        self._sandbox.authenticate(exchange)
        what = f"Video with id '{exchange.parameters['id']}'"
        job = self._jobs.find(exchange.parameters["id"], what, account=exchange.call.account)
        return None if await self._sandbox.begin(exchange, job.model, None) else job


def _check_reference(request: VideoRequest, received: Received) -> None:
    count = len(received.uploads("input_reference")) + (request.input_reference is not None)
    if count > 1:
        raise UpstreamError(400, "There can be only one 'input_reference'.")
    is_object = isinstance(request.input_reference, dict | None)
    if not is_object or set(request.input_reference or ()) - {"image_url", "file_id"}:
        raise UpstreamError(400, "'input_reference' must be a file, or an object with 'image_url' or 'file_id'.")


def _seconds(asked: str | None) -> int:
    if asked is None:
        return USUAL_SECONDS
    if not (asked.isascii() and asked.isdigit() and len(asked) < 4 and 1 <= int(asked) <= MAX_SECONDS):
        raise UpstreamError(400, f"'seconds' must be a whole number from 1 to {MAX_SECONDS}.")
    return int(asked)


def _size(asked: str | None) -> str:
    if asked is not None and not _SIZE.fullmatch(asked):
        raise UpstreamError(400, "'size' must be WIDTHxHEIGHT, with 10 to 9999 pixels each.")
    return asked or USUAL_SIZE


def _shown(job: Job, state: State) -> dict[str, Any]:
    """The job as the API shows it."""
    failure = job.failure if state.status == "failed" else None
    completed = state.status == "completed"
    return {
        "id": job.id,
        "object": "video",
        "model": job.model,
        "status": state.status,
        "progress": state.progress,
        "created_at": int(job.made_at),
        "completed_at": int(job.made_at + job.directives.job_seconds) if completed else None,
        "expires_at": None if job.expires_at is None else int(job.expires_at),
        "prompt": job.prompt,
        "seconds": str(job.seconds),
        "size": job.size,
        "remixed_from_video_id": None,
        "error": None if failure is None else {"code": failure.code, "message": failure.message},
    }
