"""How handlers are described in `/api/openapi.json`."""

from typing import Any, Final

import msgspec
from litestar.openapi.datastructures import ResponseSpec

KEYED: Final[list[dict[str, list[str]]]] = [{"key": []}]
"""For handlers that want an API key."""


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What every error says; some say more beside it, by the code."""

    message: str
    type: str
    code: str
    param: str | None
    fault: str
    retryable: bool
    advice: str
    docs: str
    request_id: str


class ErrorShape(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every error."""

    error: ErrorDetail


def _error(description: str) -> ResponseSpec:
    return ResponseSpec(data_container=ErrorShape, description=description, generate_examples=False)


ERRORS: Final[dict[int, ResponseSpec]] = {
    400: _error("invalid_request"),
    401: _error("missing_api_key, invalid_api_key"),
    403: _error("insufficient_scope"),
    404: _error("not_found"),
    503: _error("database_unavailable"),
}


def answers(container: Any, description: str) -> dict[int, ResponseSpec]:
    """The answer of a handler that writes it itself, and the errors."""
    return {200: ResponseSpec(data_container=container, description=description, generate_examples=False), **ERRORS}
