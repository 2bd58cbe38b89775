"""From stored rows to the catalog of each moment: the current one, and those that are already scheduled. Pure."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import msgspec

from farebox.catalog.model import EMPTY_CATALOG, Catalog, Model, Provider, Route, build_catalog
from farebox.catalog.rows import Body, Kind, PriceTerms, RowKey, price_version
from farebox.catalog.rules import Price


class StoredRow(NamedTuple):
    """One row of `catalog_row`; `body` None: removed."""

    kind: Kind
    id: str
    version: int
    apply_id: int
    effective_at_micros: int
    body: Body | None


class Stage(NamedTuple):
    """The catalog from a moment on. The first stage of a timeline begins at the moment it was asked for."""

    from_micros: int
    catalog: Catalog


State = dict[RowKey, StoredRow]


def state_at(rows: Sequence[StoredRow], moment_micros: int) -> State:
    """The rows in effect at a moment, removals left out. `rows` are in the order of effect, then of version."""
    state = {(row.kind, row.id): row for row in rows if row.effective_at_micros <= moment_micros}
    return {key: row for key, row in state.items() if row.body is not None}


def build_timeline(rows: Sequence[StoredRow], *, moment_micros: int, effective_applies: int) -> tuple[Stage, ...]:
    """The stages from a moment on; `rows` and `effective_applies` as the query `rows_from` returns them."""
    state = state_at(rows, moment_micros)
    first = catalog_of(state, effective_applies) if effective_applies else EMPTY_CATALOG
    stages = [Stage(moment_micros, first)]
    later = (row for row in rows if row.effective_at_micros > moment_micros)
    for from_micros, group in groupby(later, key=attrgetter("effective_at_micros")):
        found = list(group)
        effective_applies += len({row.apply_id for row in found})
        state |= {(row.kind, row.id): row for row in found}
        stages.append(Stage(from_micros, catalog_of(state, effective_applies)))
    return tuple(stages)


def catalog_of(state: State, effective_applies: int) -> Catalog:
    """The catalog that the rows in effect describe."""
    providers: dict[str, Provider] = {}
    models: dict[str, Model] = {}
    routes: dict[str, Route] = {}
    for row in state.values():
        match row.body:
            case Provider():
                providers[row.id] = row.body
            case Model():
                models[row.id] = row.body
            case Route():
                routes[row.id] = msgspec.structs.replace(row.body, price=_price_of(state.get(("price", row.id))))
    return build_catalog(str(effective_applies), providers=providers, models=models, routes=routes)


def _price_of(row: StoredRow | None) -> Price | None:
    if row is None or not isinstance(row.body, PriceTerms):
        return None
    return as_price(row.id, row.version, row.body)


def as_price(route_id: str, version: int, terms: PriceTerms) -> Price:
    """The stored terms under their version's name."""
    return Price(price_version=price_version(route_id, version), tiers=terms.tiers, cost_tiers=terms.cost_tiers)
