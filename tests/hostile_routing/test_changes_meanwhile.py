"""What the operator changes holds for calls that wait: nothing goes to a provider that was switched off meanwhile."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.dataplane.outcomes import see
from tests.gateway import Customer, RunningGateway, until
from tests.hostile_routing.bazaar import bazaar_text

OFF = 'status = "disabled"\nstatus_reason = "closed"\n'


async def _apply(gateway: RunningGateway, text: str) -> None:
    before = gateway.parts.catalog()
    await gateway.apply_catalog(text)
    await until(lambda: gateway.parts.catalog() is not before)


@pytest.fixture
async def changed(gateway: RunningGateway) -> AsyncIterator[None]:
    """For tests that change the catalog: afterwards it is as before."""
    yield
    await _apply(gateway, bazaar_text(gateway.sandbox.base_url))


@pytest.mark.parametrize("what", ["providers.narrow", 'routes."narrow/narrow"', "models.narrow"])
async def test_a_call_in_line_does_not_go_where_it_may_not_go_any_more(
    gateway: RunningGateway, customer: Customer, changed: None, what: str
) -> None:
    before = len(await gateway.upstream_calls("narrow-narrow"))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(see(customer.chat(model="narrow", sandbox={"delay_seconds": 1.5})))
        await until(lambda: gateway.parts.calls.taken == 1)
        second = group.create_task(see(customer.chat(model="narrow")))
        await until(lambda: gateway.parts.seats.waiting == 1)
        text = bazaar_text(gateway.sandbox.base_url)
        await _apply(gateway, text.replace(f"[{what}]\n", f"[{what}]\n{OFF}", 1))
    assert first.result().status == 200
    assert second.result().status == 503, second.result().body
    assert len(await gateway.upstream_calls("narrow-narrow")) == before + 1


async def test_a_fallback_is_not_tried_any_more_when_its_provider_was_switched_off(
    gateway: RunningGateway, customer: Customer, changed: None
) -> None:
    await gateway.set_faults("pair-first", {"status": 500, "delay_seconds": 1.0})
    before = len(await gateway.upstream_calls("pair-second"))
    async with asyncio.TaskGroup() as group:
        call = group.create_task(see(customer.chat(model="pair")))
        await until(lambda: gateway.parts.calls.taken == 1)
        text = bazaar_text(gateway.sandbox.base_url)
        await _apply(gateway, text.replace("[providers.second]\n", f"[providers.second]\n{OFF}", 1))
    assert call.result().status == 502
    assert len(await gateway.upstream_calls("pair-second")) == before
