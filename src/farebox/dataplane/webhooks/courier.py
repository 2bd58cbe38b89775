"""Tells receivers that a job is over: at least once, as long as it takes up to `webhooks.max_attempts`.

It runs in the process that does the chores, beside the poller and apart from it: tasks, connections and name look-ups
are its own, so a receiver that is slow delays other receivers at most. What is to be delivered stands in the job's row;
it is leased by one statement, so two processes at once do not tell twice what one of them has.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog

from farebox.base.clock import MICROS_PER_SECOND, Clock, rfc3339
from farebox.base.ids import show_call
from farebox.base.limits import Webhooks
from farebox.base.signing import signature, signing_key
from farebox.dataplane.jobs.job import Job
from farebox.dataplane.jobs.states import JobState, WebhookState
from farebox.dataplane.jobs.store import JobStore
from farebox.dataplane.videos.show import shown_of
from farebox.dataplane.webhooks.client import NotDelivered, WebhookClient
from farebox.dialects.videos.answer import video_object
from farebox.storage.errors import DatabaseUnavailable

TICK_SECONDS: Final = 1.0
# Deliveries under way at once, and of one workspace: others' slow receivers leave room.
MAX_CONCURRENT: Final = 16
MAX_OF_A_WORKSPACE: Final = 4
# A delivery is one process's alone for its timeout and as long again as writing down its end may take.
LEASE_MARGIN_SECONDS: Final = 30
# Waits between attempts: 5 s, 20 s, 80 s … 6 h, each by up to a fifth longer or shorter.
FIRST_WAIT_SECONDS: Final = 5.0
GROWTH: Final = 4.0
LAST_WAIT_SECONDS: Final = 21_600.0
JITTER: Final = 0.2
TOO_MANY: Final = "too_many_attempts"
# With this status a receiver says that it does not want to be told any more.
GONE: Final = 410

_TYPES: Final = {
    JobState.COMPLETED: "video.completed",
    JobState.FAILED: "video.failed",
    JobState.EXPIRED: "video.expired",
}

_log = structlog.get_logger(__name__)
_random = random.SystemRandom()


def message_id_of(job: Job) -> str:
    """The header `webhook-id`: the same for every attempt, so receivers know what they have had."""
    return f"msg_{job.job_id.hex}"


def event_of(job: Job) -> bytes:
    """What a receiver is told: the type, when the job ended, and the job as GET shows it, but for `webhook`."""
    video = video_object(shown_of(job))
    video.pop("webhook", None)
    moment = rfc3339(job.ended_at or job.created_at)
    return msgspec.json.encode({"type": _TYPES[job.state], "timestamp": moment, "data": video})


def wait_seconds(attempts: int) -> float:
    """How long to wait after so many failed attempts (from 1), in seconds."""
    grown = FIRST_WAIT_SECONDS * GROWTH ** min(attempts - 1, 20)
    return min(grown, LAST_WAIT_SECONDS) * _random.uniform(1 - JITTER, 1 + JITTER)


@dataclass(slots=True, kw_only=True)
class Courier:
    """Runs until cancelled."""

    store: JobStore
    make_client: Callable[[], WebhookClient]
    secret: str
    settings: Webhooks
    clock: Clock
    tick_seconds: float = TICK_SECONDS
    _working: dict["asyncio.Task[None]", int] = field(default_factory=dict)

    async def run(self) -> None:
        """Deliver until cancelled; whatever goes wrong, the next round comes."""
        client = self.make_client()
        try:
            while True:
                try:
                    await self.look(client)
                except DatabaseUnavailable as error:
                    _log.warning("webhooks were not delivered", why=type(error).__name__)
                await asyncio.sleep(self.tick_seconds)
        finally:
            for task in self._working:
                task.cancel()
            await asyncio.gather(*self._working, return_exceptions=True)
            await client.close()

    async def look(self, client: WebhookClient) -> None:
        """Begin to deliver what is due, as far as there is room. Raises DatabaseUnavailable."""
        room = MAX_CONCURRENT - len(self._working)
        if room <= 0:
            return
        now_micros = self.clock()
        lease_seconds = self.settings.timeout_seconds + LEASE_MARGIN_SECONDS
        jobs = await self.store.take_webhooks(
            now_micros,
            leased_until=now_micros + int(lease_seconds * MICROS_PER_SECOND),
            most=room,
            most_each=MAX_OF_A_WORKSPACE,
            busy=set(self._working.values()),
        )
        for job in jobs:
            task = asyncio.create_task(self.one(client, job), name="webhook")
            self._working[task] = job.workspace_id
            task.add_done_callback(self._working.pop)

    async def one(self, client: WebhookClient, job: Job) -> None:
        """Try one delivery, and write down what came of it."""
        try:
            await self._note(job, await self._deliver(client, job))
        except asyncio.CancelledError:
            # Told to stop: it may or may not have arrived, so it is sent again soon, and does not count.
            with contextlib.suppress(DatabaseUnavailable):
                await asyncio.shield(self.store.put_webhook_back(job, self.clock(), attempts=job.webhook_attempts - 1))
            raise
        except Exception as error:  # one delivery's fault must not end the others; the lease ends by itself
            _log.error("a webhook's delivery broke", call_id=show_call(job.job_id), why=type(error).__name__)

    async def _deliver(self, client: WebhookClient, job: Job) -> int | str:
        """The status, or why there is none."""
        if job.webhook_attempts > self.settings.max_attempts:
            return TOO_MANY  # the last one killed its process, or the setting was higher then
        assert job.webhook_url is not None, "what is pending has an address"
        body, message_id = event_of(job), message_id_of(job)
        timestamp_seconds = self.clock() // MICROS_PER_SECOND
        headers = {
            "content-type": "application/json",
            "user-agent": "farebox-webhook",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp_seconds),
            "webhook-signature": signature(
                signing_key(self.secret, job.workspace_id), message_id, timestamp_seconds, body
            ),
        }
        try:
            return await client.post(job.webhook_url, body, headers)
        except NotDelivered as error:
            return error.miss.value

    async def _note(self, job: Job, outcome: int | str) -> None:
        if isinstance(outcome, int) and 200 <= outcome < 300:
            await self.store.end_webhook(job, WebhookState.DELIVERED)
            return
        given_up = outcome == GONE or job.webhook_attempts >= self.settings.max_attempts
        _log.warning(
            "a webhook was not delivered",
            call_id=show_call(job.job_id),
            outcome=outcome,
            attempts=job.webhook_attempts,
            given_up=given_up,
        )
        if given_up:
            await self.store.end_webhook(job, WebhookState.FAILED)
            return
        next_at = self.clock() + int(wait_seconds(job.webhook_attempts) * MICROS_PER_SECOND)
        await self.store.put_webhook_back(job, next_at, attempts=job.webhook_attempts)
