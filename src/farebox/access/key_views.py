"""Keys as the shells show them, and what is asked of them. Nothing here but NewKey has a secret, and nothing a hash."""

from collections.abc import Iterable

import msgspec
from msgspec import UNSET, UnsetType

from farebox.base.ids import show_short
from farebox.catalog.policy import NO_PREFERENCE, Preference
from farebox.identity.grants import Wanted
from farebox.identity.model import KeyCursor, KeyListing, KeyRecord, KeyStatus
from farebox.identity.reaches import Holding, read_holdings
from farebox.identity.store import Connection
from farebox.records.balance import LimitState, limit_states


class KeyBody(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a key. UNSET: it is not said, so it stays as it is, or becomes what is usual.

    `labels`: department, project, customer; '' takes one off. `wanted.limits` and `wanted.policy`, and `preference`
    that goes with the policy, are for new keys.
    """

    name: str | UnsetType = UNSET
    labels: dict[str, str] = {}
    wanted: Wanted = Wanted()
    preference: Preference = NO_PREFERENCE


class KeyView(msgspec.Struct, frozen=True):
    """A key as its workspace sees it: `listing.record` has name, visible prefix, scopes and so on, `holding` its policy
    and its rate limits, `limits` its limits with what is used of them."""

    listing: KeyListing
    holding: Holding
    status: KeyStatus
    limits: tuple[LimitState, ...]

    @property
    def key_id(self) -> str:
        """`key_…`"""
        return show_short("key", self.record.key_id)

    @property
    def record(self) -> KeyRecord:
        """What it may do."""
        return self.listing.record


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new key. `secret` exists only here: show it once. `replaces`: the key that it took over from."""

    key: KeyView
    secret: str
    replaces: KeyView | None = None

    def __repr__(self) -> str:
        return f"NewKey({self.key.key_id})"


class KeyPage(msgspec.Struct, frozen=True, kw_only=True):
    """Keys, newest first. `next`: where the next page begins; None: there is none."""

    keys: list[KeyView]
    next: KeyCursor | None


async def views_of(connection: Connection, found: Iterable[KeyListing], *, now_micros: int) -> list[KeyView]:
    """Keys of one workspace with what they hold."""
    listings = list(found)
    if not listings:
        return []
    records = [listing.record for listing in listings]
    holdings = await read_holdings(connection, records[0].workspace_id, records, now_micros=now_micros)
    return [_view(listing, holdings[listing.record.key_id], now_micros) for listing in listings]


def _view(listing: KeyListing, holding: Holding, now_micros: int) -> KeyView:
    limits = tuple(limit_states(holding.uses, now_micros))
    return KeyView(listing, holding, listing.status_at(now_micros), limits)
