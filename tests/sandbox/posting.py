"""Posting what is no conversation: JSON, forms and bytes."""

from typing import Any

from .conftest import Upstream


async def post(
    upstream: Upstream, path: str, body: Any, *, status: int = 200, key: str | None = None, **headers: str
) -> Any:
    """The JSON answer to a POST of JSON (a dict), or of a form or bytes (anything else)."""
    payload: dict[str, Any] = {"json": body} if isinstance(body, dict) else {"data": body}
    all_headers = {"authorization": f"Bearer {key or upstream.sandbox.api_key}", **headers}
    url = f"{upstream.sandbox.base_url}/{path}"
    async with upstream.session.post(url, headers=all_headers, **payload) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def post_raw(upstream: Upstream, path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
    """Status, content type and bytes of the answer to a POST of JSON."""
    headers = {"authorization": f"Bearer {upstream.sandbox.api_key}"}
    async with upstream.session.post(f"{upstream.sandbox.base_url}/{path}", json=body, headers=headers) as response:
        return response.status, response.content_type, await response.read()
