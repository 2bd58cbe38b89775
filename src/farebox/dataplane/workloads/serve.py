"""A paid call that is no conversation, in the order of every paid call: who and what, hold, forward, settle, tell."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from farebox.base.errors import Problem
from farebox.base.limits import Bounds
from farebox.catalog import model as catalog
from farebox.catalog.model import SCOPES_OF_WORKLOAD, Provider, Route
from farebox.catalog.rules import Ceiling
from farebox.dataplane.admit import Admission, ask_of, check_size, price_hold, require_workload
from farebox.dataplane.answer import answer
from farebox.dataplane.asgi import Exchange, header, read_body
from farebox.dataplane.call import Call
from farebox.dataplane.hold import with_claim
from farebox.dataplane.parts import Parts
from farebox.dataplane.sending import Outgoing
from farebox.dataplane.spend import place, stream_answer
from farebox.dataplane.start import started
from farebox.dataplane.wanted import Wanted, take_out_own, wanted_of
from farebox.dataplane.workloads.job import Job, Priced
from farebox.dataplane.workloads.pictures import read_pictures_form, read_pictures_job
from farebox.dataplane.workloads.speech import read_speech_job
from farebox.dataplane.workloads.texts import read_embeddings_job, read_moderation_job
from farebox.dataplane.workloads.transcripts import read_transcript_form
from farebox.dataplane.workloads.upload import FormReader, is_form, too_large
from farebox.dialects.openai_media.form import MAX_PARTS
from farebox.dialects.openai_media.images import MAX_INPUT_IMAGES
from farebox.dialects.openai_media.transcripts import SOUND_ELSEWHERE
from farebox.dialects.port import Target, Told
from farebox.dialects.registry import CHAT, UPSTREAMS
from farebox.dialects.translate import Passage
from farebox.identity.authenticate import require_scope
from farebox.identity.model import KeyRecord
from farebox.routing.asking import find_model
from farebox.routing.rules import MAX_ROUTES, Excluded, Exclusion, Test, refuse_without_route

# A form that is no longer is kept whole: its fields may come in any order, and it can be sent to another route.
SMALL_FORM_BYTES = 1_000_000


class Workload(NamedTuple):
    """What is served at one address. `name` stands on receipts; `needed` are fields without which a form
    has to be kept whole, `late` those that may not come once the rest of it streams on: they decide about the hold;
    `most_files` is how many files such a form is held for."""

    name: str
    workload: catalog.Workload
    read: Callable[[bytes], Job] | None
    read_form: Callable[[FormReader], Job] | None = None
    needed: frozenset[str] = frozenset({"model"})
    late: frozenset[str] = frozenset()
    most_files: int = MAX_PARTS
    keep_bytes: Callable[[Bounds], int] = lambda _: SMALL_FORM_BYTES
    accept: str = "application/json, text/event-stream"


# How many pictures a form has, and often what is to be done with them, is known only at its end.
_LATE_FOR_PICTURES = frozenset(
    {
        "model",
        "prompt",
        "n",
        "size",
        "quality",
        "stream",
        "output_format",
        "frame_count",
        "partial_images",
        "svg",
        "svg[model]",
    }
)
_LATE_FOR_SOUND = SOUND_ELSEWHERE | {"model", "stream"}

WORKLOADS: Final[Mapping[str, Workload]] = {
    "/embeddings": Workload("embeddings", "embedding", read_embeddings_job),
    "/moderations": Workload("moderations", "moderation", read_moderation_job),
    "/images/generations": Workload("images", "image", read_pictures_job),
    "/images/edits": Workload(
        "images",
        "image",
        read_pictures_job,
        read_pictures_form,
        needed=frozenset({"model", "prompt"}),
        late=_LATE_FOR_PICTURES,
        most_files=MAX_INPUT_IMAGES,
        keep_bytes=lambda bounds: bounds.max_buffered_upload_bytes,
    ),
    "/audio/speech": Workload("audio", "audio", read_speech_job, accept="*/*"),
    "/audio/transcriptions": Workload("audio", "audio", None, read_transcript_form, late=_LATE_FOR_SOUND, accept="*/*"),
    "/audio/translations": Workload("audio", "audio", None, read_transcript_form, late=_LATE_FOR_SOUND, accept="*/*"),
}


async def serve_workload(parts: Parts, path: str, exchange: Exchange, call_id: UUID) -> None:
    """Serve one request. Raises Problem and Refused before anything was sent."""
    workload = WORKLOADS[path]
    started_at = parts.clock()
    key = await parts.authenticate(exchange.headers, exchange.peer)
    _require_scope(key, workload)
    job, claimed, wanted = await _read(parts, workload, exchange)
    admission = _admit(parts, key, workload, job=job, wanted=wanted)
    if claimed is not None:
        admission = with_claim(admission, exchange.headers, claimed)
    call = Call(call_id, admission, started_at, admission.routes[0], reported=job.at_most())
    if workload.workload == "image":
        parts = _with_room_for_pictures(parts)
    sending = MediaSending(call, job, Target(path, (("accept", workload.accept),)))
    with place(parts):
        # The body of a form may still be on its way, and it has a reader.
        async with started(parts, call, receive=exchange.receive if job.form is None else None):
            if job.framing is not None:
                await stream_answer(parts, call, sending.after_upload(exchange), sending, framing=job.framing)
            else:
                await answer(
                    parts,
                    call,
                    exchange.send,
                    sending=sending,
                    read=lambda _, body, content_type: job.received(priced(call), body, content_type),
                    surface=CHAT,
                )


def _require_scope(key: KeyRecord, workload: Workload) -> None:
    """Raises Problem `insufficient_scope` unless the key has one of the workload's scopes."""
    scopes = SCOPES_OF_WORKLOAD[workload.workload]
    if not key.scopes & scopes:
        require_scope(key, min(scopes))


async def _read(parts: Parts, workload: Workload, exchange: Exchange) -> tuple[Job, bytes, Wanted]:
    """The request, its body where that has a part in an Idempotency-Key, and what it wants of its route.
    Raises Problem."""
    if not is_form(exchange):
        if workload.read is None:
            raise Problem("invalid_request", "Send the file as `multipart/form-data`.", param="file")
        body = await read_body(exchange.receive, exchange.headers, parts.bounds)
        own, wanted = take_out_own(parts.brand, exchange.headers, body)
        return workload.read(own), body, wanted
    if workload.read_form is None:
        raise Problem("invalid_request", "Send the request as JSON.")
    reader = FormReader(exchange, parts.bounds, late=workload.late, most_files=workload.most_files)
    await reader.keep(workload.keep_bytes(parts.bounds))
    claimed = header(exchange.headers, b"idempotency-key") is not None
    await _keep_what_is_needed(reader, parts.bounds, claimed=claimed, needed=workload.needed)
    wanted = wanted_of(parts.brand, exchange.headers, {})
    return workload.read_form(reader), reader.raw() if claimed else b"", wanted


async def _keep_what_is_needed(reader: FormReader, bounds: Bounds, *, claimed: bool, needed: frozenset[str]) -> None:
    """Keep all of a form whose hash is needed, and so much of another as the hold needs. Raises Problem."""

    most = bounds.max_buffered_upload_bytes

    def enough() -> bool:
        # The read that crosses the bound may bring the missing field or the end as well: such a form is too long all
        # the same, or it would depend on the network whether it is served.
        whole = reader.over and reader.size_bytes <= most
        return whole or (not claimed and reader.has_within(needed, most))

    if enough():
        return
    await reader.keep(most)
    if enough():
        return
    if claimed:
        raise too_large("A form with an `Idempotency-Key`", most)
    missing = min(name for name in needed if not reader.has_within({name}, most))
    raise too_large(f"A form with its files before `{missing}`", most, "; send the fields first")


def _admit(parts: Parts, key: KeyRecord, workload: Workload, *, job: Job, wanted: Wanted) -> Admission:
    """Everything that comes before the hold. Raises Problem."""
    offer = parts.catalog()
    model = find_model(offer, key, job.model)
    require_workload(model, workload.workload)
    try:
        check_size(job.size, parts.limits)
    except Problem as problem:
        problem.param = job.param
        raise
    ceiling = job.ceiling(model)
    ask = ask_of(key, model, wanted, scope=_scope_of(key, workload))
    ask = ask._replace(input_tokens=ceiling.total_input_tokens)
    tests = [] if wanted.max_cost_nanos is None else [_cost_test(job, ceiling, wanted.max_cost_nanos)]
    choice = parts.router.choose(offer, ask, tests, most=MAX_ROUTES if ask.policy.allow_fallbacks else 1)
    refuse_without_route(ask, choice)
    holds = [_hold_for(job, ceiling, route) for route in choice.routes]
    return Admission(
        key=key,
        model=model,
        ask=ask,
        choice=choice,
        catalog_version=offer.version,
        routes=choice.routes,
        hold_nanos=max(holds),
        dialect=workload.name,
        streamed=job.framing is not None,
        prompt_bytes=job.size.text_bytes,
        output_tokens=ceiling.output_tokens,
    )


def _scope_of(key: KeyRecord, workload: Workload) -> str:
    """Of the scopes that let a key call the workload, the one that this key calls it by."""
    return min(key.scopes & SCOPES_OF_WORKLOAD[workload.workload])


def _hold_for(job: Job, ceiling: Ceiling, route: Route) -> int:
    assert route.price is not None, "a route without a price does not stand"
    return price_hold((route,), ceiling, variant=job.variant(route.price))


def _cost_test(job: Job, ceiling: Ceiling, max_nanos: int) -> Test:
    def test(route: Route) -> Excluded | None:
        needed = _hold_for(job, ceiling, route)
        return None if needed <= max_nanos else Excluded(route, Exclusion.COST_ABOVE_MAXIMUM, needed_nanos=needed)

    return test


def _with_room_for_pictures(parts: Parts) -> Parts:
    most = parts.bounds.max_image_answer_bytes
    bounds = msgspec.structs.replace(parts.bounds, max_response_bytes=most, max_event_bytes=most)
    return dataclasses.replace(parts, bounds=bounds)


def priced(call: Call) -> Priced:
    """The price of the route that answers."""
    price = call.route.price
    assert price is not None, "a route without a price is never asked"
    return Priced(call.admission.model, price)


class MediaSending:
    """How a request of a workload is put for a route: as it came, but for the model's id."""

    surface: Final = CHAT
    wants_usage: Final = False

    def __init__(self, call: Call, job: Job, target: Target) -> None:
        self._call = call
        self._job = job
        self._target = target

    def prepare(self, route: Route, provider: Provider) -> Outgoing:
        """The request for this route. Raises Inexpressible when it was a form that has left already."""
        body = self._job.body(route.upstream_model)
        return Outgoing(self._target, body, UPSTREAMS["openai_chat"], native=True)

    def passage(self, outgoing: Outgoing, told: Told) -> Passage:
        """The way of a streamed answer."""
        return self._job.passage(priced(self._call), told)

    def after_upload(self, exchange: Exchange) -> Exchange:
        """The connection for whoever watches it: a form that is still on its way has other readers."""
        form = self._job.form
        if form is None or form.over:
            return exchange

        async def receive() -> dict[str, Any]:
            await form.finished.wait()
            return await exchange.receive()

        return exchange._replace(receive=receive)
