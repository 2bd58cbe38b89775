"""Embeddings and moderations through the official SDK: what passes, and what it costs."""

from typing import Any

import openai
import pytest

from tests.dataplane.outcomes import books_of, see
from tests.gateway import Customer, RunningGateway
from tests.workloads.raw import RawExchange, RawUpstream
from tests.workloads.shop import REQUEST, TEXT_IN


async def only_call(customer: Customer) -> str:
    (found,) = await customer.call_ids()
    return found


async def test_floats_and_base64_are_the_same_numbers_and_cost_the_same(
    client: openai.AsyncOpenAI, customer: Customer, gateway: RunningGateway
) -> None:
    packed = await client.embeddings.create(model="embed", input="a word or two")
    plain = await client.embeddings.create(model="embed", input="a word or two", encoding_format="float")
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, rel=1e-6)
    first, second = await customer.call_ids()
    receipts = [await customer.receipt(call) for call in (first, second)]
    assert receipts[0].call.charge_nanos == receipts[1].call.charge_nanos == packed.usage.prompt_tokens * TEXT_IN
    assert receipts[0].call.dialect == "embeddings" and receipts[0].rule == "provider_usage"


@pytest.mark.parametrize(
    "texts",
    [["one", "two", "three"], [1, 2, 3, 4, 5], [[1, 2], [3, 4, 5]], ["word"] * 2_048],
    ids=["texts", "tokens", "lists of tokens", "a full batch"],
)
async def test_a_batch_is_held_for_all_of_it_and_charged_by_its_tokens(
    client: openai.AsyncOpenAI, customer: Customer, texts: Any
) -> None:
    answer = await client.embeddings.create(model="embed", input=texts, dimensions=8)
    books = await books_of(customer, await only_call(customer))
    assert len(answer.data) == (1 if isinstance(texts[0], int) else len(texts))
    assert books.receipt.call.charge_nanos == answer.usage.prompt_tokens * TEXT_IN <= books.receipt.call.held_nanos


async def test_the_headers_tell_cost_and_balance(client: openai.AsyncOpenAI, customer: Customer) -> None:
    answer = await client.embeddings.with_raw_response.create(model="embed", input="hello")
    cost = answer.parse().usage.prompt_tokens * TEXT_IN
    assert float(answer.headers["x-farebox-cost-usd"]) == pytest.approx(cost / 1e9)
    assert answer.headers["x-farebox-balance-after-usd"] == await customer.balance()
    assert answer.headers["x-farebox-call-id"] == await only_call(customer)


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"input": "x" * 50_001}, "request_limit_exceeded", "input"),
        ({"input": ["x"] * 2_049}, "request_limit_exceeded", "input"),
        ({"input": []}, "invalid_request", "input"),
        ({"input": [[]]}, "invalid_request", "input"),
        ({"input": [{"image": "x"}]}, "invalid_request", "input"),
        ({"input": [[True]]}, "invalid_request", "input"),
        ({}, "invalid_request", "input"),
        ({"input": "x", "model": "chatty"}, "invalid_request", "model"),
        ({"input": "x", "model": "piece"}, "invalid_request", "model"),
        ({"input": "x", "model": "nothing"}, "model_not_found", "model"),
        ({"input": "x", "model": None}, "invalid_request", "model"),
    ],
)
async def test_what_cannot_be_served_is_refused_before_anything_is_held(
    customer: Customer, body: dict[str, Any], code: str, param: str
) -> None:
    seen = await see(customer.post("/v1/embeddings", {"model": "embed", **body}))
    assert (seen.error["code"], seen.error["param"]) == (code, param)
    assert await customer.call_ids() == []


async def test_every_value_of_the_request_and_every_byte_of_the_answer_pass(
    customer: Customer, raw: RawUpstream
) -> None:
    answer = b'{ "data":[{"embedding":[1.50, 2e-3]}], "usage":{"prompt_tokens":2,"total_tokens":2}, "more":null }'

    async def script(exchange: RawExchange) -> None:
        await exchange.read_body()
        await exchange.answer("application/json", answer)

    raw.script = script
    seen = await see(customer.post("/embeddings", b'{"input" : "x", "unheard_of":[1.50,  2e3],"model":"embed:raw"}'))
    assert (seen.status, seen.body) == (200, answer)
    (exchange,) = raw.exchanges
    assert exchange.body == b'{"input":"x","unheard_of":[1.50,  2e3],"model":"embed-up-raw"}'
    assert exchange.line == b"POST /v1/embeddings HTTP/1.1"


async def test_a_text_is_moderated_for_the_price_of_a_request(client: openai.AsyncOpenAI, customer: Customer) -> None:
    answer = await client.moderations.create(model="moderate", input="such violence")
    assert answer.results[0].flagged
    books = await books_of(customer, await only_call(customer))
    assert (books.receipt.rule, books.receipt.call.evidence) == ("counted_units", "C")
    assert books.receipt.call.charge_nanos == REQUEST
    assert books.receipt.call.dialect == "moderations"


async def test_parts_are_moderated_together_and_pictures_are_held_for(
    client: openai.AsyncOpenAI, customer: Customer
) -> None:
    parts: Any = [{"type": "text", "text": "hm"}, {"type": "image_url", "image_url": {"url": "https://x.example/p"}}]
    answer = await client.moderations.create(model="moderate-tokens", input=parts)
    assert len(answer.results) == 1
    books = await books_of(customer, await only_call(customer))
    # Nobody reports tokens, so the text is estimated: two letters are one token.
    assert (books.receipt.rule, books.receipt.call.charge_nanos) == ("usage_missing_estimated", TEXT_IN)
    assert books.receipt.call.held_nanos == (2 + 64 + 1_000) * TEXT_IN
    with pytest.raises(openai.BadRequestError):
        await client.moderations.create(model="moderate", input=parts)


async def test_whoever_may_call_models_of_text_may_have_text_checked(gateway: RunningGateway) -> None:
    for scope, served in (("messages", True), ("responses", True), ("embeddings", False), ("images", False)):
        customer = await gateway.new_customer(scopes=frozenset({scope}))
        seen = await see(customer.post("/v1/moderations", {"model": "moderate", "input": "x"}))
        assert (seen.status == 200) == served, scope
        if not served:
            assert (seen.status, seen.error["code"]) == (403, "insufficient_scope")
