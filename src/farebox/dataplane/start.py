"""What a call takes before anything goes upstream, in this order: its share of the rate limits, a slot at a provider,
its hold. Whatever happens afterwards, the first two are given back.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from farebox.base.errors import Problem
from farebox.dataplane.call import Call
from farebox.dataplane.estimate import BYTES_PER_TOKEN_FOR_CHARGES
from farebox.dataplane.hold import take_hold
from farebox.dataplane.parts import Parts
from farebox.routing.capacity.seats import NoSeat, Seat


@asynccontextmanager
async def started(parts: Parts, call: Call, *, owner_id: int | None = None) -> AsyncIterator[None]:
    """Inside the block the call is held and has a slot. Raises Problem and Refused. `owner_id` as in `take_hold`."""
    admission = call.admission
    expected_tokens = -(-call.prompt_bytes // BYTES_PER_TOKEN_FOR_CHARGES)
    call.ticket = await parts.rates.take(admission.key, admission.model.model_id, expected_tokens)
    try:
        await _sit_down(parts, call)
        await take_hold(parts, call, owner_id=owner_id)
        yield
    finally:
        call.leave_seat()
        call.ticket.finish(call.used_tokens)


async def _sit_down(parts: Parts, call: Call) -> None:
    """A slot of the first route that has one; where none has, of the best route as soon as it has.
    Raises Problem `capacity_exhausted`."""
    routes = call.admission.routes
    for place, route in enumerate(routes):
        seat = seat_now(parts, call, place)
        if isinstance(seat, Seat):
            call.sit_down(route, seat)
            call.to_try = (route, *routes[place + 1 :], *routes[:place])
            call.passed_over = [passed.route_id for passed in routes[:place]]
            return
    best = routes[0]
    provider = parts.catalog().providers[best.provider_id]
    wait_seconds = parts.routing.queue_seconds
    try:
        seat = await parts.seats.take(provider, best.terms.region, call.workspace_id, wait_seconds)
    except NoSeat as error:
        message = "All capacity for this model is in use."
        raise Problem("capacity_exhausted", message, retry_after_seconds=error.retry_after_seconds) from None
    call.sit_down(best, seat)
    call.to_try = routes


def seat_now(parts: Parts, call: Call, place: int) -> Seat | NoSeat:
    """A slot of one of the call's routes without waiting."""
    route = call.admission.routes[place]
    provider = parts.catalog().providers.get(route.provider_id)
    if provider is None:
        return NoSeat(1)
    return parts.seats.take_now(provider, route.terms.region, call.workspace_id)
