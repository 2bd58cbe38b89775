"""A workspace is found by whatever a customer can name."""

import pytest

from farebox.base.ids import random_id, show_short
from farebox.identity.roles import Role
from tests.admin.office import Office, ws
from tests.gateway import Customer, RunningGateway
from tests.people.town import Resident, Town


@pytest.fixture
def email() -> str:
    return f"anna.zebra{random_id()}@zoo.example"


@pytest.fixture
async def zebra(gateway: RunningGateway, town: Town, email: str) -> Customer:
    """A workspace with a member and a key."""
    customer = await gateway.new_customer(name="Zebra & Söhne_100%")
    anna = await town.person("Anna", email=email)
    await town.join(customer.workspace_id, anna, Role.OWNER)
    return customer


async def _found(office: Office, boss: Resident, query: str) -> list[str]:
    answer = await boss.browser.request("GET", f"/api/operator/workspaces?{query}")
    assert answer.status == 200, answer.text
    return [item["workspace_id"] for item in answer.json["data"]]


async def test_by_each_way(office: Office, boss: Resident, zebra: Customer, email: str) -> None:
    async with zebra.chat() as response:
        call_id = response.headers["x-farebox-call-id"]
    key = zebra.key.record
    for text in (
        "zebra",
        "S%C3%B6hne_100%25",
        ws(zebra),
        email,
        email.upper(),
        "@zoo.ex",
        show_short("key", key.key_id),
        key.visible_prefix,
        zebra.key.secret,
        call_id,
    ):
        found = await _found(office, boss, f"query={text}")
        assert ws(zebra) in found, text
        if text not in ("zebra", "S%C3%B6hne_100%25", "@zoo.ex"):
            assert found == [ws(zebra)], text


@pytest.mark.parametrize(
    "query",
    [
        "nobody@zoo.example",
        "ws_0000000000001",
        "key_0000000000001",
        "fbx_zzzzzz",
        "%25",
        "_________________________",
        "call_0190c3f0000070008000000000000000",
        "%00",
        "%5C",
    ],
)
async def test_what_is_not_there_is_not_found(office: Office, boss: Resident, query: str) -> None:
    answer = await boss.browser.request("GET", f"/api/operator/workspaces?query={query}")
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert all("%" in item["name"] or "\\" in item["name"] for item in answer.json["data"]) or query == "%00"
    page = await boss.browser.request("GET", f"/admin/workspaces?query={query}")
    assert page.status == 200


async def test_a_whole_key_is_shown_again_only_as_far_as_every_key_is(
    office: Office, boss: Resident, zebra: Customer
) -> None:
    page = await boss.browser.request("GET", f"/admin/workspaces?query={zebra.key.secret}")
    assert ws(zebra) in page.text
    assert zebra.key.secret not in page.text and zebra.key.record.visible_prefix in page.text


async def test_pages_are_the_newest_first_and_miss_nothing(
    gateway: RunningGateway, office: Office, boss: Resident
) -> None:
    made = [ws(await gateway.new_customer(balance_usd="0", name="Page turner")) for _ in range(5)]
    found: list[str] = []
    cursor = ""
    while True:
        answer = await office.api(boss, "GET", f"/workspaces?query=page+turner&limit=2{cursor}")
        found += [item["workspace_id"] for item in answer.json["data"]]
        if not answer.json["has_more"]:
            break
        cursor = f"&cursor={answer.json['next_cursor']}"
    assert found == made[::-1]


async def test_by_status(office: Office, boss: Resident, zebra: Customer) -> None:
    await office.api(boss, "POST", f"/workspaces/{ws(zebra)}/freeze", {"reason": "Looked into"})
    assert ws(zebra) in await _found(office, boss, "status=suspended")
    assert ws(zebra) not in await _found(office, boss, "status=active")
    page = await boss.browser.request("GET", "/admin/workspaces?status=frozen")
    assert ws(zebra) in page.text


@pytest.mark.parametrize("cursor", ["nonsense", "a" * 22, "_" * 22, "A" * 32])
async def test_a_cursor_that_is_none_is_refused_or_finds_nothing_wrong(
    office: Office, boss: Resident, cursor: str
) -> None:
    for path in ("/workspaces", "/requests", "/events"):
        answer = await office.api(boss, "GET", f"{path}?cursor={cursor}")
        assert answer.status in (200, 400), (path, answer.text)


async def test_the_sheet_has_everything_and_no_secret(
    office: Office, boss: Resident, zebra: Customer, email: str
) -> None:
    await zebra.set_limit(requests=7)
    answer = await office.api(boss, "GET", f"/workspaces/{ws(zebra)}")
    sheet = answer.json
    assert (sheet["name"], sheet["balance"]["available_usd"]) == ("Zebra & Söhne_100%", "10.00")
    assert [limit["limit"] for limit in sheet["limits"]] == [7]
    assert [(member["role"], member["emails"]) for member in sheet["members"]] == [("owner", [email])]
    assert [key["prefix"] for key in sheet["keys"]] == [zebra.key.record.visible_prefix]
    page = await boss.browser.request("GET", f"/admin/workspaces/{ws(zebra)}")
    assert page.status == 200 and "Zebra &amp; Söhne_100%" in page.text
    for text in (answer.text, page.text):
        assert zebra.key.secret not in text
