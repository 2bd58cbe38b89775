"""The whole API, asked by its own description: no answer is a fault of ours, and each is as it is described."""

import asyncio
import os
import unittest
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fuzz.askers import ASKERS, Asker, described_codes
from tests.gateway import PATIENCE_SECONDS, RunningGateway
from tests.people.town import Town

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
EXAMPLES: Final = 40 if os.environ.get("FAREBOX_LONG_TESTS") else 3
# What ends the very session that asks, so that all that follows would be refused.
LEFT_OUT: Final = frozenset({("POST", "/api/auth/sign-out")})
# What is made comes first, what takes away comes last.
_ORDER: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


class _Lie(AssertionError):
    """An answer that is not as described."""


def _operations(document: dict[str, Any]) -> Iterator[Any]:
    schema = schemathesis.openapi.from_dict(document)
    # Who asks is said by the asker alone.
    schema.config.generation.update(with_security_parameters=False)
    found: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]
    wanted = [one for one in found if (one.method.upper(), one.path) not in LEFT_OUT]
    return iter(sorted(wanted, key=lambda one: (_ORDER.index(one.method.upper()), one.path)))


class Fuzz:
    """One asker's requests, sent from a thread of their own while the gateway runs in the test's loop."""

    def __init__(self, gateway: RunningGateway, asker: Asker, document: dict[str, Any]) -> None:
        self._url = gateway.url
        self._asker = asker
        self._document = document
        self._session = requests.Session()
        self.answers: dict[int, int] = {}

    def run(self) -> list[str]:
        """Ask everything; what was wrong."""
        wrong: list[str] = []
        with self._session:
            for operation in _operations(self._document):
                for mode in self._modes(operation):
                    try:
                        self._ask(operation, mode)
                    except (unittest.SkipTest, Unsatisfiable):
                        # Nothing can be wrong about a request without parts; something right there is always.
                        assert mode is GenerationMode.NEGATIVE, operation.path
                    except BaseExceptionGroup as errors:
                        wrong += [f"{operation.method} {operation.path}: {error}" for error in errors.exceptions]
                    except AssertionError as error:
                        wrong.append(f"{operation.method} {operation.path}: {error}")
        return wrong

    def _described(self, operation: Any) -> dict[str, Any]:
        found = self._document["paths"][operation.path][operation.method.lower()]
        assert isinstance(found, dict)
        return found

    def _modes(self, operation: Any) -> Sequence[GenerationMode]:
        is_at_home = self._asker.is_at_home(self._described(operation))
        return (GenerationMode.POSITIVE, GenerationMode.NEGATIVE) if is_at_home else (GenerationMode.POSITIVE,)

    def _ask(self, operation: Any, mode: GenerationMode) -> None:
        # What is asked rightly is asked of what is there.
        named = {one.name for one in operation.path_parameters} if mode is GenerationMode.POSITIVE else set()
        fixed = {name: found for name, found in self._asker.ids.items() if name in named}
        cases = operation.as_strategy(generation_mode=mode, path_parameters=fixed or None)

        @settings(
            max_examples=EXAMPLES if self._asker.is_at_home(self._described(operation)) else 1,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(cases)
        def ask(case: "Case[Any]") -> None:
            self._send(case)

        ask()

    def _send(self, case: "Case[Any]") -> None:
        header = next((name for name in case.headers if name.lower() == "x-farebox-workspace"), None)
        if header is not None and case.headers[header] != "":
            case.headers[header] = self._asker.ids["workspace_id"]
        response = case.call(
            base_url=self._url, session=self._session, headers=self._asker.headers, timeout=PATIENCE_SECONDS
        )
        self.answers[response.status_code] = self.answers.get(response.status_code, 0) + 1
        case.validate_response(response, checks=CHECKS)
        operation = self._described(case.operation)
        if response.status_code >= 400:
            code = response.json()["error"]["code"]
            if code not in described_codes(operation["responses"][str(response.status_code)]):
                raise _Lie(f"{response.status_code} {code} is not described\n{case.as_curl_command()}")
        if self._asker.name in ("nobody", "stranger") and operation.get("security") and response.status_code != 401:
            raise _Lie(f"{self._asker.name} is answered {response.status_code}\n{case.as_curl_command()}")


async def _document(gateway: RunningGateway) -> dict[str, Any]:
    async with gateway.session.get(f"{gateway.url}/api/openapi.json") as response:
        return dict(await response.json())


@pytest.mark.timeout(3_600 if EXAMPLES > 10 else 600)
@pytest.mark.parametrize("made", ASKERS, ids=lambda made: made.__name__)
async def test_every_answer_is_as_described(
    gateway: RunningGateway, town: Town, made: Callable[[Town], Awaitable[Asker]]
) -> None:
    fuzz = Fuzz(gateway, await made(town), await _document(gateway))
    wrong = await asyncio.to_thread(fuzz.run)
    assert not wrong, "\n\n".join(wrong)
    assert sum(fuzz.answers.values()) > 80
    assert fuzz.answers.get(200, 0) > 0
