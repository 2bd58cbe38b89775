"""catalog.toml: what the operator writes, checked to the last key, as the rows that `apply` stores.

margin_bps = 2500                          # price = cost + 25 %, unless a model or route says otherwise

[providers.anthropic]                      # a profile says how to reach a known vendor; each key of yours wins
profile = "anthropic"

[models.claude-haiku-4-5]                  # price, price_tiers or margin_bps may stand here too
display_name      = "Claude Haiku 4.5"
context_tokens    = 200_000
max_output_tokens = 64_000

[routes."anthropic/claude-haiku-4-5"]      # provider/model, unless `provider` and `model` say otherwise
cost = { input = "1.00", output = "5.00" } # USD per million tokens; all units are in docs/reference/catalog.md
[[routes."anthropic/claude-haiku-4-5".cost_tiers]]
above_input_tokens = 200_000
input  = "2.00"
output = "7.50"
"""

import datetime
import hashlib
import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from farebox.base.errors import OperatorError
from farebox.catalog.model import Catalog, Model, Provider, Route, Workload, build_catalog
from farebox.catalog.rows import Body, PriceTerms, RowKey
from farebox.catalog.timeline import as_price
from farebox.catalog.toml_place import Place, Table, check_keys, check_texts, convert_table, missing_key, table_at
from farebox.catalog.toml_prices import PRICING_KEYS, Pricing, losses, read_pricing, read_tiers, terms_of
from farebox.catalog.toml_provider import check_features, read_provider
from farebox.catalog.toml_terms import TERMS_KEYS, merged_terms, read_terms, read_terms_table

# Ten thousand routes fit; anything larger is not a catalog.
MAX_FILE_BYTES: Final = 8 * 1024 * 1024

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}")
_TOP_KEYS: Final = ("margin_bps", "terms", "providers", "models", "routes")
_MODEL_KEYS: Final = (*(name for name in Model.__struct_fields__ if name != "model_id"), *PRICING_KEYS)
_ROUTE_KEYS: Final = (
    "model",
    "provider",
    *("upstream_model", "priority", "unsupported", "status", "status_reason"),
    *TERMS_KEYS,
    *("cost", "cost_tiers"),
    *PRICING_KEYS,
)


# What the hold of a call cannot do without.
_REQUIRED_OF_MODEL: Final[dict[Workload, tuple[str, ...]]] = {
    "text": ("context_tokens", "max_output_tokens"),
    "coding": ("context_tokens", "max_output_tokens"),
    "embedding": ("context_tokens",),
    "moderation": ("context_tokens",),
}


class CatalogFile(msgspec.Struct, frozen=True, kw_only=True):
    """A checked catalog.toml. Prices are keyed by route id; a route without one is visible but not sold."""

    providers: dict[str, Provider]
    models: dict[str, Model]
    routes: dict[str, Route]
    prices: dict[str, PriceTerms]
    warnings: tuple[str, ...]
    sha256: str

    def rows(self) -> dict[RowKey, Body]:
        """Everything as it is stored."""
        return {
            **{("provider", key): provider for key, provider in self.providers.items()},
            **{("model", key): model for key, model in self.models.items()},
            **{("route", key): route for key, route in self.routes.items()},
            **{("price", key): price for key, price in self.prices.items()},
        }

    def catalog(self) -> Catalog:
        """Everything as it would be sold, with prices of a first version."""
        prices = {key: as_price(key, 1, terms) for key, terms in self.prices.items()}
        routes = {key: msgspec.structs.replace(route, price=prices.get(key)) for key, route in self.routes.items()}
        return build_catalog("1", providers=self.providers, models=self.models, routes=routes)


def read_catalog_file(path: Path) -> CatalogFile:
    """Read and check a catalog file. Raises OperatorError."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise OperatorError(f"{path} is larger than {MAX_FILE_BYTES} bytes", "Give the path of a catalog.toml.")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"cannot read {path}: {error.strerror}", "Check the path and its permissions.") from error
    except UnicodeDecodeError as error:
        raise OperatorError(f"{path} is not UTF-8 text", "Save the file as UTF-8.") from error
    return parse_catalog(text, file=str(path))


def parse_catalog(text: str, *, file: str = "catalog.toml") -> CatalogFile:
    """Check the text of a catalog file; `file` is its name in messages. Raises OperatorError on the first fault."""
    place = Place(file)
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise place.error(f"is not valid TOML: {error}", "Mend the line that the message names.") from error
    check_texts(document, place)
    check_keys(document, _TOP_KEYS, place)
    provider_tables = _tables(document, "providers", place)
    providers = {key: _provider(key, *found) for key, found in provider_tables.items()}
    of_file = read_terms_table(document, place)
    of_providers = {key: read_terms_table(*found) for key, found in provider_tables.items()}
    model_tables = _tables(document, "models", place)
    models = {key: _model(key, *found) for key, found in model_tables.items()}
    route_tables = _tables(document, "routes", place)
    routes = {key: _route(key, *found) for key, found in route_tables.items()}
    for key, route in routes.items():
        _check_reference(route.provider_id, "provider", providers, route_tables[key][1])
        _check_reference(route.model_id, "model", models, route_tables[key][1])
        written = (of_file, of_providers[route.provider_id], read_terms(*route_tables[key]))
        terms = merged_terms(written, models[route.model_id], route_tables[key][1])
        routes[key] = msgspec.structs.replace(route, terms=terms)

    pricings = {key: read_pricing(*found, models[key].workload) for key, found in model_tables.items()}
    common = read_pricing({key: document[key] for key in ("margin_bps",) if key in document}, place)
    prices, warnings = {}, [f"models.{key} has no route" for key in models if _unrouted(key, routes)]
    for key, route in routes.items():
        price, complaints = _price(*route_tables[key], models[route.model_id], pricings[route.model_id] or common)
        warnings += [f"{route_tables[key][1].path}: {complaint}" for complaint in complaints]
        if price is not None:
            prices[key] = price
    return CatalogFile(
        providers=providers,
        models=models,
        routes=routes,
        prices=prices,
        warnings=tuple(warnings),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def _tables(document: Table, name: str, place: Place) -> dict[str, tuple[Table, Place]]:
    parent, parent_place = table_at(document, name, place), place.at(name)
    found = {}
    for key in parent:
        here = parent_place.at(key)
        if not _ID.fullmatch(key):
            raise here.error(
                "is not an id: letters, digits, and . _ : / - after the first, 200 at most", "Rename the table."
            )
        found[key] = (table_at(parent, key, parent_place), here)
    return found


def _provider(provider_id: str, table: Table, place: Place) -> Provider:
    provider = read_provider(provider_id, table, place)
    _check_reason(provider, place)
    return provider


def _model(model_id: str, table: Table, place: Place) -> Model:
    check_keys(table, _MODEL_KEYS, place)
    own = {key: value for key, value in table.items() if key not in PRICING_KEYS}
    if type(own.get("created")) is datetime.date:
        own["created"] = (own["created"] - datetime.date(1970, 1, 1)).days * 86_400  # type: ignore[operator]
    model = convert_table({**own, "model_id": model_id}, Model, place)
    _check_reason(model, place)
    for key in _REQUIRED_OF_MODEL.get(model.workload, ()):
        if not own.get(key):
            raise missing_key(key, place)
    return model


def _route(route_id: str, table: Table, place: Place) -> Route:
    if "terms" in table:
        raise place.at("terms").error("a route's checklist stands in the route itself", "Write its keys there.")
    check_keys(table, _ROUTE_KEYS, place)
    provider_id, _, model_id = route_id.partition("/")
    own = {key: value for key, value in table.items() if key in Route.__struct_fields__ and key != "price"}
    own["route_id"] = route_id
    own["provider_id"] = table.get("provider", provider_id)
    own["model_id"] = table.get("model", model_id)
    own.setdefault("upstream_model", own["model_id"])
    route = convert_table(own, Route, place)
    check_features(route.unsupported, place.at("unsupported"))
    _check_reason(route, place)
    return route


def _check_reason(row: Provider | Model | Route, place: Place) -> None:
    if row.status == "disabled" and not row.status_reason:
        raise place.error("is disabled without a reason", 'Add status_reason = "…": customers and operators read it.')


def _check_reference(key: str, kind: str, known: dict[str, Provider] | dict[str, Model], place: Place) -> None:
    if key not in known:
        raise place.at(kind).error(
            f"there is no {kind} {key!r} in this file", f"Add [{kind}s.{key}], or name one of: {', '.join(known)}."
        )


def _unrouted(model_id: str, routes: dict[str, Route]) -> bool:
    return not any(route.model_id == model_id for route in routes.values())


def _price(table: Table, place: Place, model: Model, inherited: Pricing | None) -> tuple[PriceTerms | None, list[str]]:
    """The route's price, the nearest of route, model and file deciding; None and a warning when it is unknown."""
    cost_tiers = read_tiers(table, "cost", place, model.workload)
    pricing = read_pricing(table, place, model.workload) or inherited
    if cost_tiers is None and "price" in table:
        raise place.error("has a price but no cost", "Add cost = { input = …, output = … }; zeros when it is free.")
    if cost_tiers is None or pricing is None:
        missing = "cost" if cost_tiers is None else "price or margin_bps"
        return None, [f"no {missing}, so its price is unknown and calls on it are refused"]
    terms = terms_of(pricing, cost_tiers)
    _check_ceilings(model, terms, place)
    return terms, losses(terms)


def _check_ceilings(model: Model, terms: PriceTerms, place: Place) -> None:
    """Raise OperatorError where tokens are sold of which nobody knows how many one call can make."""
    for tier in terms.tiers:
        rates = tier.rates
        if model.workload == "image" and rates.image_output_picos and not model.image_output_ceiling_tokens:
            key = "image_output_ceiling_tokens"
        elif model.workload == "audio" and (rates.input_picos or rates.output_picos) and not _counts_sound(model):
            key = "audio_input_tokens_per_second or audio_output_tokens_per_character"
        else:
            continue
        fix = f"Add {key} = … to the model: a hold covers the most that a call can use."
        raise place.error(f"sells tokens, but {model.model_id} has no {key}", fix)


def _counts_sound(model: Model) -> bool:
    return bool(model.audio_input_tokens_per_second or model.audio_output_tokens_per_character)
