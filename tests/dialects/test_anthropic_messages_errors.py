"""Problems in Anthropic's form, and the errors of its providers."""

from typing import Any

import anthropic
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import CATALOGUE, Problem
from farebox.dialects.anthropic_messages import SURFACE, UPSTREAM
from farebox.dialects.port import Told
from farebox.dialects.sse import data_of
from tests.dialects.messages_sdk import accumulated, answered
from tests.dialects.messages_transcripts import start

TOLD = Told(model="m", stem="0" * 32, created=1, wants_usage=True)


def test_every_problem_says_what_happened_whose_fault_it_is_and_what_to_do() -> None:
    for code, entry in CATALOGUE.items():
        problem = Problem(code, "It failed.", facts={"required_usd": "1.00"}, param="messages")
        body = msgspec.json.decode(SURFACE.error_body(problem, "req_1"))
        assert (body["type"], body["request_id"]) == ("error", "req_1")
        error = body["error"]
        assert error.pop("type").removesuffix("_error").islower()
        assert error == {
            "message": "It failed.",
            "param": "messages",
            "code": code,
            "fault": entry.fault,
            "retryable": entry.retryable,
            "advice": entry.advice,
            "docs": entry.anchor(code),
            "required_usd": "1.00",
        }


@pytest.mark.parametrize(
    ("code", "kind", "raised"),
    [
        ("invalid_request", "invalid_request_error", anthropic.BadRequestError),
        ("invalid_api_key", "authentication_error", anthropic.AuthenticationError),
        ("insufficient_balance", "billing_error", anthropic.APIStatusError),
        ("insufficient_scope", "permission_error", anthropic.PermissionDeniedError),
        ("model_not_found", "not_found_error", anthropic.NotFoundError),
        ("request_too_large", "request_too_large", anthropic.APIStatusError),
        ("rate_limit_exceeded", "rate_limit_error", anthropic.RateLimitError),
        ("capacity_exhausted", "overloaded_error", anthropic.APIStatusError),
        ("provider_not_configured", "api_error", anthropic.APIStatusError),
        ("upstream_exception", "api_error", anthropic.InternalServerError),
        ("upstream_timeout", "timeout_error", anthropic.APIStatusError),
        ("idempotency_conflict", "invalid_request_error", anthropic.ConflictError),
    ],
)
def test_the_sdk_raises_the_error_that_belongs_to_the_status(code: str, kind: str, raised: type[Exception]) -> None:
    problem = Problem(code, "It failed.")
    body = SURFACE.error_body(problem, "req_1")
    with pytest.raises(raised) as caught:
        answered(body, problem.entry.status)
    document: Any = caught.value.body  # type: ignore[attr-defined]
    assert (document["error"]["type"], document["error"]["code"]) == (kind, code)


@pytest.mark.parametrize("started", [True, False])
def test_an_error_in_a_stream_is_raised_by_the_sdk(started: bool) -> None:
    problem = Problem("upstream_exception", "The provider's stream broke.")
    events = SURFACE.error_events(problem, "req_1", TOLD, started)
    assert events.startswith(b"event: error\ndata: ")
    assert data_of(events) == SURFACE.error_body(problem, "req_1")
    with pytest.raises(anthropic.APIStatusError) as caught:
        accumulated((start() if started else b"") + events)
    assert "upstream_exception" in str(caught.value)


def test_a_keep_alive_is_a_ping_which_the_sdk_skips() -> None:
    assert SURFACE.keep_alive(True) == b'event: ping\ndata: {"type":"ping"}\n\n'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "Overloaded"),
        (b'{"error":"short"}', "short"),
        (b'{"error":{"message":5}}', None),
        (b'{"error":{"message":""}}', None),
        (b"<html>", None),
        (b"[]", None),
        (b"\xff", None),
        (b"[" * 5_000, None),
        (msgspec.json.encode({"error": {"message": "x" * 9_000}}), "x" * 2_000),
    ],
)
def test_a_providers_message_is_found_where_there_is_one(body: bytes, message: str | None) -> None:
    assert UPSTREAM.read_error(body) == message


@given(st.binary(max_size=60))
def test_any_bytes_have_a_message_or_none(body: bytes) -> None:
    found = UPSTREAM.read_error(body)
    assert found is None or isinstance(found, str)
