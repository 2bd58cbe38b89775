"""A Responses stream towards a client of the same dialect: passed on untouched, ended once it is paid."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.base.usage import Usage
from farebox.dialects.openai_responses import SURFACE, UPSTREAM
from farebox.dialects.port import Fate, StreamFold, Told
from farebox.dialects.sse import EventSplitter
from tests.dialects.responses_sdk import accumulated, parsed_events

USAGE = {
    "input_tokens": 30,
    "input_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 5},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 12},
    "total_tokens": 50,
}
USED = Usage(
    input_tokens=15, cached_input_tokens=10, cache_write_5m_tokens=5, output_tokens=8, reasoning_tokens=12
)  # fmt: skip
TOLD = Told("our-model", "0" * 32, 1_700_000_000, wants_usage=True)


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def ended(kind: str = "response.completed", usage: Any = USAGE, **fields: Any) -> bytes:
    return event(kind, sequence_number=9, response={"id": "resp_1", "usage": usage, **fields})


def fold(events: list[bytes]) -> tuple[StreamFold, list[Fate]]:
    folded = SURFACE.new_fold()
    return folded, [folded.feed(one) for one in events]


def test_the_last_event_waits_for_the_bill_and_is_then_sent_untouched() -> None:
    last = ended(service_tier="priority")
    folded, fates = fold([event("response.created"), event("response.output_text.delta", delta="hé"), last])
    assert fates == [Fate.RELAY, Fate.RELAY, Fate.WITHHELD]
    assert folded.reported.usage == USED and folded.service_tier == "priority"
    assert folded.delivered_bytes == 3 and folded.done and folded.complete(1)
    assert folded.ending({"cost_usd": "0.01"}, TOLD) == last


def test_an_answer_that_its_limit_cut_came_whole_all_the_same() -> None:
    folded, fates = fold([ended("response.incomplete", incomplete_details={"reason": "max_output_tokens"})])
    assert fates == [Fate.WITHHELD] and folded.complete(1) and folded.reported.usage == USED


def test_a_cut_stream_is_never_taken_for_whole() -> None:
    folded, _ = fold([event("response.created"), event("response.output_text.done", text="a"), b"data: [DONE]\n\n"])
    assert not folded.done and not folded.complete(1) and folded.ending({}, TOLD) == b""
    assert folded.reported.usage is None and not folded.reported.malformed


def test_nothing_comes_after_the_last_event() -> None:
    _, fates = fold([ended(), ended(), event("response.output_text.delta", delta="x"), b"data: [DONE]\n\n"])
    assert fates == [Fate.WITHHELD, Fate.DROPPED, Fate.DROPPED, Fate.DROPPED]


def test_types_that_nobody_knows_are_relayed() -> None:
    for kind in ("response.tomorrow", "keepalive", "response.queued", "response.tomorrow.delta"):
        assert fold([event(kind, delta={"a": 1})])[1] == [Fate.RELAY]


def test_comments_and_events_without_data_are_dropped() -> None:
    for dropped in (b": comment\n\n", b"event: ping\n\n", b"\n\n", b"data:\n\n", b"id: 5\n\n"):
        assert fold([dropped])[1] == [Fate.DROPPED]


def test_a_failure_breaks_the_stream() -> None:
    for broken in (
        event("response.failed", response={"error": {"code": "server_error", "message": "x"}}),
        event("error", code="server_error", message="x"),
        b'data: {"type":"x","error":{"message":"x"}}\n\n',
        b'data: {"error":{"message":"x"}}\n\n',
        event("response.completed"),
        event("response.completed", response=5),
    ):
        assert fold([broken])[1] == [Fate.BROKEN], broken


def test_what_is_no_event_breaks_a_stream() -> None:
    for data in (
        b"5",
        b"[]",
        b"{",
        b"\xff",
        b"null",
        b'"x"',
        b"{}",
        b'{"type":5}',
        b"[" * 5_000,
        b'{"type":"a","delta":' + b"[" * 5_000,
    ):
        assert fold([b"data: " + data + b"\n\n"])[1] == [Fate.BROKEN], data[:20]


def test_all_generated_text_counts_as_delivered() -> None:
    kinds = ["output_text", "refusal", "reasoning_text", "reasoning_summary_text", "function_call_arguments",
             "custom_tool_call_input", "code_interpreter_call_code", "mcp_call_arguments"]  # fmt: skip
    folded, _ = fold([event(f"response.{kind}.delta", delta="abc") for kind in kinds])
    assert folded.delivered_bytes == 3 * len(kinds)
    assert fold([event("response.audio.delta", delta="QUJD")])[0].delivered_bytes == 0


@pytest.mark.parametrize(
    "usage",
    [5, [], {"input_tokens": 1}, USAGE | {"input_tokens": -1}, USAGE | {"output_tokens": 1},
     USAGE | {"input_tokens": 3}, USAGE | {"input_tokens": True}, USAGE | {"input_tokens": 10**9},
     USAGE | {"output_tokens": "20"}],
)  # fmt: skip
def test_nonsense_in_a_report_is_called_malformed(usage: Any) -> None:
    reported = fold([ended(usage=usage)])[0].reported
    assert reported.usage is None and reported.malformed


def test_zeros_are_a_report_and_silence_is_none() -> None:
    zeros = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    assert fold([ended(usage=zeros)])[0].reported.usage == Usage()
    assert fold([ended(usage=None)])[0].reported.usage is None
    searched = ended(usage=zeros, tool_usage={"web_search": {"num_requests": 3}})
    assert fold([searched])[0].reported.usage == Usage(web_searches=3)


@given(st.lists(st.integers(1, 60), min_size=1), st.sampled_from([b"\n", b"\r\n"]))
def test_where_chunks_are_cut_makes_no_difference(sizes: list[int], line_end: bytes) -> None:
    events = [event("response.created"), event("response.output_text.delta", delta="hé\n"), b": c\n\n", ended()]
    stream = b"".join(events).replace(b"\n", line_end)
    splitter, whole = EventSplitter(10_000), []
    at = 0
    while at < len(stream):
        step = sizes[at % len(sizes)]
        whole += splitter.feed(stream[at : at + step])
        at += step
    whole += [splitter.rest + b"\n"] if splitter.rest else []
    folded, fates = fold(whole)
    assert fates == [Fate.RELAY, Fate.RELAY, Fate.DROPPED, Fate.WITHHELD]
    assert folded.delivered_bytes == 4 and folded.reported.usage == USED


@given(st.binary(), st.lists(st.binary()))
def test_any_bytes_have_a_fate(data: bytes, more: list[bytes]) -> None:
    folded = SURFACE.new_fold()
    for one in (data, *more):
        assert folded.feed(b"data: " + one + b"\n\n") in Fate


def answer(**fields: Any) -> bytes:
    return json.dumps({"object": "response", "status": "completed", "output": [], "usage": USAGE} | fields).encode()


def test_a_json_answer_tells_its_usage_and_what_it_delivered() -> None:
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "abc"}], "encrypted_content": "x" * 99},
        {"type": "message", "content": [{"type": "output_text", "text": "hé"}, {"type": "refusal", "refusal": "no"}]},
        {"type": "function_call", "arguments": "{}"},
        {"type": "custom_tool_call", "input": "abcd"},
        5,
    ]
    read = SURFACE.read_answer(answer(output=output, service_tier="flex"))
    assert read.reported.usage == USED and read.service_tier == "flex"
    assert read.delivered_bytes == 3 + 3 + 2 + 2 + 4


@pytest.mark.parametrize(
    "body", [b"", b"5", b"[]", b"{}", b'{"output":5}', b"\xff", b"[" * 9_999, answer(status="failed")]
)
def test_a_body_that_is_no_response_is_the_providers_failure(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        SURFACE.read_answer(body)
    assert caught.value.code == "upstream_exception"


def test_the_official_client_reads_a_failure_wherever_it_happens() -> None:
    problem = Problem("upstream_exception", "The provider failed.", facts={"limit": "x"})
    created, failed = parsed_events(SURFACE.error_events(problem, "call-1", TOLD, False))
    assert (created.type, failed.type) == ("response.created", "response.failed")
    assert created.response.id == failed.response.id == "resp_" + "0" * 32
    assert (
        failed.response.error.code == "upstream_exception" and failed.response.error.message == "The provider failed."
    )
    assert failed.response.error.request_id == "call-1" and failed.response.error.limit == "x"
    (late,) = parsed_events(SURFACE.error_events(problem, "call-1", TOLD, True))
    assert late.type == "response.failed" and late.sequence_number > 10**6
    assert late.response.status == "failed" and late.response.model == "our-model" and late.response.output == []


def test_the_official_accumulator_takes_keep_alives_in_its_stride() -> None:
    created = {"sequence_number": 0, "response": {"id": "resp_1", "object": "response", "output": []}}
    stream = event("response.created", **created) + SURFACE.keep_alive(True) + ended(object="response", output=[])
    assert SURFACE.keep_alive(True).startswith(b"event: keepalive\ndata: {")
    assert accumulated(stream).id == "resp_1"
    assert fold([SURFACE.keep_alive(True)])[1] == [Fate.RELAY]


def test_an_error_answer_has_openais_form_and_our_facts() -> None:
    problem = Problem("insufficient_balance", "Not enough.", facts={"required_usd": "1.00"}, param="model")
    error = json.loads(SURFACE.error_body(problem, "call-1"))["error"]
    assert error | {"docs": ""} == {
        "message": "Not enough.", "type": "billing_error", "param": "model", "code": "insufficient_balance",
        "fault": "payer", "retryable": False, "advice": "Top up the balance.", "docs": "", "request_id": "call-1",
        "required_usd": "1.00",
    }  # fmt: skip


def test_a_providers_error_message_is_found_or_not() -> None:
    assert UPSTREAM.read_error(b'{"error":{"message":"too long","code":"x"}}') == "too long"
    assert UPSTREAM.read_error(b'{"error":"too long"}') == "too long"
    for body in (b"", b"5", b"{}", b'{"error":{}}', b'{"error":5}', b"\xff", b'{"error":{"message":""}}'):
        assert UPSTREAM.read_error(body) is None
    assert len(UPSTREAM.read_error(json.dumps({"error": "x" * 10_000}).encode()) or "") == 2_000
