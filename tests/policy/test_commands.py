"""`farebox workspace policy …` and `farebox route …`, as functions and as a person types them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from farebox.base.errors import OperatorError
from farebox.catalog.store import apply_catalog
from farebox.catalog.toml_file import parse_catalog
from farebox.identity.keys import read_secret
from farebox.identity.model import CreatedKey, Kind, Workspace
from farebox.identity.store import NewKey, create_key, create_workspace, find_key, show_key
from farebox.storage.pool import Pool, connected
from farebox.wiring.catalogs import connection_to
from farebox.wiring.explaining import NOT_KNOWN, explain_route, list_routes
from farebox.wiring.policies import clear_policy, read_max_prices, set_policy, show_policy
from farebox.wiring.settings import Settings, load_settings
from tests.cli.programs import farebox, farebox_json, refused
from tests.database import TestCluster, make_test_home, remove_test_home

NOW = 1_800_000_000_000_000
CATALOG = """
[terms]
contract_review = "approved"
logging         = "metadata_only"
sla             = "none"
support_owner   = "operator"
key_scopes      = ["chat.completions"]
budget_cap      = "none"

[providers.near]
display_name = "Near"
base_url     = "https://near.example/v1"
terms        = { region = "sg", retention = "none", resale = "approved" }

[providers.far]
display_name = "Far"
base_url     = "https://far.example/v1"
api_key_env  = "FAREBOX_TEST_NO_SUCH_KEY"
terms        = { region = "us", retention = "standard", resale = "approved" }

[models.plain]
display_name      = "Plain"
context_tokens    = 200_000
max_output_tokens = 1_000

[routes."near/plain"]
price = { input = "2.00", output = "5.00" }
cost  = { input = "0.50", output = "2.50" }

[routes."far/plain"]
price = { input = "1.00", output = "5.00" }
cost  = { input = "0.50", output = "2.50" }

[routes."near/unfinished"]
model  = "plain"
resale = "pending"
price  = { input = "1.00", output = "5.00" }
cost   = { input = "0.50", output = "2.50" }
"""


class Office(NamedTuple):
    """A catalog, a workspace and its key."""

    dsn: str
    pool: Pool
    settings: Settings
    workspace: Workspace
    key: CreatedKey


@pytest.fixture
async def office(dsn: str, pool: Pool) -> AsyncIterator[Office]:
    async with connection_to(dsn) as connection:
        await apply_catalog(connection, parse_catalog(CATALOG), actor="test")
    async with connected(pool) as connection:
        workspace = await create_workspace(connection, "acme", kind=Kind.CUSTOMER, now_micros=NOW)
        key = await create_key(connection, workspace, NewKey(name="ci"), key_prefix="fbx_", now_micros=NOW)
    yield Office(dsn, pool, load_settings(environment={}), workspace, key)


async def test_what_is_named_changes_and_what_is_not_named_stays(office: Office) -> None:
    await set_policy(office.dsn, "acme", key=None, changes={"regions": ["sg"], "max_price": {"prompt": "1.50"}})
    view = await set_policy(office.dsn, "acme", key=None, changes={"max_price": {"image": "0.04"}, "sort": "price"})
    assert (view.workspace.regions, view.workspace.sort, view.key) == (["sg"], "price", None)
    assert (view.workspace.max_price.prompt, view.workspace.max_price.image) == ("1.50", "0.04")
    view = await set_policy(office.dsn, "acme", key=None, changes={"regions": None, "max_price": {"prompt": None}})
    assert (view.workspace.regions, view.workspace.max_price.prompt) == (None, None)
    assert view.workspace.max_price.image == "0.04"
    assert await show_policy(office.dsn, "acme", key=None) == view


async def test_a_keys_policy_narrows_its_workspaces_and_reaches_its_calls(office: Office) -> None:
    await set_policy(office.dsn, "acme", key=None, changes={"regions": ["sg", "us"]})
    view = await set_policy(office.dsn, "acme", key="ci", changes={"regions": ["us", "cn"]})
    assert (view.effective.regions, view.key_id) == (["us"], show_key(office.key.record.key_id))
    async with connected(office.pool) as connection:
        found = await find_key(connection, read_secret("fbx_", office.key.secret))
    assert found is not None and found.rule.policy.regions == frozenset({"us"})
    assert (await clear_policy(office.dsn, "acme", key="ci")).effective.regions == ["sg", "us"]


async def test_names_that_the_catalog_does_not_have_are_kept_and_warned_of(office: Office) -> None:
    changes = {"only": ["near", "nera"], "order": ["fra"], "models": ["plian"]}
    view = await set_policy(office.dsn, "acme", key=None, changes=changes)
    assert view.warnings == [
        "the catalog has no provider 'fra'",
        "the catalog has no provider 'nera'",
        "the catalog has no model 'plian'",
    ]
    assert view.workspace.only == ["near", "nera"]


@pytest.mark.parametrize(
    "changes",
    [{}, {"regions": ["mars"]}, {"only": []}, {"max_price": {"prompt": "cheap"}}, {"sort": "taste"}, {"zdr": "yes"}],
)
async def test_what_no_policy_can_say_is_refused_and_changes_nothing(
    office: Office, changes: dict[str, object]
) -> None:
    before = await set_policy(office.dsn, "acme", key=None, changes={"retention": "nothing"})
    with pytest.raises(OperatorError):
        await set_policy(office.dsn, "acme", key=None, changes=changes)
    assert await show_policy(office.dsn, "acme", key=None) == before


async def test_a_policy_that_cannot_be_read_is_said_so_and_can_be_lifted(office: Office) -> None:
    async with connected(office.pool) as connection:
        await connection.execute(
            "INSERT INTO routing_rule VALUES (%s, 0, '{\"planets\": []}', 0)", [office.workspace.workspace_id]
        )
    for asked in (
        show_policy(office.dsn, "acme", key=None),
        set_policy(office.dsn, "acme", key=None, changes={"sort": "price"}),
        explain_route(office.dsn, office.settings, "plain", workspace="acme"),
    ):
        with pytest.raises(OperatorError, match="cannot be read"):
            await asked
    assert (await clear_policy(office.dsn, "acme", key=None)).effective.regions is None


@pytest.mark.parametrize("text", ["prompt", "tokens=1", "=1", ""])
def test_a_maximum_price_names_what_it_is_for(text: str) -> None:
    with pytest.raises(OperatorError, match="is not a maximum price"):
        read_max_prices([text])
    assert read_max_prices(["prompt=1.00", "image=none"]) == {"prompt": "1.00", "image": None}


async def test_routes_are_listed_with_what_they_lack_and_how_to_mend_it(office: Office) -> None:
    views = {view.sale.route.route_id: view for view in await list_routes(office.dsn, office.settings, model_id=None)}
    assert {name: view.sale.state for name, view in views.items()} == {
        "near/plain": "for_sale", "far/plain": "planned", "near/unfinished": "planned",
    }  # fmt: skip
    assert views["far/plain"].sale.missing == ["provider_key"]
    assert views["near/unfinished"].sale.missing == ["resale"]
    assert "FAREBOX_TEST_NO_SUCH_KEY" in views["far/plain"].fixes[0]
    with pytest.raises(OperatorError, match="there is no model"):
        await list_routes(office.dsn, office.settings, model_id="none")


async def test_an_explanation_of_a_command_says_what_it_cannot_know(office: Office) -> None:
    told = await explain_route(office.dsn, office.settings, "plain")
    assert [route.route_id for route in told.routes] == ["near/plain"]
    assert told.notes[1:] == list(NOT_KNOWN)
    assert "farebox route list --model plain" in told.notes[0]
    assert told.sentence.startswith("of 3 routes 1 remains")


async def test_an_explanation_heeds_workspace_key_and_wishes(office: Office) -> None:
    await set_policy(office.dsn, "acme", key=None, changes={"regions": ["us"]})
    told = await explain_route(office.dsn, office.settings, "plain", workspace="acme", key="ci")
    assert (told.remaining, told.policy.regions) == (0, ["us"])
    told = await explain_route(office.dsn, office.settings, "plain", provider='{"max_price": {"prompt": 1}}')
    assert "price_above_maximum" in told.sentence
    async with connected(office.pool) as connection:
        wanted = NewKey(name="other", allowed_models=frozenset({"else"}))
        await create_key(connection, office.workspace, wanted, key_prefix="fbx_", now_micros=NOW)
    told = await explain_route(office.dsn, office.settings, "plain", workspace="acme", key="other")
    assert "this key may not call plain at all" in told.notes
    wishes: list[dict[str, Any]] = [{"key": "ci"}, {"provider": "{"}, {"scope": "all"}, {"workspace": "nobody"}]
    for wrong in wishes:
        with pytest.raises(OperatorError):
            await explain_route(office.dsn, office.settings, "plain", **wrong)


def test_the_commands_work_as_they_are_typed(cluster: TestCluster, tmp_path: Path) -> None:
    url, home = cluster.fresh_database(), make_test_home()
    (tmp_path / "catalog.toml").write_text(CATALOG)
    try:
        farebox_json(home, "catalog", "apply", str(tmp_path / "catalog.toml"), DATABASE_URL=url)
        farebox_json(home, "workspace", "create", "acme", DATABASE_URL=url)
        policy = ("workspace", "policy")
        view = farebox_json(
            home, *policy, "set", "acme", "--region", "sg", "--region", "us", "--retention", "no_training",
            "--only", "near", "--max-price", "prompt=2.00", "--resale-approved", "--no-fallbacks", DATABASE_URL=url,
        )  # fmt: skip
        assert (view["effective"]["regions"], view["effective"]["only"]) == (["sg", "us"], ["near"])
        assert (view["effective"]["retention"], view["effective"]["allow_fallbacks"]) == ("no_training", False)
        told = farebox_json(home, "route", "explain", "plain", "--workspace", "acme", DATABASE_URL=url)
        assert [route["route_id"] for route in told["routes"]] == ["near/plain"]
        shown = farebox(home, "route", "explain", "plain", DATABASE_URL=url).stdout
        assert "of 3 routes 1 remains" in shown and "not near/unfinished" in shown
        listed = farebox(home, "route", "list", DATABASE_URL=url, COLUMNS="20").stdout.splitlines()
        assert any(row.split()[:2] == ["near/unfinished", "planned"] for row in listed)
        table = farebox(home, *policy, "show", "acme", DATABASE_URL=url).stdout
        assert "max_price.prompt" in table and "$2.00" in table
        message, fix = refused(farebox(home, *policy, "set", "acme", "--region", "mars", DATABASE_URL=url))
        assert "policy.regions" in message and "--help" in fix
        assert farebox_json(home, *policy, "clear", "acme", DATABASE_URL=url)["effective"]["regions"] is None
        assert "every route is allowed" in farebox(home, *policy, "show", "acme", DATABASE_URL=url).stdout
    finally:
        cluster.drop_database(url)
        remove_test_home(home)
