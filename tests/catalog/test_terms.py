"""A route's checklist: what is open, where it may be written, and what is refused."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import OperatorError
from farebox.catalog.model import SCOPES_OF_WORKLOAD
from farebox.catalog.terms import CHECKLIST, CLOSED_LISTS, NO_TERMS, BudgetCap, Terms, open_items
from farebox.catalog.toml_file import parse_catalog
from farebox.catalog.toml_terms import ROUTE_SCOPES, TERMS_KEYS
from farebox.identity.model import SCOPES
from tests.catalog.catalogs import small_catalog

COMPLETE = small_catalog().routes["acme/tiny"].terms
TEXT_SCOPES = ["chat.completions", "messages", "usage.read"]
CAPS = st.just("none") | st.builds(
    lambda cents, per: {"usd": f"{cents // 100}.{cents % 100:02}", "per": per},
    st.integers(1, 10**9),
    st.sampled_from(["day", "month"]),
)
WRITTEN: dict[str, st.SearchStrategy[Any]] = {
    **{key: st.sampled_from(choices) for key, choices in CLOSED_LISTS.items()},
    "key_scopes": st.lists(st.sampled_from(TEXT_SCOPES[:2]), unique=True, min_size=1),
    "budget_cap": CAPS,
    "notes": st.text("abc äöü-,.", max_size=20),
}
TABLES = st.fixed_dictionaries({}, optional=WRITTEN)


def toml(table: dict[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {json.dumps(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


def parsed(*, route: str = "", provider: str = "", top: str = "", workload: str = "text") -> Terms:
    text = f"""
[terms]
{top}
[providers.p]
display_name = "P"
base_url = "https://p.example/v1"
[providers.p.terms]
{provider}
[models.m]
display_name = "M"
workload = "{workload}"
context_tokens = 1_000
max_output_tokens = 1_000
[routes."p/m"]
{route}
"""
    return parse_catalog(text, file="test.toml").routes["p/m"].terms


def expected(written: dict[str, Any]) -> Terms:
    """What the tables say together, read the long way."""
    terms = msgspec.structs.replace(NO_TERMS, **{key: value for key, value in written.items() if key != "budget_cap"})
    terms = msgspec.structs.replace(terms, key_scopes=tuple(terms.key_scopes))
    cap = written.get("budget_cap")
    if isinstance(cap, dict):
        whole, cents = cap["usd"].split(".")
        cap = BudgetCap(max_nanos=int(whole) * 10**9 + int(cents) * 10**7, per=cap["per"])
    return msgspec.structs.replace(terms, budget_cap=cap)


@given(TABLES, TABLES, TABLES)
def test_each_key_is_that_of_the_nearest_table_that_writes_it(
    top: dict[str, Any], provider: dict[str, Any], route: dict[str, Any]
) -> None:
    terms = parsed(top=toml(top), provider=toml(provider), route=toml(route))
    assert terms == expected({**top, **provider, **route})


@given(TABLES, st.sampled_from(CHECKLIST))
def test_an_item_is_open_until_it_is_written_and_closes_no_other(written: dict[str, Any], item: str) -> None:
    terms = expected(written)
    closed = msgspec.structs.replace(terms, **{item: getattr(COMPLETE, item)})
    assert set(open_items(closed)) == set(open_items(terms)) - {item}
    opened = msgspec.structs.replace(terms, **{item: getattr(NO_TERMS, item)})
    assert item in open_items(opened)


@pytest.mark.parametrize("item", ["resale", "contract_review"])
def test_only_what_was_approved_or_needs_no_approval_closes_an_approval(item: str) -> None:
    closing = {
        choice for choice in CLOSED_LISTS[item] if not open_items(msgspec.structs.replace(COMPLETE, **{item: choice}))
    }
    assert closing == {"approved", "not_required"}


def test_nothing_is_taken_for_granted_and_notes_are_never_needed() -> None:
    assert open_items(NO_TERMS) == CHECKLIST == tuple(key for key in TERMS_KEYS if key != "notes")
    assert open_items(COMPLETE) == ()


def test_a_region_is_read_whatever_its_case() -> None:
    assert parsed(route='region = "SG"').region == parsed(route='region = "sg"').region == "sg"


def test_a_cap_is_exact() -> None:
    cap = parsed(route='budget_cap = { usd = 0.000000001, per = "day" }').budget_cap
    assert cap == BudgetCap(max_nanos=1, per="day")


def test_the_scopes_of_routes_are_scopes_of_keys_and_call_every_workload() -> None:
    assert set(ROUTE_SCOPES) <= set(SCOPES)
    assert all(scopes <= set(ROUTE_SCOPES) for scopes in SCOPES_OF_WORKLOAD.values())


FAULTS = {
    "unknown region": ('region = "mars"', ".region: invalid enum value 'mars'", "global, sg, us"),
    "region of a number": ("region = 65", ".region: expected", "global, sg, us"),
    "unknown retention": ('retention = "some"', ".retention: invalid enum", "none, limited, standard or trains"),
    "unknown resale": ('resale = "yes"', ".resale: invalid enum", "approved, not_required, pending or denied"),
    "unknown review": ('contract_review = "no"', ".contract_review: invalid", "pending or rejected"),
    "unknown logging": ('logging = "all"', ".logging: invalid enum", "none, metadata_only or full_content"),
    "sla of a number": ("sla = 99.9", ".sla: expected", "none, 99.0, 99.5, 99.9, 99.95 or 99.99"),
    "unknown owner": ('support_owner = "me"', ".support_owner: invalid enum", "workspace_admin"),
    "one scope": ('key_scopes = "messages"', ".key_scopes: expected `array`", '["chat.completions", "usage.read"]'),
    "unknown scope": ('key_scopes = ["message"]', ".key_scopes[0]: there is no such scope", "models.read, usage.read"),
    "operator's scope": ('key_scopes = ["keys.manage"]', ".key_scopes[0]: there is no such", "models.read"),
    "scope twice": ('key_scopes = ["messages", "messages"]', ".key_scopes[1]: names a scope twice", "once"),
    "no cap": ("budget_cap = false", ".budget_cap: is neither a table nor none", "per = "),
    "cap without span": ('budget_cap = { usd = "1" }', ".budget_cap: per is missing", "per = "),
    "cap without amount": ('budget_cap = { per = "day" }', ".budget_cap: usd is missing", "usd = "),
    "cap per year": ('budget_cap = { usd = "1", per = "year" }', ".budget_cap.per: is not a span", "day or month"),
    "cap in euros": (
        'budget_cap = { euros = "1", per = "day" }',
        ".budget_cap.euros: unknown key",
        "known here: usd, per",
    ),
    "cap of words": ('budget_cap = { usd = "much", per = "day" }', ".budget_cap.usd: is not an amount", "100.00"),
    "cap of truth": ('budget_cap = { usd = true, per = "day" }', ".budget_cap.usd: is not an amount", "100.00"),
    "cap too fine": ('budget_cap = { usd = "1e-10", per = "day" }', ".budget_cap.usd: is not an amount", "100.00"),
    "cap without end": ('budget_cap = { usd = inf, per = "day" }', ".budget_cap.usd: is not an amount", "100.00"),
    "cap of nothing": ('budget_cap = { usd = 0, per = "day" }', ".budget_cap.usd: is not above zero", "disabled"),
    "long notes": (f'notes = "{"x y " * 600}"', ".notes: expected `str` of length <= 2000", "at most 2000"),
}


@pytest.mark.parametrize(("line", "message", "fix"), FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize(
    ("table", "path"), [("route", 'routes."p/m"'), ("provider", "providers.p.terms"), ("top", "terms")]
)
def test_a_fault_names_the_key_and_the_choices_wherever_it_stands(
    table: str, path: str, line: str, message: str, fix: str
) -> None:
    with pytest.raises(OperatorError) as caught:
        parsed(**{table: line})
    assert f"test.toml: {path}{message}" in caught.value.message
    assert fix in caught.value.fix


@pytest.mark.parametrize("table", ["provider", "top"])
def test_a_table_of_terms_holds_nothing_else(table: str) -> None:
    with pytest.raises(OperatorError, match="regoin: unknown key") as caught:
        parsed(**{table: 'regoin = "sg"'})
    assert caught.value.fix == "Did you mean region?"


def test_a_route_has_no_table_of_terms() -> None:
    with pytest.raises(OperatorError, match=r'routes\."p/m"\.terms: .* in the route itself'):
        parsed(route='terms = { region = "sg" }')


def test_one_of_the_scopes_must_call_the_models_workload_wherever_they_are_inherited_from() -> None:
    scopes = 'key_scopes = ["messages", "usage.read"]'
    assert parsed(top=scopes, workload="coding").key_scopes == ("messages", "usage.read")
    with pytest.raises(OperatorError, match=r'routes\."p/m"\.key_scopes: none .* a model of image') as caught:
        parsed(top=scopes, workload="image")
    assert caught.value.fix == "Add any of: images."
