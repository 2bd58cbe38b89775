"""Every page of a workspace, for every role, for strangers and for nobody."""

from typing import Final

import pytest
from litestar.handlers import HTTPRouteHandler

from farebox.base.ids import random_id, show_short
from farebox.console.app import ROUTES
from farebox.identity.roles import Role, Verb, may
from tests.console_workspace.conftest import Join, path_of
from tests.console_workspace.pages import Person
from tests.gateway import Customer, RunningGateway
from tests.people.browser import Answer, Browser

PREFIX: Final = "/console/{workspace:str}"
_IDS: Final = {"key_id": "key", "person_id": "person", "invitation_id": "invitation", "wallet_id": "holding"}


def routes() -> list[tuple[str, str, Verb]]:
    """Method, path and verb of every page and form of a workspace."""
    found: list[tuple[str, str, Verb]] = []
    for handler in ROUTES:
        assert isinstance(handler, HTTPRouteHandler)
        for path in handler.paths:
            if path.startswith(PREFIX):
                found.extend((str(method), path, handler.opt["verb"]) for method in handler.http_methods)
    return sorted((method, path, verb) for method, path, verb in found if method in ("GET", "POST"))


def address(path: str, workspace: str, **ids: str) -> str:
    """The path with ids in it; of things that are not there, unless they are given."""
    for name, prefix in {**_IDS, "request_id": "review"}.items():
        path = path.replace(f"{{{name}:str}}", ids.get(name, show_short(prefix, random_id())))
    return path.replace(PREFIX, workspace)


async def ask(browser: Browser, method: str, path: str) -> Answer:
    return await browser.request(method, path, form=[] if method == "POST" else None)


def test_there_are_pages() -> None:
    paths = {path.removeprefix(PREFIX) for _, path, _ in routes()}
    assert {"", "/keys", "/keys/new", "/members", "/settings", "/events", "/wallets", "/requests"} <= paths


async def test_a_foreign_workspace_is_not_there_on_any_page(
    gateway: RunningGateway, customer: Customer, join: Join
) -> None:
    """It makes no difference whether there is such a workspace."""
    person = await join(await gateway.new_customer(), Role.OWNER)
    nowhere = f"/console/{show_short('ws', random_id())}"
    for method, path, _ in routes():
        foreign = await ask(person.browser, method, address(path, path_of(customer)))
        missing = await ask(person.browser, method, address(path, nowhere))
        assert (foreign.status, missing.status) == (404, 404), path
        assert "Acme" not in foreign.text
    for nonsense in ("/console/x", "/console/ws_", "/console/ws_zzzzzzzzzzzzz"):
        await person.get(nonsense, status=404)


async def test_nobody_sees_a_page_without_signing_in(gateway: RunningGateway, customer: Customer) -> None:
    async with Browser(gateway) as browser:
        for method, path, _ in routes():
            answer = await ask(browser, method, address(path, path_of(customer)))
            assert answer.status == 303, path
            assert answer.location.startswith("/sign-in?next=/console"), path


@pytest.mark.parametrize("role", list(Role))
async def test_a_role_opens_what_it_may_and_nothing_else(customer: Customer, join: Join, role: Role) -> None:
    person = await join(customer, role)
    key_id = show_short("key", customer.key.record.key_id)
    for method, path, verb in routes():
        if path.endswith("/leave"):
            continue
        answer = await ask(person.browser, method, address(path, path_of(customer), key_id=key_id))
        if may(role, verb):
            # An empty form is refused for what it lacks, and what is not there is not found.
            assert answer.status in (200, 303, 400, 404, 409), (path, answer.text)
        else:
            assert answer.status == 403, path
            assert "role_not_allowed" in answer.text


async def links_of(person: Person, customer: Customer) -> set[str]:
    """Where the pages of a workspace lead that one finds by following links."""
    base = path_of(customer)
    seen: set[str] = set()
    waiting = [base]
    while waiting:
        path = waiting.pop()
        page = await person.get(path)
        found = {link for link in page.links if link.startswith(base)} | {form.action for form in page.forms}
        waiting.extend(link for link in found - seen if link in page.links and "?" not in link and "#" not in link)
        seen |= found
    return seen


@pytest.mark.parametrize("role", list(Role))
async def test_a_page_offers_nothing_that_the_role_may_not(customer: Customer, join: Join, role: Role) -> None:
    """Following every link never ends at a refusal (`get` wants status 200), and every form is one of the role's."""
    person = await join(customer, role)
    offered = await links_of(person, customer)
    base = path_of(customer)
    assert (f"{base}/keys/new" in offered) == may(role, Verb.KEYS_MANAGE)
    assert (f"{base}/members/invite" in offered) == may(role, Verb.MEMBERS_MANAGE)
    assert (f"{base}/members/transfer" in offered) == may(role, Verb.OWNERSHIP_TRANSFER)
    assert (f"{base}/settings/policy" in offered) == may(role, Verb.POLICY_CHANGE)
    assert (f"{base}/events" in offered) == may(role, Verb.AUDIT_READ)
    assert (f"{base}/requests/new" in offered) == may(role, Verb.BILLING_MANAGE)
    assert (f"{base}/wallets/link" in offered) == may(role, Verb.BILLING_MANAGE)


async def test_a_key_of_another_workspace_is_on_no_page(
    gateway: RunningGateway, customer: Customer, join: Join
) -> None:
    other = await gateway.new_customer()
    person = await join(other, Role.OWNER)
    foreign = show_short("key", customer.key.record.key_id)
    for method, path, _ in routes():
        if "{key_id:str}" in path:
            answer = await ask(person.browser, method, address(path, path_of(other), key_id=foreign))
            assert answer.status == 404, path
            assert customer.key.record.visible_prefix not in answer.text
    async with customer.chat() as response:
        assert response.status == 200
