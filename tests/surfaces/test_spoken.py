"""Most programs show the message of an error and nothing else of it: it says what to do, on every surface."""

from typing import Any

import pytest

from tests.gateway import Customer, RunningGateway

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
SURFACE = pytest.mark.parametrize("surface", sorted(PATHS))


def _body(surface: str, text: str, **fields: Any) -> dict[str, Any]:
    own: dict[str, Any] = (
        {"input": text} if surface == "responses" else {"messages": [{"role": "user", "content": text}]}
    )
    limit = {"max_tokens": 900} if surface == "messages" else {}
    return {"model": "gemini", **own, **limit, **fields}


async def _message(customer: Customer, surface: str, text: str = "hi", **headers: str) -> str:
    async with customer.post(PATHS[surface], _body(surface, text), headers=headers or None) as response:
        document = await response.json()
        assert response.status >= 400
        return str(document["error"]["message"])


@SURFACE
async def test_who_has_nothing_is_not_told_to_ask_for_less(gateway: RunningGateway, surface: str) -> None:
    poor = await gateway.new_customer(balance_usd="0.000001")
    said = await _message(poor, surface)
    assert said.endswith("Top up, or ask for less, such as a lower output limit.")
    # The field has another name on each surface, and who uses a program cannot set it there.
    assert "max_tokens" not in said
    empty = await gateway.new_customer(balance_usd="0")
    assert (await _message(empty, surface)).endswith("available is $0.00. Top up.")


@SURFACE
async def test_a_wrong_key_says_what_to_do(customer: Customer, surface: str) -> None:
    secret = customer.key.secret
    typo = secret[:-1] + ("b" if secret.endswith("a") else "a")
    for wrong in (typo, secret + "x", "sk-ant-api03-abc"):
        said = await _message(customer, surface, authorization=f"Bearer {wrong}")
        assert said.startswith("This is not a key of this gateway") and said.endswith("or make a new one.")
    assert "its keys start with fbx_" in said
    assert "`x-api-key: …`" in await _message(customer, surface, authorization="Bearer ")
    await customer.revoke()
    assert (await _message(customer, surface)).endswith("or make a new one.")


@SURFACE
async def test_a_provider_that_failed_is_worth_another_try(customer: Customer, surface: str) -> None:
    said = await _message(customer, surface, 'hi [[sandbox {"status": 500}]]')
    assert said == "The provider failed; the reservation was released. Send it again."
    broken = _body(surface, 'hi [[sandbox {"error_mid_stream": 3}]]', stream=True)
    async with customer.post(PATHS[surface], broken) as response:
        text = await response.text()
    assert response.status == 200
    assert "The provider's answer broke off; the reservation was released. Send it again." in text


async def test_who_refers_to_items_is_told_how_to_send_them(customer: Customer) -> None:
    """The AI SDK's default from the second turn on; its users never see the request."""
    turns = [{"role": "user", "content": "hi"}, {"type": "item_reference", "id": "msg_1"}]
    async with customer.post("/v1/responses", {"model": "gemini", "input": turns}) as response:
        error = (await response.json())["error"]
    assert response.status == 400 and error["param"] == "input[1]"
    assert "providerOptions: {openai: {store: false}}" in error["message"]
