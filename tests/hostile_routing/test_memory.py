"""What customers may name as they like is not what a process remembers them by."""

from farebox.catalog.policy import Policy, Preference
from farebox.routing.rules import Ask
from tests.routing.offers import COMPLETE, PROVIDERS, Stage, make_catalog, make_route, price, tier


def _stage() -> Stage:
    rates, names = price(tier(1, 1)), PROVIDERS[:3]
    return Stage(make_catalog([make_route(name, 1, rates=rates, terms=COMPLETE) for name in names]))


def _choose(stage: Stage, policy: Policy, preference: Preference) -> list[str]:
    ask = Ask(stage.catalog.models["plain"], 1, policy, preference, COMPLETE.key_scopes[0])
    return [route.provider_id for route in stage.router.choose(stage.catalog, ask).routes]


def test_names_of_no_provider_are_not_remembered() -> None:
    stage = _stage()
    _choose(stage, Policy(), Preference(order=("core",)))
    before = stage.router.remembered_routes
    for number in range(50):
        names = tuple(f"nobody-{number}-{place}" + "x" * 100 for place in range(60))
        policy = Policy(ignored_providers=frozenset(names))
        assert _choose(stage, policy, Preference(order=(*names, "core", *names[:3])))[0] == "core"
    assert stage.router.remembered_routes == before
    for number in range(50):
        assert _choose(stage, Policy(only_providers=frozenset({f"nobody-{number}"})), Preference()) == []
    assert stage.router.remembered_routes <= 3 * before


def test_names_of_other_models_are_not_remembered() -> None:
    stage = _stage()
    for number in range(100):
        models = frozenset({"plain", *(f"other-{number}-{place}" for place in range(100))})
        assert _choose(stage, Policy(models=models), Preference())
        assert not _choose(stage, Policy(models=models - {"plain"}), Preference())
    assert stage.router.remembered_routes <= 100
