"""What a provider's error answers say of the operator's own account, which is no customer's business. Pure.

Most providers refuse an account with 401, 402, 403 or 429, whose bodies are never passed on. Some say it with the
status of a faulty request, and then the body is all that tells. Sources: OpenAI's error codes; Anthropic's messages
for accounts out of credit, over their limit or closed; `google.rpc.ErrorInfo` and its `ErrorReason`.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

# `code`, `type`, `status` or `reason` of an error: providers' words, in which no customer has a part.
_CODES: Final = frozenset(
    {
        *("invalid_api_key", "incorrect_api_key", "insufficient_quota", "insufficient_balance", "insufficient_credits"),
        *("billing_hard_limit_reached", "billing_limit_user_error", "billing_not_active", "billing_error"),
        *("account_deactivated", "account_suspended", "access_terminated", "organization_deactivated"),
        *("mismatched_organization", "mismatched_project", "authentication_error", "permission_error"),
        *("unsupported_country_region_territory", "unauthenticated", "permission_denied"),
        *("api_key_invalid", "api_key_expired", "api_key_service_blocked", "api_key_ip_address_blocked"),
        *("billing_disabled", "consumer_suspended", "consumer_invalid", "service_disabled", "user_project_denied"),
    }
)
# How a message begins where nothing else tells. Only its beginning is looked at: what a customer wrote may be quoted
# further on, and must not make a key look refused.
_BEGINNINGS: Final = (
    "your credit balance is too low",
    "you have reached your specified api usage limits",
    "this organization has been disabled",
    "api key not valid",
    "api key expired",
    "user location is not supported",
)
# A 403 that is about what this one request refers to or says, though it looks like one about the account: Gemini's, for
# a file of somebody else, and OpenRouter's, for a prompt that its moderation flags.
_ABOUT_REQUEST: Final = ("you do not have permission to access the file",)
_MODERATION: Final = frozenset({"flagged_input", "reasons"})
# Ids of organisations and projects, and keys, as providers repeat them in their messages.
_IDS: Final = re.compile(
    rb"\b(?:org-[A-Za-z0-9]{6,}|proj_[A-Za-z0-9]{6,}|projects/[A-Za-z0-9][A-Za-z0-9-]{3,}"
    rb"|sk-[A-Za-z0-9_*-]{6,}|AIza[A-Za-z0-9_*-]{6,})"
)
_HIDDEN: Final = b"***"

_any = msgspec.json.Decoder()


def is_account_code(code: str) -> bool:
    """Whether a provider's word for what went wrong is one on the account."""
    return code.lower() in _CODES


def is_about_account(body: bytes) -> bool:
    """Whether an error answer refuses the account, not the request."""
    error = _error_of(body)
    if _begins(error, _BEGINNINGS):
        return True
    return any(isinstance(word, str) and is_account_code(word) for word in _words(error))


def is_about_request(body: bytes) -> bool:
    """Whether a 403 refuses what one request refers to or says, and says nothing of the account."""
    error = _error_of(body)
    metadata = error.get("metadata")
    flagged = isinstance(metadata, dict) and not _MODERATION.isdisjoint(metadata)
    return flagged or _begins(error, _ABOUT_REQUEST)


def _error_of(body: bytes) -> dict[str, Any]:
    """The error that a body tells of; empty where it tells of none."""
    try:
        found: Any = _any.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if isinstance(found, list) and found:
        found = found[0]
    error = found.get("error", found) if isinstance(found, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _begins(error: dict[str, Any], beginnings: tuple[str, ...]) -> bool:
    message = error.get("message")
    return isinstance(message, str) and message.strip().lower().startswith(beginnings)


def _words(error: dict[str, Any]) -> Iterator[Any]:
    yield from (error.get(name) for name in ("code", "type", "status"))
    details = error.get("details")
    if isinstance(details, list):
        yield from (detail.get("reason") for detail in details if isinstance(detail, dict))


def without_ids(body: bytes) -> bytes:
    """An error answer without the ids of the operator's account; JSON stays JSON."""
    return _IDS.sub(_HIDDEN, body)
