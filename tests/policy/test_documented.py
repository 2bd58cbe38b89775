"""The page about routing names every field, every reason and every surface, and no others."""

import re

from farebox.api.app import ROUTES
from farebox.routing.estimate import SURFACES
from farebox.routing.rules import Exclusion
from farebox.routing.wishes import POLICY_FIELDS, WISHES
from tests.house.sources import ROOT

PAGE = (ROOT / "docs" / "reference" / "routing.md").read_text()


def _rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading that stand in backticks."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_wish_is_explained() -> None:
    assert [row[0] for row in _rows("Wishes of a request")] == list(WISHES)


def test_every_further_field_of_a_policy_is_explained() -> None:
    own = {row[0].strip(" |`") for row in _rows("Policies")}
    assert own == set(POLICY_FIELDS) - set(WISHES) | {"sort"}


def test_every_reason_is_explained_in_the_order_in_which_it_is_looked_for() -> None:
    shown = [(row[0].strip(" |`"), row[1].strip(" |`")) for row in _rows("Why a route does not serve")]
    assert shown == [(reason.stage.name.lower(), reason.value) for reason in Exclusion]


def test_every_surface_of_an_estimate_is_named() -> None:
    assert not [surface for surface in SURFACES if f"`{surface}`" not in PAGE]


def test_every_address_of_policies_routes_and_limits_is_named() -> None:
    paths = {path for route in ROUTES for path in route.paths if "polic" in path or "route" in path or "limit" in path}
    named = [re.sub(r"\{\w+:str\}", "{id}", path) for path in paths | {"/api/estimate"}]
    assert not [path for path in named if path not in PAGE]
