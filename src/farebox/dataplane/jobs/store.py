"""Where jobs are kept. Every change of state is one conditional UPDATE: who comes second changes nothing."""

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import RowMaker

from farebox.dataplane.jobs.job import JOBS_OWNER_ID, Job
from farebox.dataplane.jobs.states import JobState, Move, WebhookState, next_state
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Connect = Callable[[], AbstractAsyncContextManager[Connection]]

QUERIES = load_queries("farebox.dataplane.jobs", "queries.sql")
_COLUMNS = frozenset(Job.__struct_fields__)
# What a move may change beside the state.
_CHANGES = dict.fromkeys(
    (
        *("upstream_id", "route_id", "provider_id", "price_version", "charge_nanos", "cost_nanos", "unbilled_nanos"),
        *("attempts", "rule", "error_code", "provider_code", "progress", "content_uri", "ended_at", "expires_at"),
        *("next_poll_at", "misses", "credential_id", "routing"),
    )
)


def _job_row(cursor: "psycopg.AsyncCursor[Any]") -> RowMaker[Job]:
    """Columns by name; one that a later version added is not looked at."""
    names = [column.name for column in cursor.description or ()]

    def make(values: Any) -> Job:
        found = {name: value for name, value in zip(names, values, strict=True) if name in _COLUMNS}
        told = found["webhook_state"]
        return Job(**found | {"state": JobState(found["state"]), "webhook_state": told and WebhookState(told)})

    return make


class JobStore:
    """Table `video_job`. Every method raises DatabaseUnavailable."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    async def insert(self, job: Job) -> None:
        """Write a new job, which is being submitted."""
        await self._run("insert", msgspec.structs.asdict(job))

    async def forget(self, job: Job, *, unheld: bool = False) -> None:
        """Delete an order that got no hold. `unheld`: the ledger says that there is none, so also while settling."""
        await self._run("forget", {"workspace_id": job.workspace_id, "job_id": job.job_id, "unheld": unheld})

    async def move(self, job: Job, move: Move, **changes: Any) -> Job | None:
        """The job after a move, or None when it was not in the state that `job` says any more.

        Raises ValueError for a move that the table of states does not have.
        """
        to_state = next_state(job.state, move)
        if to_state is None:
            raise ValueError(f"a job that is {job.state} cannot {move}")
        parameters = {
            **_CHANGES,
            **changes,
            "workspace_id": job.workspace_id,
            "job_id": job.job_id,
            "from_state": job.state,
            "to_state": to_state,
        }
        found = await self._jobs("move", parameters)
        return found[0] if found else None

    async def postpone(self, job: Job, next_poll_at: int, *, misses: int = 0) -> None:
        """Look after it later."""
        parameters = {
            "workspace_id": job.workspace_id,
            "job_id": job.job_id,
            "state": job.state,
            "next_poll_at": next_poll_at,
            "misses": misses,
        }
        await self._run("postpone", parameters)

    async def find(self, workspace_id: int, job_id: UUID) -> Job | None:
        """The workspace's job, deleted ones included."""
        found = await self._jobs("find", {"workspace_id": workspace_id, "job_id": job_id})
        return found[0] if found else None

    async def page(self, workspace_id: int, *, after: UUID | None, most: int, newest_first: bool) -> list[Job]:
        """The workspace's jobs behind `after`, without deleted ones."""
        parameters = {"workspace_id": workspace_id, "after": after, "most": most}
        return await self._jobs("newest" if newest_first else "oldest", parameters)

    async def take_due(self, now_micros: int, *, leased_until: int, most: int, busy: Collection[str] = ()) -> list[Job]:
        """Jobs to look after now, but for those at providers that are `busy`; nobody else gets them until the lease is
        over."""
        parameters = {"now_micros": now_micros, "leased_until": leased_until, "most": most, "busy": list(busy)}
        return await self._jobs("take_due", parameters)

    async def take_webhooks(
        self, now_micros: int, *, leased_until: int, most: int, most_each: int, busy: Collection[int]
    ) -> list[Job]:
        """Ended jobs whose receiver is to be told now, with the attempt counted; `most_each` of one workspace, and none
        of those that are `busy`. Nobody else gets them until the lease is over."""
        parameters = {
            "now_micros": now_micros,
            "leased_until": leased_until,
            "most": most,
            "most_each": most_each,
            "busy": list(busy),
        }
        return await self._jobs("take_webhooks", parameters)

    async def put_webhook_back(self, job: Job, next_at: int, *, attempts: int) -> None:
        """Tell its receiver later; `attempts` have been made. Without effect once somebody else took it."""
        parameters = {
            "workspace_id": job.workspace_id,
            "job_id": job.job_id,
            "taken": job.webhook_attempts,
            "attempts": attempts,
            "next_at": next_at,
        }
        await self._run("put_webhook_back", parameters)

    async def end_webhook(self, job: Job, state: WebhookState) -> None:
        """Its receiver was told, or is not told any more; the address is forgotten."""
        parameters = {"workspace_id": job.workspace_id, "job_id": job.job_id, "webhook_state": state}
        await self._run("end_webhook", parameters)

    async def is_alive(self, boot_id: int) -> bool:
        """Whether the worker of that boot may still be at work."""
        async with self._connect() as connection:
            cursor = await connection.execute(QUERIES["is_alive"], {"boot_id": boot_id})
            row = await cursor.fetchone()
        return row is not None and bool(row[0])

    async def stray_holds(self, *, before: int, most: int) -> list[tuple[int, UUID]]:
        """Workspaces and ids of open holds of jobs that are over or were never written."""
        parameters = {"owner_id": JOBS_OWNER_ID, "before": before, "most": most}
        async with self._connect() as connection:
            cursor = await connection.execute(QUERIES["stray_holds"], parameters)
            return [(int(row[0]), row[1]) for row in await cursor.fetchall()]

    async def _run(self, name: str, parameters: dict[str, Any]) -> None:
        async with self._connect() as connection:
            await connection.execute(QUERIES[name], parameters)

    async def _jobs(self, name: str, parameters: dict[str, Any]) -> list[Job]:
        async with self._connect() as connection, connection.cursor(row_factory=_job_row) as cursor:
            await cursor.execute(QUERIES[name], parameters)
            return await cursor.fetchall()
