import pytest

from farebox.catalog.model import Catalog
from farebox.catalog.toml_file import parse_catalog
from farebox.mail.letter import MailState
from farebox.records.readiness import ReadinessItem, SignInState, readiness
from tests.records.test_receipt import CATALOG

BLOCKED = ReadinessItem(capability="p_availability", title="P", state="third_party_blocked", detail="Waits.")


def _catalog(text: str = CATALOG) -> Catalog:
    return parse_catalog(text).catalog()


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


OPEN = CATALOG.replace('resale          = "approved"', 'resale          = "pending"')
DISABLED = 'display_name = "P"\nstatus = "disabled"\nstatus_reason = "No funds"\napi_key_env = "P_KEY"'


def test_a_provider_whose_checklist_is_open_is_not_live_and_only_the_operator_reads_the_items() -> None:
    opened = OPEN.replace('sla             = "none"\n', "")
    item = readiness(_catalog(opened), {"p": "ready"}, [], database_ok=True)[1]
    assert item.state == "operator_action_needed"
    assert item.detail == "Not for sale yet; it needs resale approval and the rest of its checklist."
    assert item.fix.startswith("0 of 1 route is for sale; missing: resale, sla: ")


def test_a_provider_of_which_a_part_is_for_sale_is_live_and_says_the_rest_to_the_operator() -> None:
    second = '[routes."p/second"]\nmodel = "m"\nmargin_bps = 0\nresale = "denied"\ncost = { input = 1, output = 1 }\n'
    item = readiness(_catalog(CATALOG + second), {"p": "ready"}, [], database_ok=True)[1]
    assert (item.state, item.detail) == ("live", "Serves models for text.")
    assert item.fix.startswith("1 of 2 routes are for sale; missing: resale: ")


def test_an_inactive_provider_is_visible_for_planning_with_what_it_needs() -> None:
    text = OPEN.replace('display_name = "P"', DISABLED)
    item = readiness(_catalog(text), {}, [], database_ok=True)[1]
    assert item.state == "disabled_safely"
    assert item.detail == "No funds. Visible for planning; it needs an API key and resale approval."
    assert "missing: resale" in item.fix
    connected = readiness(_catalog(text), {"p": "ready"}, [], database_ok=True)[1]
    assert connected.detail == "No funds. Visible for planning; it needs resale approval."


def test_a_provider_that_is_not_connected_says_both_to_the_operator() -> None:
    text = OPEN.replace('display_name = "P"', 'display_name = "P"\napi_key_env = "P_KEY"')
    item = readiness(_catalog(text), {}, [], database_ok=True)[1]
    assert (item.state, item.detail) == ("operator_action_needed", "Not connected yet.")
    assert "P_KEY" in item.fix and "missing: resale" in item.fix


def test_a_provider_without_a_live_route_is_not_live() -> None:
    alone = CATALOG[: CATALOG.index("[routes")]
    item = readiness(_catalog(alone), {"p": "ready"}, [], database_ok=True)[1]
    assert (item.state, item.detail) == ("operator_action_needed", "None of its models is switched on.")


@pytest.mark.parametrize(
    ("sign_in", "state", "fix"),
    [
        (SignInState(has_site=True, mail=MailState("smtp")), "live", ""),
        (SignInState(has_site=True, mail=MailState("demo")), "live", ""),
        (SignInState(has_site=True, mail=MailState("none")), "operator_action_needed", "[mail]"),
        (SignInState(has_site=False, mail=MailState("smtp")), "operator_action_needed", "server.public_url"),
        (SignInState(has_site=True, mail=MailState("smtp", "it says 554")), "operator_action_needed", "554"),
    ],
)
def test_signing_in_by_email_needs_an_address_and_a_mail_server_that_works(
    sign_in: SignInState, state: str, fix: str
) -> None:
    items = readiness(_catalog(), {}, [], database_ok=True, sign_in=sign_in)
    item = next(item for item in items if item.capability == "email_sign_in")
    assert item.state == state
    assert fix in item.fix and "554" not in item.detail
