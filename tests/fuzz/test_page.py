"""docs/reference/management-api.md: its tables name every address and who may ask, and its examples run."""

import asyncio
import re
from pathlib import Path

import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler

from farebox.access.depend import FRESH, PENDING, VERB
from farebox.api.app import ROUTES
from farebox.base.ids import show_short
from farebox.identity.roles import KEY_SCOPES, PlatformVerb, Role, Verb
from tests.fuzz.askers import OPERATOR_TOKEN
from tests.gateway import PATIENCE_SECONDS, RunningGateway
from tests.people.town import Town

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "management-api.md"
_ROW = re.compile(r"^\| `([A-Z]+ /[^`]*)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_EXAMPLE = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A key may ask for these without the scope that its verb has elsewhere.
_OF_KEYS = {
    "GET /api/balance": "any key",
    "POST /api/estimate": "any key",
    "GET /api/route/explain": "any key",
    "GET /api/routes": "any key",
    "GET /api/keys/usage": "key `usage.read` or `keys.manage`",
    "GET /api/webhooks": "key `videos` or `keys.manage`",
}


def _address(handler: HTTPRouteHandler) -> str:
    return f"{min(handler.http_methods)} {min(handler.paths).replace(':str}', '}')}"


def _who(handler: HTTPRouteHandler) -> str:
    verb = handler.opt.get(VERB)
    if isinstance(verb, PlatformVerb):
        return f"operator `{verb}`"
    if isinstance(verb, Verb):
        scope = KEY_SCOPES.get(verb)
        key = "" if scope is None else "; " + _OF_KEYS.get(_address(handler), f"key `{scope}`")
        return f"member `{verb}`{key}"
    if handler.opt.get(FRESH):
        return "signed in, step-up"
    if handler.opt.get(PENDING):
        return "signed in, also before the second factor"
    return "signed in" if handler.security else "anybody"


def test_the_page_names_every_address_and_who_may_ask() -> None:
    told = {row[0]: (row[1], row[2]) for row in _ROW.findall(PAGE.read_text())}
    there = {_address(one): (one.summary, _who(one)) for one in ROUTES if one.include_in_schema is not False}
    assert told == there


@pytest.mark.parametrize("address", _OF_KEYS)
async def test_what_the_page_says_of_keys_is_so(gateway: RunningGateway, address: str) -> None:
    method, path = address.split()
    named = re.findall(r"`([^`]+)`", _OF_KEYS[address]) or ["chat.completions"]
    customer = await gateway.new_customer()
    body = {"model": "plain", "messages": [{"role": "user", "content": "hi"}]} if method == "POST" else None
    query = "?model=plain" if path == "/api/route/explain" else ""
    for scope in named:
        key = await customer.new_key(scopes=frozenset({scope}))
        headers = customer.with_key(key).headers
        async with gateway.session.request(method, gateway.url + path + query, json=body, headers=headers) as response:
            assert response.status == 200, await response.text()


async def test_the_examples_run_as_they_stand(gateway: RunningGateway, town: Town, tmp_path: Path) -> None:
    customer = await gateway.new_customer()
    anna = await town.person("Anna")
    await town.join(customer.workspace_id, anna, Role.OWNER)
    await town.workspace("Other", owner=anna)
    environment = {
        "PATH": "/usr/bin:/bin",
        "BASE": gateway.site,
        "KEY": customer.key.secret,
        "SESSION": anna.browser.cookie,
        "WORKSPACE": show_short("ws", customer.workspace_id),
        "OPERATOR_TOKEN": OPERATOR_TOKEN,
    }
    examples = _EXAMPLE.findall(PAGE.read_text())
    assert len(examples) == 7
    for example in examples:
        process = await asyncio.create_subprocess_exec(
            "bash", "-eo", "pipefail", "-c", example, cwd=tmp_path, env=environment, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            out, _ = await process.communicate()
        assert process.returncode == 0, (example, out)
        assert isinstance(msgspec.json.decode(out), dict)
    assert "secret" in msgspec.json.decode((tmp_path / "new-key.json").read_bytes())
