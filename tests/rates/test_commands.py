"""`farebox rate …`: limits are set, changed and lifted, and every process hears of it."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import psycopg
import pytest

from farebox.base.errors import OperatorError
from farebox.catalog.store import apply_catalog
from farebox.catalog.toml_file import parse_catalog
from farebox.identity.keys import read_secret
from farebox.identity.model import CreatedKey, Kind, RateLimit, Workspace
from farebox.identity.rates import MAX_PER_HOLDER, write_rate
from farebox.identity.store import NewKey, create_key, create_workspace, find_key, show_key
from farebox.storage.pool import Pool, connected
from farebox.wiring.catalogs import connection_to
from farebox.wiring.rates import RateWish, list_rates, set_rate
from tests.cli.programs import farebox, farebox_json, refused
from tests.database import TestCluster, make_test_home, remove_test_home
from tests.gateway import CATALOG
from tests.rates.gates import START


class Shop(NamedTuple):
    """A workspace with a key."""

    dsn: str
    pool: Pool
    workspace: Workspace
    key: CreatedKey

    @property
    def key_id(self) -> str:
        return show_key(self.key.record.key_id)

    async def rates(self) -> tuple[RateLimit, ...]:
        """The key's, as a call reads them."""
        async with connected(self.pool) as connection:
            found = await find_key(connection, read_secret("fbx_", self.key.secret))
        assert found is not None
        return found.rates


@pytest.fixture
async def shop(dsn: str, pool: Pool) -> AsyncIterator[Shop]:
    async with connection_to(dsn) as connection:
        await apply_catalog(connection, parse_catalog(CATALOG), actor="test")
    async with connected(pool) as connection:
        workspace = await create_workspace(connection, "acme", kind=Kind.CUSTOMER, now_micros=START)
        key = await create_key(connection, workspace, NewKey(name="ci"), key_prefix="fbx_", now_micros=START)
    yield Shop(dsn, pool, workspace, key)


async def test_what_is_set_reaches_the_key_and_what_is_not_named_stays(shop: Shop) -> None:
    assert await shop.rates() == ()
    await set_rate(shop.dsn, "acme", key=None, model_id=None, wish=RateWish(requests_per_minute="1,000"))
    await set_rate(shop.dsn, "acme", key="ci", model_id="plain", wish=RateWish(tokens_per_minute="50_000"))
    await set_rate(shop.dsn, "acme", key=shop.key_id, model_id="plain", wish=RateWish(concurrent_calls="4"))
    key_id = shop.key.record.key_id
    assert await shop.rates() == (
        RateLimit(0, "", 1_000, None, None),
        RateLimit(key_id, "plain", None, 50_000, 4),
    )
    lifted = await set_rate(shop.dsn, "acme", key="ci", model_id="plain", wish=RateWish(tokens_per_minute="none"))
    assert lifted == await list_rates(shop.dsn, "acme")
    assert [(view.holder, view.model, view.concurrent_calls) for view in lifted] == [
        ("workspace", None, None),
        (shop.key_id, "plain", 4),
    ]
    await set_rate(shop.dsn, "acme", key="ci", model_id="plain", wish=RateWish(concurrent_calls="none"))
    assert await shop.rates() == (RateLimit(0, "", 1_000, None, None),)


async def test_a_change_is_announced_as_one_of_the_workspace_and_no_change_is_not(shop: Shop) -> None:
    async with await psycopg.AsyncConnection.connect(shop.dsn, autocommit=True) as listener:
        await listener.execute("LISTEN farebox_changes")
        for text in ("10", "10", "20", "none"):
            wish = RateWish(concurrent_calls=text)
            await set_rate(shop.dsn, "acme", key="ci", model_id=None, wish=wish)
        async with connected(shop.pool) as connection:
            await connection.execute("NOTIFY farebox_changes, 'end'")
        heard = [notice.payload async for notice in listener.notifies(timeout=5, stop_after=4)]
    assert heard == [f"workspace:{shop.workspace.workspace_id}"] * 3 + ["end"]


@pytest.mark.parametrize("text", ["0", "-1", "many", "1.5", "9" * 20, ""])
async def test_a_limit_that_is_none_is_refused(shop: Shop, text: str) -> None:
    with pytest.raises(OperatorError, match="is not a rate limit"):
        await set_rate(shop.dsn, "acme", key=None, model_id=None, wish=RateWish(concurrent_calls=text))


async def test_a_mistyped_name_is_refused(shop: Shop) -> None:
    wish = RateWish(concurrent_calls="1")
    with pytest.raises(OperatorError, match="no model 'plane'"):
        await set_rate(shop.dsn, "acme", key=None, model_id="plane", wish=wish)
    with pytest.raises(OperatorError, match="no key 'di'"):
        await set_rate(shop.dsn, "acme", key="di", model_id=None, wish=wish)
    with pytest.raises(OperatorError, match="no workspace 'acne'"):
        await set_rate(shop.dsn, "acne", key=None, model_id=None, wish=wish)
    with pytest.raises(OperatorError, match="no limit to set"):
        await set_rate(shop.dsn, "acme", key=None, model_id=None, wish=RateWish())
    assert await list_rates(shop.dsn, "acme") == []


async def test_a_key_has_so_many_rate_limits_and_no_more(shop: Shop) -> None:
    workspace_id = shop.workspace.workspace_id
    async with connected(shop.pool) as connection:
        for n in range(MAX_PER_HOLDER):
            await write_rate(connection, workspace_id, RateLimit(0, f"model-{n}", 1, None, None))
        await write_rate(connection, workspace_id, RateLimit(0, "model-5", 2, None, None))
        with pytest.raises(OperatorError, match="100 rate limits already"):
            await write_rate(connection, workspace_id, RateLimit(0, "one more", 1, None, None))
        await write_rate(connection, workspace_id, RateLimit(shop.key.record.key_id, "", 1, None, None))
    assert len(await shop.rates()) == MAX_PER_HOLDER + 1


def test_the_commands_as_people_type_them(cluster: TestCluster) -> None:
    home, url = make_test_home(), cluster.fresh_database()
    try:
        farebox_json(home, "workspace", "create", "acme", DATABASE_URL=url)
        numbers = ("--requests-per-minute", "60", "--tokens-per-minute", "100_000", "--concurrent", "8")
        expected = [
            {
                "holder": "workspace",
                "model": None,
                "requests_per_minute": 60,
                "tokens_per_minute": 100_000,
                "concurrent_calls": 8,
            }
        ]
        assert farebox_json(home, "rate", "set", "acme", *numbers, DATABASE_URL=url) == expected
        assert farebox_json(home, "rate", "list", "acme", DATABASE_URL=url) == expected
        assert "100000" in farebox(home, "rate", "list", "acme", DATABASE_URL=url).stdout
        _, fix = refused(farebox(home, "rate", "set", "acme", DATABASE_URL=url))
        assert "--requests-per-minute" in fix
    finally:
        cluster.drop_database(url)
        remove_test_home(home)
