"""What a form about keys and policies lets one choose from. Pure."""

from collections.abc import Iterable
from typing import Final

import msgspec

from farebox.catalog.model import Catalog
from farebox.catalog.terms import REGIONS
from farebox.console.key_form import SCOPE_WORDS, KeyFields, PolicyFields

Choices = list[tuple[str, str]]
"""Pairs of a value and its words."""

REGION_WORDS: Final = {
    "global": "Global (anywhere)",
    "sg": "Singapore",
    "us": "United States",
    "cn": "China",
    "eu": "European Union",
    "gb": "United Kingdom",
    "ch": "Switzerland",
    "jp": "Japan",
    "kr": "South Korea",
    "in": "India",
    "au": "Australia",
    "ca": "Canada",
    "br": "Brazil",
    "ae": "United Arab Emirates",
}
RETENTION_WORDS: Final = {
    "any": "Providers may keep prompts as their terms say",
    "no_training": "Providers may keep prompts, but not train on them",
    "nothing": "No retention: only providers that keep nothing",
}


class PolicyChoices(msgspec.Struct, frozen=True, kw_only=True):
    """Where prompts may go."""

    regions: Choices
    retention: Choices
    providers: Choices


class KeyChoices(msgspec.Struct, frozen=True, kw_only=True):
    """What a key may be allowed."""

    scopes: Choices
    models: Choices
    policy: PolicyChoices


def choices_of(catalog: Catalog, typed: KeyFields) -> KeyChoices:
    """Everything there is, and what was chosen before though it is there no more."""
    models = [(model.model_id, f"{model.display_name} ({model.model_id})") for model in catalog.models.values()]
    return KeyChoices(
        scopes=[(scope, f"{words} ({scope})") for scope, words in SCOPE_WORDS.items()],
        models=_with(models, typed.models),
        policy=policy_choices(catalog, typed.policy),
    )


def policy_choices(catalog: Catalog, typed: PolicyFields) -> PolicyChoices:
    """The regions in which the catalog has routes, its providers, and what was chosen before."""
    offered = {route.terms.region for routes in catalog.routes_by_model.values() for route in routes}
    regions: Choices = [(region, REGION_WORDS[region]) for region in REGIONS if region in offered]
    providers = [(provider.provider_id, provider.display_name) for provider in catalog.providers.values()]
    return PolicyChoices(
        regions=_with(regions, (region for region in typed.regions if region in REGION_WORDS), REGION_WORDS),
        retention=list(RETENTION_WORDS.items()),
        providers=_with(providers, [*typed.only, *typed.ignore]),
    )


def _with(choices: Choices, chosen: Iterable[str], words: dict[str, str] | None = None) -> Choices:
    known = {value for value, _ in choices}
    more = dict.fromkeys(value for value in chosen if value not in known)
    return [*choices, *((value, (words or {}).get(value, value)) for value in more)]
