"""What holds for all workloads alike."""

import re
from pathlib import Path
from typing import Any

import pytest

import farebox_sandbox.workloads
from farebox_sandbox.core import Core
from farebox_sandbox.routing import Router
from farebox_sandbox.workloads import routes

from .conftest import Upstream
from .posting import post, post_raw

BODIES: dict[str, dict[str, Any]] = {
    "embeddings": {"input": "sea"},
    "moderations": {"input": "sea"},
    "images/generations": {"prompt": "sea", "size": "32x32"},
    "images/edits": {"prompt": "sea", "size": "32x32", "images": [{"file_id": "file-1"}]},
    "audio/speech": {"input": "sea", "voice": "alloy"},
    "videos": {"prompt": "sea"},
    "models/m:predictLongRunning": {"instances": [{"prompt": "sea"}]},
}
FAULTS: list[tuple[dict[str, Any], int, bytes]] = [
    ({"status": 429, "error_message": "slow down"}, 429, b"slow down"),
    ({"status": 502, "garbage": True}, 502, b"not json"),
    ({"garbage": True, "split_bytes": 5}, 200, b"not json"),
    ({"nonsense": 1}, 400, b"nonsense"),
]
NO_BODIES = [
    b"",
    b"{",
    b"[]",
    b"\xff",
    b'{"model":5,"input":{},"prompt":[],"instances":{}}',
    b'{"input":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"input":"\\ud800x","prompt":"\\ud800x"}',
]


def test_the_readme_lists_every_route() -> None:
    readme = (Path(farebox_sandbox.workloads.__file__).parent / "README.md").read_text()
    listed = set(re.findall(r"^\| `([A-Z]+) (\S+)` \|", readme, re.MULTILINE))
    known = set(routes(Core(api_key="k")))
    of_veo = {(method, path) for method, path in listed if "/v1beta/" in path}
    assert listed | {(method, path.replace("/v1beta/", "/v1/")) for method, path in of_veo} == known


def test_no_route_of_a_film_is_taken_for_another() -> None:
    all_routes = routes(Core(api_key="k"))
    router = Router(all_routes, {})
    for (method, path), handler in all_routes.items():
        found = router.find(method, re.sub(r"\{\w+\}", "abc1", path))
        assert found is not None
        assert found.handler == handler


@pytest.mark.parametrize("path", BODIES)
async def test_every_workload_has_the_same_faults(upstream: Upstream, path: str) -> None:
    for directives, status, part in FAULTS:
        got, _, body = await post_raw(upstream, path, {"model": "m", **BODIES[path], "sandbox": directives})
        assert (got, part in body) == (status, True), directives
    calls = await upstream.calls()
    assert [call["status"] for call in calls] == [status for _, status, _ in FAULTS]


@pytest.mark.parametrize("path", BODIES)
async def test_every_workload_needs_the_key(upstream: Upstream, path: str) -> None:
    status = 400 if path.startswith("models/") else 401
    await post(upstream, path, {"model": "m", **BODIES[path]}, key="wrong", status=status)


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("body", NO_BODIES, ids=range(len(NO_BODIES)))
async def test_no_workload_fails_at_a_body_that_is_none(upstream: Upstream, path: str, body: bytes) -> None:
    await post(upstream, path, body, status=400)
