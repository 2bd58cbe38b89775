"""The page that explains catalog.toml: every key with its default, and nothing else."""

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from farebox.catalog.model import SCOPES_OF_WORKLOAD, Model, Provider, Route, Workload
from farebox.catalog.profiles import FEATURE_PREFIXES, FEATURES, PROFILES
from farebox.catalog.terms import CLOSED_LISTS
from farebox.catalog.toml_file import parse_catalog
from farebox.catalog.toml_prices import PRICING_KEYS, TIER_KEYS
from farebox.catalog.toml_rates import RATE_KEYS, TOKEN_KEYS, UNIT_KEYS
from farebox.catalog.toml_terms import TERMS_KEYS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "catalog.md").read_text()
_ROW = re.compile(r"^\| `([^`]+)` \| ([^|]*) \|", re.MULTILINE)
# Said in words: they follow from other keys.
_DERIVED = {"auth": "by dialect", "provider": "from the id", "model": "from the id", "upstream_model": "the model's id"}


def section(heading: str) -> str:
    parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))[heading]


@pytest.mark.parametrize(
    ("heading", "struct", "renamed", "left_out"),
    [
        ("Providers", Provider, {}, {"provider_id"}),
        ("Models", Model, {}, {"model_id"}),
        ("Routes", Route, {"provider_id": "provider", "model_id": "model"}, {"route_id", "price", "terms"}),
    ],
)
def test_every_key_is_explained_with_its_default(
    heading: str, struct: type[msgspec.Struct], renamed: dict[str, str], left_out: set[str]
) -> None:
    rows = dict(_ROW.findall(section(heading)))
    fields = [field for field in msgspec.structs.fields(struct) if field.name not in left_out]
    names = {renamed.get(field.name, field.name) for field in fields}
    others = {"profile", "cost", "cost_tiers", *PROFILES, *get_args(Workload)}
    assert names <= rows.keys() <= names | others
    for field in fields:
        name = renamed.get(field.name, field.name)
        assert rows[name].strip() == _DERIVED.get(name, default(field)), name


def test_every_item_of_the_checklist_is_explained_with_all_its_choices() -> None:
    rows = dict(_ROW.findall(section("Checklist")))
    assert tuple(rows) == TERMS_KEYS
    for name, choices in CLOSED_LISTS.items():
        assert re.findall(r"`([^`]+)`", rows[name]) == list(choices), name


def default(field: msgspec.structs.FieldInfo) -> str:
    """How the page writes it."""
    if field.default_factory is not msgspec.NODEFAULT:
        return "empty"
    if field.required:
        return "required"
    value = field.default
    if value is None:
        return "none"
    if value in ((), ""):
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{msgspec.json.encode(value).decode()}`"
    return f"`{value:,}`" if isinstance(value, int) else f"`{value}`"


def test_every_rate_and_tier_key_is_explained() -> None:
    assert [name for name, _ in _ROW.findall(section("Rates"))] == list(RATE_KEYS)
    assert {name for name, _ in _ROW.findall(section("Tiers"))} == set(TIER_KEYS) - set(RATE_KEYS)
    assert all(f"`{key}`" in section("Routes") for key in PRICING_KEYS)


def test_the_page_tells_what_an_absent_rate_falls_back_to() -> None:
    rows = dict(_ROW.findall(section("Rates")))
    for key, rate in TOKEN_KEYS.items():
        if rate.otherwise is not None:
            assert rows[key] == f"`{rate.otherwise}`"
    for key, unit in UNIT_KEYS.items():
        places = "what divides by 60,000" if unit.units == 60_000 else str(len(str(10**12 // unit.units)) - 1)
        assert rows[key] == places


def test_every_profile_feature_and_workload_is_named() -> None:
    providers = section("Providers")
    for name, row in PROFILES.items():
        dialects = ", ".join(row.get("dialects", ["openai_chat"]))
        assert f"| `{name}` | `{row['base_url']}` | {dialects} |" in providers
    assert all(f"`{name}`" in providers for name in (*FEATURES, *FEATURE_PREFIXES))
    workloads = section("Models").partition("| workload |")[2]
    for workload, scopes in SCOPES_OF_WORKLOAD.items():
        line = next(line for line in workloads.splitlines() if re.match(rf"\| .*`{workload}`.* \|", line))
        assert workload == "moderation" or all(f"`{scope}`" in line for scope in scopes)


def test_the_examples_of_the_page_are_catalogs() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    whole, pictures = blocks
    assert parse_catalog(whole).warnings == ()
    found = parse_catalog(f'margin_bps = 0\n{pictures}\n[providers.openai]\nprofile = "openai"')
    assert len(found.prices["openai/dall-e-3"].tiers) == 3
