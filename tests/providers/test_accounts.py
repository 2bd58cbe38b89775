"""Whose keys serve which calls, and how long a key rests."""

from typing import Any

import msgspec
import pytest

from farebox.base.clock import MICROS_PER_SECOND
from farebox.catalog.model import Provider
from farebox.providers.accounts import MAX_REST_SECONDS, REST_SECONDS, Accounts, AccountState, Endpoint, Sandbox
from farebox.providers.pools import DEFAULT_POOL, Credential, Pool

READY, NOT_CONFIGURED, RESTING = AccountState.READY, AccountState.NOT_CONFIGURED, AccountState.RESTING
ONE = Provider(provider_id="one", display_name="One", base_url="https://one.example/v1", api_key_env="ONE_API_KEY")
LOCAL = Provider(provider_id="local", display_name="Local", base_url="http://127.0.0.1:8000/v1")
SANDBOX = Sandbox("http://127.0.0.1:9/v1", "sandbox-key")


class _Time:
    now_micros = 1_000_000

    def __call__(self) -> int:
        return self.now_micros

    def passes(self, seconds: int) -> None:
        self.now_micros += seconds * MICROS_PER_SECOND


def _accounts(clock: _Time | None = None, key: str = "", **more: Any) -> Accounts:
    return Accounts(clock or _Time(), environment={"ONE_API_KEY": key} if key else {}, **more)


def _stored(name: str, *, pool: str = DEFAULT_POOL, api_key: str = "sk-stored", provider: str = "one") -> Credential:
    return Credential(credential_id=name, provider_id=provider, pool_id=pool, origin="stored", api_key=api_key)


def _pool(*credentials: Credential, pool: str = DEFAULT_POOL, **more: Any) -> Pool:
    return Pool(pool_id=pool, provider_id="one", credentials=credentials, **more)


def test_the_key_of_the_environment_is_in_the_default_pool() -> None:
    accounts = _accounts(key="sk-env")
    (pool,) = accounts.pools(ONE)
    (credential,) = pool.credentials
    assert (pool.pool_id, pool.access, pool.lanes) == (DEFAULT_POOL, "shared", ())
    assert (credential.credential_id, credential.origin, credential.api_key) == ("env:one", "environment", "sk-env")
    assert accounts.endpoint(ONE) == Endpoint("https://one.example/v1", "sk-env")
    assert accounts.pools(ONE) is accounts.pools(msgspec.structs.replace(ONE))


def test_without_any_key_a_provider_is_not_configured() -> None:
    accounts = _accounts()
    assert (accounts.pools(ONE), accounts.endpoint(ONE)) == ((), None)
    assert accounts.state(ONE) is accounts.state_for_anybody(ONE) is NOT_CONFIGURED


def test_a_provider_that_wants_no_key_is_called_without_one() -> None:
    accounts = _accounts()
    assert accounts.endpoint(LOCAL) == Endpoint("http://127.0.0.1:8000/v1", None)
    assert accounts.state(LOCAL) is READY


def test_a_key_of_this_gateway_is_no_key_of_a_provider() -> None:
    assert _accounts(key="fb_123", own_key_prefix="fb_").state(ONE) is NOT_CONFIGURED


def test_the_sandbox_plays_only_who_has_no_key_at_all() -> None:
    accounts = _accounts(sandbox=SANDBOX)
    assert accounts.plays_sandbox(ONE) and not accounts.plays_sandbox(LOCAL)
    assert accounts.endpoint(ONE) == Endpoint(SANDBOX.base_url, SANDBOX.api_key)
    assert accounts.pools(ONE)[0].credentials[0].credential_id == "sandbox:one"
    accounts.replace_stored([_pool(_stored("cred_a", pool="extra"), pool="extra")])
    assert not accounts.plays_sandbox(ONE)
    assert accounts.endpoint(ONE) == Endpoint("https://one.example/v1", "sk-stored")
    assert not _accounts(key="sk-env", sandbox=SANDBOX).plays_sandbox(ONE)


def test_stored_keys_join_the_one_of_the_environment() -> None:
    accounts = _accounts(key="sk-env")
    accounts.replace_stored([_pool(_stored("cred_a"), max_concurrent=9), _pool(_stored("cred_b"), pool="extra")])
    default, extra = accounts.pools(ONE)
    assert [each.credential_id for each in default.credentials] == ["env:one", "cred_a"]
    assert (default.max_concurrent, extra.pool_id) == (9, "extra")
    assert accounts.find(ONE, "cred_b") is extra.credentials[0] and accounts.find(ONE, "cred_c") is None
    accounts.replace_stored([])
    assert len(accounts.pools(ONE)) == 1


def test_where_a_key_is_stored_nothing_is_sent_without_one() -> None:
    accounts = _accounts()
    pool = Pool(pool_id="p", provider_id="local", credentials=(_stored("cred_a", pool="p", provider="local"),))
    accounts.replace_stored([pool])
    assert accounts.pools(LOCAL) == (pool,)


def test_a_pool_without_a_key_is_none() -> None:
    accounts = _accounts(key="sk-env")
    accounts.replace_stored([_pool(pool="empty", max_concurrent=3)])
    assert [pool.pool_id for pool in accounts.pools(ONE)] == [DEFAULT_POOL]


def test_a_private_pool_serves_nobody_else() -> None:
    accounts = _accounts()
    mine = _pool(_stored("cred_a", pool="mine"), pool="mine", access="private", workspaces=frozenset({7}))
    accounts.replace_stored([mine])
    assert [accounts.state(ONE, workspace) for workspace in (7, 8, 0)] == [READY, NOT_CONFIGURED, NOT_CONFIGURED]
    assert accounts.state_for_anybody(ONE) is READY
    assert accounts.endpoint(ONE, workspace_id=7) is not None
    assert accounts.endpoint(ONE) is accounts.endpoint(ONE, workspace_id=8) is None
    assert accounts.usable(ONE, 7, "us") is mine.credentials[0] and accounts.usable(ONE, 8, "us") is None


def test_a_pool_of_a_region_serves_routes_of_no_other() -> None:
    accounts = _accounts()
    accounts.replace_stored([_pool(_stored("cred_a", pool="sg"), pool="sg", region="sg")])
    assert [accounts.state(ONE, 7, region) for region in ("sg", "us", None)] == [READY, NOT_CONFIGURED, NOT_CONFIGURED]


def test_a_refused_key_rests_alone() -> None:
    clock = _Time()
    accounts = _accounts(clock, key="sk-env")
    stored = _stored("cred_a")
    accounts.replace_stored([_pool(stored)])
    accounts.rest("env:one")
    assert accounts.state(ONE) is READY and accounts.awake(stored)
    assert accounts.serving(ONE) is accounts.usable(ONE, 7, None) is stored
    accounts.rest("cred_a")
    assert accounts.state(ONE) is RESTING and accounts.usable(ONE, 7, None) is None
    # What follows a call that was made can still be asked.
    assert accounts.endpoint(ONE) is not None
    clock.passes(REST_SECONDS)
    assert accounts.state(ONE) is READY and accounts.awake(stored)


def test_a_rest_lasts_as_long_as_the_provider_says_within_bounds() -> None:
    clock = _Time()
    accounts = _accounts(clock, key="sk-env")
    accounts.rest("env:one", 5)
    clock.passes(4)
    assert accounts.state(ONE) is RESTING
    clock.passes(1)
    assert accounts.state(ONE) is READY
    accounts.rest("env:one", 99_999)
    accounts.rest("env:one", 0)
    clock.passes(MAX_REST_SECONDS - 1)
    assert accounts.state(ONE) is RESTING
    clock.passes(1)
    assert accounts.state(ONE) is READY


def test_an_accepted_key_rests_no_more() -> None:
    accounts = _accounts(key="sk-env")
    accounts.rest("env:one")
    accounts.woke("env:one")
    assert accounts.state(ONE) is READY


@pytest.mark.parametrize("changed", [True, False])
def test_a_key_that_was_changed_does_not_rest_and_one_that_was_only_read_again_does(changed: bool) -> None:
    accounts = _accounts()
    accounts.replace_stored([_pool(_stored("cred_a", api_key="sk-1"))])
    accounts.rest("cred_a")
    accounts.replace_stored([_pool(_stored("cred_a", api_key="sk-2" if changed else "sk-1"))])
    assert accounts.state(ONE) is (READY if changed else RESTING)


def test_a_call_ends_with_the_key_that_it_began_with() -> None:
    accounts = _accounts()
    former = _stored("cred_a", api_key="sk-1")
    accounts.replace_stored([_pool(former)])
    accounts.replace_stored([_pool(_stored("cred_a", api_key="sk-2"))])
    assert accounts.endpoint(ONE, former) == Endpoint("https://one.example/v1", "sk-1")
    assert accounts.endpoint(ONE) == Endpoint("https://one.example/v1", "sk-2")


def test_a_changed_provider_is_worked_out_anew() -> None:
    accounts = _accounts(key="sk-env")
    moved = msgspec.structs.replace(ONE, base_url="https://two.example/v1", auth="x-api-key")
    assert accounts.endpoint(ONE) == Endpoint("https://one.example/v1", "sk-env")
    assert accounts.endpoint(moved) == Endpoint("https://two.example/v1", "sk-env", "x-api-key")


def test_no_key_is_shown_by_anything() -> None:
    accounts = _accounts(key="sk-env", sandbox=SANDBOX)
    accounts.replace_stored([_pool(_stored("cred_a"))])
    shown = repr((accounts, accounts.pools(ONE), accounts.endpoint(ONE), vars(accounts)["_stored"]))
    assert "sk-env" not in shown and "sk-stored" not in shown


def test_how_long_a_rest_lasts_is_known() -> None:
    now = [0]
    accounts = Accounts(lambda: now[0], environment={"ONE_KEY": "sk-from-the-environment"})
    one = Provider(provider_id="one", display_name="One", base_url="https://one.example", api_key_env="ONE_KEY")
    accounts.rest("env:one", 7)
    now[0] = 2_500_000
    assert accounts.rest_seconds(one, 0, None) == 5
    now[0] = 9_000_000
    assert accounts.rest_seconds(one, 0, None) == 1
