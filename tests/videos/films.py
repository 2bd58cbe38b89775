"""What a customer does with films, by the official SDK; and what tests look at besides."""

import asyncio
import contextlib
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import openai
from openai.types import Video

from farebox.dataplane.jobs.job import Job, read_video
from farebox.dataplane.jobs.store import JobStore
from farebox.ledger.lifecycle import HoldState
from farebox.records.receipt import Receipt
from tests.gateway import PATIENCE_SECONDS, Customer


def prompt(text: str = "A calm sea", **directives: Any) -> str:
    """A prompt with the sandbox's directives in it."""
    return f"{text} [[sandbox {msgspec.json.encode(directives).decode()}]]" if directives else text


@dataclass
class Films:
    """A customer and its SDK."""

    customer: Customer
    client: openai.AsyncOpenAI

    async def order(self, text: str | None = None, *, model: str = "film", **wanted: Any) -> Video:
        """POST /v1/videos; `seconds` and `size` and headers as the SDK takes them."""
        with _quiet():
            return await self.client.videos.create(prompt=text or prompt(job_seconds=0.3), model=model, **wanted)

    async def show(self, video_id: str) -> Video:
        with _quiet():
            return await self.client.videos.retrieve(video_id)

    async def ended(self, video_id: str, *, seconds: float = PATIENCE_SECONDS) -> Video:
        """The job once it is over, however it ended."""
        async with asyncio.timeout(seconds):
            while True:
                video = await self.show(video_id)
                if video.status in ("completed", "failed"):
                    return video
                await asyncio.sleep(0.05)

    async def delete(self, video_id: str) -> bool:
        with _quiet():
            return (await self.client.videos.delete(video_id)).deleted

    async def content(self, video_id: str, **headers: str) -> bytes:
        with _quiet():
            return (await self.client.videos.download_content(video_id, extra_headers=headers)).content

    async def row(self, video_id: str) -> Job | None:
        """The job's row as it stands."""
        store = JobStore(self.customer.gateway.connect)
        return await store.find(self.customer.workspace_id, read_video(video_id))

    async def receipt(self, video_id: str) -> Receipt:
        return await self.customer.receipt(call_of(video_id))

    async def hold_state(self, video_id: str) -> HoldState:
        hold = await self.customer.hold(call_of(video_id))
        assert hold is not None
        return HoldState(hold.state)


def call_of(video_id: str) -> str:
    """The call's id: a job is a call."""
    return video_id.replace("video_", "call_")


@contextlib.asynccontextmanager
async def films_of(customer: Customer, *, worker: int = 0) -> AsyncIterator[Films]:
    """The official SDK with a customer's key; it does not send anything twice."""
    client = openai.AsyncOpenAI(
        api_key=customer.key.secret,
        base_url=f"{customer.gateway.workers[worker].url}/v1",
        max_retries=0,
        timeout=PATIENCE_SECONDS,
    )
    async with client:
        yield Films(customer, client)


@contextlib.contextmanager
def _quiet() -> Any:
    """The SDK says that OpenAI's own service will end; the form lives on elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
