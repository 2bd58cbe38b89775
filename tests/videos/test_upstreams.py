"""Both forms of providers: what is put, what is read, and that nothing hostile gets further than an error."""

import json
from base64 import b64encode
from typing import Any

import pytest
from google.genai._operations_converters import _GenerateVideosOperation_from_mldev
from google.genai.types import GenerateVideosOperation
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Video

from farebox.base.errors import Problem
from farebox.dialects.port import Broken, Inexpressible
from farebox.dialects.videos import VIDEO_UPSTREAMS, openai, veo
from farebox.dialects.videos.answer import Shown, list_body, video_body
from farebox.dialects.videos.form import Part, read_form, write_form
from farebox.dialects.videos.port import Standing
from farebox.dialects.videos.request import Picture, VideoRequest, read_video_request

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
JSON = "application/json"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)
# Documents that have the right names with anything in them.
NAMES = [
    *("id", "status", "progress", "error", "code", "message", "expires_at", "name", "done", "response", "metadata"),
    *("generateVideoResponse", "generatedSamples", "video", "uri", "raiMediaFilteredReasons", "progressPercent"),
]
near_documents = st.recursive(
    json_values, lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=8) | st.lists(inner, max_size=3)
)


def order(**changed: Any) -> VideoRequest:
    fields: dict[str, Any] = {"model": "film", "prompt": "A sea", "seconds": 4, "size": "1280x720"}
    return VideoRequest(**fields | changed)


# ── orders ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_json_and_a_form_say_the_same() -> None:
    data_url = f"data:image/png;base64,{b64encode(PNG).decode()}"
    body = {"model": "film", "prompt": "Ein Meer ☀", "seconds": "8", "size": "1280x720", "seed": 1}
    whole = json.dumps({**body, "input_reference": {"image_url": data_url}}).encode()
    parts = [Part(name, str(value).encode()) for name, value in body.items()]
    kind, form = write_form([*parts, Part("input_reference", PNG, "a.png", "image/png")])
    expected = order(prompt="Ein Meer ☀", seconds=8, picture=Picture("image/png", PNG), unknown=("seed",))
    assert read_video_request(JSON, whole) == read_video_request(kind, form) == expected
    assert "Meer" not in repr(expected)


def test_a_webhook_goes_to_no_provider_and_is_not_named_as_dropped() -> None:
    body = {"model": "film", "prompt": "x", "webhook_url": "https://a.example/hook"}
    kind, form = write_form([Part(name, value.encode()) for name, value in body.items()])
    found = read_video_request(JSON, json.dumps(body).encode())
    assert found == read_video_request(kind, form)
    assert (found.webhook_url, found.unknown) == ("https://a.example/hook", ())
    for upstream in VIDEO_UPSTREAMS.values():
        assert b"a.example" not in upstream.submission(found, "up").body
    with pytest.raises(Problem, match="webhook_url"):
        read_video_request(JSON, b'{"model": "film", "prompt": "x", "webhook_url": ["https://a.example/"]}')


def test_what_is_left_out_has_openais_defaults() -> None:
    found = read_video_request(JSON, b'{"model": "film", "prompt": "x"}')
    assert (found.seconds, found.size, found.picture, found.unknown) == (4, "720x1280", None, ())


@given(st.binary(max_size=300) | near_documents.map(lambda value: json.dumps(value).encode()))
def test_an_order_is_read_or_refused(body: bytes) -> None:
    for content_type in (
        JSON,
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        'multipart/form-data; boundary="',
    ):
        try:
            found = read_video_request(content_type, body)
        except Problem as problem:
            assert problem.code == "invalid_request"
        else:
            assert found.prompt and found.model and found.seconds > 0


plain_names = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=10)


@given(st.lists(st.tuples(plain_names, st.binary(max_size=200), st.booleans()), max_size=8))
def test_a_form_that_was_written_is_read_back(parts: list[tuple[str, bytes, bool]]) -> None:
    written = [Part(name, data, "f.png" if file else None, "image/png" if file else "") for name, data, file in parts]
    content_type, body = write_form(written)
    assert read_form(content_type, body) == written


def test_a_part_that_looks_like_the_end_of_the_form_does_not_end_it() -> None:
    part = Part("a", b"\r\n--farebox-form--\r\n--farebox-form-x--\r\n")
    assert read_form(*write_form([part])) == [part]


@pytest.mark.parametrize(
    "body",
    [b"", b"--x--", b"--x\r\n\r\nno name\r\n--x--\r\n", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nopen'],
)
def test_a_broken_form_is_refused(body: bytes) -> None:
    with pytest.raises(Problem):
        read_video_request("multipart/form-data; boundary=x", body)


# ── OpenAI ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_openais_order_is_json_and_with_a_picture_a_form() -> None:
    sent = openai.submission(order(unknown=("seed",)), "sora-2")
    assert json.loads(sent.body) == {"model": "sora-2", "prompt": "A sea", "seconds": "4", "size": "1280x720"}
    assert (sent.target.path, sent.dropped) == ("/videos", ("field:seed",))
    with_picture = openai.submission(order(picture=Picture("image/png", PNG)), "sora-2")
    assert read_video_request(dict(with_picture.target.headers)["content-type"], with_picture.body) == order(
        model="sora-2", picture=Picture("image/png", PNG)
    )
    by_address = openai.submission(order(picture_url="https://a.example/a.png"), "sora-2")
    assert json.loads(by_address.body)["input_reference"] == {"image_url": "https://a.example/a.png"}


@pytest.mark.parametrize(
    "status, standing",
    [
        ("queued", Standing.QUEUED),
        ("in_progress", Standing.RUNNING),
        ("completed", Standing.COMPLETED),
        ("failed", Standing.FAILED),
    ],
)
def test_openais_states_are_ours(status: str, standing: Standing) -> None:
    video = Video.model_construct(id="video_1", status=status, progress=33, expires_at=1_790_000_000, object="video")
    found = openai.read_progress(video.model_dump_json().encode())
    assert (found.standing, found.progress, found.expires_at) == (standing, 33, 1_790_000_000)


def test_openais_refusals_for_content_are_told_from_failures() -> None:
    for code, blocked in (("moderation_blocked", True), ("server_error", False), ("a prompt, spoken", False)):
        body = {"status": "failed", "error": {"code": code, "message": "SECRET"}}
        found = openai.read_progress(json.dumps(body).encode())
        assert (found.standing, found.blocked) == (Standing.FAILED, blocked)
        assert found.code == (None if " " in code else code)


@pytest.mark.parametrize("name", ["", "../admin", "a/b", "a?b", "a b", "ä", "x" * 201, None, 5])
def test_an_id_that_is_none_is_not_put_into_an_address(name: Any) -> None:
    with pytest.raises(Broken):
        openai.read_submitted(json.dumps({"id": name}).encode())


# ── Veo ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_veos_order_has_one_sample_of_that_shape() -> None:
    sent = veo.submission(order(size="1080x1920", seconds=8, picture=Picture("image/png", PNG)), "veo-3.1/x")
    assert sent.target.path == "/models/veo-3.1%2Fx:predictLongRunning"
    picture = {"bytesBase64Encoded": b64encode(PNG).decode(), "mimeType": "image/png"}
    assert json.loads(sent.body) == {
        "instances": [{"prompt": "A sea", "image": picture}],
        "parameters": {"aspectRatio": "9:16", "resolution": "1080p", "durationSeconds": 8, "sampleCount": 1},
    }


@pytest.mark.parametrize("changed", [{"size": "1024x1792"}, {"picture_url": "https://a.example/a.png"}])
def test_what_veo_cannot_do_is_not_asked_of_it(changed: dict[str, str]) -> None:
    with pytest.raises(Inexpressible):
        veo.submission(order(**changed), "veo")


OPERATION = "models/veo-3.1-generate-preview/operations/abc-1_2"


def test_a_finished_operation_has_the_film_where_googles_own_types_have_it() -> None:
    uri = "https://generativelanguage.googleapis.com/v1beta/files/abc:download?alt=media"
    body = {
        "name": OPERATION,
        "done": True,
        "response": {"generateVideoResponse": {"generatedSamples": [{"video": {"uri": uri}}]}},
    }
    found = veo.read_progress(json.dumps(body).encode())
    assert (found.standing, found.content_uri, found.progress) == (Standing.COMPLETED, uri, 100)
    official = GenerateVideosOperation._from_response(response=_GenerateVideosOperation_from_mldev(body), kwargs={})
    assert official.response and official.response.generated_videos
    assert official.response.generated_videos[0].video and official.response.generated_videos[0].video.uri == uri


@pytest.mark.parametrize(
    "body, standing, blocked, code",
    [
        ({"name": OPERATION}, Standing.RUNNING, False, None),
        ({"name": OPERATION, "done": False, "metadata": {"progressPercent": 40}}, Standing.RUNNING, False, None),
        ({"done": True, "error": {"code": 13, "message": "SECRET"}}, Standing.FAILED, False, "13"),
        ({"done": True, "error": {"status": "INTERNAL", "code": 13}}, Standing.FAILED, False, "INTERNAL"),
        (
            {"done": True, "response": {"generateVideoResponse": {"raiMediaFilteredReasons": ["SECRET"]}}},
            Standing.FAILED,
            True,
            None,
        ),
        ({"done": True, "response": {"generateVideoResponse": {}}}, Standing.FAILED, False, None),
    ],
)
def test_operations_are_read(body: Any, standing: Standing, blocked: bool, code: str | None) -> None:
    found = veo.read_progress(json.dumps(body).encode())
    assert (found.standing, found.blocked, found.code) == (standing, blocked, code)
    assert "SECRET" not in repr(found)


@pytest.mark.parametrize(
    "name", ["", "one", "/models/a", "models//b", "models/../b", "models/a?x", "models/a/", None, 1]
)
def test_an_operation_that_is_none_is_not_put_into_an_address(name: Any) -> None:
    with pytest.raises(Broken):
        veo.read_submitted(json.dumps({"name": name}).encode())
    assert veo.read_submitted(json.dumps({"name": OPERATION}).encode()) == OPERATION


# ── both ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.sampled_from(sorted(VIDEO_UPSTREAMS)), st.binary(max_size=200) | near_documents)
def test_whatever_a_provider_sends_is_read_or_broken(name: str, document: Any) -> None:
    upstream = VIDEO_UPSTREAMS[name]
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    for read in (upstream.read_progress, upstream.read_submitted):
        try:
            found = read(body)
        except Broken:
            continue
        if not isinstance(found, str):
            assert 0 <= found.progress <= 100 and (found.code is None or found.code.isascii())


@pytest.mark.parametrize("name", sorted(VIDEO_UPSTREAMS))
def test_deep_nesting_is_broken_and_nothing_else(name: str) -> None:
    with pytest.raises(Broken):
        VIDEO_UPSTREAMS[name].read_progress(b'{"a":' * 200_000)


def test_what_clients_get_is_openais_video() -> None:
    shown = Shown(
        video_id="video_1",
        status="failed",
        progress=3,
        model="film",
        seconds=8,
        size="1280x720",
        created_at=1,
        error=("generation_failed", "No."),
        facts={"cost_usd": "0.00"},
    )
    video = Video.model_validate_json(video_body(shown))
    assert (video.id, video.object, video.seconds, video.status) == ("video_1", "video", "8", "failed")
    assert video.error is not None and video.error.code == "generation_failed"
    assert json.loads(list_body([], has_more=False)) == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }
