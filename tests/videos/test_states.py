"""The table of a job's life, every move of it, in memory and in the database."""

import itertools

import pytest

from farebox.base.ids import IdError, random_id, uuid7
from farebox.dataplane.jobs.job import Job, read_video, show_video
from farebox.dataplane.jobs.states import ENDED_STATES, MOVES, OPEN_STATES, JobState, Move, next_state
from farebox.dataplane.jobs.store import JobStore
from farebox.storage.pool import Pool

S = JobState
ALL = [
    (S.SUBMITTING, Move.ACCEPT, S.QUEUED),
    (S.SUBMITTING, Move.DECIDE, S.SETTLING),
    (S.QUEUED, Move.WORK, S.RUNNING),
    (S.QUEUED, Move.DECIDE, S.SETTLING),
    (S.RUNNING, Move.WORK, S.RUNNING),
    (S.RUNNING, Move.DECIDE, S.SETTLING),
    (S.SETTLING, Move.COMPLETE, S.COMPLETED),
    (S.SETTLING, Move.FAIL, S.FAILED),
    (S.SETTLING, Move.EXPIRE, S.EXPIRED),
    (S.COMPLETED, Move.DELETE, S.DELETED),
    (S.FAILED, Move.DELETE, S.DELETED),
    (S.EXPIRED, Move.DELETE, S.DELETED),
]


def test_the_table_has_these_moves_and_no_others() -> None:
    assert {(start, move): end for start, move, end in ALL} == MOVES


def test_every_state_is_open_or_over_and_what_is_over_only_gets_deleted() -> None:
    assert set(S) == OPEN_STATES | ENDED_STATES and not OPEN_STATES & ENDED_STATES
    for state in ENDED_STATES:
        assert {move for move in Move if next_state(state, move)} <= {Move.DELETE}


def test_from_every_open_state_there_is_a_way_to_an_end() -> None:
    for state in OPEN_STATES:
        reached, before = {state}, set[JobState]()
        while reached != before:
            before = set(reached)
            reached |= {end for start, _, end in ALL if start in before}
        assert {S.COMPLETED, S.FAILED, S.EXPIRED} <= reached


@pytest.fixture
def store(pool: Pool) -> JobStore:
    return JobStore(pool.connection)


def new_job() -> Job:
    return Job(
        workspace_id=7,
        job_id=uuid7(1_790_000_000_000_000),
        key_id=5,
        model_id="film",
        route_id="one/film",
        provider_id="one",
        price_version="one/film@1",
        variant="720x1280",
        seconds=4,
        idempotent=False,
        held_nanos=10,
        charge_nanos=9,
        cost_nanos=5,
        boot_id=random_id(),
        created_at=1_790_000_000_000_000,
        next_poll_at=1,
    )


async def brought_to(store: JobStore, pool: Pool, state: JobState) -> Job:
    job = new_job()
    await store.insert(job)
    async with pool.connection() as connection:
        await connection.execute(
            "UPDATE video_job SET state = %s, rule = 'job_failed', ended_at = 2 WHERE job_id = %s", (state, job.job_id)
        )
    found = await store.find(job.workspace_id, job.job_id)
    assert found is not None and found.state is state
    return found


@pytest.mark.parametrize("state, move", list(itertools.product(JobState, Move)))
async def test_every_move_of_the_table_is_made_once_and_no_other(
    store: JobStore, pool: Pool, state: JobState, move: Move
) -> None:
    job = await brought_to(store, pool, state)
    wanted = next_state(state, move)
    if wanted is None:
        with pytest.raises(ValueError, match="cannot"):
            await store.move(job, move)
        return
    moved = await store.move(job, move, progress=42)
    assert moved is not None and (moved.state, moved.progress, moved.rule) == (wanted, 42, "job_failed")
    # Who saw the state before changes nothing any more.
    again = await store.move(job, move, progress=43)
    assert (again is None) == (wanted is not state)


async def test_a_job_is_leased_to_one_and_comes_back_when_the_lease_is_over(store: JobStore) -> None:
    job = new_job()
    await store.insert(job)
    [first] = await store.take_due(10, leased_until=20, most=5)
    assert (first.job_id, first.polls, first.next_poll_at) == (job.job_id, 1, 20)
    assert await store.take_due(19, leased_until=30, most=5) == []
    assert len(await store.take_due(20, leased_until=30, most=5)) == 1
    assert await store.take_due(30, leased_until=40, most=0) == []


def test_ids_of_videos_are_read_back_and_nothing_else_is() -> None:
    job_id = uuid7(1_790_000_000_000_000)
    assert read_video(show_video(job_id)) == job_id
    for text in ("", "video_", f"call_{job_id.hex}", f"video_{job_id}", f"video_{job_id.hex}0", "video_" + "g" * 32):
        with pytest.raises(IdError):
            read_video(text)
