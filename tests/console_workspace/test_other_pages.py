"""Settings, events, wallets and requests."""

from farebox.identity.audit import Event, record
from farebox.identity.people.ethereum import checksummed
from farebox.identity.people.holdings import link_holding
from farebox.identity.people.wallets import WalletProof
from farebox.identity.roles import Role
from tests.console_workspace.conftest import Join, path_of
from tests.console_workspace.test_overview import api
from tests.gateway import Customer, RunningGateway

ADDRESS = "0x" + "ab" * 20


async def test_a_workspace_gets_another_name(customer: Customer, join: Join) -> None:
    person = await join(customer, Role.ADMIN)
    page = await person.get(f"{path_of(customer)}/settings")
    saved = await person.follow(await person.send(page, "/settings", {"name": "New & <b>better</b>"}))
    assert "Saved." in saved.text
    assert "New & <b>better</b>" in saved.text
    assert "<b>better" not in saved.answer.text
    refused = await person.send(page, "/settings", {"name": "y" * 101}, status=400)
    assert ("name", "y" * 101) in refused.form("/settings").fields


async def test_the_policy_of_a_workspace_is_set_by_a_form(customer: Customer, join: Join) -> None:
    person = await join(customer, Role.OWNER)
    page = await person.get(f"{path_of(customer)}/settings/policy")
    typed: dict[str, str | list[str]] = {"policy.retention": "nothing", "policy.ignore": ["one"]}
    shown = await person.follow(await person.send(page, "/settings/policy", typed))
    assert "no retention" in shown.text
    policy = (await api(person, customer, "/api/policy"))["workspace"]
    assert (policy["retention"], policy["ignore"]) == ("nothing", ["one"])
    async with customer.chat() as response:
        assert response.status == 403
    page = await person.get(f"{path_of(customer)}/settings/policy")
    assert ("policy.ignore", "one") in page.form("/settings/policy").fields
    wrong = await person.post(f"{path_of(customer)}/settings/policy", [("policy.retention", "some")], status=400)
    assert "policy.retention" in wrong.text


async def test_a_form_of_a_policy_that_lay_about_lifts_no_rule_that_was_set_meanwhile(
    customer: Customer, join: Join
) -> None:
    person = await join(customer, Role.OWNER)
    old = await person.get(f"{path_of(customer)}/settings/policy")
    await person.send(old, "/settings/policy", {"policy.retention": "no_training"})
    await person.send(old, "/settings/policy", {"policy.ignore": ["one"]})
    policy = (await api(person, customer, "/api/policy"))["workspace"]
    assert (policy["retention"], policy["ignore"]) == ("no_training", ["one"])


async def test_events_are_told_in_words_page_by_page(gateway: RunningGateway, customer: Customer, join: Join) -> None:
    person = await join(customer, Role.ADMIN)
    page = await person.get(f"{path_of(customer)}/settings")
    await person.send(page, "/settings", {"name": "Renamed <i>it</i>"})
    async with gateway.connect() as connection:
        for number in range(60):
            event = Event(
                action="key.changed", actor="operator", workspace_id=customer.workspace_id, subject=f"number {number}"
            )
            await record(connection, event, now_micros=gateway.clock())
    path = f"{path_of(customer)}/events"
    first = await person.get(path)
    (older,) = [link for link in first.links if "cursor=" in link]
    second = await person.get(older)
    subjects = [row[3] for page in (first, second) for row in page.rows[1:] if row[3].startswith("number")]
    # Those of one millisecond come in any order.
    assert sorted(subjects) == sorted(f"number {number}" for number in range(60))
    renamed = second.rows[-1]
    assert renamed[1] == "A workspace got another name workspace.renamed"
    assert person.email in renamed[2]
    assert "name: Renamed <i>it</i>" in renamed[4]
    assert renamed[5] == person.browser.address
    only = await person.get(f"{path}?action=workspace.renamed")
    assert len(only.rows) == 2
    for nonsense in ("?action=nothing", "?cursor=nothing"):
        await person.get(path + nonsense, status=400)
    told = (await api(person, customer, "/api/events?limit=500"))["data"]
    assert len(told) == 61


async def test_a_holding_wallet_is_shown_and_unlinked(gateway: RunningGateway, customer: Customer, join: Join) -> None:
    person = await join(customer, Role.BILLING)
    async with gateway.connect() as connection:
        proof = WalletProof(ADDRESS, None)
        await link_holding(connection, customer.workspace_id, proof, by=person.person_id, now_micros=gateway.clock())
    page = await person.get(f"{path_of(customer)}/wallets")
    assert page.cells(checksummed(ADDRESS))[1] == "on every chain"
    (link,) = [link for link in page.links if link.endswith("/unlink")]
    done = await person.follow(await person.send(await person.get(link), "/unlink"))
    assert done.cells(checksummed(ADDRESS))[1] == "on every chain no more"
    assert not done.has_link("/unlink")
    await person.get(link, status=404)
    await person.post(link, status=404)


async def test_linking_a_wallet_asks_for_this_workspace(customer: Customer, join: Join) -> None:
    """The script takes from the page whom to ask, about which workspace, and where to go on."""
    base = path_of(customer)
    page = await (await join(customer, Role.BILLING)).get(f"{base}/wallets/link")
    for marked in (
        'data-wallet="holding"',
        'data-challenge="/api/holding-wallets/challenge"',
        'data-verify="/api/holding-wallets/verify"',
        f'data-workspace="{base.removeprefix("/console/")}"',
        'data-workspace-header="X-Farebox-Workspace"',
        f'data-next="{base}/wallets?done=linked"',
    ):
        assert marked in page.answer.text
    assert "signs nobody in" in page.text


async def test_a_request_is_sent_listed_and_withdrawn(customer: Customer, join: Join) -> None:
    person = await join(customer, Role.BILLING)
    base = path_of(customer)
    page = await person.get(f"{base}/requests/new")
    note = "Ten dollars\nby <b>Monday</b>"
    nothing = await person.send(page, "/requests/new", {"note": note}, status=400)
    assert ("note", note) in [(name, value.replace("\r\n", "\n")) for name, value in nothing.forms[-1].fields]
    listed = await person.follow(await person.send(nothing, "/requests/new", {"models": ["plain"]}))
    assert "The request is with the operator" in listed.text
    assert "<b>Monday" not in listed.answer.text
    row = listed.cells("Purchase of plain")
    assert row[2] == "waiting"
    (request,) = (await api(person, customer, "/api/requests"))["data"]
    assert (request["models"], request["note"], request["status"]) == (["plain"], note, "waiting")
    (withdraw,) = [form for form in listed.forms if form.action.endswith("/withdraw")]
    done = await person.follow(await person.send(listed, withdraw.action))
    assert done.cells("Purchase of plain")[2] == "withdrawn"
    refused = await person.post(withdraw.action, status=409)
    assert "does not wait any more" in refused.text
