"""`/v1/models` in the three shapes that clients ask for, from one list."""

from typing import Any

import anthropic
import openai
import pytest

from tests.gateway import Customer


async def _get(customer: Customer, path: str, **headers: str) -> tuple[int, dict[str, str], Any]:
    url = customer.gateway.url + path
    sent = {**customer.headers, **headers}
    async with customer.gateway.session.get(url, headers=sent, allow_redirects=False) as response:
        return response.status, {name.lower(): value for name, value in response.headers.items()}, await response.json()


async def test_openai_clients_get_openais_list(customer: Customer) -> None:
    async with openai.AsyncOpenAI(base_url=customer.gateway.base_url, api_key=customer.key.secret) as client:
        found = [model async for model in client.models.list()]
        one = await client.models.retrieve("plain")
    assert "plain" in [model.id for model in found]
    assert one.object == "model" and one.owned_by is not None


async def test_anthropic_clients_get_anthropics_list_page_by_page(customer: Customer) -> None:
    async with anthropic.AsyncAnthropic(base_url=customer.gateway.url, api_key=customer.key.secret) as client:
        everything = [model.id async for model in client.models.list(limit=1000)]
        in_pages = [model.id async for model in client.models.list(limit=3)]
        one = await client.models.retrieve("plain")
    assert in_pages == everything and "plain" in everything
    assert one.type == "model" and one.display_name == "plain"


async def test_a_page_before_an_id_ends_just_before_it(customer: Customer) -> None:
    version = {"anthropic-version": "2023-06-01"}
    _, _, whole = await _get(customer, "/v1/models?limit=1000", **version)
    ids = [model["id"] for model in whole["data"]]
    _, _, page = await _get(customer, f"/v1/models?limit=2&before_id={ids[5]}", **version)
    assert [model["id"] for model in page["data"]] == ids[3:5]
    assert page["has_more"] is True and page["first_id"] == ids[3] and page["last_id"] == ids[4]


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x"])
async def test_a_page_size_out_of_bounds_is_refused_in_anthropics_form(customer: Customer, limit: str) -> None:
    status, _, body = await _get(customer, f"/v1/models?limit={limit}", **{"anthropic-version": "2023-06-01"})
    assert status == 400
    assert body["type"] == "error" and body["error"]["code"] == "invalid_request"


async def test_codex_keeps_its_own_instructions(customer: Customer) -> None:
    """It decodes `models`, and takes the instructions of each entry for the agent's whole prompt: we have none."""
    status, headers, body = await _get(customer, "/v1/models?client_version=0.169.0")
    assert status == 200 and headers["etag"] == headers["x-models-etag"]
    assert body["models"] == [] and "plain" in {model["id"] for model in body["data"]}


async def test_the_list_is_the_same_with_x_api_key_and_without_the_prefix(customer: Customer) -> None:
    url = f"{customer.gateway.url}/models"
    async with customer.gateway.session.get(url, headers={"x-api-key": customer.key.secret}) as response:
        assert response.status == 200
        without = await response.json()
    assert without == await customer.get("/v1/models")


async def test_head_answers_at_the_root_and_for_the_list(customer: Customer) -> None:
    for path in ("/", "/v1", "/v1/models"):
        async with customer.gateway.session.head(customer.gateway.url + path, headers=customer.headers) as response:
            assert response.status == 200, path


async def test_every_model_says_its_workload_and_whether_it_can_be_called(customer: Customer) -> None:
    body = await customer.get("/v1/models")
    assert all(model["workload"] and isinstance(model["provider_ready"], bool) for model in body["data"])
