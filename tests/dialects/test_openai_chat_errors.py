"""Errors in OpenAI's form, and what is read of a provider's own."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.dialects.openai_chat.errors import MAX_MESSAGE_CHARS, error_body, error_events, keep_alive, read_error
from farebox.dialects.port import Told
from farebox.dialects.sse import data_of

NOTHING: list[Any] = [{}, [], 5, None, ""]
TOLD = Told(model="m", stem="0" * 32, created=1, wants_usage=False)


def test_an_error_tells_code_fault_advice_and_facts() -> None:
    problem = Problem("insufficient_balance", "Top up.", facts={"required_usd": "1"})
    error = msgspec.json.decode(error_body(problem, "call"))["error"]
    assert (
        error.items()
        >= {
            "message": "Top up.",
            "type": "billing_error",
            "code": "insufficient_balance",
            "fault": "payer",
            "param": None,
            "required_usd": "1",
            "request_id": "call",
        }.items()
    )


@pytest.mark.parametrize("started", [True, False])
def test_a_stream_that_fails_ends_in_a_chunk_with_a_top_level_error(started: bool) -> None:
    problem = Problem("upstream_exception", "It broke.")
    event = error_events(problem, "call", TOLD, started)
    assert data_of(event) == error_body(problem, "call") and event.endswith(b"\n\n")


def test_a_keep_alive_has_no_field() -> None:
    assert keep_alive(True).startswith(b":") and keep_alive(True).endswith(b"\n\n")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "No.", "type": "x"}}, "No."),
        ({"error": "No."}, "No."),
        ({"object": "error", "message": "No."}, "No."),
        ({"detail": "No."}, "No."),
        ([{"error": {"code": 400, "message": "No."}}], "No."),
        ({"error": {"message": "x" * 9_999}}, "x" * MAX_MESSAGE_CHARS),
        ({"detail": [{"msg": "No."}]}, None),
        ({"error": {"message": 5}}, None),
        *((nothing, None) for nothing in NOTHING),
    ],
)
def test_a_providers_message_is_found_where_vendors_put_it(body: Any, message: str | None) -> None:
    assert read_error(msgspec.json.encode(body)) == message


@given(st.binary(max_size=40))
def test_no_error_body_can_fail_its_reader(body: bytes) -> None:
    message = read_error(body)
    assert message is None or 0 < len(message) <= MAX_MESSAGE_CHARS
