"""Which routes of a catalog can go live: the same ones that the router serves."""

from hypothesis import given
from hypothesis import strategies as st

from farebox.catalog.checklist import (
    MAX_LINES,
    can_go_live,
    checklist_lines,
    checklist_of,
    checklist_summary,
    checklists_by_provider,
)
from farebox.catalog.model import Catalog
from farebox.catalog.policy import ANY
from farebox.catalog.toml_file import parse_catalog
from farebox.routing.rules import standing
from tests.terms import TERMS

OFF = 'status = "disabled"\nstatus_reason = "Not yet"\n'
PRICED = 'cost = { input = "1", output = "1" }\n'
OPENED = {"resale": "denied", "contract_review": "pending"}
ROUTES = st.lists(
    st.tuples(
        st.sampled_from(["p", "q"]),
        st.sampled_from(["m", "n"]),
        st.booleans(),
        st.booleans(),
        st.sets(st.sampled_from(list(OPENED))),
    ),
    max_size=8,
)


def catalog(
    routes: list[tuple[str, str, bool, bool, set[str]]], off: frozenset[str] | set[str] = frozenset()
) -> Catalog:
    """Routes as provider, model, whether live, whether priced, and the open items; `off`: what is switched off."""
    text = ["margin_bps = 0", TERMS]
    for name in ("p", "q"):
        text.append(f'[providers.{name}]\ndisplay_name = "P"\nbase_url = "https://p.example"\n')
        text.append(OFF if name in off else "")
    for name in ("m", "n"):
        text.append(f'[models.{name}]\ndisplay_name = "M"\ncontext_tokens = 9\nmax_output_tokens = 9\n')
        text.append(OFF if name in off else "")
    for number, (provider, model, live, priced, opened) in enumerate(routes):
        text.append(f'[routes."r{number}"]\nprovider = "{provider}"\nmodel = "{model}"\n')
        text.append(("" if live else OFF) + (PRICED if priced else ""))
        text += [f'{item} = "{OPENED[item]}"' for item in opened]
    return parse_catalog("\n".join(text)).catalog()


@given(ROUTES, st.sets(st.sampled_from(["p", "q", "m", "n"])))
def test_what_can_go_live_is_what_the_router_serves(
    routes: list[tuple[str, str, bool, bool, set[str]]], off: set[str]
) -> None:
    found = catalog(routes, off)
    served = {route.route_id for model in found.models.values() for route in standing(found, model, ANY, None).routes}
    every = [route for routes in found.routes_by_model.values() for route in routes]
    assert {route.route_id for route in every if can_go_live(found, route)} == served
    state = checklist_of(found)
    assert (state.routes, state.able) == (len(routes), len(served))
    by_provider = checklists_by_provider(found)
    assert {route.route_id for state in by_provider.values() for route in state.able} == served
    assert sum(len(state.routes) for state in by_provider.values()) == len(routes)


def test_each_route_that_is_meant_to_be_live_has_a_line_with_what_is_open() -> None:
    routes = [
        ("p", "m", True, True, set[str]()),
        ("p", "n", True, True, {"resale", "contract_review"}),
        ("q", "m", False, True, {"resale"}),
    ]
    state = checklist_of(catalog(routes))
    assert checklist_lines(state) == ['routes."r1": not for sale before it has resale, contract_review']
    assert checklist_summary(state) == "1 of 3 routes can go live; 1 is switched off"


def test_of_many_open_routes_some_are_named_and_the_others_counted() -> None:
    routes = [("p", "m", True, True, {"resale"})] * (MAX_LINES + 1)
    lines = checklist_lines(checklist_of(catalog(routes)))
    assert len(lines) == MAX_LINES
    assert lines[-1] == "2 more routes are not for sale"
    assert len(checklist_lines(checklist_of(catalog(routes[1:])))) == MAX_LINES


def test_a_provider_says_what_its_routes_lack_also_while_it_is_switched_off() -> None:
    routes = [
        ("p", "m", True, False, {"resale"}),
        ("p", "n", True, True, set[str]()),
        ("p", "n", False, False, {"resale"}),
    ]
    for off, able in ((frozenset[str](), 1), (frozenset({"p"}), 0)):
        state = checklists_by_provider(catalog(routes, off))
        assert state["p"].sentence() == f"{able} of 3 routes are for sale; missing: price, resale"
        assert "[providers.p.terms]" in state["p"].fix()
        assert (state["q"].sentence(), state["q"].fix()) == ("0 of 0 routes are for sale", "")
