"""Keys are made, changed, rolled and revoked by forms."""

import asyncio
from typing import Final

from farebox.base.ids import read_short, show_short
from farebox.identity.model import DEFAULT_SCOPES, Labels, RateLimit
from farebox.identity.rates import write_rate
from farebox.identity.roles import Role
from tests.console_workspace.conftest import Join, path_of
from tests.console_workspace.pages import Page, Person
from tests.console_workspace.test_overview import api
from tests.gateway import Customer, RunningGateway

NEW: Final = "/keys/new"


async def make(person: Person, customer: Customer, name: str, **typed: str) -> Page:
    """Fill in the form and send it."""
    page = await person.get(path_of(customer) + NEW)
    return await person.send(page, NEW, {"name": name, **typed}, status=200)


async def can_call(gateway: RunningGateway, secret: str) -> int:
    """The status of a call with a key."""
    body = {"model": "plain", "messages": [{"role": "user", "content": "Reply exactly: OK"}], "max_tokens": 64}
    headers = {"authorization": f"Bearer {secret}"}
    async with gateway.session.post(f"{gateway.base_url}/chat/completions", json=body, headers=headers) as response:
        return response.status


async def test_the_table_begins_as_people_know_it(customer: Customer, join: Join) -> None:
    page = await (await join(customer, Role.VIEWER)).get(f"{path_of(customer)}/keys")
    assert page.rows[0][:5] == ["Name", "Prefix", "Scopes", "Status", "Created"]
    assert page.rows[0][5:] == ["Last used", "Labels", "Today", "This month", "All time"]
    assert page.cells("test")[1] == f"{customer.key.record.visible_prefix}…"
    assert page.cells("test")[2:4] == ["all", "active"]


async def test_a_key_made_by_the_form_works_at_once(gateway: RunningGateway, customer: Customer, join: Join) -> None:
    person = await join(customer, Role.DEVELOPER)
    made = await make(person, customer, "<b>bot</b>", department="sales")
    secret = made.ids["secret"]
    assert await can_call(gateway, secret) == 200
    assert secret in made.ids["curl"]
    assert "<b>bot" not in made.answer.text
    assert secret not in made.answer.headers.get("location", "")
    row = (await person.get(f"{path_of(customer)}/keys")).cells("<b>bot</b>")
    assert row[2] == "all but keys.manage"
    assert row[6] == "department: sales"


async def test_a_secret_is_shown_once_and_kept_nowhere(customer: Customer, join: Join) -> None:
    person = await join(customer, Role.DEVELOPER)
    form = (await person.get(path_of(customer) + NEW)).form(NEW)
    fields = form.filled({"name": "once"})
    made = await person.post(form.action, fields, status=200)
    secret = made.ids["secret"]
    assert made.answer.headers["cache-control"] == "no-store"
    stays = made.answer.text.split('data-stays="')[1].split('"')[0]
    for path in (stays, f"{path_of(customer)}/keys", f"{path_of(customer)}/events"):
        answer = await person.browser.request("GET", path)
        assert secret not in answer.text
    # The page loaded anew: the same form once more.
    again = await person.post(form.action, fields, status=409)
    assert secret not in again.answer.text
    assert "made a key already" in again.text
    keys = (await api(person, customer, "/api/keys"))["data"]
    assert [key["name"] for key in keys].count("once") == 1


async def test_a_double_click_makes_one_key(gateway: RunningGateway, customer: Customer, join: Join) -> None:
    person = await join(customer, Role.DEVELOPER)
    form = (await person.get(path_of(customer) + NEW)).form(NEW)
    fields = form.filled({"name": "clicked"})
    answers = [person.browser.request("POST", form.action, form=fields) for _ in range(4)]
    assert sorted(answer.status for answer in await asyncio.gather(*answers)) == [200, 409, 409, 409]
    rows = await gateway.rows(
        "SELECT count(*) FROM api_key WHERE workspace_id = %s AND name = 'clicked'", customer.workspace_id
    )
    assert rows == [(1,)]
    another = (await person.get(path_of(customer) + NEW)).form(NEW)
    await person.post(another.action, another.filled({"name": "clicked"}), status=200)


async def test_everything_that_the_form_has_holds_for_the_key(customer: Customer, join: Join) -> None:
    person = await join(customer, Role.ADMIN)
    typed: dict[str, str | list[str]] = {
        "name": "all of it",
        "department": "d",
        "project": "p",
        "customer": "c",
        "scopes": ["chat.completions", "models.read"],
        "models": ["plain"],
        "expires_at": "2099-12-31T23:30",
        "ip_allow": "192.0.2.0/24\n2001:db8::1",
        "limits.day.requests": "1,000",
        "limits.month.usd": "$25.50",
        "limits.lifetime.requests": "9000",
        "policy.regions": ["global"],
        "policy.retention": "nothing",
        "policy.only": ["one"],
    }
    await person.send(await person.get(path_of(customer) + NEW), NEW, typed, status=200)
    (key,) = [key for key in (await api(person, customer, "/api/keys"))["data"] if key["name"] == "all of it"]
    assert key["labels"] == {"department": "d", "project": "p", "customer": "c"}
    assert key["scopes"] == ["chat.completions", "models.read"]
    assert key["models"] == ["plain"]
    assert key["expires_at"] == "2099-12-31T23:30:00.000000Z"
    assert key["ip_allow"] == ["192.0.2.0/24", "2001:db8::1/128"]
    limits = {(limit["span"], limit["unit"]): limit["limit"] for limit in key["limits"]}
    assert limits == {("day", "requests"): 1000, ("month", "usd"): "25.50", ("lifetime", "requests"): 9000}
    assert key["policy"]["regions"] == ["global"]
    assert key["policy"]["retention"] == "nothing"
    assert key["policy"]["only"] == ["one"]
    assert key["created_by"] == person.person_id


async def test_what_is_refused_stays_as_it_was_typed(customer: Customer, join: Join) -> None:
    person = await join(customer, Role.DEVELOPER)
    page = await person.get(path_of(customer) + NEW)
    typed = {
        "name": "kept",
        "project": "p1",
        "scopes": ["images"],
        "models": ["plain"],
        "expires_at": "2099-01-01T00:00",
        "limits.day.usd": "5",
        "policy.retention": "no_training",
    }
    wrong = {
        "ip_allow": "not a network",
        "limits.month.requests": "many",
        "limits.day.usd": "-3",
        "expires_at": "2001-01-01T00:00",
        "scopes": [],
        "name": "",
    }
    for field, value in wrong.items():
        refused = await person.send(page, NEW, {**typed, field: value}, status=400)
        form = refused.form(NEW)
        for name, one in {**typed, field: value}.items():
            values = [one] if isinstance(one, str) else one
            assert [kept for of, kept in form.fields if of == name] == values, (field, name)
        assert f'id="field-{field}-error"' in refused.answer.text, field
        assert f'href="#field-{field}"' in refused.answer.text, field
    names = [key["name"] for key in (await api(person, customer, "/api/keys"))["data"]]
    assert names == ["test"]


async def test_usage_and_totals_are_those_of_the_api(gateway: RunningGateway, join: Join) -> None:
    customer = await gateway.new_customer()
    for name, department in (("one", "sales"), ("two", "sales"), ("three", "")):
        caller = customer.with_key(await customer.new_key(name=name, labels=Labels(department=department)))
        async with caller.chat() as response:
            await response.read()
    await gateway.idle()
    person = await join(customer, Role.VIEWER)
    page = await person.get(f"{path_of(customer)}/keys")
    for used in (await api(person, customer, "/api/keys/usage"))["data"]:
        for place, span in ((7, "today"), (8, "month"), (9, "all_time")):
            shown = f"${used[f'{span}_usd']} {used[f'{span}_requests']} request"
            assert page.cells(used["name"])[place].removesuffix("s") == shown
    for by in ("department", "project", "customer"):
        listed = await person.get(f"{path_of(customer)}/keys?by={by}")
        for used in (await api(person, customer, f"/api/keys/usage?by={by}"))["data"]:
            row = listed.cells(used["name"] or "(none)")
            assert row[1] == str(used["keys"])
            assert row[3].startswith(f"${used['month_usd']} {used['month_requests']} request")


async def test_the_list_is_narrowed_and_paged(gateway: RunningGateway, join: Join) -> None:
    customer = await gateway.new_customer()
    for number in range(60):
        await customer.new_key(name=f"k{number:02d}", labels=Labels(project="even" if number % 2 == 0 else "odd"))
    person = await join(customer, Role.VIEWER)
    path = f"{path_of(customer)}/keys"

    def names(page: Page) -> list[str]:
        return [row[0] for row in page.rows if row[0].startswith("k") and len(row) == 10]

    first = await person.get(path)
    (older,) = [link for link in first.links if "after=" in link]
    second = await person.get(older)
    assert names(first) + names(second) == [f"k{number:02d}" for number in range(59, -1, -1)]
    assert not any("after=" in link for link in second.links if "by=" not in link)
    odd = await person.get(f"{path}?project=odd&status=active")
    assert len(names(odd)) == 30
    assert ("project", "odd") in odd.forms[-1].fields or any(("project", "odd") in form.fields for form in odd.forms)
    assert names(await person.get(f"{path}?status=revoked")) == []
    for nonsense in ("?status=lost", "?after=1", "?after=x.key_1", "?by=color", "?project=%00"):
        await person.get(path + nonsense, status=400)


async def test_a_key_is_changed_part_by_part(customer: Customer, join: Join) -> None:
    person = await join(customer, Role.DEVELOPER)
    await make(person, customer, "before")
    (key,) = [key for key in (await api(person, customer, "/api/keys"))["data"] if key["name"] == "before"]
    path = f"{path_of(customer)}/keys/{key['key_id']}"
    page = await person.get(f"{path}/change")
    saved = await person.send(page, f"{path}/change", {"name": "after", "customer": "acme", "models": ["plain"]})
    assert "Saved." in (await person.follow(saved)).text
    await person.send(page, f"{path}/limits", {"limits.day.requests": "7", "limits.day.usd": "1.25"})
    page = await person.get(f"{path}/change")
    await person.send(page, f"{path}/limits", {"limits.day.requests": ""})
    changed = await api(person, customer, f"/api/keys/{key['key_id']}")
    assert changed["name"] == "after"
    assert changed["labels"]["customer"] == "acme"
    assert changed["models"] == ["plain"]
    assert set(changed["scopes"]) == set(DEFAULT_SCOPES)
    assert [(limit["unit"], limit["limit"]) for limit in changed["limits"]] == [("usd", "1.25")]
    # Nothing different is nothing done.
    page = await person.get(f"{path}/change")
    await person.send(page, f"{path}/change")
    events = (await api(await join(customer, Role.ADMIN), customer, "/api/events?action=key.changed"))["data"]
    assert [event["detail"]["changed"] for event in events] == ["name, labels, models"]


async def test_a_form_that_lay_about_takes_nothing_back_that_was_changed_meanwhile(
    customer: Customer, join: Join
) -> None:
    """An address list that somebody put on a key is not lifted by who renames it on an older page."""
    person = await join(customer, Role.DEVELOPER)
    await make(person, customer, "shared")
    (key,) = [key for key in (await api(person, customer, "/api/keys"))["data"] if key["name"] == "shared"]
    path = f"{path_of(customer)}/keys/{key['key_id']}"
    old, new = await person.get(f"{path}/change"), await person.get(f"{path}/change")
    await person.send(new, f"{path}/change", {"ip_allow": "192.0.2.0/24"})
    await person.send(new, f"{path}/limits", {"limits.day.usd": "1"})
    await person.send(new, f"{path}/policy", {"policy.ignore": ["one"]})
    await person.send(old, f"{path}/change", {"name": "renamed"})
    await person.send(old, f"{path}/limits", {"limits.month.requests": "9"})
    await person.send(old, f"{path}/policy", {"policy.retention": "no_training"})
    changed = await api(person, customer, f"/api/keys/{key['key_id']}")
    assert (changed["name"], changed["ip_allow"]) == ("renamed", ["192.0.2.0/24"])
    assert [(limit["span"], limit["limit"]) for limit in changed["limits"]] == [("day", "1.00"), ("month", 9)]
    assert (changed["policy"]["ignore"], changed["policy"]["retention"]) == (["one"], "no_training")


async def test_a_form_of_a_policy_keeps_what_it_does_not_have(customer: Customer, join: Join) -> None:
    person = await join(customer, Role.ADMIN)
    await make(person, customer, "policy")
    (key,) = [key for key in (await api(person, customer, "/api/keys"))["data"] if key["name"] == "policy"]
    rule = {"max_price": {"prompt": "3.00"}, "sort": "price", "regions": ["sg"]}
    answer = await person.browser.request(
        "PUT",
        f"/api/keys/{key['key_id']}/policy",
        body=rule,
        headers={"x-farebox-workspace": path_of(customer).removeprefix("/console/")},
    )
    assert answer.status == 200, answer.text
    path = f"{path_of(customer)}/keys/{key['key_id']}"
    page = await person.get(f"{path}/change")
    await person.send(page, f"{path}/policy", {"policy.regions": [], "policy.ignore": ["one"]})
    policy = (await api(person, customer, f"/api/keys/{key['key_id']}"))["policy"]
    assert policy["regions"] is None
    assert policy["ignore"] == ["one"]
    assert policy["sort"] == "price"
    assert policy["max_price"]["prompt"] == "3.00"


async def test_rolling_shows_the_new_secret_once_and_rolls_once(
    gateway: RunningGateway, customer: Customer, join: Join
) -> None:
    person = await join(customer, Role.DEVELOPER)
    made = await make(person, customer, "rolled")
    old, stays = made.ids["secret"], made.answer.text.split('data-stays="')[1].split('"')[0]
    page = await person.get(f"{stays}/roll")
    rolled = await person.send(page, "/roll", {"overlap_seconds": "3600"}, status=200)
    new = rolled.ids["secret"]
    assert new != old
    assert [await can_call(gateway, secret) for secret in (old, new)] == [200, 200]
    again = await person.send(page, "/roll", {"overlap_seconds": "3600"}, status=400)
    assert "took over" in again.text
    refused = await person.post(f"{stays}/roll", [("overlap_seconds", "12345678")], status=400)
    assert "Choose how long" in refused.text
    assert not (await person.get(stays)).has_link("/roll")


async def test_revoking_asks_first_and_then_ends_the_key(
    gateway: RunningGateway, customer: Customer, join: Join
) -> None:
    person = await join(customer, Role.DEVELOPER)
    made = await make(person, customer, "gone")
    secret, stays = made.ids["secret"], made.answer.text.split('data-stays="')[1].split('"')[0]
    page = await person.get(f"{stays}/revoke")
    assert await can_call(gateway, secret) == 200
    done = await person.follow(await person.send(page, "/revoke"))
    assert "The key is revoked" in done.text
    assert not done.has_link("/revoke")
    key = await api(person, customer, f"/api/keys/{stays.rpartition('/')[2]}")
    assert key["status"] == "revoked"


async def test_a_form_that_needs_a_fresh_proof_asks_for_it_before_it_is_filled_in(
    gateway: RunningGateway, customer: Customer, join: Join
) -> None:
    person = await join(customer, Role.OWNER)
    async with gateway.connect() as connection:
        await connection.execute(
            "UPDATE person_session SET proved_at = 1 WHERE person_id = %s", (read_short("person", person.person_id),)
        )
    base = path_of(customer)
    for page in (
        "/keys/new",
        "/members/invite",
        "/settings/policy",
        "/wallets/link",
        "/requests/new",
        "/members/leave",
    ):
        answer = await person.browser.request("GET", base + page)
        assert (answer.status, answer.location) == (303, f"/step-up?next={base}{page}"), page
    answer = await person.browser.request("POST", base + NEW, form={"name": "late"})
    assert (answer.status, answer.location) == (303, f"/step-up?next={base}{NEW}")
    await person.get(f"{base}/keys")


async def test_a_key_shows_its_rates_and_who_made_it(gateway: RunningGateway, customer: Customer, join: Join) -> None:
    person = await join(customer, Role.DEVELOPER)
    stays = (await make(person, customer, "rated")).answer.text.split('data-stays="')[1].split('"')[0]
    key_id = read_short("key", stays.rpartition("/")[2])
    async with gateway.connect() as connection:
        rate = RateLimit(key_id, "plain", requests_per_minute=60, concurrent_calls=1)
        await write_rate(connection, customer.workspace_id, rate)
    page = await person.get(stays)
    assert "60 requests per minute, 1 call at once, plain" in page.text
    assert f"by {person.email}" in page.text


async def test_a_policy_that_cannot_be_read_says_so_and_is_set_again(
    gateway: RunningGateway, customer: Customer, join: Join
) -> None:
    person = await join(customer, Role.OWNER)
    async with gateway.connect() as connection:
        for key_id in (0, customer.key.record.key_id):
            await connection.execute(
                "INSERT INTO routing_rule (workspace_id, key_id, body, updated_at) VALUES (%s, %s, %s::jsonb, 1)",
                (customer.workspace_id, key_id, '{"policy": {"regions": 5}}'),
            )
    path = f"{path_of(customer)}/keys/{show_short('key', customer.key.record.key_id)}"
    assert "cannot be read" in (await person.get(path)).text
    assert "cannot be read" in (await person.get(f"{path_of(customer)}/settings")).text
    await person.send(await person.get(f"{path_of(customer)}/settings/policy"), "/settings/policy")
    await person.send(await person.get(f"{path}/change"), f"{path}/policy")
    assert "cannot be read" not in (await person.get(path)).text
    assert "cannot be read" not in (await person.get(f"{path_of(customer)}/settings")).text
