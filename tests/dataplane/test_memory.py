"""A call's memory goes with the call: nothing of it waits for the garbage collector, which runs rarely in a worker."""

import asyncio
import gc

import pytest

from farebox.dataplane.call import Call
from farebox.dataplane.relay import Relay
from tests.dataplane.outcomes import see
from tests.gateway import RunningGateway


def held() -> list[Relay | Call]:
    return [found for found in gc.get_objects() if isinstance(found, Relay | Call)]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_call_leaves_nothing_for_the_collector(gateway: RunningGateway, stream: bool) -> None:
    customer = await gateway.new_customer()
    await see(customer.chat(stream=stream))
    gc.collect()
    gc.disable()
    before = held()  # by tests that broke something off
    try:
        assert (await see(customer.chat(stream=stream))).status == 200
        await asyncio.sleep(0.1)  # the server lets go of the request after its last byte
        left = [type(found).__name__ for found in held() if not any(found is known for known in before)]
    finally:
        gc.enable()
    assert left == []
