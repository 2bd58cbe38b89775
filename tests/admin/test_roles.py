"""Roles in the whole installation: given and taken by a superadmin, and never the last one from within."""

import asyncio
import contextlib

import pytest

from farebox.identity.people.model import show_person
from farebox.identity.roles import PlatformRole
from farebox.wiring.admins import create_admin, list_admins, remove_admin
from tests.admin.office import Office
from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway
from tests.people.browser import Browser
from tests.people.town import Resident, Town


async def test_a_role_is_given_to_somebody_unknown_who_can_sign_in_then(
    gateway: RunningGateway, office: Office, boss: Resident
) -> None:
    answer = await office.form(boss, "/admin/roles/new", email="New.One@Example.com ", role="finance")
    assert (answer.status, answer.location) == (303, "/admin/roles?done=granted")
    page = await boss.browser.request("GET", "/admin/roles")
    assert "new.one@example.com" in page.text and "missing" in page.text
    async with Browser(gateway) as browser:
        signed_in = await browser.sign_in("new.one@example.com")
        led = await browser.request("GET", "/admin")
        assert led.status == 303 and led.location.startswith("/sign-in/second-factor")
    rows = await gateway.rows("SELECT person_id FROM person_email WHERE email = 'new.one@example.com'")
    assert [show_person(row[0]) for row in rows] == [signed_in["person_id"]]
    told = [(action, actor) for action, actor, _ in await office.events_of(rows[0][0])]
    # Of one moment they have no order among themselves.
    assert sorted(told[:3]) == [
        ("email.linked", boss.shown),
        ("person.created", boss.shown),
        ("platform_role.granted", boss.shown),
    ]


async def test_a_role_takes_the_place_of_the_former_and_is_taken(town: Town, office: Office, boss: Resident) -> None:
    anna = await town.person("Anna")
    for role in ("support", "auditor", "auditor"):
        answer = await office.api(boss, "POST", "/roles", {"email": anna.email, "role": role})
        assert (answer.status, answer.json["role"]) == (200, role)
    listed = (await office.api(boss, "GET", "/roles")).json["data"]
    assert [item["role"] for item in listed if item["person_id"] == anna.shown] == ["auditor"]
    answer = await boss.browser.request("POST", f"/admin/roles/{anna.shown}/take", form={})
    assert (answer.status, answer.location) == (303, "/admin/roles?done=taken")
    told = [(action, detail.get("role")) for action, _, detail in await office.events_of(anna.person_id)]
    assert told == [
        ("platform_role.granted", "support"),
        ("platform_role.granted", "auditor"),
        ("platform_role.taken", "auditor"),
    ]
    assert (await office.api(boss, "DELETE", f"/roles/{anna.shown}")).status == 404


@pytest.mark.parametrize(
    ("email", "role"), [("nobody", "finance"), ("a@example.com", "boss"), ("", "finance"), ("a@example.com", "")]
)
async def test_what_cannot_be_meant_stands_on_the_form(office: Office, boss: Resident, email: str, role: str) -> None:
    answer = await office.form(boss, "/admin/roles/new", email=email, role=role)
    assert answer.status == 400 and f'value="{email}"' in answer.text
    answer = await office.api(boss, "POST", "/roles", {"email": email, "role": role})
    assert (answer.status, answer.code) == (400, "invalid_request")


async def test_the_last_superadmin_stays_whatever_two_of_them_do_at_once(cluster: TestCluster) -> None:
    async with serve_gateway(cluster) as gateway, contextlib.AsyncExitStack() as stack:
        office = Office(gateway, Town(gateway, stack))
        one, two = [await office.operator(PlatformRole.SUPERADMIN) for _ in range(2)]

        async def take(who: Resident, whose: Resident) -> int:
            return (await office.api(who, "DELETE", f"/roles/{whose.shown}")).status

        assert sorted(await asyncio.gather(take(one, two), take(two, one)))[0] == 204
        (left,) = await list_admins(gateway.dsn)
        last = one if left.person_id == one.shown else two
        assert (await office.api(last, "DELETE", f"/roles/{last.shown}")).code == "conflict"
        demoted = await office.api(last, "POST", "/roles", {"email": last.email, "role": "auditor"})
        assert demoted.code == "conflict"
        # Whoever has the machine may.
        removed = await remove_admin(gateway.dsn, last.email)
        assert removed.was_last_superadmin and await list_admins(gateway.dsn) == []
        made = await create_admin(gateway.settings, gateway.dsn, last.email, "superadmin")
        assert not made.was_new and made.admin.second_factor == "no"


async def test_the_events_page_tells_who_did_what(office: Office, boss: Resident, town: Town) -> None:
    anna = await town.person("Anna")
    await office.api(boss, "POST", "/roles", {"email": anna.email, "role": "support"})
    auditor = await office.operator(PlatformRole.AUDITOR)
    page = await auditor.browser.request("GET", f"/admin/events?person={anna.shown}")
    assert page.status == 200 and "platform_role.granted" in page.text and boss.shown in page.text
    listed = (await office.api(auditor, "GET", f"/events?person={anna.shown}&action=platform_role.granted")).json
    assert [(item["action"], item["actor"], item["about"]) for item in listed["data"]] == [
        ("platform_role.granted", boss.shown, anna.shown)
    ]
    for query in ("workspace=nonsense", "person=nobody", "action=no.such"):
        assert (await office.api(auditor, "GET", f"/events?{query}")).status == 400, query
    bad = await auditor.browser.request("GET", "/admin/events?workspace=%3Cb%3E")
    assert bad.status == 400 and "&lt;b&gt;" in bad.text and "<b>" not in bad.text


async def test_events_come_page_by_page(office: Office, boss: Resident, town: Town) -> None:
    anna = await town.person("Anna")
    for role in ("support", "auditor", "finance"):
        await office.api(boss, "POST", "/roles", {"email": anna.email, "role": role})
    first = (await office.api(boss, "GET", f"/events?person={anna.shown}&limit=2")).json
    assert first["has_more"] and [item["detail"]["role"] for item in first["data"]] == ["finance", "auditor"]
    rest = (await office.api(boss, "GET", f"/events?person={anna.shown}&limit=2&cursor={first['next_cursor']}")).json
    assert [item["detail"]["role"] for item in rest["data"]] == ["support"] and not rest["has_more"]
