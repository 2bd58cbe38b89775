"""Speech to text through the official SDK: every format, by the second and by token, whole and streamed."""

import io
import struct
from typing import Any

import openai
import pytest

from tests.dataplane.outcomes import Books, books_of, see
from tests.gateway import Customer, RunningGateway
from tests.workloads.forms import CONTENT_TYPE, File, form
from tests.workloads.raw import RawExchange, RawUpstream
from tests.workloads.shop import SECOND, SOUND_IN, TEXT_IN, TEXT_OUT


def wav(seconds: float) -> bytes:
    """Silence, 8,000 samples of 16 bits a second."""
    size = int(seconds * 16_000)
    head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8_000, 16_000, 2, 16) + b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", size + len(head)) + head + bytes(size)


def upload(seconds: float) -> io.BytesIO:
    file = io.BytesIO(wav(seconds))
    file.name = "speech.wav"
    return file


async def books(customer: Customer) -> Books:
    (call,) = await customer.call_ids()
    return await books_of(customer, call)


@pytest.mark.parametrize(
    ("wanted", "rule", "charged"),
    [
        # The sandbox reports whole seconds, or tells them beside the text, or as captions.
        ("json", "provider_usage", 4 * SECOND),
        ("verbose_json", "provider_usage", 4 * SECOND),
        ("srt", "usage_missing_estimated", 3_500 * SECOND // 1_000),
        ("vtt", "usage_missing_estimated", 3_500 * SECOND // 1_000),
        # 39 characters and a line's end, at 25 a second.
        ("text", "usage_missing_estimated", 1_600 * SECOND // 1_000),
    ],
)
async def test_sound_by_the_second_is_charged_by_what_the_answer_tells(
    client: openai.AsyncOpenAI, customer: Customer, wanted: Any, rule: str, charged: int
) -> None:
    answer: Any = await client.audio.transcriptions.create(model="hear", file=upload(3.5), response_format=wanted)
    text = answer if isinstance(answer, str) else answer.text
    assert "The sandbox heard 3.5 seconds of sound." in text
    found = await books(customer)
    assert (found.receipt.rule, found.receipt.call.charge_nanos) == (rule, charged)
    # The form has some bytes more than its file; a thousand bytes are a second at most.
    assert found.receipt.call.held_nanos == -(-len(wav(3.5)) // 1_000) * SECOND


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
async def test_a_translation_is_charged_like_a_transcript(client: openai.AsyncOpenAI, customer: Customer) -> None:
    answer = await client.audio.translations.create(model="hear", file=upload(3.5), response_format="verbose_json")
    assert answer.duration == 3.5
    found = await books(customer)
    assert (found.receipt.rule, found.receipt.call.charge_nanos) == ("provider_usage", 3_500 * SECOND // 1_000)


@pytest.mark.parametrize("stream", [False, True])
async def test_sound_by_token_is_charged_by_the_report(
    client: openai.AsyncOpenAI, customer: Customer, stream: Any
) -> None:
    answer: Any = await client.audio.transcriptions.create(
        model="hear-tokens", file=upload(2), prompt="names", stream=stream
    )
    if stream:
        events = [event async for event in answer]
        assert events[0].type == "transcript.text.delta" and events[-1].type == "transcript.text.done"
        usage = events[-1].usage
    else:
        usage = answer.usage
    found = await books(customer)
    details = usage.input_token_details
    charged = details.text_tokens * TEXT_IN + details.audio_tokens * SOUND_IN + usage.output_tokens * TEXT_OUT
    assert (found.receipt.rule, found.receipt.call.charge_nanos) == ("provider_usage", charged)
    held = (len("names") + 64) * TEXT_IN + 33 * 10 * SOUND_IN + 2_000 * TEXT_OUT
    assert found.receipt.call.held_nanos == held
    assert found.receipt.call.streamed is bool(stream)


async def test_a_plain_text_by_token_is_estimated_low_and_keeps_its_kind(customer: Customer) -> None:
    body = form(("model", "hear-tokens"), ("response_format", "text"), File("file", wav(2), "audio/wav"))
    seen = await see(customer.post("/v1/audio/transcriptions", body, headers=CONTENT_TYPE))
    assert seen.headers["content-type"] == "text/plain; charset=utf-8"
    assert seen.body == b"The sandbox heard 2.0 seconds of sound.\n"
    found = await books(customer)
    assert found.receipt.rule == "usage_missing_estimated"
    # 40 characters are 1.6 seconds at 10 tokens, and 10 tokens of text.
    assert found.receipt.call.charge_nanos == 16 * SOUND_IN + 10 * TEXT_OUT


@pytest.mark.parametrize(
    ("answer", "rule", "charged"),
    [
        (b'{"text":"hi","usage":{"type":"duration","seconds":2.3}}', "provider_usage", 2_300),
        (b'{"text":"hi","usage":{"type":"duration","seconds":1.0001}}', "provider_usage", 1_001),
        (b'{"text":"hi","duration":"7.5"}', "provider_usage", 7_500),
        (b'{"text":"hi","duration":0}', "provider_usage", 0),
        (b'{"text":"0123456789012345678901234"}', "usage_missing_estimated", 1_000),
        (b'{"text":"","duration":-1}', "usage_missing_estimated", 166),
        (b'{"text":"","usage":{"type":"duration","seconds":1e400}}', "usage_malformed_estimated", 166),
        (b'{"text":"","usage":{"type":"duration","seconds":true}}', "usage_malformed_estimated", 166),
        (b'{"text":"","usage":[]}', "usage_malformed_estimated", 166),
        # A report in tokens for a price by the second: what its tokens last.
        (b'{"text":"","usage":{"type":"tokens","input_tokens":9,"output_tokens":1}}', "usage_missing_estimated", 166),
    ],
)
async def test_seconds_as_vendors_tell_them(
    customer: Customer, raw: RawUpstream, answer: bytes, rule: str, charged: int
) -> None:
    async def script(exchange: RawExchange) -> None:
        await exchange.read_body()
        await exchange.answer("application/json", answer)

    raw.script = script
    # 32 kB of sound are a sixth of a second at least.
    body = form(("model", "hear:raw"), File("file", bytes(32_000)))
    seen = await see(customer.post("/v1/audio/transcriptions", body, headers=CONTENT_TYPE))
    assert (seen.status, seen.body) == (200, answer)
    found = await books(customer)
    assert (found.receipt.rule, found.receipt.call.charge_nanos) == (rule, charged * SECOND // 1_000)


@pytest.mark.parametrize(
    ("kind", "body", "wanted"),
    [
        ("text/html", b"<html>hi</html>", "text"),
        ("text/plain", b"\xff\xfe", "vtt"),
        ("application/json", b'{"texts":[]}', "json"),
        ("application/json", b"<html>", "json"),
    ],
)
async def test_what_is_no_transcript_is_never_charged(
    customer: Customer, raw: RawUpstream, kind: str, body: bytes, wanted: str
) -> None:
    async def script(exchange: RawExchange) -> None:
        await exchange.read_body()
        await exchange.answer(kind, body)

    raw.script = script
    sent = form(("model", "hear:raw"), ("response_format", wanted), File("file", b"x"))
    seen = await see(customer.post("/v1/audio/transcriptions", sent, headers=CONTENT_TYPE))
    assert (seen.status, seen.error["code"]) == (502, "upstream_exception")
    assert (await books(customer)).receipt.rule == "upstream_failed"


@pytest.mark.parametrize(
    ("faults", "status", "rule"),
    [
        ({"status": 400}, 400, "upstream_rejected"),
        ({"status": 413}, 413, "upstream_rejected"),
        ({"status": 429}, 429, "upstream_limited"),
        ({"status": 503}, 502, "upstream_failed"),
        ({"garbage": True}, 502, "upstream_failed"),
        ({"cut_at_byte": 10}, 502, "upstream_failed"),
        ({"drop_before_headers": True}, 502, "upstream_failed"),
        ({"no_usage": True}, 200, "usage_missing_estimated"),
        ({"usage": {"type": "tokens", "input_tokens": -1}}, 200, "usage_malformed_estimated"),
    ],
)
async def test_faults_of_the_provider(
    client: openai.AsyncOpenAI, customer: Customer, faults: dict[str, Any], status: int, rule: str
) -> None:
    try:
        await client.audio.transcriptions.create(model="hear-tokens", file=upload(1), extra_body={"sandbox": faults})
        seen = 200
    except openai.APIStatusError as error:
        seen = error.status_code
    found = await books(customer)
    assert (seen, found.receipt.rule) == (status, rule)
    assert (found.receipt.call.charge_nanos > 0) == (status == 200)


@pytest.mark.parametrize("faults", [{"no_finish": True}, {"error_mid_stream": 2}, {"garbage": True}])
async def test_a_streamed_transcript_that_breaks_off_raises_in_the_sdk(
    client: openai.AsyncOpenAI, customer: Customer, faults: dict[str, Any]
) -> None:
    stream: Any = await client.audio.transcriptions.create(
        model="hear-tokens", file=upload(1), stream=True, extra_body={"sandbox": faults}
    )
    with pytest.raises(openai.APIError):
        async for event in stream:
            assert event.type != "transcript.text.done"
    found = await books(customer)
    assert (found.receipt.rule, found.receipt.call.charge_nanos) == ("upstream_cut", 0)


async def test_a_small_form_goes_to_the_next_route(customer: Customer, gateway: RunningGateway) -> None:
    await gateway.set_faults("whisper-up-second", {"status": 500}, times=1)
    body = form(File("file", wav(1), "audio/wav"), ("model", "hear:second"))
    seen = await see(customer.post("/v1/audio/transcriptions", body, headers=CONTENT_TYPE))
    assert seen.status == 200
    found = await books(customer)
    assert [attempt.provider for attempt in found.receipt.attempts] == ["plain", "second"]
    assert (await gateway.upstream_calls("whisper-up-2"))[-1]["files"][0]["size"] == len(wav(1))


@pytest.mark.parametrize(
    ("parts", "code", "param"),
    [
        ([File("file", b"x")], "invalid_request", "model"),
        ([("model", "speak-tokens"), File("file", b"x")], "invalid_request", "model"),
        ([("model", "nothing"), File("file", b"x")], "model_not_found", "model"),
        ([("model", "piece"), File("file", b"x")], "invalid_request", "model"),
        ([("model", "hear"), ("model", "hear"), File("file", b"x")], "invalid_request", "model"),
        ([("model", "hear"), ("stream", "perhaps"), File("file", b"x")], "invalid_request", "stream"),
        ([("model", "hear"), ("prompt", "x" * 50_001), File("file", b"x")], "request_limit_exceeded", "prompt"),
        # Sound that is somewhere else, or that some readers take from a text: nothing bounds how long it is.
        ([("model", "hear")], "invalid_request", "file"),
        ([("model", "hear"), ("file", "RIFF")], "invalid_request", "file"),
        ([("model", "hear"), ("url", "https://a.example/long.mp3"), File("file", b"x")], "invalid_request", "file"),
        ([("model", "hear"), ("FILE_URL", "https://a.example/long.mp3")], "invalid_request", "file"),
        ([("model", "hear"), ("file_id[]", "file-1"), File("file", b"x")], "invalid_request", "file"),
    ],
)
async def test_what_cannot_be_written_down_is_refused_before_anything_is_held(
    customer: Customer, parts: list[Any], code: str, param: str
) -> None:
    seen = await see(customer.post("/v1/audio/transcriptions", form(*parts), headers=CONTENT_TYPE))
    assert (seen.error["code"], seen.error["param"]) == (code, param)
    assert await customer.call_ids() == []


async def test_transcripts_want_a_form_their_scope_and_money(customer: Customer, gateway: RunningGateway) -> None:
    seen = await see(customer.post("/v1/audio/transcriptions", {"model": "hear", "file": "x"}))
    assert (seen.status, seen.error["param"]) == (400, "file")
    body = form(("model", "hear"), File("file", wav(1)))
    other = await gateway.new_customer(scopes=frozenset({"images", "chat.completions"}))
    for path in ("/v1/audio/transcriptions", "/v1/audio/translations"):
        seen = await see(other.post(path, body, headers=CONTENT_TYPE))
        assert (seen.status, seen.error["required_scope"]) == (403, "audio")
    poor = await gateway.new_customer(balance_usd="0.0001")
    seen = await see(poor.post("/v1/audio/transcriptions", body, headers=CONTENT_TYPE))
    assert (seen.status, seen.error["code"]) == (402, "insufficient_balance")
