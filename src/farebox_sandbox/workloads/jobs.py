"""Jobs that take a while. What state one is in follows from the clock and from the directives it was made with."""

import time
from typing import NamedTuple

from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.faults import Directives, JobFailure

MAX_JOBS = 10_000  # past it the oldest is forgotten
QUEUED_SHARE = 0.2  # of the time that a job takes
LAST_PROGRESS = 99  # of a job that is not done


class State(NamedTuple):
    """`status`: queued, in_progress, completed or failed. `progress` in percent."""

    status: str
    progress: int


class Job(NamedTuple):
    """`made_at` is Unix seconds, `started` monotonic ones. `seconds` and `size` are those of each of its `n` films.
    Only the `account` that made it knows it."""

    id: str
    account: str
    model: str
    prompt: str
    seconds: int
    size: str
    n: int
    made_at: float
    started: float
    directives: Directives

    @property
    def state(self) -> State:
        """Right now."""
        elapsed = time.monotonic() - self.started
        takes = self.directives.job_seconds
        if elapsed >= takes and not self.directives.job_stuck:
            return State("failed", 0) if self.failure else State("completed", 100)
        if elapsed < takes * QUEUED_SHARE:
            return State("queued", 0)
        share = elapsed / takes if takes else 1.0
        return State("in_progress", min(LAST_PROGRESS, int(100 * share)))

    @property
    def failure(self) -> JobFailure | None:
        """How it fails, or will."""
        return self.directives.job_fails

    @property
    def expires_at(self) -> float | None:
        """Unix seconds; None when it stays."""
        after = self.directives.job_expires_seconds
        return None if after is None else self.made_at + after

    @property
    def is_expired(self) -> bool:
        after = self.directives.job_expires_seconds
        return after is not None and time.monotonic() - self.started >= after


class JobBook:
    """All jobs of one API, oldest first, as long as the process lives."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def add(self, job: Job) -> None:
        while len(self._jobs) >= MAX_JOBS:
            del self._jobs[next(iter(self._jobs))]
        self._jobs[job.id] = job

    def find(self, job_id: str, what: str, *, account: str) -> Job:
        """Raises UpstreamError 404 when the account has none, or no longer; `what` is its name for the message."""
        job = self._jobs.get(job_id)
        if job is not None and job.account != account:
            raise UpstreamError(404, f"{what} was not found.", "not_found")
        if job is None or job.is_expired:
            self._jobs.pop(job_id, None)
            raise UpstreamError(404, f"{what} was not found.", "not_found")
        return job

    def delete(self, job: Job) -> None:
        del self._jobs[job.id]

    def of(self, account: str) -> list[Job]:
        """Those of an account that are not expired."""
        return [job for job in self._jobs.values() if job.account == account and not job.is_expired]
