"""A video job as its row has it."""

from typing import Final
from uuid import UUID

import msgspec

from farebox.base.ids import IdError
from farebox.dataplane.jobs.states import JobState, WebhookState

# Who owns the holds of jobs. A worker's boot id is an odd number, so no worker ever has this one, it never stands in
# `ledger_owner`, and no sweeper takes these holds for orphans: they live as long as their jobs.
JOBS_OWNER_ID: Final = 0x6A6F_6273_00  # "jobs" and a zero, which makes it even
_PREFIX: Final = "video_"
_HEX_DIGITS: Final = 32


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of table `video_job`. Amounts in nano-USD, moments in microseconds since 1970 UTC."""

    workspace_id: int
    job_id: UUID
    key_id: int
    model_id: str
    route_id: str
    provider_id: str
    upstream_id: str | None = None
    price_version: str
    variant: str
    seconds: int
    idempotent: bool
    attempts: str = "[]"
    held_nanos: int
    charge_nanos: int
    cost_nanos: int
    unbilled_nanos: int = 0
    state: JobState = JobState.SUBMITTING
    rule: str | None = None
    error_code: str | None = None
    provider_code: str | None = None
    progress: int = 0
    content_uri: str | None = None
    boot_id: int
    created_at: int
    ended_at: int | None = None
    expires_at: int | None = None
    next_poll_at: int
    polls: int = 0
    misses: int = 0
    webhook_url: str | None = None
    webhook_state: WebhookState | None = None
    webhook_attempts: int = 0
    webhook_next_at: int | None = None
    # Which credential ordered it: the provider knows the job in that account only.
    credential_id: str | None = None
    # As on receipts: how its route was chosen.
    routing: str | None = None


def show_video(job_id: UUID) -> str:
    """`video_` and 32 hexadecimal digits."""
    return f"{_PREFIX}{job_id.hex}"


def read_video(text: str) -> UUID:
    """The inverse of `show_video`. Raises IdError."""
    digits = text.removeprefix(_PREFIX)
    if not text.startswith(_PREFIX) or len(digits) != _HEX_DIGITS:
        raise IdError(f"{text[:64]!r} is not a video's id")
    try:
        return UUID(hex=digits)
    except ValueError as error:
        raise IdError(f"{text[:64]!r} is not a video's id") from error
