"""A key that manages keys gives no more than it has. Pure.

What a key reaches is its scopes, models, addresses, time, policy, limits and rate limits. Whatever such a key makes or
changes stays within its own reach, and what reaches further is not its to touch: not to change, to roll or to revoke.
Limits are compared one by one: each key may use what its maker may, so several keys together may use more.
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from farebox.base.clock import rfc3339
from farebox.base.errors import Problem
from farebox.catalog.policy import ANY, MAX_NAMES, Policy, allows_no_more, narrowed
from farebox.identity.model import DEFAULT_SCOPES, SCOPES, RateLimit
from farebox.ledger.book import Span
from farebox.ledger.limits import LimitChange
from farebox.ledger.reading import LimitUse

Network = IPv4Network | IPv6Network
Networks = tuple[Network, ...]
Half = tuple[Span, Literal["requests", "usd"]]
"""One number of a limit: whole requests, or nano-USD."""
Limits = Mapping[Half, int]

SPANS: Final = {"day": Span.DAY, "month": Span.MONTH, "lifetime": Span.LIFETIME}
_NAMES: Final = {span: name for name, span in SPANS.items()}


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a key can reach, apart from what its workspace forbids anyway. None: any; `expires_at` in
    microseconds since 1970 UTC. `policy`, `limits` and `rates` are the key's own."""

    scopes: frozenset[str]
    models: frozenset[str] | None = None
    ip_allow: Networks | None = None
    expires_at: int | None = None
    policy: Policy = ANY
    limits: Limits = {}
    rates: tuple[RateLimit, ...] = ()


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a key shall reach. UNSET leaves it as it is; of a new key, as its maker's."""

    scopes: frozenset[str] | UnsetType = UNSET
    models: frozenset[str] | UnsetType | None = UNSET
    ip_allow: Networks | UnsetType | None = UNSET
    expires_at: int | UnsetType | None = UNSET
    policy: Policy | UnsetType = UNSET
    limits: tuple[LimitChange, ...] = ()


class Excess(msgspec.Struct, frozen=True):
    """The first part in which one key reaches further than another: the field's name, and what is too much of it."""

    part: str
    what: str


def new_reach(own: Reach, wanted: Wanted) -> Reach:
    """What a key made by one that reaches `own` gets. Raises Problem(`exceeds_own_key`) with `param`.

    Nobody gets power over keys without saying so.
    """
    start = msgspec.structs.replace(own, scopes=own.scopes & DEFAULT_SCOPES)
    return _changed(own, start, wanted)


def changed_reach(own: Reach, before: Reach, wanted: Wanted) -> Reach:
    """What a key reaches after one that reaches `own` has changed it. Raises Problem(`exceeds_own_key`)."""
    require_within(own, before)
    return _changed(own, before, wanted)


def require_within(own: Reach, other: Reach) -> None:
    """Raises Problem(`exceeds_own_key`) unless a key that reaches `own` may touch the other."""
    found = excess(own, other)
    if found is not None:
        message = (
            f"That key has more than this one ({found.part}: {found.what}), so it cannot be touched with this one."
        )
        raise Problem("exceeds_own_key", message, facts={"part": found.part}, param="key_id")


def excess(own: Reach, other: Reach) -> Excess | None:
    """Where the other reaches further; None: nowhere."""
    lacking = [scope for scope in SCOPES if scope in other.scopes - own.scopes]
    if lacking:
        return Excess("scopes", ", ".join(lacking))
    if not _names_within(other.models, own.models):
        return Excess("models", "models that this key may not call")
    if not _networks_within(other.ip_allow, own.ip_allow):
        return Excess("ip_allow", "addresses from which this key may not call")
    if own.expires_at is not None and (other.expires_at is None or other.expires_at > own.expires_at):
        return Excess("expires_at", f"after {rfc3339(own.expires_at)}, when this key expires")
    if not allows_no_more(other.policy, own.policy):
        return Excess("policy", "more than the policy of this key allows")
    return _limit_excess(other.limits, own.limits) or _rate_excess(other.rates, own.rates)


def limits_of(uses: Sequence[LimitUse]) -> Limits:
    """The numbers of one holder's limits."""
    halves = [(use, "requests", use.max_requests) for use in uses] + [(use, "usd", use.max_nanos) for use in uses]
    return {(Span(use.span), unit): most for use, unit, most in halves if most is not None}  # type: ignore[misc]


def changes_of(limits: Limits) -> list[LimitChange]:
    """The changes that give these limits to a holder without any."""
    spans = sorted({span for span, _ in limits})
    return [LimitChange(span, limits.get((span, "requests")), limits.get((span, "usd"))) for span in spans]


def _changed(own: Reach, before: Reach, wanted: Wanted) -> Reach:
    policy = before.policy if wanted.policy is UNSET else narrowed(own.policy, wanted.policy)
    if len(policy.ignored_providers) > MAX_NAMES:
        message = f"policy.ignore names more than {MAX_NAMES} providers together with those that this key ignores."
        raise Problem("invalid_request", message, param="policy.ignore")
    after = Reach(
        scopes=before.scopes if wanted.scopes is UNSET else wanted.scopes,
        models=before.models if wanted.models is UNSET else wanted.models,
        ip_allow=before.ip_allow if wanted.ip_allow is UNSET else wanted.ip_allow,
        expires_at=before.expires_at if wanted.expires_at is UNSET else wanted.expires_at,
        policy=policy,
        limits=_limits_after(before.limits, wanted.limits),
        rates=before.rates,
    )
    found = excess(own, after)
    if found is not None:
        message = f"A key gives no more than it has; {found.part} would be more: {found.what}."
        raise Problem("exceeds_own_key", message, facts={"part": found.part}, param=found.part)
    return after


def _limits_after(before: Limits, changes: Sequence[LimitChange]) -> Limits:
    halves: dict[Half, int | None] = dict(before)
    for change in changes:
        if change.max_requests is not UNSET:
            halves[change.span, "requests"] = change.max_requests
        if change.max_nanos is not UNSET:
            halves[change.span, "usd"] = change.max_nanos
    return {half: most for half, most in halves.items() if most is not None}


def _names_within(inner: frozenset[str] | None, outer: frozenset[str] | None) -> bool:
    return outer is None or (inner is not None and inner <= outer)


def _networks_within(inner: Networks | None, outer: Networks | None) -> bool:
    if outer is None or inner is None:
        return outer is None
    # Put together first: two halves hold what is across their border.
    four = list(collapse_addresses(one for one in outer if isinstance(one, IPv4Network)))
    six = list(collapse_addresses(one for one in outer if isinstance(one, IPv6Network)))
    return all(
        any(one.subnet_of(wide) for wide in four)
        if isinstance(one, IPv4Network)
        else any(one.subnet_of(wide) for wide in six)
        for one in inner
    )


def _limit_excess(inner: Limits, outer: Limits) -> Excess | None:
    for (span, unit), most in sorted(outer.items()):
        given = inner.get((span, unit))
        if given is None or given > most:
            return Excess(f"limits.{_NAMES[span]}.{unit}", "more than this key's own limit")
    return None


def _rate_excess(inner: Sequence[RateLimit], outer: Sequence[RateLimit]) -> Excess | None:
    by_model = {rate.model_id: rate for rate in inner}
    for own in outer:
        given = by_model.get(own.model_id, RateLimit(own.key_id, own.model_id))
        for name in ("requests_per_minute", "tokens_per_minute", "concurrent_calls"):
            most, value = getattr(own, name), getattr(given, name)
            if most is not None and (value is None or value > most):
                return Excess("rates", f"more {name.replace('_', ' ')} than this key's own rate limit")
    return None
