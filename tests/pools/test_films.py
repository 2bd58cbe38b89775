"""Video jobs of two accounts: only the one that took the order knows it, so it is asked after it and for its film."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from farebox.base.limits import VideoJobs
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.pools.house import House, Shop, all_is_given_back, serve_house
from tests.terms import TERMS
from tests.videos.films import films_of

JOBS = 12
_FILM = """
[providers.p01]
display_name  = "p01"
base_url      = "{base_url}"
api_key_env   = "FAREBOX_TEST_NO_SUCH_KEY"
video_dialect = "{dialect}"

[models.m-p01]
display_name      = "film"
workload          = "video"
max_video_seconds = 60

[routes."p01/m-p01"]
provider = "p01"
model    = "m-p01"
cost  = {{ per_second_video = "0.05" }}
price = {{ per_second_video = "0.10" }}
"""


@pytest.fixture(params=["openai", "veo"])
async def house(cluster: TestCluster, sandbox: RunningSandbox, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    catalog = TERMS + _FILM.format(base_url=sandbox.base_url, dialect=request.param)
    quick = VideoJobs(poll_seconds=0.1, max_poll_seconds=0.2)
    async with serve_house(cluster, sandbox, catalog=catalog, videos=quick) as running:
        yield running
        await all_is_given_back(running)


@pytest.fixture
def shop(house: House) -> Shop:
    return house.provider()


async def test_a_job_is_looked_after_by_the_key_that_ordered_it(house: House, shop: Shop) -> None:
    for account in ("a", "b", "c"):
        await shop.key(account)
    await shop.known()
    await house.control("DELETE", "calls")
    customer = await house.gateway.new_customer(balance_usd="100")
    async with films_of(customer) as here, films_of(customer, worker=1) as there:
        orders = [(here, there)[number % 2].order(model=shop.model) for number in range(JOBS)]
        ordered = await asyncio.gather(*orders)
        ended = await asyncio.gather(*((there, here)[n % 2].ended(each.id) for n, each in enumerate(ordered)))
        assert {film.status for film in ended} == {"completed"}
        contents = await asyncio.gather(*((here, there)[n % 2].content(each.id) for n, each in enumerate(ordered)))
        assert len(set(contents)) == JOBS and all(content[4:8] == b"ftyp" for content in contents)
    calls = await shop.calls()
    # A provider answers 404 to another account's question.
    assert {call["status"] for call in calls} == {200}
    by_account = Counter(call["account"] for call in calls)
    assert set(by_account) == {shop.account(account) for account in ("a", "b", "c")}


async def test_a_job_goes_on_with_its_key_while_others_are_added_and_it_rests(house: House, shop: Shop) -> None:
    first = await shop.key("a")
    await shop.known()
    customer = await house.gateway.new_customer(balance_usd="100")
    async with films_of(customer) as films:
        ordered = await films.order(model=shop.model)
        await shop.key("b", weight=1_000)
        await shop.known()
        for worker in house.gateway.workers:
            worker.parts.accounts.rest(first.credential_id)
        await house.control("DELETE", "calls")
        assert (await films.show(ordered.id)).status in ("queued", "in_progress")
        house.pass_seconds(61)
        assert (await films.ended(ordered.id)).status == "completed"
        assert (await films.content(ordered.id))[4:8] == b"ftyp"
    assert {(call["account"], call["status"]) for call in await shop.calls()} == {(shop.account("a"), 200)}
