"""The closed lists of a route's checklist, and which of its items are still open. Pure.

A route is sold only when somebody has confirmed where it runs, what its provider keeps, that it may be resold, and who
answers for it. What nobody has said counts as missing, never as good.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

# `global`: the provider runs it wherever it likes.
Region = Literal["global", "sg", "us", "cn", "eu", "gb", "ch", "jp", "kr", "in", "au", "ca", "br", "ae"]
# What the provider keeps of prompts and answers: nothing; for some days, for the detection of abuse alone; by its
# standard terms, which exclude nothing; and it trains models on them.
Retention = Literal["none", "limited", "standard", "trains"]
Resale = Literal["approved", "not_required", "pending", "denied"]
ContractReview = Literal["approved", "not_required", "pending", "rejected"]
# What the provider's own logs hold of a call.
Logging = Literal["none", "metadata_only", "full_content"]
Sla = Literal["none", "99.0", "99.5", "99.9", "99.95", "99.99"]
SupportOwner = Literal["operator", "provider", "reseller", "workspace_admin"]
CapSpan = Literal["day", "month"]

REGIONS: Final[tuple[str, ...]] = get_args(Region)
# From the strictest to the loosest; `unknown` is what nobody has said, and counts as the loosest.
RETENTIONS: Final = ("none", "limited", "standard", "trains", "unknown")
# The choices of each item that has only some.
CLOSED_LISTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "region": REGIONS,
        "retention": get_args(Retention),
        "resale": get_args(Resale),
        "contract_review": get_args(ContractReview),
        "logging": get_args(Logging),
        "sla": get_args(Sla),
        "support_owner": get_args(SupportOwner),
    }
)
MAX_NOTES_CHARS: Final = 2_000


class BudgetCap(msgspec.Struct, frozen=True):
    """What the provider may bill for a route per UTC day or calendar month, in nano-USD."""

    max_nanos: Annotated[int, Meta(gt=0)]
    per: CapSpan


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a route's checklist says beside its provider, model, workload, price and status. None: nobody has said.

    `key_scopes`: the scopes by which it may be called; a call by another scope takes another route. `budget_cap`
    "none": somebody decided that there is none. `notes` is the only free text.
    """

    region: Region | None = None
    retention: Retention | None = None
    resale: Resale | None = None
    contract_review: ContractReview | None = None
    logging: Logging | None = None
    sla: Sla | None = None
    support_owner: SupportOwner | None = None
    key_scopes: tuple[str, ...] = ()
    budget_cap: BudgetCap | Literal["none"] | None = None
    notes: Annotated[str, Meta(max_length=MAX_NOTES_CHARS)] = ""


NO_TERMS: Final = Terms()

# What an item's value must be for a route to go live; items that are not here need any value.
_GOOD: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "resale": frozenset({"approved", "not_required"}),
        "contract_review": frozenset({"approved", "not_required"}),
    }
)
CHECKLIST: Final = (
    *("region", "retention", "resale", "contract_review", "logging", "sla", "support_owner"),
    *("key_scopes", "budget_cap"),
)


def open_items(terms: Terms) -> tuple[str, ...]:
    """The items of the checklist that keep a route from going live, in their order: unset, or not approved."""
    return tuple(name for name in CHECKLIST if not _closed(name, getattr(terms, name)))


def _closed(name: str, value: object) -> bool:
    if value is None or value == ():
        return False
    good = _GOOD.get(name)
    return good is None or value in good
