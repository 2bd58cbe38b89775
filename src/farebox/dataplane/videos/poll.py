"""Looks after jobs that nobody waits for: asks their providers, ends what is over, finds what a dead worker left.

It runs in the process that does the chores. Two of them at once do no harm: a job is leased by one statement, every
change of state names the state before it, and the ledger's command has one id. No connection is held while a provider
is asked.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

import structlog

from farebox.base.clock import MICROS_PER_SECOND, Clock
from farebox.base.ids import show_call
from farebox.base.limits import VideoJobs
from farebox.catalog.model import Catalog, Provider
from farebox.dataplane.jobs.job import Job
from farebox.dataplane.jobs.states import JobState, Move
from farebox.dataplane.jobs.store import JobStore
from farebox.dataplane.metrics import Metrics
from farebox.dataplane.videos.endings import COMPLETED, EXPIRED, FAILED, LOST, Endings
from farebox.dialects.port import Broken, Target
from farebox.dialects.videos import VIDEO_UPSTREAMS
from farebox.dialects.videos.addresses import first_hop
from farebox.dialects.videos.port import Progress, Standing, VideoUpstream
from farebox.ledger.batcher import Batcher, LedgerFault, LedgerUnavailable
from farebox.providers.accounts import Accounts
from farebox.providers.client import UpstreamClient, UpstreamFailure, Waits
from farebox.providers.pools import Credential
from farebox.storage.errors import DatabaseUnavailable

# Between two looks at what is due; a job that is to be asked after sooner waits no longer than this.
TICK_SECONDS = 1.0
# A poll is a small answer; a provider that cannot give it in this time is asked again later.
WAITS = Waits(connect=5.0, first_byte=15.0, idle=15.0, total=20.0)
MAX_ANSWER_BYTES = 1_000_000
# For how long a job is one poller's alone: longer than a poll and a settlement take.
LEASE_SECONDS = 60
GROWTH = 1.5
MAX_GROWTH_STEPS = 20
# So often in a row a provider may say that it does not know a job, before it is believed.
MAX_MISSES = 5
# A row that is being submitted is looked at again after so long, and given up after so long whoever submits it: longer
# than all attempts of an order together may take.
SUBMITTING_AGAIN_SECONDS = 10
SUBMITTING_MOST_SECONDS = 3_600
# Holds without a job are found this often, and are left alone while the worker may still be writing.
STRAYS_EVERY_SECONDS = 60.0
STRAY_AFTER_SECONDS = 900
MAX_STRAYS = 100

_log = structlog.get_logger(__name__)


class Silence(Enum):
    """Why a provider did not say where a job stands."""

    UNKNOWN_JOB = "unknown job"  # it answered that it has no such job
    UNHEARD = "unheard"  # it could not be asked, or gave no answer that says anything


@dataclass(slots=True, kw_only=True)
class Poller:
    """Runs until cancelled."""

    store: JobStore
    ledger: Batcher
    client: UpstreamClient
    accounts: Accounts
    catalog: Callable[[], Catalog]
    clock: Clock
    settings: VideoJobs
    metrics: Metrics
    _working: dict["asyncio.Task[None]", str] = field(default_factory=dict)  # and which provider it asks
    _strays_at: float = 0.0

    @property
    def _share_of_a_provider(self) -> int:
        """So many questions may be open at one provider: one that is slow leaves room for the others."""
        return max(1, self.settings.max_concurrent_polls // 2)

    @property
    def _endings(self) -> Endings:
        return Endings(self.store, self.ledger, clock=self.clock, metrics=self.metrics)

    async def run(self) -> None:
        """Look after jobs until cancelled; whatever goes wrong, the next round comes."""
        try:
            while True:
                try:
                    await self.look()
                except (DatabaseUnavailable, LedgerUnavailable, LedgerFault) as error:
                    _log.warning("video jobs were not looked after", why=type(error).__name__)
                await asyncio.sleep(min(TICK_SECONDS, self.settings.poll_seconds))
        finally:
            for task in self._working:
                task.cancel()
            await asyncio.gather(*self._working, return_exceptions=True)

    async def look(self) -> None:
        """Begin to look after what is due, as far as there is room."""
        now_micros = self.clock()
        leased_until = now_micros + LEASE_SECONDS * MICROS_PER_SECOND
        share = self._share_of_a_provider
        while (room := self.settings.max_concurrent_polls - len(self._working)) > 0:
            open_at = Counter(self._working.values())
            busy = [provider_id for provider_id, count in open_at.items() if count >= share]
            most = min(room, share - max((count for count in open_at.values() if count < share), default=0))
            due = await self.store.take_due(now_micros, leased_until=leased_until, most=most, busy=busy)
            for job in due:
                task = asyncio.create_task(self.one(job), name="video job")
                self._working[task] = job.provider_id
                task.add_done_callback(self._working.pop)
            if len(due) < most:
                break
        now_seconds = asyncio.get_running_loop().time()
        if now_seconds >= self._strays_at:
            await self.release_strays()
            self._strays_at = now_seconds + STRAYS_EVERY_SECONDS

    async def release_strays(self) -> None:
        """Give back holds whose job is over or was never written."""
        before = self.clock() - STRAY_AFTER_SECONDS * MICROS_PER_SECOND
        for workspace_id, hold_id in await self.store.stray_holds(before=before, most=MAX_STRAYS):
            await self._endings.release_stray(workspace_id, hold_id)

    async def one(self, job: Job) -> None:
        """Look after one job; what fails is tried again."""
        try:
            if job.state is JobState.SUBMITTING:
                await self._look_for_worker(job)
            elif job.state is JobState.SETTLING:
                await self._endings.settle(job)
            else:
                await self._follow(job)
        except asyncio.CancelledError:
            with contextlib.suppress(DatabaseUnavailable):
                await asyncio.shield(self.store.postpone(job, self.clock(), misses=job.misses))  # ends the lease
            raise
        except (DatabaseUnavailable, LedgerUnavailable) as error:
            _log.warning("a video job has to wait", call_id=show_call(job.job_id), why=type(error).__name__)
        except Exception as error:  # one job's fault must not keep the others from being looked after
            _log.error("a video job cannot be looked after", call_id=show_call(job.job_id), why=type(error).__name__)
        else:
            return
        with contextlib.suppress(DatabaseUnavailable):
            await self._later(job, misses=job.misses)

    # ── orders whose worker is gone ───────────────────────────────────────────────────────────────────────────────

    async def _look_for_worker(self, job: Job) -> None:
        """A living worker ends its orders itself; of a dead one nobody knows what the provider got."""
        age_seconds = (self.clock() - job.created_at) / MICROS_PER_SECOND
        if age_seconds < SUBMITTING_MOST_SECONDS and await self.store.is_alive(job.boot_id):
            again = self.clock() + SUBMITTING_AGAIN_SECONDS * MICROS_PER_SECOND
            await self.store.postpone(job, again)
            return
        _log.warning("an order was lost with its worker", call_id=show_call(job.job_id))
        await self._endings.end(job, LOST, error_code=LOST, unbilled_nanos=job.cost_nanos)

    # ── jobs at a provider ────────────────────────────────────────────────────────────────────────────────────────

    async def _follow(self, job: Job) -> None:
        provider = self.catalog().provider(job.provider_id)
        upstream = None if provider is None else VIDEO_UPSTREAMS[provider.video_dialect]
        found: Progress | Silence = Silence.UNHEARD
        if provider is not None and upstream is not None:
            found = await self._ask(job, provider, upstream)
            if isinstance(found, Progress) and await self._is_over(job, found, provider, upstream):
                return
        misses = 0 if isinstance(found, Progress) else job.misses + (found is Silence.UNKNOWN_JOB)
        too_old = self.clock() - job.created_at > self.settings.max_age_seconds * MICROS_PER_SECOND
        if too_old or misses >= MAX_MISSES:
            # There may be a film, and a bill for it: the operator's, because nobody can have it.
            await self._endings.end(job, EXPIRED, error_code=EXPIRED, unbilled_nanos=job.cost_nanos)
        elif isinstance(found, Progress) and found.standing is Standing.RUNNING:
            await self.store.move(job, Move.WORK, progress=found.progress, next_poll_at=self._next(job), misses=0)
        else:
            await self._later(job, misses=misses)

    async def _is_over(self, job: Job, found: Progress, provider: Provider, upstream: VideoUpstream) -> bool:
        """End a job that its provider has ended."""
        if found.standing is Standing.COMPLETED:
            await self._complete(job, found, provider, upstream)
        elif found.standing is Standing.FAILED:
            code = "moderation_blocked" if found.blocked else "generation_failed"
            await self._endings.end(job, FAILED, error_code=code, provider_code=found.code)
        else:
            return False
        return True

    async def _complete(self, job: Job, found: Progress, provider: Provider, upstream: VideoUpstream) -> None:
        """A film is charged if the customer can fetch it; else the operator bears what it cost."""
        now_micros = self.clock()
        expires_at = now_micros + upstream.lasting_seconds * MICROS_PER_SECOND
        if found.expires_at is not None:
            expires_at = found.expires_at * MICROS_PER_SECOND
        uri = found.content_uri
        if uri is not None and first_hop(uri, self._base_url(job, provider)) is None:
            _log.error("a film is where nobody may fetch it", call_id=show_call(job.job_id), provider=job.provider_id)
            await self._endings.end(job, FAILED, error_code="generation_failed", unbilled_nanos=job.cost_nanos)
        elif expires_at <= now_micros:
            await self._endings.end(job, EXPIRED, error_code=EXPIRED, unbilled_nanos=job.cost_nanos)
        else:
            await self._endings.end(job, COMPLETED, progress=100, content_uri=uri, expires_at=expires_at)

    def _base_url(self, job: Job, provider: Provider) -> str:
        credential = self.accounts.again(provider, job.credential_id, job.workspace_id)
        endpoint = None if credential is None else self.accounts.endpoint(provider, credential)
        return provider.base_url if endpoint is None else endpoint.base_url

    async def _ask(self, job: Job, provider: Provider, upstream: VideoUpstream) -> Progress | Silence:
        """What the provider says."""
        credential = self.accounts.again(provider, job.credential_id, job.workspace_id)
        if credential is None or not self.accounts.awake(credential) or job.upstream_id is None:
            return Silence.UNHEARD
        try:
            async with asyncio.timeout(WAITS.total):
                return await self._answer(job, provider, credential, upstream)
        except (UpstreamFailure, Broken, TimeoutError) as error:
            outcome = error.kind.value if isinstance(error, UpstreamFailure) else type(error).__name__
            _log.warning("a provider did not tell of a job", call_id=show_call(job.job_id), outcome=outcome)
            return Silence.UNHEARD

    async def _answer(
        self, job: Job, provider: Provider, credential: Credential, upstream: VideoUpstream
    ) -> Progress | Silence:
        endpoint = self.accounts.endpoint(provider, credential)
        assert endpoint is not None and job.upstream_id is not None, "only what can be asked is asked"
        response = await self.client.request("GET", endpoint, Target(upstream.poll_path(job.upstream_id)), WAITS)
        try:
            if response.status == 200:
                return upstream.read_progress(await response.body(MAX_ANSWER_BYTES))
            if response.status in (404, 410):
                return Silence.UNKNOWN_JOB
            # Another account than the one that made the job refuses what is not its own.
            if response.status in (401, 402, 403) and credential.credential_id == job.credential_id:
                self.accounts.rest(credential.credential_id)
                _log.error("provider refused our key", provider=job.provider_id, status=response.status)
            return Silence.UNHEARD
        finally:
            response.close()

    async def _later(self, job: Job, *, misses: int) -> None:
        await self.store.postpone(job, self._next(job), misses=misses)

    def _next(self, job: Job) -> int:
        grown = self.settings.poll_seconds * GROWTH ** min(job.polls, MAX_GROWTH_STEPS)
        return self.clock() + int(min(grown, self.settings.max_poll_seconds) * MICROS_PER_SECOND)
