"""An order: a row, a hold, then the provider. Start reading here.

The row is written first, so that whatever dies afterwards leaves something that says what to look for; the hold comes
before the provider as in every call, but it is the job's and not this worker's. When the provider has accepted, the row
says so before the client hears of it.
"""

import asyncio
import contextlib
from uuid import UUID

import structlog

from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.errors import Problem
from farebox.base.ids import show_call
from farebox.dataplane.answer import bug, dropped_pair
from farebox.dataplane.asgi import (
    Exchange,
    call_headers,
    header,
    problem_headers,
    read_body,
    send_problem,
    send_whole,
)
from farebox.dataplane.call import Call
from farebox.dataplane.forward import CallFailed, Forwarding
from farebox.dataplane.hold import with_claim
from farebox.dataplane.jobs.job import JOBS_OWNER_ID, Job
from farebox.dataplane.jobs.states import Move, WebhookState
from farebox.dataplane.parts import Parts
from farebox.dataplane.rules import Ending, refused_order
from farebox.dataplane.spend import place
from farebox.dataplane.start import started
from farebox.dataplane.tell import held_headers, settled_headers
from farebox.dataplane.videos.admit import SCOPE, VideoSending, admit_video, check_webhook, identity_of, price_of
from farebox.dataplane.videos.endings import Ended, Endings
from farebox.dataplane.videos.show import shown_of
from farebox.dataplane.wanted import take_out_own, wanted_of
from farebox.dialects.openai_chat import SURFACE
from farebox.dialects.port import Broken
from farebox.dialects.videos import VIDEO_UPSTREAMS
from farebox.dialects.videos.answer import video_body
from farebox.dialects.videos.form import is_form
from farebox.dialects.videos.request import VideoRequest, read_video_request
from farebox.identity.authenticate import require_scope
from farebox.ledger.batcher import LedgerFault, LedgerUnavailable
from farebox.providers.client import FailureKind, UpstreamFailure
from farebox.records.call import encode_attempts, encode_audit
from farebox.storage.errors import DatabaseUnavailable

# A job's description; a provider that sends more does not send one.
MAX_ANSWER_BYTES = 1_000_000
# How soon a row that is still being submitted is looked at by the poller, which then asks whether its worker lives.
SUBMITTING_SECONDS = 10
# A provider's acceptance is tried to be stored for so long; after that the job is lost, and released.
ACCEPT_PATIENCE_SECONDS = 20.0
ACCEPT_PAUSE_SECONDS = 0.5

_log = structlog.get_logger(__name__)


async def submit_video(parts: Parts, exchange: Exchange, call_id: UUID) -> None:
    """Serve `POST /v1/videos`. Raises Problem and Refused before anything was sent."""
    started_at = parts.clock()
    key = await parts.authenticate(exchange.headers, exchange.peer)
    require_scope(key, SCOPE)
    body = await read_body(exchange.receive, exchange.headers, parts.bounds)
    content_type = (header(exchange.headers, b"content-type") or b"application/json").decode("latin-1")
    if is_form(content_type):
        own, wanted = body, wanted_of(parts.brand, exchange.headers, {})
    else:
        own, wanted = take_out_own(parts.brand, exchange.headers, body)
    request = read_video_request(content_type, own)
    check_webhook(request.webhook_url, parts.webhooks)
    admission, sending = admit_video(
        parts.catalog(), parts.limits, parts.router, key=key, request=request, wanted=wanted
    )
    admission = with_claim(admission, exchange.headers, identity_of(request))
    call = Call(call_id, admission, started_at, admission.routes[0])
    with place(parts):
        await _Order(parts, call, sending, exchange).run()


def new_job(parts: Parts, call: Call, request: VideoRequest) -> Job:
    """The row of an order that no provider has seen yet."""
    charge_nanos, cost_nanos = price_of(call.route, request.seconds, request.size)
    price = call.route.price
    return Job(
        workspace_id=call.workspace_id,
        job_id=call.call_id,
        key_id=call.admission.key.key_id,
        model_id=call.admission.model.model_id,
        route_id=call.route.route_id,
        provider_id=call.route.provider_id,
        price_version=price.price_version if price else "",
        variant=request.size,
        seconds=request.seconds,
        idempotent=call.admission.claim_id is not None,
        held_nanos=call.admission.hold_nanos,
        charge_nanos=charge_nanos,
        cost_nanos=cost_nanos,
        boot_id=parts.owner_id,
        created_at=call.started_at,
        next_poll_at=call.started_at + SUBMITTING_SECONDS * MICROS_PER_SECOND,
        webhook_url=request.webhook_url,
        webhook_state=None if request.webhook_url is None else WebhookState.PENDING,
        webhook_next_at=None if request.webhook_url is None else call.started_at,
    )


class _Order:
    """One order on its way."""

    def __init__(self, parts: Parts, call: Call, sending: VideoSending, exchange: Exchange) -> None:
        self._parts = parts
        self._call = call
        self._sending = sending
        self._exchange = exchange
        self._endings = Endings(parts.jobs, parts.ledger, clock=parts.clock, metrics=parts.metrics)
        self._dropped: tuple[str, ...] = ()
        self._accepting: asyncio.Future[Job] | None = None

    async def run(self) -> None:
        """Serve the order. Raises Problem and Refused before anything was sent."""
        parts, call = self._parts, self._call
        job = new_job(parts, call, self._sending.request)
        await parts.jobs.insert(job)
        async with contextlib.AsyncExitStack() as stack:
            try:
                holding = started(parts, call, owner_id=JOBS_OWNER_ID, receive=self._exchange.receive)
                await stack.enter_async_context(holding)
            except BaseException:
                await asyncio.shield(self._forget(job))
                raise
            await self._serve(job)

    async def _serve(self, job: Job) -> None:
        """Serve an order that is held."""
        call = self._call
        accepted: Job | None = None
        failed: CallFailed | None = None
        try:
            upstream_id = await self._place()
            self._accepting = asyncio.ensure_future(self._accept(job, upstream_id))
            accepted = await asyncio.shield(self._accepting)
        except CallFailed as failure:
            failed = failure
        except Problem as problem:
            await send_problem(self._exchange.send, problem, self._headers, call.call_id)
            return
        except asyncio.CancelledError:
            await asyncio.shield(self._stop(job))
            raise
        except Exception as error:
            failed = bug(call, error)
        if failed is not None:
            await self._fail(job, failed)
        elif accepted is not None:
            await self._tell(accepted)

    @property
    def _headers(self) -> list[tuple[bytes, bytes]]:
        return call_headers(self._parts.brand, self._call.call_id)

    async def _forget(self, job: Job) -> None:
        """There is no hold, so there is no job. A row that cannot be deleted now is seen by the poller."""
        with contextlib.suppress(DatabaseUnavailable):
            await self._parts.jobs.forget(job)

    # ── the provider ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _place(self) -> str:
        """The provider's name for the job. Raises CallFailed.

        The next route is tried only while it is certain that no provider has the job: after a timeout, or an answer
        that cannot be read, it may have, so a second order could be a second bill.
        """
        call = self._call
        forwarding = Forwarding(self._parts, call, self._sending, gone=lambda: bool(call.failed_costs))
        while True:
            response = await forwarding.open()
            provider = self._parts.catalog().providers[call.route.provider_id]
            try:
                async with asyncio.timeout(forwarding.left_seconds):
                    body = await response.body(MAX_ANSWER_BYTES)
                upstream_id = VIDEO_UPSTREAMS[provider.video_dialect].read_submitted(body)
            except TimeoutError:
                forwarding.failed(FailureKind.TOTAL_TIMEOUT)
            except UpstreamFailure as failure:
                forwarding.failed(failure.kind)
            except Broken:
                forwarding.broke("garbage")
            else:
                self._dropped = forwarding.outgoing.dropped
                forwarding.served()
                return upstream_id
            finally:
                response.close()
                forwarding.neutral()

    async def _accept(self, job: Job, upstream_id: str) -> Job:
        """Let the row say that the provider has the job. Raises Problem when it cannot, or must not any more."""
        call, parts = self._call, self._parts
        charge_nanos, cost_nanos = price_of(call.route, job.seconds, job.variant)
        parts.budgets.spent(call.route, cost_nanos)
        changes = {
            "upstream_id": upstream_id,
            "route_id": call.route.route_id,
            "provider_id": call.route.provider_id,
            "price_version": call.route.price.price_version if call.route.price else "",
            "charge_nanos": charge_nanos,
            "cost_nanos": cost_nanos,
            "attempts": encode_attempts(call.attempts),
            "routing": encode_audit(call.audit()),
            "credential_id": call.seat.credential.credential_id if call.seat is not None else None,
            "next_poll_at": parts.clock() + int(parts.video_settings.poll_seconds * MICROS_PER_SECOND),
        }
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + ACCEPT_PATIENCE_SECONDS
        while True:
            try:
                accepted = await parts.jobs.move(job, Move.ACCEPT, **changes)
                break
            except DatabaseUnavailable as error:
                if loop.time() > give_up_at:
                    _log.critical("an accepted job could not be stored", call_id=show_call(job.job_id))
                    message = "The job could not be stored; it is not charged. Its hold is given back later."
                    raise Problem(
                        "database_unavailable", message, facts=self._facts(), retry_after_seconds=10
                    ) from error
                await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
        if accepted is None:
            # The poller took this worker for dead and ended the job; a hold that came after that is given back now.
            _log.critical("a job was given up while it was ordered", call_id=show_call(job.job_id))
            with contextlib.suppress(LedgerUnavailable, LedgerFault):
                await self._endings.release_stray(job.workspace_id, job.job_id)
            message = "The gateway lost sight of this job; it is not charged."
            raise Problem("internal_error", message, facts=self._facts())
        return accepted

    def _facts(self) -> dict[str, object]:
        return {"call_id": show_call(self._call.call_id)}

    # ── the client ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _tell(self, job: Job) -> None:
        body = video_body(shown_of(job))
        headers = [*self._headers, *held_headers(self._parts.brand, job.held_nanos)]
        if self._dropped:
            headers.append(dropped_pair(self._parts, self._dropped))
        headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", str(len(body)).encode()))
        await send_whole(self._exchange.send, 200, headers, body)

    async def _end(self, job: Job, ending: Ending, *, error_code: str) -> Ended | None:
        """Release an order that no provider accepted; what one may bill all the same is the operator's."""
        call = self._call
        charge_nanos, cost_nanos = price_of(call.route, job.seconds, job.variant)
        unbilled_nanos = cost_nanos if call.failed_costs or call.may_have_cost else 0
        self._parts.budgets.spent(call.route, unbilled_nanos)
        # The ledger's command is made of the row alone, so the row has to name the provider that may bill.
        return await self._endings.end(
            job,
            refused_order(ending),
            route_id=call.route.route_id,
            provider_id=call.route.provider_id,
            price_version=call.route.price.price_version if call.route.price else "",
            charge_nanos=charge_nanos,
            cost_nanos=cost_nanos,
            unbilled_nanos=unbilled_nanos,
            attempts=encode_attempts(call.attempts),
            routing=encode_audit(call.audit()),
            error_code=error_code,
        )

    async def _fail(self, job: Job, failed: CallFailed) -> None:
        """Release, then tell: the provider's own words where it found fault with the order, else ours."""
        parts, call, send = self._parts, self._call, self._exchange.send
        try:
            ended = await self._end(job, failed.ending, error_code=failed.problem.code)
        except (DatabaseUnavailable, LedgerUnavailable, LedgerFault):
            message = "The order failed, and its hold is given back later."
            problem = Problem("database_unavailable", message, facts=self._facts(), retry_after_seconds=10)
            await send_problem(send, problem, self._headers, call.call_id)
            return
        headers = self._headers
        if ended is not None and ended.available_nanos is not None:
            headers += settled_headers(
                parts.brand,
                charge_nanos=0,
                available_nanos=ended.available_nanos,
                low_balance_nanos=parts.low_balance_nanos,
            )
        relayed = failed.relayed
        if relayed is None:
            await send_problem(send, failed.problem, headers, call.call_id)
            return
        body = relayed.body or SURFACE.error_body(failed.problem, show_call(call.call_id))
        await send_whole(send, relayed.status, [*headers, *problem_headers(failed.problem, len(body))], body)

    async def _stop(self, job: Job) -> None:
        """This process is told to stop while the order is on its way: what the provider accepted goes on without us."""
        if self._accepting is not None:
            await asyncio.wait([self._accepting])
            if self._accepting.exception() is None:
                return
        with contextlib.suppress(DatabaseUnavailable, LedgerUnavailable, LedgerFault):
            await self._end(job, Ending.STOPPED, error_code="internal_error")
