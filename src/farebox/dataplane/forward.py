"""Attempts: routes in order, until one answers. A failure before the first byte falls back to the next route."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, NoReturn

import structlog

from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.errors import Problem
from farebox.base.ids import show_call, step_id
from farebox.catalog.model import Route
from farebox.catalog.rules import charge_nanos
from farebox.dataplane.call import Call
from farebox.dataplane.estimate import BYTES_PER_TOKEN_FOR_COSTS, estimated_usage
from farebox.dataplane.parts import Parts
from farebox.dataplane.rules import Ending
from farebox.dataplane.sending import Outgoing, Sending
from farebox.dialects.account import is_about_account, is_about_request, without_ids
from farebox.dialects.port import Inexpressible
from farebox.ledger.batcher import LedgerFault, LedgerUnavailable
from farebox.ledger.commands import Cost, Dispatch
from farebox.ledger.outcomes import Refusal
from farebox.providers.accounts import REST_SECONDS, AccountState
from farebox.providers.client import (
    MAX_ERROR_BODY_BYTES,
    FailureKind,
    UpstreamFailure,
    UpstreamResponse,
    Waits,
    waits_for,
)
from farebox.records.call import Attempt
from farebox.routing.capacity.seats import Seat
from farebox.routing.health import Verdict
from farebox.routing.rules import MAX_ROUTES

# Attempts of one call, by whichever routes and credentials.
MAX_ATTEMPTS = MAX_ROUTES
# What failed attempts may cost the operator, in holds of the call: one can be made good by another, two say that
# something is wrong with more than a route.
MAX_SPENT_HOLDS = 2
# What a client is told to wait when the provider did not say.
DEFAULT_RETRY_SECONDS = 5
MAX_RETRY_SECONDS = 120
# Of a provider's own words about a request, when they are told in another dialect than its own.
MAX_ERROR_MESSAGE_CHARS = 2_000

_REJECTED = frozenset({400, 404, 413, 422})
_REFUSED_KEY = frozenset({401, 402, 403})

_log = structlog.get_logger(__name__)


class Relayed(NamedTuple):
    """A provider's own error answer: its status, and its body if that can be passed on as it is (else empty)."""

    status: int
    body: bytes


class CallFailed(Exception):
    """No route answered, or the one that did found fault with the request."""

    def __init__(self, ending: Ending, problem: Problem, relayed: Relayed | None = None) -> None:
        super().__init__(problem.code)
        self.ending = ending
        self.problem = problem
        self.relayed = relayed


class Forwarding:
    """The attempts of one call. `gone` says that nobody waits for an answer any more: no further route is tried."""

    outgoing: Outgoing  # what the route was sent whose answer came last

    def __init__(self, parts: Parts, call: Call, sending: Sending, *, gone: Callable[[], bool] = lambda: False) -> None:
        self._parts = parts
        self._call = call
        self._sending = sending
        self._gone = gone
        self._routes = deque(call.to_try or call.admission.routes)
        self._number = 0
        self._posted = False
        self._left_alone: set[str] = set()
        self._unjudged = False
        self._loop = asyncio.get_running_loop()
        self._began_at = self._loop.time()
        self._began_micros = 0
        self._deadline: float | None = None
        self._failure = CallFailed(Ending.FAILED, Problem("upstream_exception", "No provider answered."))
        self.waits = Waits(0, 0, 0, 0)

    async def open(self) -> UpstreamResponse:
        """The first successful answer of the routes that are left. Raises CallFailed when there is none."""
        while self._routes and self._number < MAX_ATTEMPTS:
            route = self._routes.popleft()
            if self._number and (self._gone() or self._spent_enough() or self._out_of_time()):
                break
            if self._is_left_alone(route):
                self._routes.append(route)
                continue
            if not self._sit_down(route):
                continue
            await self._begin(route)
            if not self._prepare(route):
                continue
            # From here on the provider may have the request, whatever ends us.
            self._call.may_have_cost = True
            try:
                response = await self._post(route)
            except UpstreamFailure as failure:
                self._check_upload()
                self.failed(failure.kind)
                continue
            except BaseException:
                self.neutral()
                raise
            if 200 <= response.status < 300:
                self._note("answered", response.status)
                return response
            self._call.may_have_cost = False
            await self._refused(route, response)
        raise self._failure if self._posted or not self._call.passed_over else _no_slot()

    def _is_left_alone(self, route: Route) -> bool:
        """Whether somebody else is trying out just now whether the route has recovered, and others are left: asked once
        for each route, for as a last resort it is tried all the same."""
        if not self._routes or route.route_id in self._left_alone:
            return False
        if not self._parts.health.seen(route.route_id).broken:
            return False
        self._left_alone.add(route.route_id)
        return True

    def _spent_enough(self) -> bool:
        """Whether failed attempts may have cost so much that no further one is paid for."""
        spent_nanos = sum(cost.cost_nanos for cost in self._call.failed_costs)
        return spent_nanos >= MAX_SPENT_HOLDS * self._call.admission.hold_nanos

    def _out_of_time(self) -> bool:
        return self._deadline is not None and self._loop.time() >= self._deadline

    def _sit_down(self, route: Route) -> bool:
        """A slot for the next attempt: the first was taken before the hold, the others are not waited for. None for a
        route that was switched off meanwhile."""
        call = self._call
        if not call.may_go(self._parts.catalog(), route):
            return False
        if self._number == 0 and call.seat is not None and call.route is route:
            return True
        if self._number:
            call.leave_seat()  # before that the first route's slot is kept until another one is had
        provider = self._parts.catalog().providers.get(route.provider_id)
        if provider is None:
            return False
        seat = self._parts.seats.take_now(provider, route.terms.region, call.workspace_id)
        if not isinstance(seat, Seat):
            call.passed_over.append(route.route_id)
            return False
        call.sit_down(route, seat)
        return True

    # ── what is learnt of a route's health ────────────────────────────────────────────────────────────────────────

    def served(self) -> None:
        """The answer came whole."""
        call, now_micros = self._call, self._parts.clock()
        first_token_ms = tokens_per_second = None
        if call.first_byte_at is not None:
            if call.admission.streamed:
                first_token_ms = max(0, call.first_byte_at - self._began_micros) // 1_000
            began_micros = call.first_byte_at if call.admission.streamed else self._began_micros
            written = call.reported.usage.total_output_tokens if call.reported.usage is not None else 0
            if written and now_micros > began_micros:
                tokens_per_second = written * MICROS_PER_SECOND // (now_micros - began_micros)
        self._judge("answered", first_token_ms=first_token_ms, tokens_per_second=tokens_per_second)
        ask = call.admission.ask
        if ask.affinity is not None and len(self._parts.catalog().routes_of(ask.model.model_id)) > 1:
            self._parts.sticky.keep(ask.workspace_id, ask.model.model_id, ask.affinity, call.route.route_id)

    def faulted(self) -> None:
        """The answer began, and was none."""
        self._judge("faulted")

    def neutral(self) -> None:
        """Whatever ended the attempt says nothing of the route; without effect where it was judged before."""
        self._judge("neutral")

    def _judge(
        self, verdict: Verdict, *, first_token_ms: int | None = None, tokens_per_second: int | None = None
    ) -> None:
        if self._unjudged:
            self._unjudged = False
            self._parts.health.ended(
                self._call.route.route_id,
                verdict,
                first_token_ms=first_token_ms,
                tokens_per_second=tokens_per_second,
            )

    @property
    def left_seconds(self) -> float:
        """What is left of this attempt's time, which is part of the time that all attempts have together."""
        return max(0.0, -self.late_seconds(self._loop.time()))

    def late_seconds(self, now_seconds: float) -> float:
        """By how much this attempt is over its time, or all of them are over theirs; negative while they are not."""
        own = self._began_at + self.waits.total
        return now_seconds - (own if self._deadline is None else min(own, self._deadline))

    async def _begin(self, route: Route) -> None:
        """Record the next attempt before its first byte; the first one was recorded with the hold."""
        self._number += 1
        self._call.route = route
        self._began_at = self._loop.time()
        self._began_micros = self._parts.clock()
        provider = self._parts.catalog().providers.get(route.provider_id)
        if provider is None:
            raise self._failure
        self.waits = waits_for(provider, self._parts.timeouts)
        if self._deadline is None:
            self._deadline = self._began_at + self.waits.total
        if self._number > 1:
            await self._dispatch_again()

    async def _dispatch_again(self) -> None:
        call = self._call
        command = Dispatch(
            workspace_id=call.workspace_id,
            command_id=step_id(call.call_id, self._number),
            now_micros=self._parts.clock(),
            hold_id=call.call_id,
            attempt=self._number,
        )
        try:
            outcome = await self._parts.ledger.submit(command)
        except (LedgerUnavailable, LedgerFault) as error:
            raise self._failure from error
        if isinstance(outcome, Refusal):
            raise self._failure

    def _prepare(self, route: Route) -> bool:
        """Put the request for this route; False when its provider cannot do what the request needs."""
        provider = self._parts.catalog().providers[route.provider_id]
        try:
            self.outgoing = self._sending.prepare(route, provider)
        except (Inexpressible, Problem):
            self._note("inexpressible", None)
            return False
        if self._call.admission.ask.policy.require_parameters and self.outgoing.dropped:
            self._note("parameters_dropped", None)
            return False
        return True

    async def _post(self, route: Route) -> UpstreamResponse:
        provider = self._parts.catalog().providers[route.provider_id]
        seat = self._call.seat
        endpoint = self._parts.accounts.endpoint(provider, seat.credential if seat is not None else None)
        if endpoint is None:
            raise UpstreamFailure(FailureKind.CONNECT)
        self._parts.health.began(route.route_id)
        self._unjudged = self._posted = True
        if seat is not None:
            seat.use()
        waits = self.waits._replace(first_byte=min(self.waits.first_byte, self.left_seconds))
        return await self._parts.client.post(endpoint, self.outgoing.target, self.outgoing.body, waits)

    def _check_upload(self) -> None:
        """Raises CallFailed when the request broke off because the client did not send the rest of it."""
        body = self.outgoing.body
        if isinstance(body, bytes) or body.failure is None:
            return
        # Half a request is no request, so nothing of it is billed.
        self._call.may_have_cost = False
        self.neutral()
        self._note("upload_broken", None)
        known = body.failure if isinstance(body.failure, Problem) else None
        problem = known or Problem("invalid_request", "The request's body was not sent to its end.")
        raise CallFailed(Ending.CLIENT_LEFT, problem) from body.failure

    def failed(self, kind: FailureKind) -> None:
        """This attempt broke before anything reached the client; note it, and what it may cost all the same."""
        self._call.may_have_cost = False
        self._judge("faulted")
        self._note(kind.value, None)
        if kind.may_have_cost:
            self._accrue()
        if kind.timed_out:
            message = "The provider did not answer in time; the reservation was released. Send it again."
            problem = Problem("upstream_timeout", message)
            self._failure = CallFailed(Ending.TIMED_OUT, problem)
        else:
            self._failure = CallFailed(Ending.FAILED, _exception())

    def broke(self, outcome: str) -> None:
        """An answer began well but was no answer: nothing of it reached the client."""
        self._call.may_have_cost = False
        self._judge("faulted")
        self._note(outcome, None)
        self._accrue()
        self._failure = CallFailed(Ending.FAILED, _exception())

    def _accrue(self) -> None:
        price = self._call.route.price
        if price is None:
            return
        usage = self._call.reported.usage or estimated_usage(
            self._call.prompt_bytes, 0, bytes_per_token=BYTES_PER_TOKEN_FOR_COSTS
        )
        provider_id = self._call.route.provider_id
        cost_nanos = charge_nanos(price.cost_tiers, usage, None)
        self._call.failed_costs.append(
            Cost(f"provider_cost_unbilled:{provider_id}", f"provider_payable:{provider_id}", cost_nanos)
        )
        self._parts.budgets.spent(self._call.route, cost_nanos)

    async def _refused(self, route: Route, response: UpstreamResponse) -> None:
        """An error status: pass it on, or try the next route. Raises CallFailed to pass it on."""
        try:
            told = await self._rejection(response) if response.status in _REJECTED or response.status == 403 else b""
            if response.status == 403 and is_about_request(told):
                # Nobody can make a key rest for all others by what one request says.
                self._reject(403, b"", shown_status=400)
            elif response.status in _REJECTED and not is_about_account(told):
                self._reject(response.status, told)
            elif response.status in _REJECTED or response.status in _REFUSED_KEY:
                self.neutral()
                self._note("credential_refused", response.status)
                key = self._call.seat.credential.credential_id if self._call.seat is not None else None
                _log.error("provider refused our key", provider=route.provider_id, key=key, status=response.status)
                self._rest_credential(route, None)
                self._failure = CallFailed(Ending.FAILED, _exception())
            elif response.status == 429:
                self.neutral()
                self._note("rate_limited", 429)
                said = response.retry_after_seconds
                wait = min(said or DEFAULT_RETRY_SECONDS, MAX_RETRY_SECONDS)
                if self._rest_credential(route, wait):
                    pass  # another key may not be at its limit
                elif said:
                    self._parts.health.cool_down(route.route_id, wait)
                else:
                    self._parts.health.limit(route.route_id, self._call.workspace_id)
                self._failure = CallFailed(Ending.LIMITED, _limited(wait))
            else:
                self.faulted()
                self._note("error_status", response.status)
                self._failure = CallFailed(Ending.FAILED, _exception())
        finally:
            response.close()

    def _rest_credential(self, route: Route, seconds: int | None) -> bool:
        """Leave the key alone for a while and let another one of the same provider try, if there is one. A rate limit
        (`seconds`) of the only key may be the model's alone, so the key stays awake for the others: False."""
        seat, accounts = self._call.seat, self._parts.accounts
        provider = self._parts.catalog().providers.get(route.provider_id)
        if seat is None or provider is None:
            return False
        credential_id, rested_before = seat.credential.credential_id, not accounts.awake(seat.credential)
        accounts.rest(credential_id, REST_SECONDS if seconds is None else seconds)
        if accounts.state(provider, self._call.workspace_id, route.terms.region) is AccountState.READY:
            self._routes.appendleft(route)
            return True
        if seconds is not None and not rested_before:
            accounts.woke(credential_id)
        return False

    async def _rejection(self, response: UpstreamResponse) -> bytes:
        """What the provider says of a request that it rejects: JSON, or empty."""
        self.neutral()
        try:
            async with asyncio.timeout(self.waits.idle):
                body = await response.body(MAX_ERROR_BODY_BYTES)
        except (UpstreamFailure, TimeoutError):
            return b""
        return without_ids(body) if response.content_type == "application/json" else b""

    def _reject(self, status: int, own: bytes, *, shown_status: int | None = None) -> NoReturn:
        self._note("rejected", status)
        message = "The provider rejected this request; the reservation was released."
        if not self.outgoing.native:
            said = self.outgoing.upstream.read_error(own) if own else None
            message = f"{message} It says: {said[:MAX_ERROR_MESSAGE_CHARS]}" if said else message
            own = b""
        raise CallFailed(Ending.REJECTED, Problem("upstream_rejected", message), Relayed(shown_status or status, own))

    def _note(self, outcome: str, status: int | None) -> None:
        """Write the attempt down; a later word on the same attempt replaces the earlier one."""
        route = self._call.route
        milliseconds = int((self._loop.time() - self._began_at) * 1_000)
        attempts = self._call.attempts
        if len(attempts) >= self._number:
            status = status or attempts[-1].status
            attempts.pop()
        seat = self._call.seat
        credential = seat.credential.credential_id if seat is not None else ""
        attempts.append(Attempt(route.route_id, route.provider_id, outcome, status, milliseconds, credential))
        if outcome != "answered":
            _log.warning("attempt failed", call_id=show_call(self._call.call_id), route=route.route_id, outcome=outcome)
        self._parts.metrics.attempted(provider_id=route.provider_id, outcome=outcome)


def _no_slot() -> CallFailed:
    message = "All capacity for this model is in use; the reservation was released."
    return CallFailed(Ending.FAILED, Problem("capacity_exhausted", message, retry_after_seconds=1))


def _exception() -> Problem:
    return Problem("upstream_exception", "The provider failed; the reservation was released. Send it again.")


def _limited(wait: int) -> Problem:
    message = f"The provider is at its rate limit; the reservation was released. Try again in {wait} s."
    return Problem("rate_limit_exceeded", message, retry_after_seconds=wait)
