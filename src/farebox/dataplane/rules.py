"""How each way a call can end is settled: one written rule per ending. Pure. The same table stands, with its reasons,
in docs/reference/settlement.md; a test compares the two.

Evidence: A the provider's usage, B a look-up at the provider, C our own count of what was delivered (an estimate, never
above the hold), D none (never charged).
"""

from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec

from farebox.base.usage import Usage
from farebox.catalog.model import Route
from farebox.catalog.rules import charge_nanos
from farebox.dataplane.estimate import BYTES_PER_TOKEN_FOR_CHARGES, BYTES_PER_TOKEN_FOR_COSTS, estimated_usage
from farebox.dialects.usage import Reported

Evidence = Literal["A", "B", "C", "D"]


class Ending(StrEnum):
    """What happened to a call, once its last attempt is over."""

    ANSWERED = "answered"  # whole, and the client was there to the end
    ANSWERED_UNSEEN = "answered_unseen"  # whole, but the client had left: read to its end all the same
    CLIENT_LEFT = "client_left"  # and the answer was not read to its end
    REJECTED = "rejected"  # the provider found fault with the request
    LIMITED = "limited"  # the provider refused for its rate limits
    FAILED = "failed"  # the provider failed before its first byte, or answered with garbage
    TIMED_OUT = "timed_out"
    CUT = "cut"  # the answer broke off
    STOPPED = "stopped"  # this process was told to stop
    LOST = "lost"  # this process died; found by the sweeper


class Verdict(NamedTuple):
    """How to settle. `usage` is what is charged for (None: nothing is); `cost_usage` what the provider may bill for."""

    rule: str
    evidence: Evidence
    usage: Usage | None
    cost_usage: Usage | None
    count_request: bool


class Facts(NamedTuple):
    """What is known of an ended call."""

    ending: Ending
    reported: Reported
    prompt_bytes: int
    delivered_bytes: int
    may_have_cost: bool  # whether the provider had the request


# Classes of usage that are estimated where a provider does not tell them.
_ESTIMATED = ("_tokens", "_milliseconds")
# Endings whose call is charged when there is evidence, and how the rule is called where the provider's usage is known.
_CHARGED = {
    Ending.ANSWERED: "provider_usage",
    Ending.ANSWERED_UNSEEN: "client_left_provider_usage",
    Ending.CLIENT_LEFT: "client_left_provider_usage",
    Ending.LOST: "lost_provider_usage",
}
# Endings that are released, the rule's name, and whether the request counts.
_RELEASED = {
    Ending.REJECTED: ("upstream_rejected", True),
    Ending.LIMITED: ("upstream_limited", False),
    Ending.FAILED: ("upstream_failed", False),
    Ending.TIMED_OUT: ("upstream_timeout", False),
    Ending.CUT: ("upstream_cut", False),
    Ending.STOPPED: ("gateway_stopped", False),
}


def judge(facts: Facts) -> Verdict:
    """The rule for an ended call."""
    if facts.ending in _RELEASED:
        rule, count_request = _RELEASED[facts.ending]
        return Verdict(rule, "D", None, _possible_cost(facts), count_request)
    usage = facts.reported.usage
    if usage is not None and facts.reported.basis == "reported" and not _says_too_little(facts, usage):
        return Verdict(_CHARGED[facts.ending], "A", usage, usage, True)
    return _estimate(facts)


def _says_too_little(facts: Facts, usage: Usage) -> bool:
    """Whether a report that came before the answer's end counts less than what was delivered since."""
    return facts.reported.unfinished and _grown(usage, facts, BYTES_PER_TOKEN_FOR_CHARGES) is not usage


def _grown(usage: Usage, facts: Facts, bytes_per_token: int) -> Usage:
    """A usage whose output is at least that of the delivered bytes."""
    missing = -(-facts.delivered_bytes // bytes_per_token) - usage.total_output_tokens
    return usage if missing <= 0 else msgspec.structs.replace(usage, output_tokens=usage.output_tokens + missing)


def _estimate(facts: Facts) -> Verdict:
    answered = facts.ending in (Ending.ANSWERED, Ending.ANSWERED_UNSEEN)
    lost = facts.ending is Ending.LOST
    if facts.delivered_bytes == 0 and not answered:
        rule = "lost_undelivered" if lost else "client_left_undelivered"
        return Verdict(rule, "D", None, _possible_cost(facts), not lost)
    if lost:
        rule = "lost_delivered_estimated"
    elif facts.reported.basis == "counted":
        rule = "counted_units"
    elif answered:
        rule = "usage_malformed_estimated" if facts.reported.malformed else "usage_missing_estimated"
    else:
        rule = "client_left_estimated"
    known = facts.reported.usage
    if known is not None and facts.reported.unfinished:
        charged = _grown(known, facts, BYTES_PER_TOKEN_FOR_CHARGES)
        return Verdict(rule, "C", charged, _grown(known, facts, BYTES_PER_TOKEN_FOR_COSTS), True)
    if known is not None:
        return Verdict(rule, "C", known, _taken_high(known), True)
    low = estimated_usage(facts.prompt_bytes, facts.delivered_bytes, bytes_per_token=BYTES_PER_TOKEN_FOR_CHARGES)
    high = estimated_usage(facts.prompt_bytes, facts.delivered_bytes, bytes_per_token=BYTES_PER_TOKEN_FOR_COSTS)
    return Verdict(rule, "C", low, high, True)


def _taken_high(usage: Usage) -> Usage:
    """What a provider may bill where a usage was estimated low; what was counted (pictures, characters) stays."""
    double = BYTES_PER_TOKEN_FOR_CHARGES // BYTES_PER_TOKEN_FOR_COSTS
    doubled = {name: double * getattr(usage, name) for name in Usage.__struct_fields__ if name.endswith(_ESTIMATED)}
    return msgspec.structs.replace(usage, **doubled)


def _possible_cost(facts: Facts) -> Usage | None:
    if not facts.may_have_cost:
        return None
    known = facts.reported.usage
    if known is not None:
        return _grown(known, facts, BYTES_PER_TOKEN_FOR_COSTS) if facts.reported.unfinished else known
    return estimated_usage(facts.prompt_bytes, facts.delivered_bytes, bytes_per_token=BYTES_PER_TOKEN_FOR_COSTS)


class JobRule(NamedTuple):
    """How the end of a video job is settled: its price was fixed when it was ordered."""

    charged: bool
    evidence: Evidence
    count_request: bool


# A job that the provider has accepted. Its end is looked up at the provider, so what is charged has evidence B.
JOB_RULES: dict[str, JobRule] = {
    "job_completed": JobRule(True, "B", True),
    "job_failed": JobRule(False, "D", False),
    "job_expired": JobRule(False, "D", False),
    "job_lost": JobRule(False, "D", False),
}


def job_rule(rule: str) -> JobRule:
    """How a rule settles a job, those of orders that no provider accepted included. Raises KeyError."""
    found = JOB_RULES.get(rule)
    return found if found is not None else JobRule(False, "D", dict(_RELEASED.values())[rule])


def refused_order(ending: Ending) -> str:
    """The rule for a job that no provider accepted. Raises KeyError for an ending that is none of those."""
    return _RELEASED[ending][0]


class Bill(NamedTuple):
    """A verdict in nano-USD."""

    charge_nanos: int
    cost_nanos: int


def bill_of(verdict: Verdict, route: Route, *, service_tier: str | None, held_nanos: int) -> Bill:
    """Price a verdict. What was only estimated is never charged above the hold."""
    price = route.price
    if price is None:
        return Bill(0, 0)
    charge = 0 if verdict.usage is None else charge_nanos(price.tiers, verdict.usage, service_tier)
    cost = 0 if verdict.cost_usage is None else charge_nanos(price.cost_tiers, verdict.cost_usage, service_tier)
    return Bill(min(charge, held_nanos) if verdict.evidence == "C" else charge, cost)
