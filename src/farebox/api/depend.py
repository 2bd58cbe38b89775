"""What handlers ask for by parameter: the parts, and the key that the request bears."""

import hmac
from typing import Any

from litestar import Request
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from farebox.api.parts import Parts
from farebox.base.errors import Problem
from farebox.identity.model import KeyRecord

AnyRequest = Request[Any, Any, Any]
TheParts = NamedDependency[SkipValidation[Parts]]
TheKey = NamedDependency[SkipValidation[KeyRecord]]
TheOperator = NamedDependency[SkipValidation[None]]
_BEARER = "bearer "


def providers_of(parts: Parts) -> dict[str, Provide]:
    """`parts`; `key` for those handlers that name it, and `operator` for those of the operator: the others are open to
    anybody."""

    def the_parts() -> Parts:
        return parts

    async def the_key(request: AnyRequest) -> KeyRecord:
        peer = None if request.client is None else request.client.host
        return await parts.authenticate(list(request.scope["headers"]), peer)

    def the_operator(request: AnyRequest) -> None:
        require_operator(parts.operator_token, request.headers.get("authorization", ""))

    return {
        "parts": Provide(the_parts, sync_to_thread=False, use_cache=True),
        "key": Provide(the_key),
        "operator": Provide(the_operator, sync_to_thread=False),
    }


def require_operator(token: str | None, sent: str) -> None:
    """Raises Problem unless `Authorization: Bearer` bears the token; `not_found` where there is none to bear."""
    if token is None:
        raise Problem("not_found", "There is nothing at this address.")
    if not sent:
        raise Problem("missing_api_key", "Send the operator's token as `Authorization: Bearer …`.")
    is_bearer = sent[: len(_BEARER)].lower() == _BEARER
    # Compared whole and in constant time, whatever was sent.
    if not (hmac.compare_digest(sent[len(_BEARER) :].strip().encode(), token.encode()) and is_bearer):
        raise Problem("invalid_api_key", "This is not the operator's token.", facts={"reason": "unknown"})
