"""Each platform role, each act; and nobody without a second factor, a role, or a fresh proof."""

import pytest

from farebox.identity.people.model import Method
from farebox.identity.roles import PLATFORM_MAY, PlatformRole, PlatformVerb
from tests.admin.office import Office, ws
from tests.gateway import RunningGateway
from tests.people.browser import Browser
from tests.people.town import STALE_MICROS, Resident, Town

V = PlatformVerb
# The verb, the page that offers it or does it, and the same of the API.
PAGES = {
    "/admin/workspaces": V.WORKSPACES_READ,
    "/admin/workspaces/{ws}": V.WORKSPACES_READ,
    "/admin/workspaces/{ws}/credit": V.CREDIT,
    "/admin/workspaces/{ws}/limits": V.LIMITS_CHANGE,
    "/admin/workspaces/{ws}/freeze": V.FREEZE,
    "/admin/requests": V.REQUESTS_READ,
    "/admin/requests/review_0000000000001": V.REQUESTS_DECIDE,
    "/admin/events": V.AUDIT_READ,
    "/admin/roles": V.ROLES_READ,
    "/admin/roles/new": V.ROLES_MANAGE,
    "/admin/roles/person_0000000000001/take": V.ROLES_MANAGE,
}
ACTS = [
    ("GET", "/workspaces", None, V.WORKSPACES_READ),
    ("GET", "/workspaces/{ws}", None, V.WORKSPACES_READ),
    ("POST", "/workspaces/{ws}/credit", {"amount_usd": "1", "reason": "who may"}, V.CREDIT),
    ("PUT", "/workspaces/{ws}/limits", {"month": {"requests": 1000}}, V.LIMITS_CHANGE),
    ("PUT", "/workspaces/{ws}/policy", {}, V.POLICY_CHANGE),
    ("POST", "/workspaces/{ws}/freeze", {"reason": "who may"}, V.FREEZE),
    ("POST", "/workspaces/{ws}/unfreeze", {"reason": "who may"}, V.FREEZE),
    ("GET", "/requests", None, V.REQUESTS_READ),
    ("POST", "/requests/review_0000000000001/decide", {"accept": True, "reason": "who may"}, V.REQUESTS_DECIDE),
    ("GET", "/events", None, V.AUDIT_READ),
    ("GET", "/roles", None, V.ROLES_READ),
    ("DELETE", "/roles/person_0000000000001", None, V.ROLES_MANAGE),
]
POSTS = {
    "/admin/workspaces/{ws}/credit": V.CREDIT,
    "/admin/workspaces/{ws}/limits": V.LIMITS_CHANGE,
    "/admin/workspaces/{ws}/freeze": V.FREEZE,
    "/admin/workspaces/{ws}/unfreeze": V.FREEZE,
    "/admin/requests/review_0000000000001": V.REQUESTS_DECIDE,
    "/admin/roles/new": V.ROLES_MANAGE,
    "/admin/roles/person_0000000000001/take": V.ROLES_MANAGE,
}


@pytest.mark.parametrize("role", PlatformRole)
async def test_each_role_may_do_what_the_table_says_by_the_api(
    gateway: RunningGateway, office: Office, role: PlatformRole
) -> None:
    customer, who = await gateway.new_customer(), await office.operator(role)
    for method, path, body, verb in ACTS:
        answer = await office.api(who, method, path.format(ws=ws(customer)), body)
        if verb in PLATFORM_MAY[role]:
            # There is no such request and no such person; whoever may not learns not even that.
            assert answer.status == (404 if "0000000000001" in path else 200), (path, answer.text)
        else:
            assert (answer.status, answer.code) == (403, "role_not_allowed"), path


@pytest.mark.parametrize("role", PlatformRole)
async def test_each_role_sees_the_pages_that_the_table_says(
    gateway: RunningGateway, office: Office, role: PlatformRole
) -> None:
    customer, who = await gateway.new_customer(), await office.operator(role)
    for path, verb in PAGES.items():
        answer = await who.browser.request("GET", path.format(ws=ws(customer)))
        allowed = 404 if "0000000000001" in path else 200
        assert answer.status == (allowed if verb in PLATFORM_MAY[role] else 403), (path, answer.text)


@pytest.mark.parametrize("role", PlatformRole)
async def test_each_role_may_send_the_forms_that_the_table_says(
    gateway: RunningGateway, office: Office, role: PlatformRole
) -> None:
    customer, who = await gateway.new_customer(balance_usd="5"), await office.operator(role)
    for path, verb in POSTS.items():
        answer = await who.browser.request("POST", path.format(ws=ws(customer)), form={"reason": ""})
        if verb not in PLATFORM_MAY[role]:
            assert answer.status == 403, path
        else:
            assert answer.status in (303, 400, 404), (path, answer.status)
    assert await customer.balance() == "5.00"


@pytest.mark.parametrize("role", PlatformRole)
async def test_the_sheet_offers_only_what_the_role_may_do(
    gateway: RunningGateway, office: Office, role: PlatformRole
) -> None:
    customer, who = await gateway.new_customer(), await office.operator(role)
    page = (await who.browser.request("GET", f"/admin/workspaces/{ws(customer)}")).text
    for act, verb in (("credit", V.CREDIT), ("limits", V.LIMITS_CHANGE), ("freeze", V.FREEZE)):
        assert (f"/admin/workspaces/{ws(customer)}/{act}" in page) == (verb in PLATFORM_MAY[role])
    assert ("Latest events" in page) == (V.AUDIT_READ in PLATFORM_MAY[role])


async def test_a_role_without_a_second_factor_opens_nothing_and_is_led_to_one(
    gateway: RunningGateway, office: Office
) -> None:
    customer = await gateway.new_customer()
    who = await office.operator(PlatformRole.SUPERADMIN, method=Method.EMAIL)
    for path in PAGES:
        answer = await who.browser.request("GET", path.format(ws=ws(customer)))
        assert answer.status == 303 and answer.location.startswith("/sign-in/second-factor?next=/admin/"), path
    for method, path, body, _ in ACTS:
        answer = await office.api(who, method, path.format(ws=ws(customer)), body)
        assert (answer.status, answer.code) == (403, "second_factor_required"), path
    led = await who.browser.request("GET", "/sign-in/second-factor?next=/admin/workspaces")
    assert led.status == 200 and 'href="/account"' in led.text


async def test_who_has_no_role_finds_nothing(gateway: RunningGateway, office: Office, nobody: Resident) -> None:
    customer = await gateway.new_customer()
    for path in (*PAGES, "/admin"):
        assert (await nobody.browser.request("GET", path.format(ws=ws(customer)))).status == 404, path
    for path in POSTS:
        answer = await nobody.browser.request("POST", path.format(ws=ws(customer)), form={})
        assert answer.status == 404, path
    for method, path, body, _ in ACTS:
        assert (await office.api(nobody, method, path.format(ws=ws(customer)), body)).status == 404, path


async def test_who_is_not_signed_in_signs_in_first_and_a_token_opens_no_page(gateway: RunningGateway) -> None:
    async with Browser(gateway) as browser:
        answer = await browser.request("GET", "/admin/workspaces?query=acme")
        assert (answer.status, answer.location) == (303, "/sign-in?next=/admin/workspaces%3Fquery%3Dacme")
        bearer: dict[str, str | None] = {"authorization": "Bearer operator-" + "o" * 32}
        assert (await browser.request("GET", "/admin/workspaces", headers=bearer)).status == 303


async def test_a_role_that_was_taken_is_gone_with_the_next_request(office: Office, boss: Resident) -> None:
    who = await office.operator(PlatformRole.AUDITOR)
    assert (await who.browser.request("GET", "/admin/workspaces")).status == 200
    assert (await office.api(boss, "DELETE", f"/roles/{who.shown}")).status == 204
    assert (await who.browser.request("GET", "/admin/workspaces")).status == 404


async def test_money_wants_a_fresh_proof_and_reading_does_not(
    gateway: RunningGateway, office: Office, town: Town, boss: Resident
) -> None:
    customer = await gateway.new_customer(balance_usd="5")
    await town.run(
        "UPDATE person_session SET proved_at = proved_at - %s, second_factor_at = second_factor_at - %s"
        " WHERE person_id = %s",
        STALE_MICROS,
        STALE_MICROS,
        boss.person_id,
    )
    path = f"/admin/workspaces/{ws(customer)}"
    assert (await boss.browser.request("GET", path)).status == 200
    form = await boss.browser.request("GET", f"{path}/credit")
    assert (form.status, form.location) == (303, f"/step-up?next={path}/credit")
    sent = await boss.browser.request("POST", f"{path}/credit", form={"amount_usd": "5", "reason": "stale"})
    assert (sent.status, sent.location) == (303, f"/step-up?next={path}/credit")
    answer = await office.api(
        boss, "POST", f"/workspaces/{ws(customer)}/credit", {"amount_usd": "5", "reason": "stale"}
    )
    assert (answer.status, answer.code) == (403, "step_up_required")
    assert await customer.balance() == "5.00"


async def test_a_form_of_another_site_does_nothing(gateway: RunningGateway, boss: Resident) -> None:
    customer = await gateway.new_customer(balance_usd="5")
    fields = {"amount_usd": "5", "reason": "forged", "command_id": "0190c3f0-0000-7000-8000-000000000000"}
    headers: dict[str, str | None] = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    path = f"/admin/workspaces/{ws(customer)}/credit"
    assert (await boss.browser.request("POST", path, form=fields, headers=headers)).status == 403
    assert await customer.balance() == "5.00"
