"""What is asked about a film after it was ordered tells nothing of the account that made it, and harms nobody else."""

import asyncio
import json

import pytest

from tests.gateway import PATIENCE_SECONDS, Customer
from tests.leaks.fort import KEYS, Fort
from tests.leaks.looking import Sight, every_call, look, make

ORDER = next(call for call in every_call() if call.path == "/v1/videos")


async def _ordered(customer: Customer) -> str:
    sight = await make(customer, ORDER)
    assert sight.status == 200, sight.text
    return str(json.loads(sight.body)["id"])


async def _ended(customer: Customer, video_id: str) -> Sight:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            sight = await look(customer, "GET", f"/v1/videos/{video_id}")
            if json.loads(sight.body)["status"] in ("completed", "failed"):
                return sight
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("code", ["insufficient_quota", "Billing_Hard_Limit_Reached", "invalid_api_key"])
async def test_a_film_that_failed_for_the_account_says_only_that_it_failed(
    fort: Fort, customer: Customer, code: str
) -> None:
    await fort.fault("film", job_seconds=0, job_fails={"message": "zebra", "code": code})
    video_id = await _ordered(customer)
    sight = await _ended(customer, video_id)
    assert json.loads(sight.body)["status"] == "failed" and not sight.hidden, sight.text
    assert code.lower() not in sight.text.lower()
    listed = await look(customer, "GET", "/v1/videos")
    assert code.lower() not in listed.text.lower()


async def test_a_film_that_failed_for_itself_says_why(fort: Fort, customer: Customer) -> None:
    await fort.fault("film", job_seconds=0, job_fails={"message": "zebra", "code": "too_windy"})
    sight = await _ended(customer, await _ordered(customer))
    assert "too_windy" in sight.text and not sight.hidden


async def test_who_asks_for_a_film_of_an_account_that_is_gone_makes_no_other_key_rest(
    fort: Fort, customer: Customer
) -> None:
    """The account that is asked instead refuses what is not its own."""
    await fort.fault("film", job_seconds=0)
    video_id = await _ordered(customer)
    assert json.loads((await _ended(customer, video_id)).body)["status"] == "completed"
    async with fort.gateway.connect() as connection:
        await connection.execute("UPDATE video_job SET credential_id = 'gone' WHERE credential_id LIKE 'cred%'")
    await fort.accept()
    try:
        for _ in range(5):
            sight = await look(customer, "GET", f"/v1/videos/{video_id}/content")
            assert sight.status == 502 and not sight.hidden, sight.text
    finally:
        await fort.accept(**KEYS)
    explained = await look(customer, "GET", "/api/route/explain?model=openai_chat")
    assert json.loads(explained.body)["remaining"] == 2
