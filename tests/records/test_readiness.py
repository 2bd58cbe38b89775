import msgspec
import pytest

from farebox.catalog.model import Catalog, build_catalog
from farebox.catalog.timeline import as_price
from farebox.catalog.toml_file import parse_catalog
from farebox.records.readiness import ReadinessItem, readiness
from tests.records.test_receipt import CATALOG

BLOCKED = ReadinessItem(capability="p_availability", title="P", state="third_party_blocked", detail="Waits.")


def _catalog(text: str = CATALOG) -> Catalog:
    file = parse_catalog(text)
    routes = {
        route_id: msgspec.structs.replace(route, price=as_price(route_id, 1, file.prices[route_id]))
        for route_id, route in file.routes.items()
    }
    return build_catalog("1", providers=file.providers, models=file.models, routes=routes)


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ({"p": "ready"}, "live"),
        ({"p": "resting"}, "operator_action_needed"),
        ({"p": "not_configured"}, "operator_action_needed"),
        ({}, "operator_action_needed"),
    ],
)
def test_a_provider_is_live_only_when_it_can_be_called(states: dict[str, str], state: str) -> None:
    items = readiness(_catalog(), states, [], database_ok=True)
    assert [(item.capability, item.state) for item in items] == [("database", "live"), ("p_availability", state)]


def test_a_provider_that_was_switched_off_is_disabled_safely_with_its_reason() -> None:
    text = CATALOG.replace('display_name = "P"', 'display_name = "P"\nstatus = "disabled"\nstatus_reason = "No funds"')
    item = readiness(_catalog(text), {"p": "ready"}, [], database_ok=True)[1]
    assert (item.state, item.detail) == ("disabled_safely", "No funds")


def test_a_missing_key_names_its_variable_to_the_operator_alone() -> None:
    text = CATALOG.replace('display_name = "P"', 'display_name = "P"\napi_key_env = "P_KEY"')
    item = readiness(_catalog(text), {}, [], database_ok=True)[1]
    assert "P_KEY" in item.fix
    assert "P_KEY" not in item.detail


def test_what_works_is_never_shown_as_blocked() -> None:
    assert readiness(_catalog(), {"p": "ready"}, [BLOCKED], database_ok=True)[1].state == "live"
    assert readiness(_catalog(), {}, [BLOCKED], database_ok=True)[1].state == "third_party_blocked"


def test_a_database_that_is_away_needs_the_operator() -> None:
    assert readiness(_catalog(), {}, [], database_ok=False)[0].state == "operator_action_needed"


def test_a_provider_tells_the_workloads_that_it_serves() -> None:
    film = """
[models.f]
display_name = "F"
workload = "video"
[routes."p/f"]
cost = { per_second_video = "0.10" }
price = { per_second_video = "0.12" }
[models.g]
display_name = "G"
workload = "image"
status = "disabled"
status_reason = "Not yet"
[routes."p/g"]
cost = { per_image = 1 }
price = { per_image = 1 }
"""
    item = readiness(_catalog(CATALOG + film), {"p": "ready"}, [], database_ok=True)[1]
    assert (item.state, item.detail) == ("live", "Serves models for text, video.")
