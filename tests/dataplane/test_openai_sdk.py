"""The official OpenAI SDK against a gateway: what it sends is served, and what we answer means to it what it should."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from farebox.identity.keys import new_secret
from tests.dataplane.outcomes import price
from tests.gateway import Customer, RunningGateway

MESSAGES: Any = [{"role": "user", "content": "Reply exactly: hello there"}]
PIXEL = "data:image/png;base64,iVBORw0KGgo="
MakeClient = Callable[..., AsyncOpenAI]


@pytest.fixture
async def make_client(gateway: RunningGateway, customer: Customer) -> AsyncIterator[MakeClient]:
    clients: list[AsyncOpenAI] = []

    def make(**options: Any) -> AsyncOpenAI:
        wanted: dict[str, Any] = {
            "base_url": gateway.base_url,
            "api_key": customer.key.secret,
            "max_retries": 0,
        } | options
        clients.append(AsyncOpenAI(**wanted))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


async def test_json(make_client: MakeClient, customer: Customer) -> None:
    raw = await make_client().chat.completions.with_raw_response.create(model="plain", messages=MESSAGES)
    completion = raw.parse()
    assert completion.choices[0].message.content == "hello there"
    assert raw.headers["x-farebox-cost-usd"] == "0.000037"
    assert completion._request_id == raw.headers["x-farebox-call-id"]


async def test_a_stream_without_usage_has_no_usage_event(make_client: MakeClient) -> None:
    stream = await make_client().chat.completions.create(model="plain", messages=MESSAGES, stream=True)
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "hello there"
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize(
    ("model", "faults"),
    [("plain", {}), ("plain", {"usage_every_chunk": True}), ("plain", {"no_usage": True}), ("mute", {})],
)
async def test_a_stream_with_usage_ends_with_counts_cost_and_balance(
    make_client: MakeClient, customer: Customer, model: str, faults: dict[str, Any]
) -> None:
    stream = await make_client().chat.completions.create(
        model=model,
        messages=MESSAGES,
        stream=True,
        stream_options={"include_usage": True},
        extra_body={"sandbox": faults},
    )
    chunks = [chunk async for chunk in stream]
    usage = chunks[-1].usage
    assert chunks[-1].choices == [] and usage is not None and usage.model_extra is not None
    charge_nanos = price(usage.prompt_tokens, usage.completion_tokens)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 8
    assert usage.model_extra["cost_usd"] == f"{charge_nanos / 1e9:.9f}".rstrip("0")
    assert usage.model_extra["balance_after_usd"] == await customer.balance()
    assert await customer.balance_nanos() == 10 * 10**9 - charge_nanos


async def test_tools_are_streamed(make_client: MakeClient) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": parameters}}]
    messages: Any = [{"role": "user", "content": "use tool weather"}]
    create = make_client().chat.completions.create
    stream = await create(model="plain", messages=messages, tools=tools, stream=True)
    name, arguments, reasons = "", "", set()
    async for chunk in stream:
        for call in chunk.choices[0].delta.tool_calls or []:
            assert call.function is not None
            name += call.function.name or ""
            arguments += call.function.arguments or ""
        reasons.add(chunk.choices[0].finish_reason)
    assert name == "weather" and "city" in json.loads(arguments) and "tool_calls" in reasons


async def test_structured_output(make_client: MakeClient) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    create = make_client().chat.completions.create
    completion = await create(model="plain", messages=MESSAGES, response_format=wanted)
    assert isinstance(json.loads(completion.choices[0].message.content or "")["n"], int)


async def test_images_in_parts_are_held_for_and_passed_on(make_client: MakeClient, customer: Customer) -> None:
    parts: Any = [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    messages: Any = [{"role": "user", "content": parts}]
    completion = await make_client().chat.completions.create(model="plain", messages=messages, max_tokens=5)
    assert completion.usage is not None and completion.usage.prompt_tokens > 85
    [call_id] = await customer.call_ids()
    assert (await customer.receipt(call_id)).call.held_nanos > 1_000 * 1_000, "the image's ceiling is held"


async def test_reasoning_fields_and_unknown_fields_pass(make_client: MakeClient, customer: Customer) -> None:
    completion = await make_client().chat.completions.create(
        model="plain", messages=MESSAGES, reasoning_effort="low", extra_body={"sandbox": {"text": "as told"}}
    )
    message = completion.choices[0].message
    assert message.model_extra is not None and message.model_extra["reasoning_content"]
    assert message.content == "as told"
    [call_id] = await customer.call_ids()
    usage = (await customer.receipt(call_id)).call.usage
    assert usage is not None and usage.reasoning_tokens == 8


ERRORS: list[tuple[int, type[openai.APIStatusError], str, dict[str, Any]]] = [
    (400, openai.BadRequestError, "invalid_max_tokens", {"max_tokens": 0}),
    (400, openai.BadRequestError, "request_limit_exceeded", {"max_tokens": 1_001}),
    (404, openai.NotFoundError, "model_not_found", {"model": "no-such-model"}),
    (502, openai.InternalServerError, "upstream_exception", {"model": "closed"}),
    (504, openai.InternalServerError, "upstream_timeout", {"model": "hole"}),
    (429, openai.RateLimitError, "rate_limit_exceeded", {"extra_body": {"sandbox": {"status": 429}}}),
]


@pytest.mark.parametrize(("status", "kind", "code", "fields"), ERRORS)
@pytest.mark.parametrize("stream", [False, True])
async def test_errors_have_their_class_code_and_request_id(
    make_client: MakeClient,
    status: int,
    kind: type[openai.APIStatusError],
    code: str,
    fields: dict[str, Any],
    stream: bool,
) -> None:
    with pytest.raises(kind) as caught:
        await make_client().chat.completions.create(
            **{"model": "plain", "messages": MESSAGES, "stream": stream} | fields
        )
    error = caught.value
    assert (error.status_code, error.code) == (status, code)
    assert error.request_id is not None and error.request_id.startswith("call_")
    assert isinstance(error.body, dict) and error.body["request_id"] == error.request_id


async def test_keys_that_cannot_pay_are_refused(make_client: MakeClient, gateway: RunningGateway) -> None:
    prefix = gateway.settings.brand.key_prefix
    poor = await gateway.new_customer(balance_usd="0")
    revoked = await gateway.new_customer()
    await revoked.revoke()
    narrow = await poor.new_key(scopes=frozenset({"models.read"}))
    no_models = await poor.new_key(allowed_models=frozenset({"second"}))
    expired = await poor.new_key(expires_at=gateway.clock() - 1)
    for api_key, status, code, reason in (
        ("sk-upstream", 401, "invalid_api_key", "malformed"),
        (new_secret(prefix), 401, "invalid_api_key", "unknown"),
        (revoked.key.secret, 401, "invalid_api_key", "revoked"),
        (expired.secret, 401, "invalid_api_key", "expired"),
        (narrow.secret, 403, "insufficient_scope", None),
        (no_models.secret, 404, "model_not_found", None),
        (poor.key.secret, 402, "insufficient_balance", None),
    ):
        with pytest.raises(openai.APIStatusError) as caught:
            await make_client(api_key=api_key).chat.completions.create(model="plain", messages=MESSAGES)
        assert (caught.value.status_code, caught.value.code) == (status, code)
        assert caught.value.response.headers["x-should-retry"] == "false"
        assert reason is None or (isinstance(caught.value.body, dict) and caught.value.body["reason"] == reason)


async def test_a_final_error_is_tried_once_and_a_passing_one_again(
    make_client: MakeClient, gateway: RunningGateway, customer: Customer
) -> None:
    client = make_client(max_retries=2)
    poor = (await gateway.new_customer(balance_usd="0")).key.secret
    counts = gateway.parts.metrics.refusals.labels("insufficient_balance")._value
    before = counts.get()
    with pytest.raises(openai.APIStatusError):
        await client.with_options(api_key=poor).chat.completions.create(model="plain", messages=MESSAGES)
    assert counts.get() == before + 1
    with pytest.raises(openai.InternalServerError):
        await client.chat.completions.create(model="closed", messages=MESSAGES)
    assert len(await customer.call_ids()) == 3


async def test_an_error_mid_stream_raises_with_our_code(make_client: MakeClient) -> None:
    faults = {"words": 5, "error_mid_stream": 2}
    create = make_client().chat.completions.create
    stream = await create(model="plain", messages=MESSAGES, stream=True, extra_body={"sandbox": faults})
    with pytest.raises(openai.APIError) as caught:
        async for _ in stream:
            pass
    assert caught.value.code == "upstream_exception"


async def test_the_base_url_works_with_and_without_v1(make_client: MakeClient, gateway: RunningGateway) -> None:
    for base_url in (gateway.url, f"{gateway.url}/", gateway.base_url, f"{gateway.base_url}/"):
        client = make_client(base_url=base_url)
        assert (await client.chat.completions.create(model="plain", messages=MESSAGES)).choices
        models = {model.id: model async for model in client.models.list()}
        assert "plain" in models and (await client.models.retrieve("plain")).id == "plain"


async def test_what_other_programs_do_to_a_base_url(gateway: RunningGateway, customer: Customer) -> None:
    session, secret = gateway.session, customer.key.secret
    async with session.head(f"{gateway.url}/", allow_redirects=False) as response:
        assert response.status == 200
    async with session.get(f"{gateway.base_url}/models?limit=1000", headers={"x-api-key": secret}) as response:
        assert response.status == 200 and response.headers["request-id"] == response.headers["x-request-id"]
    body = {"model": "plain", "messages": MESSAGES}
    url = f"{gateway.base_url}/chat/completions?beta=true"
    async with session.post(url, json=body, headers={"x-api-key": secret}) as response:
        assert response.status == 200
    async with session.get(f"{gateway.base_url}/chat/completions", headers=customer.headers) as response:
        assert (response.status, response.headers["allow"]) == (405, "POST")
    async with session.post(f"{gateway.base_url}/models", headers=customer.headers) as response:
        assert (response.status, response.headers["allow"]) == (405, "GET, HEAD")
    async with session.get(f"{gateway.base_url}/nothing", headers=customer.headers) as response:
        assert response.status == 404 and (await response.json())["error"]["code"] == "not_found"
    async with session.post(url, json=body) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (401, "missing_api_key")
