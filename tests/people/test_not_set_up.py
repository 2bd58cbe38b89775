"""What a gateway answers where nobody can sign in yet: what is missing, while calls go on."""

from collections.abc import AsyncIterator

import pytest

from farebox.wiring.settings import Server
from tests.database import TestCluster
from tests.gateway import EVERYWHERE, RunningGateway, serve_gateway
from tests.people.browser import Browser


@pytest.fixture(scope="module")
async def nowhere(cluster: TestCluster) -> AsyncIterator[RunningGateway]:
    """Open to other machines, and without a public address."""
    async with serve_gateway(cluster, server=Server(host=EVERYWHERE)) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/auth/email", {"email": "anna@nowhere.example"}),
        ("/api/auth/wallet/challenge", {"address": "0x" + "1" * 40, "chain_id": 1}),
        ("/api/auth/passkey/challenge", {}),
    ],
)
async def test_without_a_public_address_nobody_signs_in_and_is_told_why(
    nowhere: RunningGateway, path: str, body: dict[str, object]
) -> None:
    async with Browser(nowhere) as browser:
        answer = await browser.request("POST", path, body=body)
    assert (answer.status, answer.code) == (503, "sign_in_unavailable")
    assert "public address" in answer.json["error"]["message"]


async def test_the_page_for_signing_in_says_so_and_calls_go_on(nowhere: RunningGateway) -> None:
    async with Browser(nowhere) as browser:
        page = await browser.request("GET", "/sign-in")
    assert page.status == 503 and "public address" in page.text
    customer = await nowhere.new_customer()
    async with customer.chat() as response:
        assert response.status == 200
    items = (await customer.get("/api/setup"))["readiness"]
    (item,) = [item for item in items if item["capability"] == "email_sign_in"]
    assert (item["state"], item["detail"]) == ("operator_action_needed", "Nobody can sign in yet; API keys work.")
