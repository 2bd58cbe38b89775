"""Video jobs as the Gemini API has them for Veo: `predictLongRunning`, its operations, and their files."""

import time
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from farebox_sandbox.core import Core
from farebox_sandbox.dialects.gemini import GEMINI
from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.exchange import Exchange
from farebox_sandbox.routing import Routes
from farebox_sandbox.workloads.answers import answer_json, base_url
from farebox_sandbox.workloads.files import film, send_file
from farebox_sandbox.workloads.form import receive
from farebox_sandbox.workloads.jobs import Job, JobBook

VERSIONS = ("v1beta", "v1")
USUAL_SECONDS = 8
USUAL_RESOLUTION = "720p"
INTERNAL = 13  # of google.rpc.Code
FILE_MARK = "v"  # between job and number in a file's name; no digit of a job's id

_RESPONSE_KIND = "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse"


class Instance(Struct, rename="camel"):
    prompt: str = ""
    image: Any = None
    last_frame: Any = None
    video: Any = None
    reference_images: Any = None


class Parameters(Struct, rename="camel"):
    aspect_ratio: str | None = None
    duration_seconds: Annotated[int, Meta(ge=1, le=60)] | None = None
    resolution: str | None = None
    sample_count: Annotated[int, Meta(ge=1, le=4)] | None = None
    number_of_videos: Annotated[int, Meta(ge=1, le=4)] | None = None


class PredictRequest(Struct):
    instances: Annotated[list[Instance], Meta(min_length=1, max_length=1)]
    parameters: Parameters | None = None


class Veo:
    def __init__(self, sandbox: Core) -> None:
        self._sandbox = sandbox
        self._jobs = JobBook()
        self.routes: Routes = {}
        for version in VERSIONS:
            self.routes |= {
                ("POST", f"/{version}/models/{{model}}:predictLongRunning"): self._create,
                ("GET", f"/{version}/models/{{model}}/operations/{{id}}"): self._operation,
                ("GET", f"/{version}/operations/{{id}}"): self._operation,
                ("GET", f"/{version}/files/{{file}}:download"): self._download,
            }

    async def _create(self, exchange: Exchange) -> None:
        self._authenticate(exchange)
        received = await receive(self._sandbox, exchange)
        # Numbers may be text, as in all of Google's JSON.
        request = msgspec.convert(received.fields, PredictRequest, strict=False)
        asked = request.parameters or Parameters()
        described = {
            "seconds": None if asked.duration_seconds is None else str(asked.duration_seconds),
            "size": asked.resolution,
            "n": asked.sample_count or asked.number_of_videos,
        }
        model = exchange.parameters["model"]
        if await self._sandbox.begin(exchange, model, received.own, **described):
            return
        instance = request.instances[0]
        if not instance.prompt and instance.image is None and instance.video is None:
            raise UpstreamError(400, "Input instance with `prompt`, `image` or `video` is needed.")
        job = Job(
            id=exchange.stem,
            account=exchange.call.account,
            model=model,
            prompt=instance.prompt,
            seconds=asked.duration_seconds or USUAL_SECONDS,
            size=asked.resolution or USUAL_RESOLUTION,
            n=asked.sample_count or asked.number_of_videos or 1,
            made_at=time.time(),
            started=time.monotonic(),
            directives=exchange.directives,
        )
        self._jobs.add(job)
        await answer_json(exchange, {"name": _name(job)})

    async def _operation(self, exchange: Exchange) -> None:
        self._authenticate(exchange)
        operation = exchange.parameters["id"]
        job = self._jobs.find(operation, f"Operation {operation}", account=exchange.call.account)
        if exchange.parameters.get("model", job.model) != job.model:
            raise UpstreamError(404, "The operation is not one of this model.")
        if await self._sandbox.begin(exchange, job.model, None):
            return
        await answer_json(exchange, _shown(job, exchange))

    async def _download(self, exchange: Exchange) -> None:
        self._authenticate(exchange)
        name = exchange.parameters["file"]
        job_id, _, number = name.partition(FILE_MARK)
        job = self._jobs.find(job_id, f"File {name}", account=exchange.call.account)
        if number not in map(str, range(job.n)) or not _has_files(job):
            raise UpstreamError(404, f"File {name} was not found.")
        if await self._sandbox.begin(exchange, job.model, None):
            return
        await send_file(exchange, "video/mp4", film(f"{name}\n{job.prompt}", job.seconds))

    def _authenticate(self, exchange: Exchange) -> None:
        exchange.call.dialect = GEMINI.name
        exchange.error_body = GEMINI.error_body
        if not self._sandbox.knows_key(exchange, *GEMINI.key_headers):
            raise UpstreamError(*GEMINI.wrong_key)


def _name(job: Job) -> str:
    return f"models/{job.model}/operations/{job.id}"


def _has_files(job: Job) -> bool:
    return job.state.status == "completed"


def _shown(job: Job, exchange: Exchange) -> dict[str, Any]:
    """The operation: without `done` while it runs, then with `error` or `response`."""
    status, failure = job.state.status, job.failure
    if status not in ("completed", "failed"):
        return {"name": _name(job)}
    done = {"name": _name(job), "done": True}
    if failure is not None and not failure.filtered:
        code = int(failure.code) if failure.code.isascii() and failure.code.isdigit() else INTERNAL
        return {**done, "error": {"code": code, "message": failure.message}}
    if failure is not None:
        told: dict[str, Any] = {"raiMediaFilteredCount": job.n, "raiMediaFilteredReasons": [failure.message]}
    else:
        version = exchange.scope["path"].split("/")[1]
        start = f"{base_url(exchange)}/{version}/files/{job.id}{FILE_MARK}"
        uris = [f"{start}{number}:download?alt=media" for number in range(job.n)]
        told = {"generatedSamples": [{"video": {"uri": uri}} for uri in uris]}
    return {**done, "response": {"@type": _RESPONSE_KIND, "generateVideoResponse": told}}
