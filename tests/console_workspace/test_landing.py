"""Where somebody lands who has signed in."""

from farebox.identity.roles import Role
from tests.console_workspace.conftest import Join, SignIn, path_of
from tests.gateway import Customer, RunningGateway
from tests.people.browser import Browser


async def test_who_is_not_signed_in_is_asked_to_and_comes_back(gateway: RunningGateway, customer: Customer) -> None:
    async with Browser(gateway) as browser:
        for path in ("/console", "/console/new", f"{path_of(customer)}/keys"):
            answer = await browser.request("GET", path)
            assert (answer.status, answer.location) == (303, f"/sign-in?next={path}")


async def test_an_api_key_opens_no_page(gateway: RunningGateway, customer: Customer) -> None:
    """Pages are for people, whatever a key may do in the API."""
    async with Browser(gateway) as browser:
        answer = await browser.request("GET", path_of(customer), headers=dict(customer.headers))
        assert answer.status == 303
        assert answer.location.startswith("/sign-in?next=")


async def test_the_first_workspace_is_made_by_a_form(sign_in: SignIn) -> None:
    person = await sign_in()
    answer = await person.browser.request("GET", "/console")
    assert (answer.status, answer.location) == (303, "/console/new")
    page = await person.get("/console/new")
    made = await person.send(page, "/console/new", {"name": "Mine <i>own</i> & co"})
    home = await person.follow(made)
    assert "The workspace is yours" in home.text
    assert "Mine <i>own</i> & co" in home.text
    assert "<i>own" not in home.answer.text
    again = await person.browser.request("GET", "/console")
    assert (again.status, again.location) == (303, made.answer.location.partition("?")[0])


async def test_a_name_that_is_refused_stays_in_its_field(sign_in: SignIn) -> None:
    person = await sign_in()
    page = await person.get("/console/new")
    refused = await person.send(page, "/console/new", {"name": "x" * 101}, status=400)
    assert ("name", "x" * 101) in refused.form("/console/new").fields
    assert 'aria-invalid="true"' in refused.answer.text
    assert "1 to 100" in refused.text


async def test_of_several_workspaces_there_is_a_list_and_a_switch(
    gateway: RunningGateway, customer: Customer, join: Join
) -> None:
    person = await join(customer, Role.VIEWER)
    page = await person.get("/console/new")
    own = (await person.send(page, "/console/new", {"name": "Second"})).answer.location.partition("?")[0]
    several = await person.get("/console")
    assert several.cells("Acme <b>& Sons</b>")[1] == "viewer"
    assert several.cells("Second")[1] == "owner"
    assert (await person.get(own)).has_link(path_of(customer))
    assert (await person.get(path_of(customer))).has_link(own)


async def test_a_form_from_another_site_changes_nothing(sign_in: SignIn) -> None:
    person = await sign_in()
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
        answer = await person.browser.request("POST", "/console/new", form={"name": "Theirs"}, headers=headers)
        assert answer.status == 403
    answer = await person.browser.request("GET", "/console")
    assert answer.location == "/console/new"
