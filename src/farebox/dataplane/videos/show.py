"""Jobs as their workspace sees them: one, or a page of them. What is shown is our own row; nobody is asked for it."""

from typing import Any, Final
from urllib.parse import parse_qs
from uuid import UUID

from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.errors import Problem
from farebox.base.ids import IdError, show_call
from farebox.base.money import format_usd
from farebox.dataplane.asgi import Exchange
from farebox.dataplane.jobs.job import Job, read_video, show_video
from farebox.dataplane.jobs.states import OPEN_STATES, JobState
from farebox.dataplane.parts import Parts
from farebox.dataplane.videos.admit import SCOPE
from farebox.dataplane.videos.endings import paid_nanos
from farebox.dialects.account import is_account_code
from farebox.dialects.videos.answer import Shown, Status, list_body, video_body
from farebox.identity.authenticate import require_scope
from farebox.identity.model import KeyRecord

# Jobs of a page: as many as OpenAI gives, by default and at most.
PAGE, MAX_PAGE = 20, 100

_STATUS: Final[dict[JobState, Status]] = {
    JobState.SUBMITTING: "queued",
    JobState.QUEUED: "queued",
    JobState.RUNNING: "in_progress",
    JobState.SETTLING: "in_progress",
    JobState.COMPLETED: "completed",
    JobState.FAILED: "failed",
    JobState.EXPIRED: "failed",
    JobState.DELETED: "failed",
}
_MESSAGES: Final = {
    "moderation_blocked": "The provider does not make this film because of its content.",
    "generation_failed": "The provider could not make this film.",
    "job_expired": "The provider did not tell in time what became of this film.",
    "job_lost": "The gateway was interrupted while it ordered this film.",
}
_ORDER_FAILED: Final = "The order was not accepted."


def shown_of(job: Job) -> Shown:
    """The job in the surface's words, with what it holds or cost."""
    facts: dict[str, Any] = {"call_id": show_call(job.job_id)}
    if job.state in OPEN_STATES:
        facts["held_usd"] = format_usd(job.held_nanos)
    else:
        facts["cost_usd"] = format_usd(paid_nanos(job))
    if job.webhook_state is not None:
        facts["webhook"] = {"status": job.webhook_state, "attempts": job.webhook_attempts}
    return Shown(
        video_id=show_video(job.job_id),
        status=_STATUS[job.state],
        progress=100 if job.state is JobState.COMPLETED else job.progress,
        model=job.model_id,
        seconds=job.seconds,
        size=job.variant,
        created_at=job.created_at // MICROS_PER_SECOND,
        completed_at=_seconds(job.ended_at) if job.state not in OPEN_STATES else None,
        expires_at=_seconds(job.expires_at) if job.state is JobState.COMPLETED else None,
        error=_error(job),
        facts=facts,
    )


def _seconds(moment_micros: int | None) -> int | None:
    return None if moment_micros is None else moment_micros // MICROS_PER_SECOND


def _error(job: Job) -> tuple[str, str] | None:
    """Our own words: a provider's could repeat the prompt."""
    if job.state not in (JobState.FAILED, JobState.EXPIRED):
        return None
    code = job.error_code or "generation_failed"
    said = job.provider_code or ""
    reason = f" Its code: {said}." if said and not is_account_code(said) else ""
    return code, f"{_MESSAGES.get(code, _ORDER_FAILED)}{reason} Nothing is charged."


async def show_video_job(parts: Parts, exchange: Exchange, video_id: str) -> bytes:
    """`GET /v1/videos/{id}`. Raises Problem."""
    key = await key_for_videos(parts, exchange)
    return video_body(shown_of(await find_job(parts, key, video_id)))


async def list_video_jobs(parts: Parts, exchange: Exchange) -> bytes:
    """`GET /v1/videos`: the workspace's jobs, by `after`, `limit` and `order`. Raises Problem."""
    key = await key_for_videos(parts, exchange)
    asked = {name: values[0] for name, values in parse_qs(exchange.query).items()}
    limit = asked.get("limit", str(PAGE))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= MAX_PAGE):
        raise Problem("invalid_request", f"`limit` must be a whole number from 1 to {MAX_PAGE}.", param="limit")
    order = asked.get("order", "desc")
    if order not in ("asc", "desc"):
        raise Problem("invalid_request", "`order` must be asc or desc.", param="order")
    jobs = await parts.jobs.page(
        key.workspace_id, after=_after(asked.get("after")), most=int(limit) + 1, newest_first=order == "desc"
    )
    page = jobs[: int(limit)]
    return list_body([shown_of(job) for job in page], has_more=len(jobs) > len(page))


def _after(video_id: str | None) -> UUID | None:
    try:
        return None if video_id is None else read_video(video_id)
    except IdError as error:
        raise Problem("invalid_request", "`after` must be the id of a video.", param="after") from error


async def key_for_videos(parts: Parts, exchange: Exchange) -> KeyRecord:
    """The key of a request about jobs: any of the workspace's that has the scope. Raises Problem."""
    key = await parts.authenticate(exchange.headers, exchange.peer)
    require_scope(key, SCOPE)
    return key


async def find_job(parts: Parts, key: KeyRecord, video_id: str) -> Job:
    """The workspace's job. Raises Problem `not_found`, for others' jobs and deleted ones as well."""
    try:
        job = await parts.jobs.find(key.workspace_id, read_video(video_id))
    except IdError:
        job = None
    if job is None or job.state is JobState.DELETED:
        raise Problem("not_found", "This workspace has no such video.")
    return job


def not_finished(job: Job, what: str) -> Problem:
    """The refusal of something that only a finished job can do."""
    facts = {"status": _STATUS[job.state], "progress": job.progress}
    message = f"The video is {_STATUS[job.state]}: it cannot be {what} yet."
    return Problem("job_not_finished", message, facts=facts, retry_after_seconds=2)
