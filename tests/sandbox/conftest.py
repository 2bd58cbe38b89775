"""One sandbox for the folder, and clients that reach it over real HTTP."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import pytest
from anthropic import AsyncAnthropic
from google import genai
from openai import AsyncOpenAI

from farebox_sandbox.process import RunningSandbox, serve_sandbox


class Upstream:
    """A raw client of the sandbox: status, headers and bytes as they come."""

    def __init__(self, session: aiohttp.ClientSession, sandbox: RunningSandbox) -> None:
        self.session = session
        self.sandbox = sandbox

    def chat(self, message: str = "hi", **fields: Any) -> Any:
        """A POST as an async context manager; `sandbox=` carries the directives."""
        body = {"model": "m", "messages": [{"role": "user", "content": message}], **fields}
        headers = {"authorization": f"Bearer {self.sandbox.api_key}"}
        url = f"{self.sandbox.base_url}/chat/completions"
        return self.session.post(url, json=body, headers=headers, allow_redirects=False)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        """A POST of any dialect, with the Bearer token; header names with `_` for `-`."""
        shown = {"authorization": f"Bearer {self.sandbox.api_key}"}
        shown |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.post(self.sandbox.url + path, json=body, headers=shown, allow_redirects=False)

    async def stream_lines(self, message: str = "hi", **fields: Any) -> list[bytes]:
        """The whole body of a stream, cut at line feeds."""
        async with self.chat(message, stream=True, **fields) as response:
            assert response.status == 200
            body: bytes = await response.read()
            return body.split(b"\n")

    async def control(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        async with self.session.request(method, f"{self.sandbox.url}/sandbox/{path}", json=body) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def calls(self, model: str = "m") -> list[dict[str, Any]]:
        listing = await self.control("GET", f"calls?model={model}")
        return list(listing["calls"])


@pytest.fixture(scope="package")
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with serve_sandbox() as running:
        yield running


@pytest.fixture(scope="package")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session


@pytest.fixture
async def upstream(session: aiohttp.ClientSession, sandbox: RunningSandbox) -> AsyncIterator[Upstream]:
    upstream = Upstream(session, sandbox)
    await upstream.control("DELETE", "calls")
    yield upstream
    await upstream.control("DELETE", "faults")


@pytest.fixture(scope="package")
async def openai_client(sandbox: RunningSandbox) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=sandbox.base_url, api_key=sandbox.api_key, max_retries=0) as client:
        yield client


@pytest.fixture(scope="package")
async def anthropic_client(sandbox: RunningSandbox) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=sandbox.url, api_key=sandbox.api_key, max_retries=0) as client:
        yield client


@pytest.fixture(scope="package")
async def gemini_client(sandbox: RunningSandbox) -> AsyncIterator[genai.Client]:
    async with gemini_client_of(sandbox, sandbox.api_key) as client:
        yield client


@contextlib.asynccontextmanager
async def gemini_client_of(sandbox: RunningSandbox, api_key: str) -> AsyncIterator[genai.Client]:
    # With a transport of our own it uses httpx: its aiohttp client warns of itself.
    async with httpx.AsyncClient() as transport:
        options = genai.types.HttpOptions(base_url=sandbox.url, httpx_async_client=transport)
        client = genai.Client(api_key=api_key, http_options=options)
        yield client
        client.close()
