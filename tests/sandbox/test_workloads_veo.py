"""Video jobs in the Gemini API's form; the official SDK reads the operations."""

import asyncio
from typing import Any

import aiohttp
import pytest
from google import genai
from google.genai import types

from .conftest import Upstream


async def predict(
    upstream: Upstream, *, status: int = 200, version: str = "v1beta", key: str | None = None, **fields: Any
) -> Any:
    """The answer to a request for a film of the sea, unless `fields` say otherwise."""
    body = {"instances": [{"prompt": "sea"}], **fields}
    url = f"{upstream.sandbox.url}/{version}/models/veo-3:predictLongRunning"
    headers = {"x-goog-api-key": key or upstream.sandbox.api_key}
    async with upstream.session.post(url, json=body, headers=headers) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def operation(client: genai.Client, name: str) -> types.GenerateVideosOperation:
    return await client.aio.operations.get(types.GenerateVideosOperation.model_validate({"name": name}))


def uris_of(done: types.GenerateVideosOperation) -> list[str]:
    assert done.response is not None
    samples = done.response.generated_videos or []
    return [sample.video.uri for sample in samples if sample.video is not None and sample.video.uri]


async def test_an_operation_runs_and_then_has_its_films(gemini_client: genai.Client, upstream: Upstream) -> None:
    parameters = {"durationSeconds": 4, "resolution": "1080p", "sampleCount": 2}
    made = await predict(upstream, parameters=parameters, sandbox={"job_seconds": 0.2})
    assert made["name"].startswith("models/veo-3/operations/")
    running = await operation(gemini_client, made["name"])
    assert (running.name, running.done, running.response) == (made["name"], None, None)
    await asyncio.sleep(0.25)
    done = await operation(gemini_client, made["name"])
    assert (done.done, done.error) == (True, None)
    films = []
    for uri in uris_of(done):
        async with upstream.session.get(uri, headers={"x-goog-api-key": upstream.sandbox.api_key}) as response:
            assert (response.status, response.content_type) == (200, "video/mp4")
            films.append(await response.read())
    assert [len(film) for film in films] == [4 * 32_768 + 36] * 2
    assert films[0] != films[1]
    (call, *polls) = await upstream.calls("veo-3")
    assert (call["n"], call["seconds"], call["size"], call["dialect"]) == (2, "4", "1080p", "gemini")
    assert len(polls) == 4


async def test_the_sdk_downloads_a_film_by_its_name(gemini_client: genai.Client, upstream: Upstream) -> None:
    made = await predict(upstream, sandbox={"job_seconds": 0})
    (uri,) = uris_of(await operation(gemini_client, made["name"]))
    name = "files/" + uri.split("/files/")[1].split(":")[0]
    film = await gemini_client.aio.files.download(file=name)
    assert film[4:8] == b"ftyp"


async def test_a_film_needs_the_key_and_can_be_read_in_part(gemini_client: genai.Client, upstream: Upstream) -> None:
    made = await predict(upstream, sandbox={"job_seconds": 0})
    (uri,) = uris_of(await operation(gemini_client, made["name"]))
    async with upstream.session.get(uri) as response:
        assert (response.status, (await response.json())["error"]["status"]) == (400, "INVALID_ARGUMENT")
    headers = {"authorization": f"Bearer {upstream.sandbox.api_key}", "range": "bytes=4-7"}
    async with upstream.session.get(uri, headers=headers) as response:
        assert (response.status, await response.read()) == (206, b"ftyp")
    async with upstream.session.get(uri.replace("v0:", "v1:"), headers=headers) as response:
        assert response.status == 404


async def test_a_failed_operation_has_an_error(gemini_client: genai.Client, upstream: Upstream) -> None:
    for code, told in (("8", 8), ("busy", 13)):
        failure = {"message": "no more", "code": code}
        made = await predict(upstream, sandbox={"job_seconds": 0, "job_fails": failure})
        done = await operation(gemini_client, made["name"])
        assert (done.done, done.error, done.response) == (True, {"code": told, "message": "no more"}, None)


async def test_a_filtered_film_is_an_answer_without_films(gemini_client: genai.Client, upstream: Upstream) -> None:
    failure = {"message": "too salty", "filtered": True}
    made = await predict(upstream, sandbox={"job_seconds": 0, "job_fails": failure})
    done = await operation(gemini_client, made["name"])
    assert (done.done, done.error) == (True, None)
    assert done.response is not None
    assert done.response.generated_videos is None
    assert done.response.rai_media_filtered_count == 1
    assert done.response.rai_media_filtered_reasons == ["too salty"]


async def test_an_operation_is_found_by_each_of_its_addresses(upstream: Upstream) -> None:
    made = await predict(upstream, version="v1", parameters={"durationSeconds": "6"}, sandbox={"job_stuck": True})
    short = made["name"].partition("/operations/")[2]
    headers = {"x-goog-api-key": upstream.sandbox.api_key}
    for path, status in (
        (f"v1/{made['name']}", 200),
        (f"v1beta/operations/{short}", 200),
        (f"v1/models/other/operations/{short}", 404),
        ("v1/operations/unknown", 404),
    ):
        async with upstream.session.get(f"{upstream.sandbox.url}/{path}", headers=headers) as response:
            assert response.status == status, path
            answer = await response.json()
            assert answer == {"name": made["name"]} if status == 200 else answer["error"]["status"] == "NOT_FOUND"


async def test_an_expired_operation_is_not_found(gemini_client: genai.Client, upstream: Upstream) -> None:
    made = await predict(upstream, sandbox={"job_seconds": 0, "job_expires_seconds": 0.1})
    (uri,) = uris_of(await operation(gemini_client, made["name"]))
    await asyncio.sleep(0.15)
    with pytest.raises(genai.errors.ClientError):
        await operation(gemini_client, made["name"])
    async with upstream.session.get(uri, headers={"x-goog-api-key": upstream.sandbox.api_key}) as response:
        assert response.status == 404


@pytest.mark.parametrize(
    "fields",
    [
        {"instances": []},
        {"instances": [{}]},
        {"instances": [{"prompt": "a"}, {"prompt": "b"}]},
        {"parameters": {"durationSeconds": 0}},
        {"parameters": {"sampleCount": 5}},
    ],
)
async def test_what_no_model_takes_is_refused_in_googles_form(upstream: Upstream, fields: dict[str, Any]) -> None:
    answer = await predict(upstream, status=400, **fields)
    assert (answer["error"]["code"], answer["error"]["status"]) == (400, "INVALID_ARGUMENT")


async def test_a_wrong_key_and_an_asked_failure_are_told_in_googles_form(upstream: Upstream) -> None:
    refused = await predict(upstream, status=400, key="wrong")
    assert refused["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    marked = [{"prompt": 'sea [[sandbox {"status": 429, "error_message": "quota"}]]'}]
    limited = await predict(upstream, status=429, instances=marked)
    assert (limited["error"]["status"], limited["error"]["message"]) == ("RESOURCE_EXHAUSTED", "quota")
    with pytest.raises(aiohttp.ClientError):
        await predict(upstream, sandbox={"drop_before_headers": True})
