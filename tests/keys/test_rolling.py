"""A key is rolled while it is in use: no call fails within the overlap, and both keys together have what one had."""

import asyncio

import pytest

from farebox.base.clock import MICROS_PER_SECOND, monotone_clock
from farebox.identity.model import CreatedKey, KeyStatus, RateLimit
from farebox.identity.rates import write_rate
from farebox.identity.store import KeyChange, read_key, revoke_key_by_id, roll_key, show_key, update_key
from farebox.ledger.book import Span
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.dataplane.outcomes import see
from tests.gateway import Customer, RunningGateway, serve_gateway, until

HOUR_SECONDS = 3_600
# A stream that goes on for a while.
_SLOW = {"words": 20, "chunk_delay_seconds": 0.1}


class _Clock:
    """The machine's, which can be put forward."""

    def __init__(self) -> None:
        self._machine = monotone_clock()
        self.ahead_micros = 0

    def __call__(self) -> int:
        return self._machine() + self.ahead_micros


async def _rolled(customer: Customer, *, overlap_seconds: int = HOUR_SECONDS) -> CreatedKey:
    gateway = customer.gateway
    async with gateway.connect() as connection:
        rolled = await roll_key(
            connection,
            customer.workspace_id,
            customer.key.record.key_id,
            key_prefix=gateway.settings.brand.key_prefix,
            now_micros=gateway.clock(),
            overlap_seconds=overlap_seconds,
        )
    assert rolled is not None
    return rolled.created


async def test_no_call_fails_within_the_overlap_and_the_old_key_ends_after_it(
    cluster: TestCluster, sandbox: RunningSandbox
) -> None:
    clock = _Clock()
    async with serve_gateway(cluster, sandbox=sandbox, clock=clock, workers=2) as gateway:
        old = await gateway.new_customer()
        statuses: dict[str, list[int]] = {}
        working = True

        async def program(customer: Customer, name: str, worker: int) -> None:
            seen = statuses.setdefault(name, [])
            while working:
                seen.append((await see(customer.chat(worker=worker, stream=worker == 0))).status)

        programs = [asyncio.create_task(program(old, "before", worker)) for worker in (0, 1)]
        await until(lambda: len(statuses.get("before", [])) >= 10)
        new = old.with_key(await _rolled(old))
        programs += [asyncio.create_task(program(new, "after", worker)) for worker in (0, 1)]
        await until(lambda: len(statuses.get("after", [])) >= 10)
        clock.ahead_micros += (HOUR_SECONDS - 600) * MICROS_PER_SECOND
        so_far = len(statuses["before"])
        await until(lambda: len(statuses["before"]) >= so_far + 10)
        working = False
        await asyncio.gather(*programs)
        assert set(statuses["before"]) == set(statuses["after"]) == {200}
        clock.ahead_micros += 600 * MICROS_PER_SECOND
        for worker in (0, 1):
            ended = await see(old.chat(worker=worker))
            assert (ended.status, ended.error["code"], ended.error["reason"]) == (401, "invalid_api_key", "expired")
            assert (await see(new.chat(worker=worker))).status == 200


async def test_an_overlap_of_nothing_ends_the_old_key_at_once(proxied: RunningGateway) -> None:
    old = await proxied.new_customer()
    assert [(await see(old.chat(worker=worker))).status for worker in (0, 1)] == [200, 200]
    new = old.with_key(await _rolled(old, overlap_seconds=0))
    async with asyncio.timeout(10):
        for worker in (0, 1):
            while (await see(old.chat(worker=worker))).status != 401:
                await asyncio.sleep(0.02)
    assert [(await see(new.chat(worker=worker))).status for worker in (0, 1)] == [200, 200]


@pytest.mark.parametrize("span", [Span.DAY, Span.MONTH, Span.LIFETIME])
async def test_both_keys_together_may_use_what_one_could(proxied: RunningGateway, span: Span) -> None:
    old = await proxied.new_customer()
    await old.set_limit(requests=6, span=span, key=old.key)
    assert [(await see(old.chat())).status for _ in range(2)] == [200, 200]
    new = old.with_key(await _rolled(old))
    statuses = [(await see(customer.chat(worker=worker))).status for worker in (0, 1) for customer in (old, new)]
    assert statuses == [200] * 4
    for customer in (old, new):
        refused = await see(customer.chat())
        assert (refused.status, refused.error["code"]) == (429, "quota_exhausted")
        limits = (await customer.get("/api/limits"))["data"]
        assert [(limit["used"], limit["limit"]) for limit in limits] == [(6, 6)]
        assert (await customer.get("/api/balance"))["limits"][0]["used"] == 6


async def test_a_dollar_limit_does_not_double_by_rolling_again_and_again(proxied: RunningGateway) -> None:
    key = await proxied.new_customer()
    # A call costs 14 + 1 tokens; the limit has room for its worst case until most of it is used.
    await key.set_limit(usd="0.00015", key=key.key)
    statuses = []
    for _ in range(12):
        statuses.append((await see(key.chat(max_tokens=2))).status)
        key = key.with_key(await _rolled(key))
    assert 200 in statuses
    assert statuses[-1] == 402
    use = (await key.get("/api/limits"))["data"][0]
    assert float(use["used"]) <= 0.00015


async def test_a_limit_that_is_set_after_the_roll_holds_for_both(proxied: RunningGateway) -> None:
    old = await proxied.new_customer()
    new = old.with_key(await _rolled(old))
    url = f"{proxied.url}/api/keys/{show_key(new.key.record.key_id)}/limits"
    async with proxied.session.put(url, json={"lifetime": {"requests": 2}}, headers=new.headers) as response:
        assert response.status == 200, await response.text()
    assert [(await customer.get("/api/limits"))["data"][0]["limit"] for customer in (old, new)] == [2, 2]
    assert [(await see(customer.chat())).status for customer in (old, new, old, new)] == [200, 200, 429, 429]


async def test_a_rate_limit_does_not_double_by_rolling(proxied: RunningGateway) -> None:
    old = await proxied.new_customer()
    async with proxied.connect() as connection:
        rate = RateLimit(old.key.record.key_id, "", None, None, 1)
        await write_rate(connection, old.workspace_id, rate)
    new = old.with_key(await _rolled(old))
    async with old.chat(stream=True, sandbox=_SLOW) as response:
        assert response.status == 200
        assert (await see(new.chat())).error["code"] == "rate_limit_exceeded"
        await response.read()
    assert (await see(new.chat())).status == 200


async def test_calls_are_counted_for_the_key_that_made_them(proxied: RunningGateway) -> None:
    old = await proxied.new_customer()
    new = old.with_key(await _rolled(old))
    for customer, count in ((old, 1), (new, 2)):
        for _ in range(count):
            await see(customer.chat())
    for customer, count in ((old, 1), (new, 2)):
        name = show_key(customer.key.record.key_id)
        page = (await new.get(f"/api/usage?key={name}"))["data"]
        assert [line["key_id"] for line in page] == [name] * count


async def test_a_running_call_is_listed_under_the_key_that_made_it(proxied: RunningGateway) -> None:
    old = await proxied.new_customer()
    new = old.with_key(await _rolled(old))
    names = [show_key(customer.key.record.key_id) for customer in (old, new)]
    async with new.chat(stream=True, sandbox=_SLOW) as response:
        assert response.status == 200
        pages = [(await new.get(f"/api/usage?key={name}"))["data"] for name in names]
        assert [[(line["key_id"], line["status"]) for line in page] for page in pages] == [[], [(names[1], "running")]]
        await response.read()


async def test_an_update_and_a_revocation_reach_every_worker(proxied: RunningGateway) -> None:
    customer = await proxied.new_customer()
    place = (customer.workspace_id, customer.key.record.key_id)

    async def becomes(status: int) -> None:
        async with asyncio.timeout(10):
            for worker in (0, 1):
                while (await see(customer.chat(worker=worker))).status != status:
                    await asyncio.sleep(0.02)

    await becomes(200)
    async with proxied.connect() as connection:
        for change, status in (
            (KeyChange(scopes=frozenset({"usage.read"})), 403),
            (KeyChange(scopes=frozenset({"chat.completions"})), 200),
            (KeyChange(allowed_models=frozenset()), 404),
            (KeyChange(allowed_models=None), 200),
            (KeyChange(expires_at=1), 401),
            (KeyChange(expires_at=None), 200),
        ):
            await update_key(connection, *place, change, now_micros=proxied.clock())
            await becomes(status)
        await revoke_key_by_id(connection, *place, now_micros=proxied.clock())
    await becomes(401)


async def test_a_read_only_key_reads_and_nothing_else(proxied: RunningGateway) -> None:
    customer = await proxied.new_customer(scopes=frozenset({"usage.read"}))
    for path in ("/api/usage", "/api/limits", "/api/balance", "/api/policy"):
        await customer.get(path)
    await customer.get("/v1/models", status=403)
    assert (await see(customer.chat())).error["code"] == "insufficient_scope"
    async with customer.gateway.session.put(
        f"{proxied.url}/api/keys/{show_key(customer.key.record.key_id)}/limits",
        json={"day": None},
        headers=customer.headers,
    ) as response:
        assert response.status == 403


async def test_a_use_is_seen_while_the_gateway_runs_and_kept_when_it_stops(proxied: RunningGateway) -> None:
    customer = await proxied.new_customer()

    async def last_used() -> int | None:
        async with proxied.connect() as connection:
            listing = await read_key(connection, customer.workspace_id, customer.key.record.key_id)
        assert listing is not None
        assert listing.status_at(proxied.clock()) is KeyStatus.ACTIVE
        return listing.last_used_at

    assert await last_used() is None
    before = proxied.clock()
    await customer.get("/api/balance")
    async with asyncio.timeout(20):
        while (first := await last_used()) is None:
            await asyncio.sleep(0.05)
    assert before <= first <= proxied.clock()
    await see(customer.chat(worker=1))
    await proxied.restart()
    last = await last_used()
    assert last is not None
    assert last > first
