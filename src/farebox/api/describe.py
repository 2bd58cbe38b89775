"""How handlers are described in `/api/openapi.json`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIType, Operation, Reference, RequestBody, Schema

from farebox.base.errors import Problem
from farebox.web.errors import problem_body

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


_REQUEST_ID: Final = "req_019d2c52f1a07cc58a3c6f2b8e4d1a00"


def _error(**messages: str) -> ResponseSpec:
    """Codes of the catalogue, each with what its message may say."""
    examples = [
        Example(id=code, summary=code, value=msgspec.json.decode(problem_body(Problem(code, message), _REQUEST_ID)))
        for code, message in messages.items()
    ]
    description = ", ".join(messages)
    return ResponseSpec(data_container=ErrorShape, description=description, generate_examples=False, examples=examples)


ERRORS: Final[dict[int, ResponseSpec]] = {
    400: _error(invalid_request="There is no parameter 'modle'; known are cursor, limit, model."),
    401: _error(
        missing_api_key="The request has no API key. Send your key as `Authorization: Bearer …` or `x-api-key: …`.",
        invalid_api_key="This key was revoked. Copy it again, use another one, or make a new one.",
    ),
    403: _error(insufficient_scope="This key lacks the scope `usage.read`; it has chat.completions."),
    404: _error(not_found="There is nothing at this address."),
    503: _error(database_unavailable="The database is not available."),
}

MANAGED: Final[dict[int, ResponseSpec]] = {
    **ERRORS,
    400: _error(invalid_request="scopes has 'chat', which is none; choose among chat.completions, …"),
    403: _error(
        insufficient_scope="This key lacks the scope `keys.manage`; it has chat.completions.",
        exceeds_own_key="A key gives no more than it has; scopes would be more: videos.",
        address_not_allowed="This key may not be used from the address 203.0.113.9.",
    ),
    404: _error(not_found="This workspace has no such key."),
    413: _error(request_too_large="The body is larger than anything that is read here."),
}
"""For handlers that manage keys."""


def mended(document: dict[str, Any]) -> dict[str, Any]:
    """The description with its examples as they are meant: the framework leaves out what is null in them, and names
    each a second time in a field that OpenAPI does not know."""
    for item in document["paths"].values():
        for operation in item.values():
            for response in operation["responses"].values():
                for media in response.get("content", {}).values():
                    for example in media.get("examples", {}).values():
                        example.pop("id", None)
                        example["value"]["error"].setdefault("param", None)
    return document


def answers(
    container: Any, description: str, *, errors: Mapping[int, ResponseSpec] = ERRORS
) -> dict[int, ResponseSpec]:
    """The answer of a handler that writes it itself, and the errors."""
    return {200: ResponseSpec(data_container=container, description=description, generate_examples=False), **errors}


def taking(
    description: str,
    fields: Mapping[str, str | Schema],
    *,
    required: Sequence[str] = (),
    is_required: bool = True,
    example: Any = None,
) -> type[Operation]:
    """The description of a handler that reads its JSON body itself: each field and what it says, and no other field."""
    schema = body_schema(description, fields, required=required, example=example)

    @dataclass
    class Described(Operation):
        def __post_init__(self) -> None:
            media = {"application/json": OpenAPIMediaType(schema=schema)}
            self.request_body = RequestBody(content=media, description=description, required=is_required)

    return Described


def body_schema(
    description: str, fields: Mapping[str, str | Schema], *, required: Sequence[str] = (), example: Any = None
) -> Schema:
    """An object of these fields and no others. A field of which only a text is given may be anything."""
    properties: dict[str, Reference | Schema] = {
        name: Schema(description=what) if isinstance(what, str) else what for name, what in fields.items()
    }
    return Schema(
        type=OpenAPIType.OBJECT,
        description=description,
        properties=properties,
        required=list(required) or None,
        additional_properties=False,
        examples=None if example is None else [example],
    )
