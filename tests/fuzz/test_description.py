"""What the description says of who may ask is what the handlers ask for."""

from typing import Any

import pytest
from litestar.handlers import HTTPRouteHandler

from farebox.access.depend import FRESH, OPEN, PENDING, VERB
from farebox.api.app import ROUTES
from farebox.api.describe import MEMBERS, PEOPLE, PLATFORM, SIGNED_IN
from farebox.identity.roles import KEY_SCOPES, STEP_UP, PlatformVerb, Verb
from tests.fuzz.askers import described_codes
from tests.gateway import RunningGateway

_SHOWN: list[HTTPRouteHandler] = [one for one in ROUTES if one.include_in_schema is not False]
# Open to anybody, and nothing is changed by them.
_OPEN_PATHS = frozenset({"/api/setup", "/api/errors", "/healthz", "/readyz"})


def _expected(handler: HTTPRouteHandler) -> list[dict[str, list[str]]]:
    verb = handler.opt.get(VERB)
    if isinstance(verb, PlatformVerb):
        return PLATFORM
    if isinstance(verb, Verb):
        return MEMBERS if verb in KEY_SCOPES else PEOPLE
    return [] if OPEN in handler.opt or handler.paths & _OPEN_PATHS else SIGNED_IN


def _name(handler: HTTPRouteHandler) -> str:
    return f"{min(handler.http_methods)} {min(handler.paths)}"


@pytest.mark.parametrize("handler", _SHOWN, ids=_name)
def test_the_description_names_those_who_may_ask(handler: HTTPRouteHandler) -> None:
    assert list(handler.security or []) == _expected(handler)


@pytest.mark.parametrize("handler", _SHOWN, ids=_name)
def test_a_recent_proof_is_described_where_it_is_asked_for(handler: HTTPRouteHandler) -> None:
    asks = handler.opt.get(VERB) in STEP_UP or bool(handler.opt.get(FRESH))
    refused = (handler.responses or {}).get(403)
    codes = set() if refused is None else {example.id for example in refused.examples or []}
    assert asks <= ("step_up_required" in codes)
    assert not (PENDING in handler.opt and FRESH in handler.opt)


async def _document(gateway: RunningGateway) -> dict[str, Any]:
    async with gateway.session.get(f"{gateway.url}/api/openapi.json") as response:
        return dict(await response.json())


async def test_the_description_is_of_version_3_1_and_names_three_ways_to_be_somebody(gateway: RunningGateway) -> None:
    document = await _document(gateway)
    assert document["openapi"].startswith("3.1.")
    schemes = document["components"]["securitySchemes"]
    assert {name: scheme["type"] for name, scheme in schemes.items()} == {
        "key": "http",
        "operator": "http",
        "session": "apiKey",
    }
    assert (schemes["session"]["in"], schemes["session"]["name"]) == ("cookie", "__Host-session")


async def test_the_header_that_names_a_workspace_is_described_where_it_counts(gateway: RunningGateway) -> None:
    document = await _document(gateway)
    described = {
        (method, path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        for parameter in operation.get("parameters", [])
        if (parameter["in"], parameter["name"]) == ("header", "X-Farebox-Workspace")
    }
    of_workspaces = {
        (str(method).lower(), path.replace(":str}", "}").replace(":uuid}", "}"))
        for handler in _SHOWN
        if isinstance(handler.opt.get(VERB), Verb)
        for method in handler.http_methods
        for path in handler.paths
    }
    assert described == of_workspaces


async def test_every_refusal_names_its_codes(gateway: RunningGateway) -> None:
    document = await _document(gateway)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for status, response in operation["responses"].items():
                if int(status) >= 400 and path != "/readyz":
                    assert described_codes(response), (method, path, status)
