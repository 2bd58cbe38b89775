"""How handlers are described in `/api/openapi.json`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIType, Operation, Reference, RequestBody, Schema

from farebox.base.errors import CATALOGUE, Problem
from farebox.web.errors import problem_body

Security = list[dict[str, list[str]]]
"""Who may ask, each of these alone; the names are those of the schemes in `app.py`. Empty: anybody."""

MEMBERS: Final[Security] = [{"key": []}, {"session": []}]
"""For handlers that an API key may ask, and a member in a workspace."""
PEOPLE: Final[Security] = [{"session": []}]
"""For handlers that a member may ask in a workspace, and no API key."""
SIGNED_IN: Final[Security] = [{"session": []}]
"""For handlers about whoever is signed in, in no workspace."""
PLATFORM: Final[Security] = [{"operator": []}, {"session": []}]
"""For handlers that the operator's token may ask, and a person with a platform role."""


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


def _error(messages: Mapping[str, str]) -> ResponseSpec:
    """Codes of the catalogue, each with what its message may say."""
    examples = [
        Example(id=code, summary=code, value=msgspec.json.decode(problem_body(Problem(code, message), _REQUEST_ID)))
        for code, message in messages.items()
    ]
    description = ", ".join(messages)
    return ResponseSpec(data_container=ErrorShape, description=description, generate_examples=False, examples=examples)


class Errors(dict[int, ResponseSpec]):
    """What a handler can refuse with, by status: made of codes of the catalogue, each with what it may say."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        by_status: dict[int, dict[str, str]] = {}
        for code, message in messages.items():
            by_status.setdefault(CATALOGUE[code].status, {})[code] = message
        super().__init__({status: _error(of_status) for status, of_status in sorted(by_status.items())})
        self.messages = dict(messages)

    def plus(self, **messages: str) -> "Errors":
        """These, and others: `PEOPLE_ERRORS.plus(conflict="This is your last way in.")`. A code that is there already
        gets the new message."""
        return Errors({**self.messages, **messages})

    def fresh(self) -> "Errors":
        """Of a handler that asks for a recent proof: a verb of STEP_UP, or `opt={"fresh": True}`."""
        return self.plus(step_up_required="This needs a proof of who you are that is not older than 15 minutes.")

    def with_body(self) -> "Errors":
        """Of a handler that reads a body."""
        return self.plus(request_too_large="The body is larger than anything that is read here.")


_ALWAYS: Final = {
    "invalid_request": "There is no parameter 'modle'; known are cursor, limit, model.",
    "database_unavailable": "The database is not available.",
}
_SITE: Final = {
    "cross_site_request": "This request does not come from this gateway's own pages.",
    "sign_in_unavailable": "Nobody can sign in here yet: the operator has not set the gateway's public address.",
}
_SESSION: Final = {
    **_SITE,
    "not_signed_in": "This session has ended. Sign in again.",
    "second_factor_required": "The second factor is still missing.",
}
_KEY: Final = {
    "missing_api_key": "The request has no API key. Send your key as `Authorization: Bearer …` or `x-api-key: …`.",
    "invalid_api_key": "This key was revoked. Copy it again, use another one, or make a new one.",
    "address_not_allowed": "This key may not be used from the address 203.0.113.9.",
    "capacity_exhausted": "Too many keys are being looked up at once.",
}
_ROLE: Final = {"role_not_allowed": "A member with the role viewer may not do this (keys.manage)."}

MEMBERS_ERRORS: Final = Errors(
    {
        **_ALWAYS,
        **_KEY,
        "insufficient_scope": "This key lacks the scope `usage.read`; it has chat.completions.",
        **_SESSION,
        **_ROLE,
        "workspace_required": "You belong to several workspaces; name one in the header X-Farebox-Workspace: ws_….",
        "not_found": "You belong to no such workspace.",
    }
)
"""With MEMBERS."""
PEOPLE_ERRORS: Final = MEMBERS_ERRORS.plus(
    insufficient_scope="No API key may do this (members.read); a member of the workspace has to sign in."
)
"""With PEOPLE."""
SIGNED_IN_ERRORS: Final = Errors({**_ALWAYS, **_SESSION})
"""With SIGNED_IN."""
PLATFORM_ERRORS: Final = Errors(
    {
        **_ALWAYS,
        "missing_api_key": "Send the operator's token as `Authorization: Bearer …`, or sign in.",
        "invalid_api_key": "This is not the operator's token.",
        **_SESSION,
        "role_not_allowed": "Somebody with the role support may not do this (platform.credit).",
        "not_found": "There is nothing at this address.",
    }
)
"""With PLATFORM."""
OPEN_ERRORS: Final = Errors({**_ALWAYS, **_SITE})
"""With an empty `security`: of what begins or ends a sign-in."""

MANAGED: Final = (
    MEMBERS_ERRORS.fresh()
    .with_body()
    .plus(
        invalid_request="scopes has 'chat', which is none; choose among chat.completions, …",
        insufficient_scope="This key lacks the scope `keys.manage`; it has chat.completions.",
        exceeds_own_key="A key gives no more than it has; scopes would be more: videos.",
        not_found="This workspace has no such key.",
    )
)
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


def name_workspaces(document: dict[str, Any], of_workspaces: Collection[tuple[str, str]], *, header: str) -> None:
    """Say the header that names a workspace where one may be named: on these paths and methods."""
    described = {
        "name": header,
        "in": "header",
        "required": False,
        "description": "The workspace that is meant, `ws_…`, for members of several. A key has one and needs none.",
        "schema": {"type": "string"},
    }
    for path, method in of_workspaces:
        operation = document["paths"].get(path, {}).get(method)
        if operation is not None:
            operation.setdefault("parameters", []).append(described)


def answers(
    container: Any, description: str, *, errors: Mapping[int, ResponseSpec] = MEMBERS_ERRORS, status: int = 200
) -> dict[int, ResponseSpec]:
    """The answer of a handler that writes it itself, and the errors."""
    return {status: ResponseSpec(data_container=container, description=description, generate_examples=False), **errors}


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
