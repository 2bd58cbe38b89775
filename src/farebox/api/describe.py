"""How handlers are described in `/api/openapi.json`."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, Reference, RequestBody, Schema

KEYED: Final[list[dict[str, list[str]]]] = [{"key": []}]
"""For handlers that want an API key."""
OPERATED: Final[list[dict[str, list[str]]]] = [{"operator": []}]
"""For handlers that want the operator's token."""


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


def taking(description: str, fields: dict[str, str]) -> type[Operation]:
    """The description of a handler that reads its JSON body itself: each field and what it says."""

    @dataclass
    class Described(Operation):
        def __post_init__(self) -> None:
            properties: dict[str, Reference | Schema] = {
                name: Schema(description=what) for name, what in fields.items()
            }
            schema = Schema(type=OpenAPIType.OBJECT, description=description, properties=properties)
            media = {"application/json": OpenAPIMediaType(schema=schema)}
            self.request_body = RequestBody(content=media, description=description, required=True)

    return Described
