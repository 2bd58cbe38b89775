"""The deployments that come with Farebox: what they sell, what their checklists say, and that they run."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farebox.base.errors import OperatorError
from farebox.catalog.checklist import checklist_of, checklist_summary, checklists_by_provider
from farebox.catalog.model import Catalog
from farebox.catalog.policy import ANY, Policy
from farebox.catalog.terms import open_items
from farebox.catalog.toml_file import read_catalog_file
from farebox.records.readiness import READY, readiness
from farebox.routing.rules import standing
from farebox.storage.home import Home
from farebox.wiring.arguments import read_limits
from farebox.wiring.catalogs import current_catalog, store_catalog
from farebox.wiring.demo import _follow_config
from farebox.wiring.settings import Settings, load_settings
from tests.cli.programs import ask, farebox, farebox_json, free_port, refused, running
from tests.database import TestCluster

DEPLOYMENTS = Path(__file__).parents[2] / "deployments"
# What each sells at all, and to how many of its routes nothing stands in the way.
SUMMARIES = {
    "default": "19 of 19 routes can go live",
    "global-ai-gateway": "12 of 15 routes can go live; 2 are switched off",
    "jatevo": "5 of 5 routes can go live",
    "tokeo": "4 of 6 routes can go live; 2 are switched off",
}
EVERYWHERE = {"deepseek", "deepinfra", "modelstudio-sg", "modelstudio-cn"}


def settings_of(name: str) -> Settings:
    return load_settings(DEPLOYMENTS / name / "farebox.toml", {})


def catalog_of(name: str) -> Catalog:
    return read_catalog_file(DEPLOYMENTS / name / "catalog.toml").catalog()


def serving(catalog: Catalog, model_id: str, policy: Policy, scope: str = "chat.completions") -> set[str]:
    return {route.provider_id for route in standing(catalog, catalog.models[model_id], policy, scope).routes}


def test_the_checklist_of_every_deployment_is_as_meant() -> None:
    found = {path.parent.name: catalog_of(path.parent.name) for path in DEPLOYMENTS.glob("*/catalog.toml")}
    assert {name: checklist_summary(checklist_of(catalog)) for name, catalog in found.items()} == SUMMARIES


@pytest.mark.parametrize("name", SUMMARIES)
def test_no_deployment_claims_an_approval_that_only_its_operator_can_have(name: str) -> None:
    for routes in catalog_of(name).routes_by_model.values():
        for route in routes:
            assert "approved" not in (route.terms.resale, route.terms.contract_review), route.route_id
            assert set(open_items(route.terms)) <= {"resale", "contract_review"}, route.route_id


def test_every_deployment_has_names_and_keys_of_its_own() -> None:
    brands = [settings_of(name).brand for name in SUMMARIES]
    for names in ([brand.key_prefix for brand in brands], [brand.header_prefix for brand in brands]):
        assert len(set(names)) == len(names)
    assert all(brand.seller_of_record for brand in brands)


def test_the_gateways_example_route_is_as_its_page_says() -> None:
    catalog = catalog_of("global-ai-gateway")
    (route,) = [one for one in catalog.routes_of("deepseek-v4-flash") if one.provider_id == "deepseek"]
    terms = route.terms
    assert (route.upstream_model, catalog.models[route.model_id].workload) == ("deepseek-v4-flash", "text")
    assert (terms.region, terms.retention, terms.logging) == ("global", "standard", "metadata_only")
    assert (terms.key_scopes, terms.support_owner) == (("chat.completions", "usage.read"), "workspace_admin")


@pytest.mark.parametrize(
    ("policy", "providers"),
    [
        (ANY, EVERYWHERE),
        (Policy(regions=frozenset({"global"})), EVERYWHERE),
        (Policy(regions=frozenset({"sg"})), {"modelstudio-sg"}),
        (Policy(regions=frozenset({"us", "cn"})), {"deepinfra", "modelstudio-cn"}),
        (Policy(max_kept="nothing"), {"deepinfra"}),
        (Policy(resale_approved=True), set()),
    ],
    ids=["any", "global", "sg", "us and cn", "no retention", "approved resale"],
)
def test_the_gateways_policies_have_something_to_choose(policy: Policy, providers: set[str]) -> None:
    assert serving(catalog_of("global-ai-gateway"), "deepseek-v4-flash", policy) == providers


def test_the_gateway_sells_text_coding_images_and_video() -> None:
    catalog = catalog_of("global-ai-gateway")
    sold = {
        catalog.models[route.model_id].workload
        for state in checklists_by_provider(catalog).values()
        for route in state.able
    }
    assert sold == {"text", "coding", "image", "video"}


def test_the_gateways_inactive_providers_are_visible_with_what_they_need() -> None:
    settings, catalog = settings_of("global-ai-gateway"), catalog_of("global-ai-gateway")
    states = {name: READY for name, provider in catalog.providers.items() if provider.status == "live"}
    items = {item.capability: item for item in readiness(catalog, states, settings.readiness, database_ok=True)}
    needs = "Visible for planning; it needs an API key, contract review and resale approval."
    for provider_id in ("xai", "openai-zdr"):
        item = items[f"{provider_id}_availability"]
        assert (item.state, needs in item.detail) == ("disabled_safely", True)
    assert items["openai_availability"].state == "live"
    assert "missing: resale, contract_review" in items["openai_availability"].fix
    assert items["checkout"].state == "disabled_safely"


def test_jatevo_says_which_of_its_page_does_not_exist_yet() -> None:
    items = {item.capability: item.state for item in settings_of("jatevo").readiness}
    assert (items["wallet_backed_access"], items["usd_snapshot"]) == ("disabled_safely", "disabled_safely")
    assert settings_of("jatevo").brand.key_prefix == "sk-clb-"


@pytest.mark.parametrize(
    ("limits", "place", "said"),
    [
        ('["requests:many/day"]', "new_workspace.limits[0]", "'many' is not a number of requests"),
        ('["usd:5/day", "usd:5"]', "new_workspace.limits[1]", "'usd:5' is not a limit"),
        ('["usd:5/year"]', "new_workspace.limits[0]", "is not a limit"),
        ('["usd:-5/day"]', "new_workspace.limits[0]", "is below zero"),
        ('["usd:0.0000000001/day"]', "new_workspace.limits[0]", "nine decimal places"),
        ('"usd:5/day"', "new_workspace.limits", "expected a list"),
    ],
)
def test_a_limit_of_new_workspaces_that_is_none_stops_the_start(
    limits: str, place: str, said: str, tmp_path: Path
) -> None:
    config = tmp_path / "farebox.toml"
    config.write_text(f"[new_workspace]\nlimits = {limits}\n")
    with pytest.raises(OperatorError) as caught:
        load_settings(config, {})
    assert caught.value.message.startswith(f"farebox.toml: {place}: ") and said in caught.value.message
    assert caught.value.fix


def test_the_configuration_check_names_a_bad_limit(home: Home, tmp_path: Path) -> None:
    config = tmp_path / "farebox.toml"
    config.write_text('[new_workspace]\nlimits = ["requests:11/week"]\n')
    message, fix = refused(farebox(home, "config", "check", "--config", str(config)))
    assert "new_workspace.limits[0]" in message and "requests:100/day" in fix


async def test_a_demo_follows_its_file_only_where_nothing_that_is_stored_can_be_sold(
    home: Home, cluster: TestCluster, tmp_path: Path
) -> None:
    home.create()
    dsn = cluster.fresh_database()
    text = (DEPLOYMENTS / "default" / "catalog.toml").read_text()
    settings = msgspec.structs.replace(settings_of("default"), home_path=str(home.path))
    stored = tmp_path / "catalog.toml"

    async def after(catalog: str) -> Catalog:
        stored.write_text(catalog)
        await store_catalog(dsn, stored, actor="test", effective_at_micros=None, dry_run=False)
        await _follow_config(settings, dsn, lambda _: None)
        return await current_catalog(dsn)

    dearer = text.replace("margin_bps = 1000", "margin_bps = 2000", 1)
    kept, followed = await after(dearer), await after(text.replace('budget_cap      = "none"\n', ""))
    assert _input_price(kept) > _input_price(followed)
    assert checklist_summary(checklist_of(followed)) == SUMMARIES["default"]
    cluster.drop_database(dsn)


def _input_price(catalog: Catalog) -> int:
    (route,) = catalog.routes_of("claude-haiku-4-5")
    assert route.price is not None
    return route.price.tiers[0].rates.input_picos


def limits_of(home: Home, workspace: str) -> set[tuple[str, int | None, str | None]]:
    listed = farebox_json(home, "workspace", "limit", "list", workspace)
    return {(limit["per"], limit["max_requests"], limit["max_usd"]) for limit in listed}


@pytest.mark.parametrize(
    ("name", "model", "requests"),
    [("jatevo", "deepseek-v4-flash", 11), ("global-ai-gateway", "deepseek-v4-flash", None)],
)
def test_a_demo_of_the_deployment_serves_within_its_limits(
    home: Home, name: str, model: str, requests: int | None
) -> None:
    settings, port = settings_of(name), free_port()
    config = str(DEPLOYMENTS / name / "farebox.toml")
    with running(home, "demo", "--json", "--config", config, "--port", str(port)) as program:
        told = json.loads(program.line())
        assert told["api_key"].startswith(settings.brand.key_prefix)
        farebox_json(home, "workspace", "create", "acme", "--config", config)
        wanted = read_limits(settings.new_workspace.limits)
        shown = {("day", limit.requests, None if limit.nanos is None else "11.00") for limit in wanted}
        assert limits_of(home, told["workspace_id"]) == limits_of(home, "acme") == shown
        for _ in range(requests or 1):
            assert _chat(port, told["api_key"], model)[0] == 200
        if requests is not None:
            status, answer = _chat(port, told["api_key"], model)
            assert (status, answer["error"]["code"]) == (429, "quota_exhausted")
        assert ask(port, "GET", "/api/setup")[1]["brand"]["name"] == settings.brand.name
        assert program.interrupt() == 0


def _chat(port: int, key: str, model: str) -> tuple[int, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": "Reply exactly: hi"}], "max_tokens": 8}
    return ask(port, "POST", "/v1/chat/completions", key=key, body=body)
