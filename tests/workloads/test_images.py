"""Pictures through the official SDK: made and edited, whole and streamed, by the piece and by token."""

from typing import Any, NamedTuple

import msgspec
import openai
import pytest

from tests.dataplane.outcomes import Books, books_of, see
from tests.gateway import Customer, RunningGateway
from tests.workloads.forms import CONTENT_TYPE, File, Part, form
from tests.workloads.raw import RawExchange, RawUpstream
from tests.workloads.shop import FINE_PICTURE, IMAGE_IN, IMAGE_OUT, LARGE_PICTURE, TEXT_IN, USUAL_PICTURE

PNG = File("image", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4, "image/png")


async def books(customer: Customer) -> Books:
    (call,) = await customer.call_ids()
    return await books_of(customer, call)


class Piece(NamedTuple):
    """What is asked for, what each of its pictures costs, and what is held for each."""

    asked: dict[str, Any]
    costs: int
    held: int


PIECES = [
    Piece({}, USUAL_PICTURE, FINE_PICTURE),
    Piece({"size": "auto", "quality": "auto"}, USUAL_PICTURE, FINE_PICTURE),
    Piece({"size": "1024x1024", "quality": "standard"}, USUAL_PICTURE, USUAL_PICTURE),
    Piece({"size": "1792x1024", "quality": "standard"}, LARGE_PICTURE, LARGE_PICTURE),
    Piece({"size": "1792x1024", "quality": "hd"}, FINE_PICTURE, FINE_PICTURE),
    # The quality is the provider's choice: the cheapest that there is.
    Piece({"size": "1792x1024"}, LARGE_PICTURE, FINE_PICTURE),
    Piece({"quality": "hd"}, FINE_PICTURE, FINE_PICTURE),
    # What the price does not know costs the most.
    Piece({"size": "512x512", "quality": "standard"}, FINE_PICTURE, FINE_PICTURE),
    Piece({"size": "512x512"}, FINE_PICTURE, FINE_PICTURE),
]


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: "/".join(piece.asked.values()) or "nothing asked")
@pytest.mark.parametrize("n", [1, 3])
async def test_pictures_by_the_piece_cost_what_their_variant_does(
    client: openai.AsyncOpenAI, customer: Customer, piece: Piece, n: int
) -> None:
    answer = await client.images.generate(model="piece", prompt="a cat", n=n, **piece.asked)
    assert answer.data is not None and len(answer.data) == n
    found = await books(customer)
    assert (found.receipt.rule, found.receipt.call.evidence) == ("counted_units", "C")
    assert found.receipt.call.charge_nanos == n * piece.costs
    assert found.receipt.call.held_nanos == n * piece.held
    assert found.receipt.call.dialect == "images"


@pytest.mark.parametrize("asked", [{}, {"size": "1024x1024", "quality": "high"}, {"quality": "low"}])
async def test_pictures_by_token_cost_what_the_provider_reports(
    client: openai.AsyncOpenAI, customer: Customer, asked: dict[str, Any]
) -> None:
    answer = await client.images.generate(model="drawn", prompt="a cat", n=2, **asked)
    usage = answer.usage
    assert usage is not None
    found = await books(customer)
    assert found.receipt.rule == "provider_usage"
    assert found.receipt.call.charge_nanos == usage.input_tokens * TEXT_IN + usage.output_tokens * IMAGE_OUT
    assert found.receipt.call.held_nanos == (len("a cat") + 64) * TEXT_IN + 2 * 4_460 * IMAGE_OUT


async def test_a_known_variant_is_held_for_by_its_own_tokens(client: openai.AsyncOpenAI, customer: Customer) -> None:
    await client.images.generate(model="drawn", prompt="a cat", size="1024x1024", quality="low")
    assert (await books(customer)).receipt.call.held_nanos == 69 * TEXT_IN + 572 * IMAGE_OUT


async def test_pictures_that_are_shown_before_they_are_whole_are_held_for(customer: Customer) -> None:
    asked = {"model": "drawn", "prompt": "a cat", "stream": True, "size": "1024x1024", "quality": "low"}
    assert (await see(customer.post("/v1/images/generations", {**asked, "partial_images": 3}))).status == 200
    assert (await books(customer)).receipt.call.held_nanos == 69 * TEXT_IN + (572 + 300) * IMAGE_OUT


async def test_tokens_that_nobody_reports_are_estimated_low(client: openai.AsyncOpenAI, customer: Customer) -> None:
    await client.images.generate(model="drawn", prompt="a black cat", extra_body={"sandbox": {"no_usage": True}})
    found = await books(customer)
    assert found.receipt.rule == "usage_missing_estimated"
    assert found.receipt.call.charge_nanos == 3 * TEXT_IN + 572 * IMAGE_OUT


async def test_a_streamed_picture_is_withheld_until_it_is_settled(
    client: openai.AsyncOpenAI, customer: Customer
) -> None:
    stream = await client.images.generate(model="drawn", prompt="a cat", stream=True, partial_images=2)
    events = [event async for event in stream]
    assert [event.type for event in events] == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    last = events[-1]
    assert last.type == "image_generation.completed"
    found = await books(customer)
    charged = last.usage.input_tokens * TEXT_IN + last.usage.output_tokens * IMAGE_OUT
    assert (found.receipt.rule, found.receipt.call.charge_nanos) == ("provider_usage", charged)
    assert found.receipt.call.streamed


async def test_pictures_are_edited(client: openai.AsyncOpenAI, customer: Customer, gateway: RunningGateway) -> None:
    images = [("one.png", PNG.content, "image/png"), ("two.png", PNG.content[:300], "image/png")]
    answer = await client.images.edit(model="drawn", prompt="as one", image=images, mask=images[1], n=2)
    usage = answer.usage
    assert usage is not None and usage.input_tokens_details.image_tokens > 0
    found = await books(customer)
    details = usage.input_tokens_details
    charged = details.text_tokens * TEXT_IN + details.image_tokens * IMAGE_IN + usage.output_tokens * IMAGE_OUT
    assert found.receipt.call.charge_nanos == charged
    # Three pictures came in, so three are held for.
    held = (len("as one") + 64) * TEXT_IN + 3 * 1_000 * IMAGE_IN + 2 * 4_460 * IMAGE_OUT
    assert found.receipt.call.held_nanos == held
    sent = (await gateway.upstream_calls("drawn-up"))[-1]["files"]
    assert [file["size"] for file in sent] == [len(PNG.content), 300, 300]


async def test_an_edit_is_streamed(client: openai.AsyncOpenAI, customer: Customer) -> None:
    image = ("one.png", PNG.content, "image/png")
    stream = await client.images.edit(model="drawn", prompt="as one", image=image, stream=True, partial_images=1)
    events = [event.type async for event in stream]
    assert events == ["image_edit.partial_image", "image_edit.completed"]
    assert (await books(customer)).receipt.rule == "provider_usage"


async def test_fields_may_follow_the_pictures(customer: Customer) -> None:
    body = form(PNG, PNG, ("model", "drawn"), ("prompt", "as one"), ("n", "3"), ("size", "1024x1024"))
    seen = await see(customer.post("/v1/images/edits", body, headers=CONTENT_TYPE))
    assert (seen.status, len(seen.document["data"])) == (200, 3)
    found = await books(customer)
    assert found.receipt.call.held_nanos == 70 * TEXT_IN + 2 * 1_000 * IMAGE_IN + 3 * 4_460 * IMAGE_OUT


async def test_a_form_passes_byte_for_byte_but_for_the_model(customer: Customer, raw: RawUpstream) -> None:
    async def script(exchange: RawExchange) -> None:
        await exchange.read_body()
        await exchange.answer("application/json", b'{"data":[{"b64_json":"aGk="}]}')

    raw.script = script
    parts: list[Part] = [("prompt", "ein Käse"), ("model", "piece:raw"), ("unheard_of[]", "1"), PNG]
    seen = await see(customer.post("/v1/images/edits", form(*parts), headers=CONTENT_TYPE))
    assert seen.status == 200
    (exchange,) = raw.exchanges
    assert exchange.body == form(*parts).replace(b"piece:raw", b"dall-e-up-raw")
    assert exchange.headers[b"content-type"].startswith(b"multipart/form-data; boundary=")
    found = await books(customer)
    assert found.receipt.call.charge_nanos == USUAL_PICTURE


async def test_an_edit_may_be_json(customer: Customer) -> None:
    body = {"model": "drawn", "prompt": "as one", "images": [{"image_url": "https://x.example/1.png"}]}
    seen = await see(customer.post("/v1/images/edits", body))
    assert seen.status == 200
    found = await books(customer)
    assert found.receipt.call.held_nanos == 70 * TEXT_IN + 1_000 * IMAGE_IN + 4_460 * IMAGE_OUT


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"model": "piece", "n": 5}, "request_limit_exceeded", "n"),
        ({"model": "drawn", "n": 11}, "request_limit_exceeded", "n"),
        ({"n": 0}, "invalid_request", "n"),
        ({"n": "two"}, "invalid_request", "n"),
        ({"n": 2, "stream": True}, "invalid_request", "n"),
        ({"stream": "yes"}, "invalid_request", "stream"),
        ({"stream": True, "partial_images": 10**20}, "invalid_request", "partial_images"),
        ({"stream": True, "partial_images": "2"}, "invalid_request", "partial_images"),
        ({"size": "a size with spaces"}, "invalid_request", "size"),
        ({"size": 7}, "invalid_request", "size"),
        ({"quality": "x" * 40}, "invalid_request", "quality"),
        ({"output_format": "svg"}, "invalid_request", "output_format"),
        ({"svg": {"model": "other"}}, "invalid_request", "output_format"),
        ({"prompt": "x" * 50_001}, "request_limit_exceeded", "prompt"),
        ({"model": "piece", "image": "data:image/png;base64," + "x" * 100_001}, "request_limit_exceeded", "prompt"),
        ({"model": "embed"}, "invalid_request", "model"),
    ],
)
async def test_what_cannot_be_served_is_refused_before_anything_is_held(
    customer: Customer, body: dict[str, Any], code: str, param: str
) -> None:
    seen = await see(customer.post("/v1/images/generations", {"model": "drawn", "prompt": "a cat", **body}))
    assert (seen.error["code"], seen.error["param"]) == (code, param)
    assert await customer.call_ids() == []


async def test_who_asks_at_the_wrong_address_is_told_the_right_one(customer: Customer) -> None:
    body = {"prompt": "a cat", "input": "a cat", "messages": [{"role": "user", "content": "hi"}]}
    for model, right in (
        ("piece", "/v1/images/generations"),
        ("chatty", "/v1/chat/completions"),
        ("speak", "/v1/audio"),
    ):
        for path in ("/v1/images/generations", "/v1/embeddings", "/v1/chat/completions"):
            if path != right:
                seen = await see(customer.post(path, {**body, "model": model}))
                assert (seen.status, seen.error["code"]) == (400, "invalid_request")
                assert f"call it at {right}" in seen.error["message"]


async def test_more_pictures_than_were_asked_for_are_the_providers_gift(customer: Customer, raw: RawUpstream) -> None:
    async def script(exchange: RawExchange) -> None:
        await exchange.read_body()
        await exchange.answer("application/json", msgspec.json.encode({"data": [{"url": "x"}] * 7}))

    raw.script = script
    await see(customer.post("/v1/images/generations", {"model": "piece:raw", "prompt": "x", "n": 2}))
    assert (await books(customer)).receipt.call.charge_nanos == 2 * USUAL_PICTURE


async def test_the_variant_that_the_provider_tells_decides_where_none_was_asked_for(
    customer: Customer, raw: RawUpstream
) -> None:
    async def script(exchange: RawExchange) -> None:
        await exchange.read_body()
        await exchange.answer("application/json", b'{"data":[{}],"size":"1792x1024","quality":"hd"}')

    raw.script = script
    await see(customer.post("/v1/images/generations", {"model": "piece:raw", "prompt": "x"}))
    found = await books(customer)
    assert (found.receipt.call.charge_nanos, found.receipt.service_tier) == (FINE_PICTURE, "1792x1024/hd")


async def test_an_answer_with_pictures_has_a_bound_of_its_own(customer: Customer, raw: RawUpstream) -> None:
    sizes = iter((2_500_000, 3_500_000))

    async def script(exchange: RawExchange) -> None:
        await exchange.read_body()
        picture = b'{"data":[{"b64_json":"' + b"x" * next(sizes) + b'"}]}'
        await exchange.answer("application/json", picture)

    raw.script = script
    body = {"model": "piece:raw", "prompt": "x"}
    assert (await see(customer.post("/v1/images/generations", body))).status == 200
    seen = await see(customer.post("/v1/images/generations", body))
    assert (seen.status, seen.error["code"]) == (502, "upstream_exception")
    receipt = await customer.receipt(seen.call_id)
    assert receipt.attempts[0].outcome == "answer_too_large"
    # The provider may bill for the picture that nobody got.
    assert (receipt.call.charge_nanos, receipt.operator.cost_nanos) == (0, USUAL_PICTURE)


async def test_a_key_without_the_scope_makes_no_pictures(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer(scopes=frozenset({"chat.completions", "embeddings", "audio"}))
    for path in ("/v1/images/generations", "/v1/images/edits"):
        seen = await see(customer.post(path, {"model": "piece", "prompt": "x"}))
        assert (seen.status, seen.error["code"]) == (403, "insufficient_scope")
        assert seen.error["required_scope"] == "images"
