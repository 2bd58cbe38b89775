"""Video jobs in OpenAI's form, with the official SDK as their client."""

import asyncio
import hashlib
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from .conftest import Upstream
from .posting import post, post_raw

# The SDK warns that the API may go; as long as it is there, gateways have to relay it.
pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")

DONE = {"sandbox": {"job_seconds": 0}}


async def state_after(client: AsyncOpenAI, seconds: float, **directives: Any) -> Any:
    """A job this long after it was made."""
    made = await client.videos.create(model="m", prompt="sea", extra_body={"sandbox": directives})
    await asyncio.sleep(seconds)
    return await client.videos.retrieve(made.id)


async def test_a_job_is_queued_then_runs_then_is_done(openai_client: AsyncOpenAI) -> None:
    made = await openai_client.videos.create(
        model="sora-2-pro", prompt="sea", seconds="8", size="1280x720", extra_body={"sandbox": {"job_seconds": 0.5}}
    )
    assert (made.status, made.progress, made.seconds, made.size) == ("queued", 0, "8", "1280x720")
    assert (made.model, made.prompt, made.completed_at, made.error) == ("sora-2-pro", "sea", None, None)
    seen = {made.status}
    progress = [0]
    job = made
    while job.status not in ("completed", "failed"):
        await asyncio.sleep(0.04)
        job = await openai_client.videos.retrieve(made.id)
        seen.add(job.status)
        progress.append(job.progress)
    assert seen == {"queued", "in_progress", "completed"}
    assert progress == sorted(progress)
    assert progress[-1] == 100
    assert job.completed_at is not None
    assert job.created_at == made.created_at


async def test_what_is_not_asked_has_the_usual_value(openai_client: AsyncOpenAI) -> None:
    made = await openai_client.videos.create(prompt="sea")
    assert (made.model, made.seconds, made.size, made.expires_at) == ("sora-2", "4", "720x1280", None)


async def test_a_failed_job_says_why_and_has_nothing_to_download(
    openai_client: AsyncOpenAI, upstream: Upstream
) -> None:
    failure = {"message": "too salty", "code": "moderation_blocked"}
    job = await state_after(openai_client, 0, job_seconds=0, job_fails=failure)
    assert job.status == "failed"
    assert (job.error.code, job.error.message) == ("moderation_blocked", "too salty")
    with pytest.raises(openai.NotFoundError):
        await openai_client.videos.download_content(job.id)
    made = await post(upstream, "videos", {"prompt": "sea", "sandbox": {"job_seconds": 0, "job_fails": {}}})
    usual = await openai_client.videos.retrieve(made["id"])
    assert usual.error is not None
    assert usual.error.code == "internal_error"


async def test_a_stuck_job_never_ends(openai_client: AsyncOpenAI) -> None:
    job = await state_after(openai_client, 0.1, job_seconds=0.05, job_stuck=True)
    assert (job.status, job.progress) == ("in_progress", 99)


async def test_an_expired_job_is_not_found(openai_client: AsyncOpenAI) -> None:
    made = await openai_client.videos.create(
        prompt="sea", extra_body={"sandbox": {"job_seconds": 0, "job_expires_seconds": 0.15}}
    )
    assert made.expires_at in (made.created_at, made.created_at + 1)
    assert (await openai_client.videos.retrieve(made.id)).status == "completed"
    await asyncio.sleep(0.2)
    for call in (openai_client.videos.retrieve, openai_client.videos.download_content, openai_client.videos.delete):
        with pytest.raises(openai.NotFoundError):
            await call(made.id)
    page = await openai_client.videos.list(limit=100)
    assert made.id not in [job.id for job in page.data]


async def test_a_film_is_downloaded_whole_or_in_part(openai_client: AsyncOpenAI, upstream: Upstream) -> None:
    made = await openai_client.videos.create(prompt="sea", seconds="12", extra_body=DONE)
    answer = await openai_client.videos.download_content(made.id)
    whole = answer.content
    assert answer.response.headers["content-type"] == "video/mp4"
    assert whole[4:8] == b"ftyp"
    assert len(whole) == 12 * 32_768 + 20 + 8 + 8
    key = {"authorization": f"Bearer {upstream.sandbox.api_key}"}
    url = f"{upstream.sandbox.base_url}/videos/{made.id}/content"
    for asked, status, told, part in (
        ("bytes=100-199", 206, f"bytes 100-199/{len(whole)}", whole[100:200]),
        ("bytes=100-", 206, f"bytes 100-{len(whole) - 1}/{len(whole)}", whole[100:]),
        ("bytes=-10", 206, f"bytes {len(whole) - 10}-{len(whole) - 1}/{len(whole)}", whole[-10:]),
        ("bytes=0-99999999", 206, f"bytes 0-{len(whole) - 1}/{len(whole)}", whole),
        ("bytes=0-1,5-6", 200, None, whole),
        ("pages=1-2", 200, None, whole),
    ):
        async with upstream.session.get(url, headers={**key, "range": asked}) as response:
            assert (response.status, response.headers.get("content-range")) == (status, told)
            assert await response.read() == part
    for asked in (f"bytes={len(whole)}-", "bytes=9-5", "bytes=-0"):
        async with upstream.session.get(url, headers={**key, "range": asked}) as response:
            assert (response.status, response.headers["content-range"]) == (416, f"bytes */{len(whole)}")


async def test_each_job_has_its_own_film(openai_client: AsyncOpenAI) -> None:
    films = []
    for _ in range(2):
        made = await openai_client.videos.create(prompt="sea", extra_body=DONE)
        films.append((await openai_client.videos.download_content(made.id)).content)
    assert films[0] != films[1]


async def test_a_thumbnail_is_a_picture(openai_client: AsyncOpenAI) -> None:
    made = await openai_client.videos.create(prompt="sea", extra_body=DONE)
    answer = await openai_client.videos.download_content(made.id, variant="thumbnail")
    assert answer.response.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    with pytest.raises(openai.BadRequestError):
        await openai_client.videos.download_content(made.id, variant="poster")  # type: ignore[arg-type]


async def test_a_film_is_not_there_before_it_is_done(openai_client: AsyncOpenAI) -> None:
    made = await openai_client.videos.create(prompt="sea", extra_body={"sandbox": {"job_stuck": True}})
    with pytest.raises(openai.NotFoundError) as early:
        await openai_client.videos.download_content(made.id)
    assert early.value.code == "not_found"


async def test_a_deleted_job_is_gone(openai_client: AsyncOpenAI) -> None:
    made = await openai_client.videos.create(prompt="sea", extra_body=DONE)
    gone = await openai_client.videos.delete(made.id)
    assert (gone.id, gone.deleted) == (made.id, True)
    with pytest.raises(openai.NotFoundError):
        await openai_client.videos.retrieve(made.id)


async def test_jobs_are_listed_page_by_page(openai_client: AsyncOpenAI) -> None:
    made = [(await openai_client.videos.create(prompt="sea", extra_body=DONE)).id for _ in range(5)]
    page = await openai_client.videos.list(limit=2)
    assert [job.id for job in page.data] == made[:2:-1]
    following = await openai_client.videos.list(limit=2, after=page.data[-1].id)
    assert [job.id for job in following.data] == made[2:0:-1]
    oldest_first = [job.id async for job in openai_client.videos.list(order="asc", limit=2)]
    assert oldest_first[-5:] == made
    with pytest.raises(openai.BadRequestError):
        await openai_client.videos.list(limit=0)


async def test_the_log_has_what_was_asked_and_the_reference_by_its_hash(
    openai_client: AsyncOpenAI, upstream: Upstream
) -> None:
    made = await openai_client.videos.create(
        model="m", prompt="secret sea", seconds="8", size="1280x720", input_reference=("a.png", b"first")
    )
    await openai_client.videos.retrieve(made.id)
    first, second = await upstream.calls()
    assert (first["seconds"], first["size"], first["path"]) == ("8", "1280x720", "/v1/videos")
    digest = hashlib.sha256(b"first").hexdigest()
    assert [(file["field"], file["sha256"]) for file in first["files"]] == [("input_reference", digest)]
    assert (second["path"], second["attempt"]) == (f"/v1/videos/{made.id}", 2)
    assert "secret" not in str([first, second])


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": ""},
        {"seconds": "0"},
        {"seconds": "61"},
        {"seconds": "four"},
        {"size": "big"},
        {"input_reference": 5},
        {"input_reference": {"path": "x"}},
    ],
)
async def test_what_no_model_takes_is_refused(upstream: Upstream, fields: dict[str, Any]) -> None:
    await post(upstream, "videos", {"model": "m", "prompt": "sea", **fields}, status=400)


async def test_json_takes_a_reference_by_address(upstream: Upstream) -> None:
    fields = {"seconds": 4, "input_reference": {"image_url": "https://example.com/a.png"}}
    answer = await post(upstream, "videos", {"model": "m", "prompt": "sea", **fields})
    assert answer["seconds"] == "4"


async def test_each_step_of_a_job_can_fail_by_itself(openai_client: AsyncOpenAI, upstream: Upstream) -> None:
    made = await openai_client.videos.create(model="m", prompt='sea [[sandbox {"job_seconds": 0}]]')
    assert made.prompt == "sea"
    await upstream.control("PUT", "faults?model=m&times=2", {"status": 503})
    with pytest.raises(openai.InternalServerError):
        await openai_client.videos.retrieve(made.id)
    with pytest.raises(openai.InternalServerError):
        await openai_client.videos.download_content(made.id)
    assert (await openai_client.videos.retrieve(made.id)).status == "completed"
    await upstream.control("PUT", "faults?model=m", {"cut_at_byte": 70_000})
    with pytest.raises(openai.APIError):
        await openai_client.videos.download_content(made.id)
    cut = (await upstream.calls())[-1]
    assert (cut["status"], cut["bytes_sent"], cut["completed"]) == (200, 70_000, False)
    await upstream.control("PUT", "faults?model=m", {"garbage": True, "wrong_content_type": "text/html"})
    answer = await openai_client.videos.download_content(made.id)
    assert b"not json" in answer.content
    assert (await post_raw(upstream, "videos", {"model": "m", "prompt": "sea"}))[1] == "text/html"


async def test_jobs_can_be_told_ahead_how_they_end(openai_client: AsyncOpenAI, upstream: Upstream) -> None:
    await upstream.control("PUT", "faults?model=m", {"job_seconds": 0, "job_fails": {"code": "busy"}})
    made = await openai_client.videos.create(model="m", prompt="sea")
    job = await openai_client.videos.retrieve(made.id)
    assert job.error is not None
    assert job.error.code == "busy"
    await upstream.control("PUT", "faults?model=m", {"job_fails": {"reason": "x"}}, status=400)


async def test_a_job_is_known_to_the_account_that_made_it_alone(openai_client: AsyncOpenAI, upstream: Upstream) -> None:
    await upstream.control("PUT", "accounts", {"other": "other-key"})
    other = openai_client.with_options(api_key="other-key")
    made = await openai_client.videos.create(prompt="sea", extra_body=DONE)
    for refused in (other.videos.retrieve, other.videos.download_content, other.videos.delete):
        with pytest.raises(openai.NotFoundError):
            await refused(made.id)
    assert made.id not in [job.id for job in (await other.videos.list()).data]
    assert (await openai_client.videos.retrieve(made.id)).status == "completed"
    await upstream.control("PUT", "accounts", {})
