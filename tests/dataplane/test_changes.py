"""Changes reach every process within a second, and a process that may have missed one forgets what it remembered."""

import asyncio

from farebox.identity.store import activate_workspace, suspend_workspace
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.dataplane.outcomes import price, see
from tests.gateway import CATALOG, Customer, RunningGateway, serve_gateway

PROMISE_SECONDS = 1.0


async def status_within_the_promise(customer: Customer, status: int, **fields: object) -> None:
    """Both workers give that status within the promised second (and some for a loaded machine)."""
    async with asyncio.timeout(PROMISE_SECONDS + 1.0):
        for worker in range(len(customer.gateway.workers)):
            while (await see(customer.chat(worker=worker, **fields))).status != status:  # type: ignore[arg-type]
                await asyncio.sleep(0.02)


async def test_a_revoked_key_stops_working_everywhere(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    await status_within_the_promise(customer, 200)
    await customer.revoke()
    await status_within_the_promise(customer, 401)


async def test_a_suspended_workspace_stops_and_comes_back(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    await status_within_the_promise(customer, 200)
    async with gateway.connect() as connection:
        await suspend_workspace(connection, customer.workspace_id)
        await status_within_the_promise(customer, 401)
        await activate_workspace(connection, customer.workspace_id)
        await status_within_the_promise(customer, 200)


async def test_prices_routes_and_models_change_without_a_restart(cluster: TestCluster, sandbox: RunningSandbox) -> None:
    async with serve_gateway(cluster, sandbox=sandbox, workers=2) as gateway:
        customer = await gateway.new_customer()
        dearer = CATALOG.replace('price = { input = "1.00"', 'price = { input = "9.00"')

        async def charge_nanos(worker: int) -> int:
            seen = await see(customer.chat(worker=worker))
            return (await customer.receipt(seen.call_id)).call.charge_nanos

        assert [await charge_nanos(worker) for worker in (0, 1)] == [price(14, 1)] * 2
        await gateway.apply_catalog(dearer)
        await asyncio.sleep(PROMISE_SECONDS)
        assert [await charge_nanos(worker) for worker in (0, 1)] == [price(14 * 9, 1)] * 2
        await gateway.apply_catalog(
            dearer.replace("[models.plain]", '[models.plain]\nstatus = "disabled"\nstatus_reason = "Off"')
        )
        await status_within_the_promise(customer, 503)
        await gateway.apply_catalog(CATALOG + CATALOG[CATALOG.index("[models") :].replace("plain", "new"))
        await status_within_the_promise(customer, 200, model="new")
        # A receipt keeps the price of its own time.
        first, *_ = await customer.call_ids()
        assert (await customer.receipt(first)).call.charge_nanos == price(14, 1)


async def test_a_process_that_lost_its_change_feed_drops_its_caches(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    await status_within_the_promise(customer, 200)
    async with gateway.connect() as connection:
        async with connection.transaction():
            # Nobody is told of this one.
            await connection.execute("SET LOCAL session_replication_role = replica")
            cursor = await connection.execute(
                "UPDATE api_key SET status = 'revoked', revoked_at = %s WHERE workspace_id = %s",
                (gateway.clock(), customer.workspace_id),
            )
            assert cursor.rowcount == 1
        assert (await see(customer.chat())).status == 200, "remembered"
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    await status_within_the_promise(customer, 401)


async def test_calls_go_on_when_every_connection_to_the_database_is_cut(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    running = [
        asyncio.ensure_future(see(customer.chat(stream=True, sandbox={"words": 30, "chunk_delay_seconds": 0.02})))
    ]
    await asyncio.sleep(0.1)
    async with gateway.connect() as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    running += [asyncio.ensure_future(see(customer.chat(worker=number % 2))) for number in range(10)]
    seen = await asyncio.gather(*running)
    assert [one.status for one in seen] == [200] * 11 and seen[0].whole
    await gateway.idle()
    assert await customer.balance_nanos() == 10 * 10**9 - price(14, 30) - 10 * price(14, 1)
