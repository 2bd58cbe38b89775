"""Whatever a managing key does, and whatever the keys do that it made: nothing is reached that it could not reach."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from farebox.base.errors import Problem
from farebox.catalog.policy import MaxPrice, Policy, allows_no_more, narrowed
from farebox.identity.grants import Limits, Reach, Wanted, changed_reach, changes_of, excess, new_reach, require_within
from farebox.identity.model import DEFAULT_SCOPES, RateLimit
from farebox.ledger.book import Span
from farebox.ledger.limits import LimitChange

_SCOPES = ("messages", "videos", "usage.read", "keys.manage")
_MODELS = ("a", "b", "c")
_PROVIDERS = ("p", "q", "r")
_REGIONS: tuple[Any, ...] = ("sg", "us", "global")
_NETWORKS = tuple(
    ip_network(text) for text in ("10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/17", "10.1.128.0/17", "2001:db8::/32", "::/0")
)
_ADDRESSES = tuple(ip_address(text) for text in ("10.0.0.1", "10.1.0.1", "10.1.200.1", "192.0.2.1", "2001:db8::1"))
_MOMENTS = (10, 20, 30)
_HALVES: tuple[Any, ...] = ((Span.DAY, "requests"), (Span.DAY, "usd"), (Span.LIFETIME, "usd"))


def _some(choices: tuple[Any, ...]) -> st.SearchStrategy[frozenset[Any]]:
    return st.frozensets(st.sampled_from(choices))


_prices = st.builds(MaxPrice, prompt_picos=st.none() | st.integers(0, 3), image_picos=st.none() | st.integers(0, 3))
_policies = st.builds(
    Policy,
    regions=st.none() | _some(_REGIONS),
    max_kept=st.sampled_from(("any", "no_training", "nothing")),
    only_providers=st.none() | _some(_PROVIDERS),
    ignored_providers=_some(_PROVIDERS),
    resale_approved=st.booleans(),
    max_price=_prices,
    models=st.none() | _some(_MODELS),
    allow_fallbacks=st.booleans(),
    require_parameters=st.booleans(),
)
_networks = st.lists(st.sampled_from(_NETWORKS), max_size=3).map(tuple)
_limits: st.SearchStrategy[Limits] = st.dictionaries(st.sampled_from(_HALVES), st.integers(0, 3))
_rates = st.builds(RateLimit, st.just(1), st.sampled_from(("", "a")), st.none() | st.integers(1, 3)).map(lambda r: (r,))
_reaches = st.builds(
    Reach,
    scopes=_some(_SCOPES),
    models=st.none() | _some(_MODELS),
    ip_allow=st.none() | _networks,
    expires_at=st.none() | st.sampled_from(_MOMENTS),
    policy=st.just(Policy()) | _policies,
    limits=_limits,
    rates=st.just(()) | _rates,
)
_change = st.builds(
    LimitChange,
    st.sampled_from((Span.DAY, Span.LIFETIME)),
    st.just(UNSET) | st.none() | st.integers(0, 3),
    st.just(UNSET) | st.none() | st.integers(0, 3),
)
_wanted = st.builds(
    Wanted,
    scopes=st.just(UNSET) | _some(_SCOPES),
    models=st.just(UNSET) | st.none() | _some(_MODELS),
    ip_allow=st.just(UNSET) | st.none() | _networks,
    expires_at=st.just(UNSET) | st.none() | st.sampled_from(_MOMENTS),
    policy=st.just(UNSET) | _policies,
    limits=st.lists(_change, max_size=2).map(tuple),
)
_steps = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.sampled_from(("make", "change", "roll")), _wanted))


def _allows(policy: Policy) -> set[tuple[Any, ...]]:
    """Every route of a small world that a policy allows, and how it may be called."""
    return {
        (provider, region, kept, price, model, whole)
        for provider in _PROVIDERS
        if policy.allows_provider(provider)
        for region in ("sg", "us", "global", None)
        if policy.allows_region(region)
        for kept in ("none", "limited", "trains", None)
        if policy.allows_retention(kept)
        for price in range(5)
        if policy.max_price.prompt_picos is None or price <= policy.max_price.prompt_picos
        for model in _MODELS
        if policy.models is None or model in policy.models
        for whole in (True, False)
        if whole or not policy.require_parameters
    }


def _reached(key: Reach) -> set[tuple[str, Any]]:
    """Everything of a small world that a key reaches, told without the code under test."""
    models = {("model", name) for name in _MODELS if key.models is None or name in key.models}
    addresses = {
        ("address", one) for one in _ADDRESSES if key.ip_allow is None or any(one in net for net in key.ip_allow)
    }
    moments = {("moment", one) for one in (5, 15, 25, 35) if key.expires_at is None or one < key.expires_at}
    used = {("used", (half, n)) for half in _HALVES for n in range(6) if n <= key.limits.get(half, 9)}
    fast = {
        ("fast", (model, n))
        for model in ("", "a")
        for n in range(6)
        if all(n <= (rate.requests_per_minute or 9) for rate in key.rates if rate.model_id == model)
    }
    return {("scope", one) for one in key.scopes} | models | addresses | moments | used | fast


class _World:
    """Keys of one workspace: the first is the manager's; `held` are those whose secret it has, `touched` those that
    it, or one of them, made or changed."""

    def __init__(self, keys: list[Reach]) -> None:
        self.keys = keys
        self.held = [0]
        self.touched = {0}

    def step(self, actor: int, target: int, *, kind: str, wanted: Wanted) -> None:
        own = self.keys[self.held[actor % len(self.held)]]
        aim = target % len(self.keys)
        if "keys.manage" not in own.scopes:
            return
        try:
            if kind == "make":
                self.add(new_reach(own, wanted))
            elif kind == "change":
                self.keys[aim] = changed_reach(own, self.keys[aim], wanted)
                self.touched.add(aim)
            else:
                require_within(own, self.keys[aim])
                self.add(self.keys[aim])
        except Problem as problem:
            assert problem.code in ("exceeds_own_key", "invalid_request")

    def add(self, key: Reach) -> None:
        self.keys.append(key)
        self.held.append(len(self.keys) - 1)
        self.touched.add(len(self.keys) - 1)


@given(_reaches, st.lists(_reaches, max_size=3), _steps)
def test_no_key_that_was_made_or_changed_reaches_further_than_the_first_manager(
    manager: Reach, others: list[Reach], steps: list[Any]
) -> None:
    world = _World([manager, *others])
    for actor, target, kind, wanted in steps:
        world.step(actor, target, kind=kind, wanted=wanted)
    for number in world.touched:
        found = world.keys[number]
        assert _reached(found) <= _reached(manager)
        assert _allows(found.policy) <= _allows(manager.policy)
        assert manager.policy.allow_fallbacks or not found.policy.allow_fallbacks


@given(_reaches, _reaches)
def test_a_key_that_reaches_nothing_more_may_be_touched_and_any_other_may_not(own: Reach, other: Reach) -> None:
    if excess(own, other) is None:
        assert _reached(other) <= _reached(own)
        assert _allows(other.policy) <= _allows(own.policy)
        require_within(own, other)
    else:
        with pytest.raises(Problem) as caught:
            require_within(own, other)
        assert (caught.value.code, caught.value.param) == ("exceeds_own_key", "key_id")
    assert excess(own, own) is None


@given(_policies, _policies)
def test_what_two_policies_allow_together_is_no_more_than_either_allows(first: Policy, second: Policy) -> None:
    both = narrowed(first, second)
    assert allows_no_more(both, first) and allows_no_more(both, second)
    assert _allows(both) == _allows(first) & _allows(second)
    assert allows_no_more(first, second) <= (_allows(first) <= _allows(second))


@given(_reaches)
def test_a_new_key_gets_what_its_maker_has_but_no_power_over_keys(own: Reach) -> None:
    made = new_reach(own, Wanted())
    assert "keys.manage" not in made.scopes
    assert made.scopes == own.scopes & DEFAULT_SCOPES
    assert (made.models, made.ip_allow, made.expires_at, made.policy) == (
        own.models,
        own.ip_allow,
        own.expires_at,
        own.policy,
    )
    assert (made.limits, made.rates) == (own.limits, own.rates)


@given(_limits)
def test_limits_survive_being_said_as_changes(limits: Limits) -> None:
    own = Reach(scopes=frozenset())
    assert new_reach(own, Wanted(limits=tuple(changes_of(limits)))).limits == limits


_OWN = Reach(
    scopes=frozenset({"messages", "keys.manage"}),
    models=frozenset({"a", "b"}),
    ip_allow=(ip_network("10.0.0.0/9"), ip_network("10.128.0.0/9")),
    expires_at=20,
    policy=Policy(regions=frozenset({"sg"})),
    limits={(Span.DAY, "usd"): 5},
)


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        (Wanted(scopes=frozenset({"messages", "videos"})), "scopes"),
        (Wanted(models=frozenset({"a", "c"})), "models"),
        (Wanted(models=None), "models"),
        (Wanted(ip_allow=None), "ip_allow"),
        (Wanted(ip_allow=(ip_network("11.0.0.0/8"),)), "ip_allow"),
        (Wanted(ip_allow=(ip_network("::/0"),)), "ip_allow"),
        (Wanted(ip_allow=(ip_network("::ffff:10.0.0.0/104"),)), "ip_allow"),
        (Wanted(expires_at=21), "expires_at"),
        (Wanted(expires_at=None), "expires_at"),
        (Wanted(limits=(LimitChange(Span.DAY, UNSET, 6),)), "limits.day.usd"),
        (Wanted(limits=(LimitChange(Span.DAY, None, None),)), "limits.day.usd"),
    ],
)
def test_what_would_be_more_is_named(wanted: Wanted, param: str) -> None:
    with pytest.raises(Problem) as made:
        new_reach(_OWN, wanted)
    with pytest.raises(Problem) as changed:
        changed_reach(_OWN, _OWN, wanted)
    for caught in (made, changed):
        assert (caught.value.code, caught.value.param) == ("exceeds_own_key", param)


def test_a_network_across_two_of_its_own_is_within_them() -> None:
    assert new_reach(_OWN, Wanted(ip_allow=(ip_network("10.0.0.0/8"),))).ip_allow == (ip_network("10.0.0.0/8"),)


def test_a_policy_that_would_be_wider_is_stored_narrowed() -> None:
    wanted = Wanted(policy=Policy(regions=frozenset({"sg", "us"}), resale_approved=True))
    assert new_reach(_OWN, wanted).policy == Policy(regions=frozenset({"sg"}), resale_approved=True)


def test_two_long_lists_of_ignored_providers_are_refused_rather_than_stored_unreadable() -> None:
    own = Reach(scopes=frozenset(), policy=Policy(ignored_providers=frozenset(f"p{n}" for n in range(150))))
    wanted = Wanted(policy=Policy(ignored_providers=frozenset(f"q{n}" for n in range(60))))
    with pytest.raises(Problem) as caught:
        new_reach(own, wanted)
    assert (caught.value.code, caught.value.param) == ("invalid_request", "policy.ignore")
