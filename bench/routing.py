"""What choosing a route costs a call: the router on a model with few routes and on one with a thousand.

No network and no gateway: choosing is pure, so time of this process is all that it costs.
"""

import random
import time
from collections.abc import Callable
from itertools import count, cycle
from typing import Final, NamedTuple

from bench.report import Report, middle
from bench.run import Run
from farebox.base.clock import monotone_clock
from farebox.catalog.model import Catalog, Model, Provider, Route, build_catalog
from farebox.catalog.policy import MaxPrice, Policy, Preference
from farebox.catalog.rules import Price, Rates, Tier
from farebox.catalog.terms import Terms
from farebox.providers.accounts import Accounts
from farebox.routing.health import MAX_COOL_SECONDS, Health
from farebox.routing.moment import LiveMoment
from farebox.routing.router import Router
from farebox.routing.rules import Ask, Excluded, Exclusion, tier_test
from farebox.routing.sticky import Sticky

SIZES: Final = (10, 1_000)
PROVIDERS: Final = 20
_ONE_FAILS_IN: Final = 20
_SCOPE: Final = "chat.completions"
_TERMS: Final = Terms(
    region="sg",
    retention="none",
    resale="approved",
    contract_review="approved",
    logging="none",
    sla="99.9",
    support_owner="operator",
    key_scopes=(_SCOPE,),
    budget_cap="none",
)
_POLICY: Final = Policy(regions=frozenset({"sg", "us"}), max_kept="nothing")


class Stage(NamedTuple):
    """A router, and what it sees."""

    catalog: Catalog
    health: Health
    sticky: Sticky
    router: Router

    def ask(self, preference: Preference, *, policy: Policy = _POLICY, affinity: int | None = None) -> Ask:
        """A call of the only model."""
        return Ask(self.catalog.models["bench"], 1, policy, preference, _SCOPE, affinity=affinity)


Work = Callable[[], object]


class Case(NamedTuple):
    """What is measured, and what happens before each time."""

    choose: Work
    before: Work = lambda: None


def routing(run: Run) -> Report:
    """Microseconds for one choice."""
    columns = ["one choice", *(f"of {size:,} routes, µs" for size in SIZES), "of them, 99 of 100 within, µs"]
    report = Report("routing", columns)
    found = [_measured(size, run) for size in SIZES]
    for name in found[0]:
        spans = [sorted(one[name]) for one in found]
        report.row(name, *(middle(span) for span in spans), spans[-1][len(spans[-1]) * 99 // 100])
    report.row("budget", "≤ 200", "≤ 200", "")
    report.notes.append(
        f"Medians of {_rounds(run):,} choices, at most four routes each; a policy with regions and retention; "
        f"{PROVIDERS} providers, prices and priorities by lot; the last column is of {SIZES[-1]:,} routes."
    )
    return report


def _rounds(run: Run) -> int:
    return run.pick(2_000, quick=300)


def _measured(size: int, run: Run) -> dict[str, list[float]]:
    run.progress(f"{size:,} routes")
    return {name: _micros(case, _rounds(run)) for name, case in _cases(_stage(size)).items()}


def _cases(stage: Stage) -> dict[str, Case]:
    router, catalog = stage.router, stage.catalog
    usual, cheapest, fastest = stage.ask(Preference()), *(stage.ask(Preference(sort=s)) for s in ("price", "latency"))
    tests = [tier_test(usual, frozenset())]
    talk = stage.ask(Preference(), affinity=7)
    stage.sticky.keep(1, "bench", 7, catalog.routes_of("bench")[-1].route_id)
    prices = count(10**9)

    def priced() -> object:
        policy = Policy(
            regions=_POLICY.regions, max_kept=_POLICY.max_kept, max_price=MaxPrice(prompt_picos=next(prices))
        )
        return router.choose(catalog, stage.ask(Preference(), policy=policy), tests)

    last = frozenset(route.route_id for route in router.choose(catalog, usual, most=None).routes[-2:])

    def one_left() -> object:
        return router.choose(catalog, usual, [lambda route: _unless(route, last)])

    fault, speed, size = _faults(stage), _speeds(stage), len(catalog.routes_of("bench"))
    half = frozenset(f"provider-{number}" for number in range(0, PROVIDERS, 2))
    picky = stage.ask(Preference(), policy=Policy(regions=_POLICY.regions, ignored_providers=half))
    return {
        "as usual": Case(lambda: router.choose(catalog, usual, tests)),
        "by price": Case(lambda: router.choose(catalog, cheapest, tests)),
        "with a maximum price of its own": Case(priced),
        "of a conversation": Case(lambda: router.choose(catalog, talk, tests)),
        "after a fault at another model": Case(lambda: router.choose(catalog, usual, tests), fault),
        "after a fault at one of them": Case(*_own_faults(size, usual)),
        "by price, after a fault at one of them": Case(*_own_faults(size, cheapest)),
        "by latency, after a change of speed": Case(lambda: router.choose(catalog, fastest, tests), speed),
        "half of them excluded by the policy": Case(lambda: router.choose(catalog, picky, tests)),
        "half of them cooling down": Case(_half_cooling(size, usual, by_turns=True)),
        "the better half cooling down": Case(_half_cooling(size, usual, by_turns=False)),
        "all but two excluded by the request": Case(one_left),
        "all of them, to explain": Case(lambda: router.choose(catalog, usual, tests, most=None)),
        "under a policy that is new": Case(_under_new_policies(stage)),
    }


def _unless(route: Route, kept: frozenset[str]) -> Excluded | None:
    return None if route.route_id in kept else Excluded(route, Exclusion.INEXPRESSIBLE)


def _faults(stage: Stage) -> Work:
    """A fault at a route of another model, by which every remembered order is to be looked at again."""
    numbers = count()
    for route in stage.catalog.routes_of("bench")[::_ONE_FAILS_IN]:
        stage.health.ended(route.route_id, "faulted")
    return lambda: stage.health.ended(f"elsewhere/{next(numbers)}", "faulted")


def _speeds(stage: Stage) -> Work:
    """A first measurement of a route of another model."""
    numbers = count()
    return lambda: stage.health.ended(f"measured/{next(numbers)}", "answered", first_token_ms=500)


def _own_faults(size: int, ask: Ask) -> tuple[Work, Work]:
    """A fault at one of the routes, each time at the next."""
    stage = _stage(size)
    routes = cycle(stage.catalog.routes_of("bench"))
    return (
        lambda: stage.router.choose(stage.catalog, ask),
        lambda: stage.health.ended(next(routes).route_id, "faulted"),
    )


def _half_cooling(size: int, ask: Ask, *, by_turns: bool) -> Work:
    """On a stage of its own: the others are not to meet them."""
    stage = _stage(size)
    routes = stage.router.choose(stage.catalog, ask, most=None).routes
    for route in routes[::2] if by_turns else routes[: size // 2]:
        stage.health.cool_down(route.route_id, MAX_COOL_SECONDS)
    return lambda: stage.router.choose(stage.catalog, ask)


def _under_new_policies(stage: Stage) -> Work:
    numbers = count()

    def work() -> object:
        policy = Policy(ignored_providers=frozenset({f"nobody-{next(numbers)}"}))
        return stage.router.choose(stage.catalog, stage.ask(Preference(), policy=policy))

    return work


def _micros(case: Case, rounds: int) -> list[float]:
    case.choose()  # warm-up
    spans = []
    for _ in range(rounds):
        case.before()
        began_at = time.perf_counter()
        case.choose()
        spans.append((time.perf_counter() - began_at) * 1e6)
    return spans


def _stage(size: int) -> Stage:
    clock, lot = monotone_clock(), random.Random(size)
    catalog = _catalog(size, lot)
    accounts = Accounts(clock, environment={"BENCH_KEY": "not-a-key"})
    health, sticky = Health(clock, lot.random), Sticky(clock)
    moment = LiveMoment(catalog, accounts=accounts, health=health)
    for route in catalog.routes_of("bench"):
        health.ended(route.route_id, "answered", first_token_ms=lot.randint(100, 2_000), tokens_per_second=50)
    return Stage(
        catalog, health, sticky, Router(moment_of=lambda _: moment, health=health, sticky=sticky, draw=lot.randrange)
    )


def _catalog(size: int, lot: random.Random) -> Catalog:
    providers = {
        f"provider-{number}": Provider(
            provider_id=f"provider-{number}",
            display_name=f"Provider {number}",
            base_url=f"https://provider-{number}.example/v1",
            api_key_env="BENCH_KEY",
        )
        for number in range(PROVIDERS)
    }
    routes = [
        Route(
            route_id=f"provider-{number % PROVIDERS}/bench-{number}",
            model_id="bench",
            provider_id=f"provider-{number % PROVIDERS}",
            upstream_model="bench",
            priority=lot.randint(1, 5),
            terms=_TERMS,
            price=_price(lot.randint(1, 9) * 10**6),
        )
        for number in range(size)
    ]
    models = {"bench": Model(model_id="bench", display_name="Bench")}
    return build_catalog("1", providers=providers, models=models, routes={route.route_id: route for route in routes})


def _price(picos: int) -> Price:
    rates = Rates(
        input_picos=picos,
        cached_input_picos=picos,
        cache_write_5m_picos=picos,
        cache_write_1h_picos=picos,
        output_picos=5 * picos,
        reasoning_picos=5 * picos,
        request_picos=0,
    )
    tiers = (Tier("default", 0, rates),)
    return Price(price_version="1", tiers=tiers, cost_tiers=tiers)
