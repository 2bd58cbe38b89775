"""Forms on their way through: in bounded memory, at the provider's pace, and to their end or not at all."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from farebox.base.limits import Bounds
from tests.database import TestCluster
from tests.dataplane.outcomes import Books, Seen, books_of, see, seen
from tests.gateway import Customer, RunningGateway, serve_gateway, until
from tests.workloads.forms import BOUNDARY, CONTENT_TYPE, File, form
from tests.workloads.raw import RawExchange, RawUpstream
from tests.workloads.shop import SECOND, catalog_text

PATH = "/v1/audio/transcriptions"
TEXT = b'{"text":"hi","usage":{"type":"duration","seconds":3}}'
# Longer than what is kept of a form whose model is known.
LONG = File("file", bytes(1_500_000), "audio/wav")


async def books(customer: Customer) -> Books:
    (call,) = await customer.call_ids()
    return await books_of(customer, call)


async def answer(exchange: RawExchange) -> None:
    await exchange.read_body()
    await exchange.answer("application/json", TEXT)


async def post(customer: Customer, data: Any, path: str = PATH, **headers: str) -> Seen:
    sent = {**customer.headers, **CONTENT_TYPE, **headers}
    url = customer.gateway.url + path
    data = io.BytesIO(data) if isinstance(data, bytes) else data
    async with customer.gateway.session.post(url, data=data, headers=sent) as response:
        shown = {name.lower(): value for name, value in response.headers.items()}
        return seen(response.status, shown, await response.read())


async def broke(raw: RawUpstream) -> bool:
    """Whether the one request to the provider ended before it was complete."""
    (exchange,) = raw.exchanges
    await until(exchange.ended.is_set)
    return exchange.broke


async def test_a_long_form_is_on_its_way_before_it_is_complete(customer: Customer, raw: RawUpstream) -> None:
    whole = form(("model", "hear:raw"), ("language", "en"), LONG)
    half = asyncio.Event()

    async def script(exchange: RawExchange) -> None:
        await exchange.read_body(1_100_000)
        half.set()
        await answer(exchange)

    async def body() -> AsyncIterator[bytes]:
        yield whole[:1_200_000]
        await half.wait()
        yield whole[1_200_000:]

    raw.script = script
    length = str(len(whole))
    seen = await post(customer, body(), **{"content-length": length})
    assert (seen.status, seen.body) == (200, TEXT)
    assert raw.exchanges[0].body == whole.replace(b"hear:raw", b"whisper-up-raw")
    found = await books(customer)
    assert (found.receipt.rule, found.receipt.call.charge_nanos) == ("provider_usage", 3 * SECOND)
    assert found.receipt.call.held_nanos == -(-len(whole) // 1_000) * SECOND


@pytest.mark.parametrize("parts", [[("model", "hear:raw"), LONG], [LONG, ("model", "hear:raw")]], ids=["first", "last"])
async def test_the_model_may_come_before_or_after_the_file(
    customer: Customer, raw: RawUpstream, parts: list[Any]
) -> None:
    raw.script = answer
    assert (await post(customer, form(*parts))).status == 200
    assert raw.exchanges[0].body == form(*parts).replace(b"hear:raw", b"whisper-up-raw")


async def test_a_client_that_leaves_during_its_upload_pays_nothing(customer: Customer, raw: RawUpstream) -> None:
    raw.script = answer
    whole = form(("model", "hear:raw"), LONG)

    async def body() -> AsyncIterator[bytes]:
        yield whole[:1_300_000]
        await until(lambda: raw.exchanges)
        raise RuntimeError("the client breaks down")

    with pytest.raises((aiohttp.ClientError, RuntimeError)):
        await post(customer, body(), **{"content-length": str(len(whole))})
    assert await broke(raw)
    found = await books(customer)
    assert (found.receipt.rule, found.receipt.call.charge_nanos) == ("client_left_undelivered", 0)
    assert found.receipt.operator.cost_nanos == 0
    assert [attempt.outcome for attempt in found.receipt.attempts] == ["upload_broken"]


async def test_a_client_that_stops_sending_is_told_and_released(customer: Customer, raw: RawUpstream) -> None:
    raw.script = answer
    whole = form(("model", "hear:raw"), LONG)

    async def body() -> AsyncIterator[bytes]:
        yield whole[:1_300_000]
        await asyncio.sleep(30)

    found_early = await post(customer, body(), **{"content-length": str(len(whole))})
    assert (found_early.status, found_early.error["code"]) == (408, "request_timeout")
    assert await broke(raw)
    assert (await books(customer)).receipt.rule == "client_left_undelivered"


@pytest.mark.parametrize("name", ["model", "stream", "url", "file_id[]"])
async def test_what_decides_about_the_hold_may_not_follow_a_long_file(
    customer: Customer, raw: RawUpstream, name: str
) -> None:
    raw.script = answer
    value = {"model": "hear:raw", "stream": "true"}.get(name, "https://a.example/long.mp3")
    seen = await post(customer, form(("model", "hear:raw"), File("file", bytes(2_500_000)), (name, value)))
    assert (seen.status, seen.error["code"], seen.error["param"]) == (400, "invalid_request", name)
    assert await broke(raw)
    assert (await books(customer)).receipt.rule == "client_left_undelivered"


@pytest.mark.parametrize("size_bytes", [10, 150_000])
async def test_a_form_has_no_more_pictures_than_it_is_held_for(
    customer: Customer, raw: RawUpstream, size_bytes: int
) -> None:
    raw.script = answer
    pictures = [File("image[]", bytes(size_bytes), "image/png")] * 18
    data = form(("model", "piece:raw"), ("prompt", "as one"), *pictures)
    seen = await post(customer, data, "/v1/images/edits")
    assert (seen.status, seen.error["code"], seen.error["param"]) == (400, "request_limit_exceeded", "image[]")
    for call in await customer.call_ids():
        assert (await customer.receipt(call)).call.charge_nanos == 0


@pytest.mark.parametrize(("size_bytes", "status"), [(4_096, 200), (4_097, 413)])
async def test_a_prompt_that_follows_a_long_file_is_as_long_as_it_is_held_for(
    customer: Customer, raw: RawUpstream, size_bytes: int, status: int
) -> None:
    raw.script = answer
    seen = await post(customer, form(("model", "hear:raw"), LONG, ("prompt", "x" * size_bytes)))
    assert seen.status == status
    assert (await books(customer)).receipt.rule == ("provider_usage" if status == 200 else "client_left_undelivered")


async def test_a_long_form_that_is_malformed_at_its_end_is_broken_off(customer: Customer, raw: RawUpstream) -> None:
    raw.script = answer
    seen = await post(customer, form(("model", "hear:raw"), LONG)[:-6])
    assert (seen.status, seen.error["code"]) == (400, "invalid_request")
    assert await broke(raw)
    assert (await books(customer)).receipt.call.charge_nanos == 0


async def test_forms_have_bounds(customer: Customer) -> None:
    huge = File("file", bytes(6_100_000))
    seen = await post(customer, form(("model", "hear"), huge))
    assert (seen.status, seen.error["code"], seen.error["limit_bytes"]) == (413, "request_too_large", 6_000_000)
    kept = File("file", bytes(2_200_000))
    seen = await post(customer, form(kept, ("model", "hear")))
    assert (seen.status, seen.error["limit_bytes"]) == (413, 2_000_000) and "`model`" in seen.error["message"]
    seen = await post(customer, form(("model", "hear"), kept), **{"idempotency-key": "one"})
    assert (seen.status, seen.error["limit_bytes"]) == (413, 2_000_000)
    assert "Idempotency-Key" in seen.error["message"]
    seen = await post(customer, form(("model", "drawn"), kept, ("prompt", "x")), "/v1/images/edits")
    assert (seen.status, seen.error["limit_bytes"]) == (413, 2_000_000) and "`prompt`" in seen.error["message"]
    assert await customer.call_ids() == []


@pytest.mark.parametrize(("beyond", "status"), [(0, 200), (1, 413)])
async def test_the_bound_of_a_kept_form_is_exact_however_it_comes(customer: Customer, beyond: int, status: int) -> None:
    frame = len(form(File("file", b""), ("model", "hear")))
    whole = form(File("file", bytes(2_000_000 - frame + beyond)), ("model", "hear"))
    assert len(whole) == 2_000_000 + beyond
    seen = await post(customer, whole)
    assert seen.status == status, seen.body
    assert seen.error.get("limit_bytes") == (2_000_000 if beyond else None)


async def test_a_form_without_a_length_is_bounded_as_it_comes(customer: Customer, raw: RawUpstream) -> None:
    raw.script = lambda exchange: exchange.wait_until_left()
    whole = form(("model", "hear:raw"), File("file", bytes(6_100_000)))

    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), 100_000):
            yield whole[start : start + 100_000]

    seen = await post(customer, body())
    assert (seen.status, seen.error["code"]) == (413, "request_too_large")
    found = await books(customer)
    assert (found.receipt.rule, found.receipt.call.charge_nanos) == ("client_left_undelivered", 0)
    assert found.receipt.call.held_nanos == 6_000 * SECOND


async def test_an_idempotency_key_covers_the_whole_form(customer: Customer, raw: RawUpstream) -> None:
    raw.script = answer
    key = {"idempotency-key": "upload-1"}
    first = await post(customer, form(("model", "hear:raw"), File("file", b"one")), **key)
    assert first.status == 200
    again = await post(customer, form(("model", "hear:raw"), File("file", b"one")), **key)
    assert (again.status, again.error["code"], again.error["call_id"]) == (409, "idempotency_finished", first.call_id)
    other = await post(customer, form(("model", "hear:raw"), File("file", b"two")), **key)
    assert (other.status, other.error["code"]) == (409, "idempotency_conflict")
    assert len(raw.exchanges) == 1
    assert (await books(customer)).receipt.call.charge_nanos == 3 * SECOND


async def test_an_idempotency_key_covers_json(customer: Customer) -> None:
    for number, code in ((1, ""), (1, "idempotency_finished"), (2, "idempotency_conflict")):
        body = {"model": "piece", "prompt": "x", "n": number}
        found = await see(customer.post("/v1/images/generations", body, headers={"idempotency-key": "k"}))
        assert found.status == (409 if code else 200) and found.error.get("code", "") == code


async def test_a_long_form_that_has_left_is_not_sent_twice(customer: Customer, gateway: RunningGateway) -> None:
    await gateway.set_faults("whisper-up-second", {"status": 500}, times=1)
    seen = await post(customer, form(("model", "hear:second"), LONG))
    assert (seen.status, seen.error["code"]) == (502, "upstream_exception")
    found = await books(customer)
    assert [attempt.outcome for attempt in found.receipt.attempts] == ["error_status", "inexpressible"]
    assert found.receipt.call.charge_nanos == 0


async def test_a_provider_that_refuses_early_ends_the_upload(customer: Customer, raw: RawUpstream) -> None:
    async def script(exchange: RawExchange) -> None:
        await exchange.read_body(100_000)
        await exchange.answer("application/json", b'{"error":{"message":"no such voice"}}', status=400)

    raw.script = script
    seen = await post(customer, form(("model", "hear:raw"), File("file", bytes(5_500_000))))
    assert seen.status in (400, 502)
    assert (await books(customer)).receipt.call.charge_nanos == 0


async def test_a_streamed_answer_follows_a_long_upload(customer: Customer) -> None:
    seen = await post(customer, form(("model", "hear-tokens"), ("stream", "true"), LONG))
    assert seen.events[-1]["type"] == "transcript.text.done"
    assert (await books(customer)).receipt.rule == "provider_usage"


async def test_who_leaves_after_a_long_upload_is_noticed(customer: Customer, gateway: RunningGateway) -> None:
    data = form(("model", "hear-tokens:cancels"), ("stream", "true"), ("sandbox[chunk_delay_seconds]", "0.2"), LONG)
    sent = {**customer.headers, **CONTENT_TYPE}
    async with gateway.session.post(gateway.url + PATH, data=io.BytesIO(data), headers=sent) as response:
        assert await response.content.readany()
    assert (await books(customer)).receipt.rule == "client_left_estimated"


MALFORMED = {
    "no boundary in the body": b"--other\r\n",
    "no headers": f"--{BOUNDARY}\r\n\r\nx\r\n--{BOUNDARY}--\r\n".encode(),
    "no end": form(("model", "hear"), File("file", b"x"))[:-8],
    "something after the end": form(("model", "hear"), File("file", b"x")) + b"more",
    "a model that is a file": form(File("model", b"hear")),
    "a number that is a file": form(("model", "hear"), File("n", b"9"), File("file", b"x")),
    "a name in other letters": form(("model", "hear"), ("Model", "dearer"), File("file", b"x")),
    "a name with an escape": form(("mo\\del", "hear"), File("file", b"x")),
    "an encoded part": form(("model", "hear")).replace(b'"model"', b'"model"\r\nContent-Transfer-Encoding: base64'),
    "a folded header": form(("model", "hear")).replace(b'"model"', b'"model"\r\n ; name="other"'),
    "two names": form(("model", "hear")).replace(b'"model"', b'"other"; name="model"'),
    "another charset": form(("model", "hear")).replace(b"hear", b"\xff"),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=list(MALFORMED))
async def test_a_form_that_two_readers_could_read_differently_is_refused(customer: Customer, body: bytes) -> None:
    seen = await post(customer, body)
    assert (seen.status, seen.error["code"]) == (400, "invalid_request")
    assert await customer.call_ids() == []


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


async def test_two_hundred_megabytes_pass_in_bounded_memory(cluster: TestCluster, raw: RawUpstream) -> None:
    size = 200_000_000
    received, most = 0, 0

    async def script(exchange: RawExchange) -> None:
        nonlocal received, most
        length = int(exchange.headers[b"content-length"])
        while received < length:
            piece = await exchange._reader.read(1 << 20)
            received += len(piece)
            most = max(most, resident_bytes())
        await exchange.answer("application/json", TEXT)

    head, tail = form(("model", "hear:raw"), File("file", b"|")).split(b"|")

    async def body() -> AsyncIterator[bytes]:
        yield head
        block = bytes(1 << 20)
        for start in range(0, size, len(block)):
            yield block[: size - start]
        yield tail

    raw.script = script
    bounds = Bounds(max_upload_bytes=size + 1_000)
    async with serve_gateway(cluster, catalog=catalog_text(raw.base_url), bounds=bounds) as gateway:
        customer = await gateway.new_customer()
        before = resident_bytes()
        length = str(size + len(head) + len(tail))
        assert (await post(customer, body(), **{"content-length": length})).status == 200
        assert received == size + len(head) + len(tail) + len("whisper-up-raw") - len("hear:raw")
        # Client, gateway and provider share this process, and still it grows by far less than what passed through.
        assert most - before < 40_000_000, (before, most)


async def test_an_upload_is_not_read_faster_than_the_provider_takes_it(customer: Customer, raw: RawUpstream) -> None:
    go_on = asyncio.Event()
    sent = 0

    async def script(exchange: RawExchange) -> None:
        await exchange.read_body(1_000)
        await go_on.wait()
        await answer(exchange)

    whole = form(("model", "hear:raw"), File("file", bytes(5_800_000)))

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for start in range(0, len(whole), 65_536):
            yield whole[start : start + 65_536]
            sent += 65_536

    raw.script = script
    task = asyncio.ensure_future(post(customer, body(), **{"content-length": str(len(whole))}))
    await until(lambda: raw.exchanges)
    await asyncio.sleep(0.5)
    waiting = sent
    await asyncio.sleep(0.3)
    assert sent == waiting, "the gateway goes on reading"
    go_on.set()
    assert (await task).status == 200
