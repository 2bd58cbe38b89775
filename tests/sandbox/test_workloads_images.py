"""Images, with the official SDK as their client."""

import base64
import hashlib
import io
import struct
import zlib
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI

from .conftest import Upstream
from .posting import post, post_raw

ASKED = {"model": "m", "prompt": "sea"}
FORM = {"content-type": "multipart/form-data; boundary=x"}


def pixels_of(png: bytes) -> tuple[int, int]:
    """Width and height of a PNG whose every chunk is whole."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    place, data, kinds = 8, b"", []
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        kind, content = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        assert png[place + 8 + length : place + 12 + length] == struct.pack(">I", zlib.crc32(kind + content))
        kinds.append(kind)
        data += content if kind == b"IDAT" else b""
        place += 12 + length
    width, height = struct.unpack(">II", png[16:24])
    assert kinds == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    assert len(zlib.decompress(data)) == height * (1 + (width + 7) // 8)
    return width, height


def decoded(image: Any) -> bytes:
    return base64.b64decode(image.b64_json or "")


async def test_images_have_the_size_and_the_tokens_that_were_asked(openai_client: AsyncOpenAI) -> None:
    answer = await openai_client.images.generate(
        model="gpt-image-2", prompt="a quiet sea", n=2, size="1024x1536", quality="low", background="transparent"
    )
    assert answer.data is not None
    assert answer.usage is not None
    assert [pixels_of(decoded(image)) for image in answer.data] == [(1024, 1536)] * 2
    assert answer.data[0].b64_json != answer.data[1].b64_json
    assert (answer.size, answer.quality, answer.background, answer.output_format) == (
        "1024x1536",
        "low",
        "transparent",
        "png",
    )
    usage = answer.usage
    assert (usage.output_tokens, usage.input_tokens_details.image_tokens) == (2 * 408, 0)
    assert usage.input_tokens == usage.input_tokens_details.text_tokens == 4
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens


async def test_what_is_left_to_the_model_is_decided_and_said(openai_client: AsyncOpenAI) -> None:
    answer = await openai_client.images.generate(model="gpt-image-2", prompt="sea", size="auto", quality="auto")
    assert (answer.size, answer.quality, answer.background) == ("1024x1024", "medium", "opaque")
    assert answer.usage is not None
    assert answer.usage.output_tokens == 1056


async def test_the_same_prompt_gives_the_same_image(openai_client: AsyncOpenAI) -> None:
    images = []
    for prompt in ("sea", "sea", "land"):
        answer = await openai_client.images.generate(model="gpt-image-2", prompt=prompt, size="64x64")
        assert answer.data is not None
        images.append(answer.data[0].b64_json)
    assert images[0] == images[1] != images[2]


async def test_a_stream_shows_partial_images_and_ends_with_the_whole_one(openai_client: AsyncOpenAI) -> None:
    stream = await openai_client.images.generate(
        model="gpt-image-2", prompt="sea", size="64x64", quality="high", stream=True, partial_images=2
    )
    events = [event async for event in stream]
    assert [event.type for event in events] == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert [pixels_of(decoded(event)) for event in events] == [(64, 64)] * 3
    last: Any = events[-1]
    assert last.usage.output_tokens == 17 + 200
    assert last.usage.total_tokens == last.usage.input_tokens + last.usage.output_tokens


async def test_an_edit_takes_images_and_a_mask_and_logs_them_by_hash(
    openai_client: AsyncOpenAI, upstream: Upstream
) -> None:
    images = [("a.png", b"first", "image/png"), ("b.png", b"second image", "image/png")]
    answer = await openai_client.images.edit(
        model="m", image=images, mask=("m.png", b"mask", "image/png"), prompt="more blue", size="32x32", quality="low"
    )
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == 3 * 256
    (call,) = await upstream.calls()
    files = [(file["field"], file["name"], file["size"], file["sha256"]) for file in call["files"]]
    assert files == [
        ("image", "a.png", 5, hashlib.sha256(b"first").hexdigest()),
        ("image", "b.png", 12, hashlib.sha256(b"second image").hexdigest()),
        ("mask", "m.png", 4, hashlib.sha256(b"mask").hexdigest()),
    ]
    assert (call["size"], call["quality"], call["path"]) == ("32x32", "low", "/v1/images/edits")
    assert "blue" not in str(call)


async def test_an_edit_streams_its_own_events(openai_client: AsyncOpenAI) -> None:
    stream = await openai_client.images.edit(
        model="m", image=b"first", prompt="blue", size="32x32", stream=True, partial_images=1
    )
    assert [event.type async for event in stream] == ["image_edit.partial_image", "image_edit.completed"]


async def test_an_edit_takes_json_too_and_needs_an_image(upstream: Upstream) -> None:
    asked = {"model": "m", "prompt": "blue", "size": "32x32"}
    answer = await post(upstream, "images/edits", {**asked, "images": [{"image_url": "data:image/png;base64,AA"}]})
    assert answer["usage"]["input_tokens_details"]["image_tokens"] == 256
    await post(upstream, "images/edits", asked, status=400)


async def test_older_models_answer_addresses_and_no_usage(
    openai_client: AsyncOpenAI, session: aiohttp.ClientSession
) -> None:
    answer = await openai_client.images.generate(model="dall-e-3", prompt="sea", size="256x256", n=2)
    assert answer.data is not None
    assert answer.usage is None
    assert all(image.b64_json is None and "sea" in (image.revised_prompt or "") for image in answer.data)
    async with session.get(answer.data[1].url or "") as response:
        assert response.content_type == "image/png"
        by_address = await response.read()
    assert pixels_of(by_address) == (256, 256)
    inline = await openai_client.images.generate(
        model="dall-e-3", prompt="sea", size="256x256", n=2, response_format="b64_json"
    )
    assert inline.data is not None
    assert decoded(inline.data[1]) == by_address


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": ""},
        {"size": "64"},
        {"size": "0x64"},
        {"size": "5000x64"},
        {"n": 11},
        {"quality": "best"},
        {"response_format": "url"},
        {"stream": True, "n": 2},
    ],
)
async def test_what_no_model_takes_is_refused(openai_client: AsyncOpenAI, fields: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError):
        await openai_client.images.generate(**{"model": "gpt-image-2", "prompt": "sea", **fields})


async def test_a_wrong_key_is_refused(upstream: Upstream) -> None:
    await post(upstream, "images/generations", {"model": "m", "prompt": "sea"}, key="wrong", status=401)


async def test_a_form_carries_directives_as_json_or_field_by_field(
    upstream: Upstream, openai_client: AsyncOpenAI
) -> None:
    form = aiohttp.FormData({"model": "m", "prompt": "sea", "size": "32x32", "sandbox": '{"no_usage": true}'})
    form.add_field("image", b"x", filename="a.png")
    assert "usage" not in await post(upstream, "images/edits", form)
    directives = {"status": 429, "error_message": "slow down", "retry_after_seconds": 7}
    with pytest.raises(openai.RateLimitError) as limited:
        await openai_client.images.edit(model="m", image=b"x", prompt="sea", extra_body={"sandbox": directives})
    assert limited.value.response.headers["retry-after"] == "7"
    assert "slow down" in limited.value.message


async def test_the_bytes_of_a_form_can_fail_like_any_others(upstream: Upstream) -> None:
    for directives, status, body in (
        ({"garbage": True}, 200, b"not json"),
        ({"status": 500, "garbage": True}, 500, b"not json"),
        ({"wrong_content_type": "text/plain", "split_bytes": 7}, 200, b'"usage"'),
    ):
        response = await post_raw(upstream, "images/generations", {**ASKED, "sandbox": directives})
        assert (response[0], body in response[2]) == (status, True)
    for broken in ({"cut_at_byte": 50}, {"drop_before_headers": True}):
        with pytest.raises(aiohttp.ClientError):
            await post_raw(upstream, "images/generations", {**ASKED, "sandbox": broken})


@pytest.mark.parametrize(
    ("directives", "found"),
    [
        ({"garbage": True}, b"not a field of any event"),
        ({"error_mid_stream": 1}, b"server_error"),
        ({"keepalive_comments": True}, b": sandbox keep-alive"),
        ({"unknown_event": True}, b"sandbox.note"),
        ({"oversize_bytes": 5000}, b"x" * 5000),
    ],
)
async def test_a_stream_of_images_can_be_disturbed(
    upstream: Upstream, directives: dict[str, Any], found: bytes
) -> None:
    fields = {"stream": True, "partial_images": 2, "size": "32x32"}
    *_, body = await post_raw(upstream, "images/generations", {**ASKED, **fields, "sandbox": directives})
    assert found in body
    assert (b"image_generation.completed" in body) is ("error_mid_stream" not in directives)


async def test_a_stream_without_its_end_has_no_completed_event(upstream: Upstream) -> None:
    fields = {"stream": True, "partial_images": 1, "size": "32x32"}
    *_, body = await post_raw(upstream, "images/generations", {**ASKED, **fields, "sandbox": {"no_finish": True}})
    assert body.count(b"event: ") == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x\r\n",
        b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nm',
        b"--x\r\nContent-Disposition: form-data\r\n\r\nm\r\n--x--\r\n",
        b"not a form at all",
    ],
)
async def test_a_broken_form_is_refused(upstream: Upstream, body: bytes) -> None:
    answer = await post(upstream, "images/edits", body, status=400, **FORM)
    assert answer["error"]["type"] == "invalid_request_error"


async def test_fields_of_a_form_have_a_bound(upstream: Upstream) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n' + b"x" * (2**20 + 1) + b"\r\n--x--\r\n"
    await post(upstream, "images/edits", io.BytesIO(body), status=413, **FORM)
