"""A route's checklist in catalog.toml: written at the route, its provider or the file, key by key the nearest wins."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, get_args

import msgspec

from farebox.base.money import MoneyError, parse_usd
from farebox.catalog.model import SCOPES_OF_WORKLOAD, Model
from farebox.catalog.terms import CHECKLIST, NO_TERMS, BudgetCap, CapSpan, Terms
from farebox.catalog.toml_place import Place, Table, check_keys, convert_table, table_at

TERMS_KEYS: Final = (*CHECKLIST, "notes")
# What a key may hold for a route: calling its workload, and looking at what is sold and used.
ROUTE_SCOPES: Final = (
    *dict.fromkeys(scope for scopes in SCOPES_OF_WORKLOAD.values() for scope in sorted(scopes)),
    *("models.read", "usage.read"),
)
_CAP_KEYS: Final = ("usd", "per")
_CAP_EXAMPLE: Final = 'Write "none", or { usd = "100.00", per = "month" }.'


class WrittenTerms(NamedTuple):
    """What one table of the file says of the checklist: the keys that stand there, and their checked values."""

    terms: Terms = NO_TERMS
    keys: frozenset[str] = frozenset()


def read_terms(table: Table, place: Place) -> WrittenTerms:
    """The keys of the checklist in a table that may have others. Raises OperatorError."""
    own = {key: table[key] for key in TERMS_KEYS if key in table}
    if isinstance(own.get("region"), str):
        own["region"] = str(own["region"]).lower()
    cap = _budget_cap(own.pop("budget_cap"), place.at("budget_cap")) if "budget_cap" in own else None
    terms = msgspec.structs.replace(convert_table(own, Terms, place), budget_cap=cap)
    _check_scopes(terms.key_scopes, place.at("key_scopes"))
    return WrittenTerms(terms, frozenset(key for key in TERMS_KEYS if key in table))


def read_terms_table(parent: Table, place: Place) -> WrittenTerms:
    """The table `terms` inside another, which has nothing but the checklist. Raises OperatorError."""
    table = table_at(parent, "terms", place)
    check_keys(table, TERMS_KEYS, place.at("terms"))
    return read_terms(table, place.at("terms"))


def merged_terms(written: Iterable[WrittenTerms], model: Model, place: Place) -> Terms:
    """The terms of a route from the farthest table to the nearest. Raises OperatorError at the route when no scope
    of its list may call models of its workload."""
    found: dict[str, object] = {}
    for terms, keys in written:
        found.update((key, getattr(terms, key)) for key in keys)
    merged = msgspec.structs.replace(NO_TERMS, **found)
    able = SCOPES_OF_WORKLOAD[model.workload]
    if merged.key_scopes and able.isdisjoint(merged.key_scopes):
        raise place.at("key_scopes").error(
            f"none of its scopes may call a model of {model.workload}", f"Add any of: {', '.join(sorted(able))}."
        )
    return merged


def _budget_cap(value: object, place: Place) -> BudgetCap | str:
    if value == "none":
        return "none"
    if not isinstance(value, Mapping):
        raise place.error("is neither a table nor none", _CAP_EXAMPLE)
    check_keys(value, _CAP_KEYS, place)
    for key in _CAP_KEYS:
        if key not in value:
            raise place.error(f"{key} is missing", _CAP_EXAMPLE)
    if value["per"] not in get_args(CapSpan):
        raise place.at("per").error("is not a span of time", f"Write it as {' or '.join(get_args(CapSpan))}.")
    return BudgetCap(max_nanos=_cap_nanos(value["usd"], place.at("usd")), per=value["per"])


def _cap_nanos(value: object, place: Place) -> int:
    try:
        # Booleans are no amounts, and their names are no numbers.
        nanos = parse_usd(str(value))
    except MoneyError as error:
        raise place.error("is not an amount of dollars", 'Write it like "100.00".') from error
    if nanos <= 0:
        raise place.error("is not above zero", 'Write it like "100.00"; to stop a route, give it status = "disabled".')
    return nanos


def _check_scopes(scopes: tuple[str, ...], place: Place) -> None:
    for index, scope in enumerate(scopes):
        if scope not in ROUTE_SCOPES:
            raise place.at(index).error(
                "there is no such scope for routes", f"Write any of: {', '.join(ROUTE_SCOPES)}."
            )
        if scope in scopes[:index]:
            raise place.at(index).error("names a scope twice", "Name each once.")
