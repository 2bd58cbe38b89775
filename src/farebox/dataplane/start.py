"""What a call takes before anything goes upstream, in this order: its share of the rate limits, a slot at a provider,
its hold. Whatever happens afterwards, the first two are given back.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Final

from farebox.base.errors import Problem
from farebox.catalog.model import Route
from farebox.dataplane.asgi import ClientLeft
from farebox.dataplane.call import Call
from farebox.dataplane.estimate import BYTES_PER_TOKEN_FOR_CHARGES
from farebox.dataplane.hold import take_hold
from farebox.dataplane.parts import Parts, Receive
from farebox.routing.capacity.seats import NoSeat, Seat

# For a slot of the best route that another worker has and does not use: the time of a round between the two.
GLANCE_SECONDS: Final = 0.03


@asynccontextmanager
async def started(
    parts: Parts, call: Call, *, owner_id: int | None = None, receive: Receive | None = None
) -> AsyncIterator[None]:
    """Inside the block the call is held and has a slot. Raises Problem and Refused. `owner_id` as in `take_hold`.

    `receive`: of a request whose whole body was read. With it a client that hangs up while its call waits for a slot
    leaves the line: raises ClientLeft.
    """
    admission = call.admission
    expected_tokens = -(-call.prompt_bytes // BYTES_PER_TOKEN_FOR_CHARGES)
    call.ticket = await parts.rates.take(admission.key, admission.model.model_id, expected_tokens)
    try:
        await _sit_down(parts, call, receive)
        await take_hold(parts, call, owner_id=owner_id)
        yield
    finally:
        call.leave_seat()
        call.ticket.finish(call.used_tokens)


async def _sit_down(parts: Parts, call: Call, receive: Receive | None) -> None:
    """A slot of the first route that has one; where none has, of the best route as soon as it has.
    Raises Problem `capacity_exhausted`, and ClientLeft."""
    routes = call.admission.routes
    for place, route in enumerate(routes):
        # Only of the best route is a slot worth a moment: one may lie unused at another worker.
        wait_seconds = GLANCE_SECONDS if place == 0 and len(routes) > 1 else 0.0
        seat = await _seat(parts, call, route, wait_seconds)
        if isinstance(seat, Seat):
            call.sit_down(route, seat)
            call.to_try = (route, *routes[place + 1 :], *routes[:place])
            call.passed_over = [passed.route_id for passed in routes[:place]]
            return
    seat = await _while_there(receive, _seat(parts, call, routes[0], parts.routing.queue_seconds))
    if isinstance(seat, NoSeat):
        message = "All capacity for this model is in use."
        raise Problem("capacity_exhausted", message, retry_after_seconds=seat.retry_after_seconds)
    call.sit_down(routes[0], seat)
    call.to_try = routes
    if not call.may_go(parts.catalog(), routes[0]):
        # The choice is an old one. Who sends the call again is told what is so now.
        raise Problem(
            "capacity_exhausted", "This model's provider changed while the call waited.", retry_after_seconds=1
        )


async def _while_there(receive: Receive | None, waiting: Awaitable[Seat | NoSeat]) -> Seat | NoSeat:
    """What comes of waiting. Raises ClientLeft as soon as the client hangs up."""
    if receive is None:
        return await waiting
    try:
        async with asyncio.timeout(None) as scope:
            watch = asyncio.create_task(_watch(receive, scope), name="client watch")
            try:
                return await waiting
            finally:
                watch.cancel()
    except TimeoutError:
        raise ClientLeft from None


async def _watch(receive: Receive, scope: asyncio.Timeout) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.reschedule(0.0)  # long past: the waiting ends now


async def _seat(parts: Parts, call: Call, route: Route, wait_seconds: float) -> Seat | NoSeat:
    """A slot of a route, waiting for one so long. The catalog may have changed since the route was chosen."""
    catalog, region = parts.catalog(), route.terms.region
    if not call.may_go(catalog, route):
        return NoSeat(1)
    provider = catalog.providers[route.provider_id]
    if not wait_seconds:
        return parts.seats.take_now(provider, region, call.workspace_id)
    try:
        return await parts.seats.take(provider, region, call.workspace_id, wait_seconds)
    except NoSeat as none:
        return none
