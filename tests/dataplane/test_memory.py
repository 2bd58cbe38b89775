"""A call's memory goes with the call: nothing of it waits for the garbage collector, which runs rarely in a worker."""

import asyncio
import gc

import pytest

from farebox.dataplane.call import Call
from farebox.dataplane.relay import Relay
from tests.dataplane.outcomes import see
from tests.gateway import RunningGateway


@pytest.mark.parametrize("stream", [True, False])
async def test_a_call_leaves_nothing_for_the_collector(gateway: RunningGateway, stream: bool) -> None:
    customer = await gateway.new_customer()
    await see(customer.chat(stream=stream))
    gc.collect()
    gc.disable()
    try:
        assert (await see(customer.chat(stream=stream))).status == 200
        await asyncio.sleep(0.1)  # the server lets go of the request after its last byte
        left = [type(found).__name__ for found in gc.get_objects() if isinstance(found, Relay | Call)]
    finally:
        gc.enable()
    assert left == []
