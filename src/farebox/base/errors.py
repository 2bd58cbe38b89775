"""The one catalogue of errors that a client can see, and the one class of errors that an operator can see.

A `Problem` says whose fault it is, whether the same request may be sent again, and what to do next. Each dialect
renders it its own way; no other module invents a status or a code. The catalogue is the table at the end.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Fault(StrEnum):
    """Who has to act."""

    CALLER = "caller"  # the request itself
    PAYER = "payer"  # the balance or the limits behind it
    UPSTREAM = "upstream"  # the model's provider
    OPERATOR = "operator"  # whoever runs this gateway


class Entry(NamedTuple):
    """One line of the catalogue. `retryable`: the same request may succeed without anybody changing anything."""

    status: int
    fault: Fault
    retryable: bool
    advice: str

    def anchor(self, code: str) -> str:
        """Where the documentation explains the code."""
        return f"docs/reference/errors.md#{code.replace('_', '-')}"


class Problem(Exception):
    """A refusal or failure that the client is told of.

    `facts` are the machine-readable parts (`required_usd`, `limit`, `reason` …); `retry_after_seconds` becomes the
    header. Never put a secret, a prompt, an answer or a provider's internals into either.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        facts: Mapping[str, object] | None = None,
        retry_after_seconds: int | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.entry = CATALOGUE[code]
        self.code = code
        self.message = message
        self.facts = dict(facts or {})
        self.retry_after_seconds = retry_after_seconds
        self.param = param

    @property
    def retryable(self) -> bool:
        """Whether the same request may be sent again unchanged."""
        return self.entry.retryable or self.retry_after_seconds is not None


class OperatorError(Exception):
    """Something that the person at the terminal has to mend: one line on what is wrong, one on the fix."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


_C, _P, _U, _O = Fault.CALLER, Fault.PAYER, Fault.UPSTREAM, Fault.OPERATOR

CATALOGUE: Mapping[str, Entry] = {
    "missing_api_key": Entry(401, _C, False, "Send your key as `Authorization: Bearer …` or `x-api-key: …`."),
    "invalid_api_key": Entry(401, _C, False, "Send a current key of this gateway, not an upstream provider's key."),
    "policy_no_route": Entry(
        403,
        _C,
        False,
        "Loosen what the message names: in the request's `provider`, or in the policy of the key or workspace.",
    ),
    "insufficient_scope": Entry(403, _C, False, "Use a key that has the scope named in the message."),
    "exceeds_own_key": Entry(
        403, _C, False, "Ask for no more than the managing key has itself, or use a key that has it."
    ),
    "not_signed_in": Entry(401, _C, False, "Sign in, or send an API key where one will do."),
    "sign_in_failed": Entry(401, _C, False, "Ask for a new code or challenge, and answer that one."),
    "second_factor_required": Entry(
        403, _C, False, "Give a code of the authenticator app, a recovery code, or use a passkey."
    ),
    "step_up_required": Entry(403, _C, False, "Prove again who you are, then send it again."),
    "role_not_allowed": Entry(403, _C, False, "Ask somebody whose role allows it, or for another role."),
    "cross_site_request": Entry(403, _C, False, "Send it from this gateway's own pages, or with an API key."),
    "workspace_required": Entry(400, _C, False, "Name the workspace in the header that the message names."),
    "conflict": Entry(409, _C, False, "Look at how it stands now; the message says what is in the way."),
    "too_many_attempts": Entry(429, _C, True, "Wait as long as Retry-After says."),
    "sign_in_unavailable": Entry(503, _O, False, "Sign in another way, or tell the operator what the message says."),
    "chain_unavailable": Entry(503, _O, True, "Send it again later, or sign in with a wallet that is no contract."),
    "address_not_allowed": Entry(403, _C, False, "Call from an address that this key allows, or use another key."),
    "model_not_found": Entry(404, _C, False, "List the models of this key with GET /v1/models."),
    "not_found": Entry(404, _C, False, "Check the address and the id."),
    "method_not_allowed": Entry(405, _C, False, "Use the method named in the Allow header."),
    "invalid_request": Entry(400, _C, False, "Mend the request as the message says."),
    "invalid_max_tokens": Entry(400, _C, False, "Send a positive whole number of output tokens, or leave it out."),
    "request_limit_exceeded": Entry(
        400,
        _C,
        False,
        "Ask for no more than `request_limit`: less text, fewer or smaller pieces, a lower output limit.",
    ),
    "max_cost_exceeded": Entry(
        400, _C, False, "Raise `max_cost`, or ask for less: a lower output limit, a shorter prompt, a cheaper model."
    ),
    "request_timeout": Entry(408, _C, True, "Send the whole request without long pauses."),
    "request_too_large": Entry(413, _C, False, "Send a smaller body."),
    "insufficient_balance": Entry(402, _P, False, "Top up the balance."),
    "budget_exhausted": Entry(402, _P, False, "Wait for the reset, or ask for a higher dollar limit."),
    "balance_held": Entry(402, _P, True, "Wait for running calls to settle, then send it again."),
    "quota_exhausted": Entry(429, _P, False, "Wait for the reset, or ask for a higher request limit."),
    "rate_limit_exceeded": Entry(429, _U, True, "Wait as long as Retry-After says."),
    "idempotency_conflict": Entry(409, _C, False, "Use a new Idempotency-Key for a new request."),
    "idempotency_running": Entry(409, _C, True, "The first request is still running; wait for it."),
    "idempotency_finished": Entry(409, _C, False, "The request was served once; read its receipt."),
    "job_not_finished": Entry(409, _C, True, "Ask after the job until its status is `completed` or `failed`."),
    "provider_not_configured": Entry(503, _O, False, "Choose a model with `provider_ready: true`."),
    "capacity_exhausted": Entry(503, _O, True, "Wait as long as Retry-After says."),
    "database_unavailable": Entry(503, _O, True, "Wait; if a call id is given, look it up before sending again."),
    "upstream_exception": Entry(502, _U, True, "Send it again; the reservation was released."),
    "upstream_timeout": Entry(504, _U, True, "Send it again; the reservation was released."),
    "upstream_rejected": Entry(400, _C, False, "Mend the request as the provider's message says."),
    "internal_error": Entry(500, _O, True, "Send it again; tell the operator the request id if it stays."),
}
