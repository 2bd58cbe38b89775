"""Deleting a job: the provider is asked to forget the film, and nobody sees the job any more. Its receipt stays."""

import asyncio

import structlog

from farebox.base.ids import show_call
from farebox.dataplane.asgi import Exchange
from farebox.dataplane.jobs.job import Job, show_video
from farebox.dataplane.jobs.states import OPEN_STATES, Move
from farebox.dataplane.parts import Parts
from farebox.dataplane.videos.show import find_job, key_for_videos, not_finished
from farebox.dialects.port import Target
from farebox.dialects.videos import VIDEO_UPSTREAMS
from farebox.dialects.videos.answer import deleted_body
from farebox.providers.client import UpstreamFailure, Waits

# The customer waits for it, and it is not worth much waiting.
WAITS = Waits(connect=5.0, first_byte=10.0, idle=10.0, total=10.0)

_log = structlog.get_logger(__name__)


async def delete_video_job(parts: Parts, exchange: Exchange, video_id: str) -> bytes:
    """`DELETE /v1/videos/{id}`. Raises Problem: providers cannot cancel a job that runs."""
    key = await key_for_videos(parts, exchange)
    job = await find_job(parts, key, video_id)
    if job.state in OPEN_STATES:
        raise not_finished(job, "deleted")
    await asyncio.shield(_forget_upstream(parts, job))
    await parts.jobs.move(job, Move.DELETE)
    return deleted_body(show_video(job.job_id))


async def _forget_upstream(parts: Parts, job: Job) -> None:
    """As far as it can be done: a film that stays expires by itself."""
    provider = parts.catalog().provider(job.provider_id)
    if provider is None or job.upstream_id is None:
        return
    credential = parts.accounts.again(provider, job.credential_id, job.workspace_id)
    endpoint = None if credential is None else parts.accounts.endpoint(provider, credential)
    if endpoint is None:
        return
    path = VIDEO_UPSTREAMS[provider.video_dialect].deletion(job.upstream_id)
    if path is None:
        return
    try:
        response = await parts.client.request("DELETE", endpoint, Target(path), WAITS)
    except UpstreamFailure as failure:
        _log.warning("a film was not deleted upstream", call_id=show_call(job.job_id), outcome=failure.kind.value)
        return
    if response.status >= 300 and response.status != 404:
        _log.warning("a film was not deleted upstream", call_id=show_call(job.job_id), status=response.status)
    response.close()
