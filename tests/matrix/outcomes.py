"""What a provider can do wrong, and what each fault promises: the rows of the matrix. `tests/matrix/worlds.py` has its
columns."""

from typing import Any, Literal, NamedTuple

from tests.matrix.worlds import Address

Learnt = Literal["nothing", "fault", "cooling", "resting"]
Next = Literal["key", "route", "route in time", "nothing"]


class Outcome(NamedTuple):
    """What comes of one attempt that meets the fault. `attempt` and `upstream`: outcome and status on the receipt;
    `status` and `code`: what the client is told where nothing follows; `rule`: of the settlement then. `then`: whether
    another key of the provider is tried, the next route, or nothing. `costs`: the provider may bill for it. `begun`:
    the client has a part of the answer."""

    attempt: str
    upstream: int | None
    status: int
    code: str
    rule: str
    then: Next = "route"
    costs: bool = False
    learnt: Learnt = "fault"
    begun: bool = False


class Fault(NamedTuple):
    """`json` and `stream`: None where the fault does not exist."""

    name: str
    directives: dict[str, Any]
    json: Outcome | None
    stream: Outcome | None
    address: Address = "sandbox"


def _refused(status: int) -> Outcome:
    return Outcome("error_status", status, 502, "upstream_exception", "upstream_failed")


def _key(status: int) -> Outcome:
    return _refused(status)._replace(attempt="credential_refused", then="key", learnt="resting")


def _rejected(status: int) -> Outcome:
    found = Outcome("rejected", status, status, "upstream_rejected", "upstream_rejected")
    return found._replace(then="nothing", learnt="nothing")


LIMITED = Outcome("rate_limited", 429, 429, "rate_limit_exceeded", "upstream_limited", then="key", learnt="cooling")
BROKEN = Outcome("connection_cut", None, 502, "upstream_exception", "upstream_failed", costs=True)
CUT_SHORT = BROKEN._replace(upstream=200)
UNREACHED = Outcome("connect_failed", None, 502, "upstream_exception", "upstream_failed")
LATE = Outcome("first_byte_timeout", None, 504, "upstream_timeout", "upstream_timeout", costs=True)
# A part of the answer is with the client: nothing can follow.
BROKEN_OFF = CUT_SHORT._replace(status=200, rule="upstream_cut", then="nothing", begun=True)
FELL_SILENT = BROKEN_OFF._replace(attempt="idle_timeout", code="upstream_timeout", rule="upstream_timeout")
GARBAGE = CUT_SHORT._replace(attempt="garbage")
# The first provider's time is that of the whole call.
TOO_SLOW = LATE._replace(attempt="total_timeout", upstream=200, then="route in time")
PLAIN = _refused(503)


def _both(name: str, directives: dict[str, Any], outcome: Outcome, address: Address = "sandbox") -> Fault:
    return Fault(name, directives, outcome, outcome, address)


RETRY_SECONDS = 7
FAULTS = [
    _both("429", {"status": 429}, LIMITED),
    _both("429 with Retry-After", {"status": 429, "retry_after_seconds": RETRY_SECONDS}, LIMITED),
    *(_both(f"{status}", {"status": status}, _key(status)) for status in (401, 402, 403)),
    *(_both(f"{status}", {"status": status}, _refused(status)) for status in (409, 500, 502, 503, 504, 529)),
    *(_both(f"{status}", {"status": status}, _rejected(status)) for status in (400, 404, 413, 422)),
    _both("redirect", {"redirect": "http://127.0.0.1:9/"}, _refused(302)),
    _both("nobody listens", {}, UNREACHED, "closed"),
    _both("no connection", {}, UNREACHED._replace(attempt="connect_timeout", status=504, code="upstream_timeout",
                                                  rule="upstream_timeout"), "hole"),
    _both("late headers", {"delay_seconds": 9}, LATE, "hasty"),
    Fault("late body", {"first_byte_delay_seconds": 9}, TOO_SLOW, LATE._replace(upstream=200), "hasty"),
    _both("hangs up at once", {"drop_before_headers": True}, BROKEN),
    _both("cut at 0", {"cut_at_byte": 0}, CUT_SHORT),
    _both("cut before the first event", {"cut_at_byte": 60}, CUT_SHORT),
    Fault("cut after the first event", {"cut_at_byte": 400}, CUT_SHORT, BROKEN_OFF),
    Fault("garbage", {"garbage": True}, GARBAGE, BROKEN_OFF._replace(attempt="garbage")),
    Fault("no event stream", {"wrong_content_type": "text/html"}, None, GARBAGE._replace(attempt="wrong_content_type")),
    Fault(
        "oversize",
        {"oversize_bytes": 1_100_000},
        GARBAGE._replace(attempt="answer_too_large"),
        BROKEN_OFF._replace(attempt="answer_too_large"),
    ),
    Fault("error mid-stream", {"words": 5, "error_mid_stream": 2}, None, BROKEN_OFF._replace(attempt="garbage")),
    Fault("silence mid-stream", {"words": 5, "idle_seconds": 9}, None, FELL_SILENT, "hasty"),
]  # fmt: skip
