"""What a provider's capacity is made of: pools of credentials, and lanes reserved in them. Frozen values.

None of these names, ids or numbers ever reaches a customer: not in answers, headers, errors, receipts or explanations.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from farebox.catalog.terms import Region

Access = Literal["shared", "private"]
Origin = Literal["stored", "environment", "sandbox"]

# The pool of a provider whose key comes from the environment: nobody has to make it.
DEFAULT_POOL: Final = "default"

Slots = Annotated[int, Meta(gt=0, le=1_000_000)]


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """One key of one provider account. `weight`: its share of the pool's calls. Limits None: not known to us, so only
    the provider's own refusals tell. `api_key` None: a local server that wants none."""

    credential_id: str  # `env:<provider>`, `sandbox:<provider>` or `cred_…`
    provider_id: str
    pool_id: str
    origin: Origin
    api_key: str | None
    weight: Annotated[int, Meta(gt=0, le=1_000)] = 1
    max_concurrent: Slots | None = None
    requests_per_minute: Slots | None = None

    def __repr__(self) -> str:
        return f"Credential({self.credential_id!r})"


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """Slots of a pool that one workspace is guaranteed: shared traffic never keeps it from them. `lends`: what it does
    not use may be lent, and is given back before anything else is served."""

    lane_id: str
    pool_id: str
    workspace_id: int
    slots: Slots
    lends: bool = True


class Pool(msgspec.Struct, frozen=True, kw_only=True):
    """A set of credentials of one provider. `region` None: serves routes of any region. A private pool serves only its
    `workspaces`. `max_concurrent` None: as many calls as its credentials take; lanes need a number."""

    pool_id: str
    provider_id: str
    credentials: tuple[Credential, ...]
    region: Region | None = None
    access: Access = "shared"
    workspaces: frozenset[int] = frozenset()
    max_concurrent: Slots | None = None
    lanes: tuple[Lane, ...] = ()

    def serves(self, workspace_id: int, region: Region | None) -> bool:
        """Whether calls of that workspace by a route of that region may use it."""
        if self.region is not None and self.region != region:
            return False
        return self.access == "shared" or workspace_id in self.workspaces
