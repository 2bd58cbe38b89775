"""The answers of the API as they are written: money as decimal strings in dollars beside exact nano-USD, moments as
RFC 3339, ids with their prefixes. These are the schemas of `/api/openapi.json`."""

import msgspec

from farebox.base.clock import rfc3339
from farebox.base.ids import show_call, show_short
from farebox.base.money import format_usd
from farebox.base.usage import Usage
from farebox.records.advice import Action
from farebox.records.balance import Balance, Grant, LimitState
from farebox.records.call import rare_units
from farebox.records.postings import Posting
from farebox.records.usage import CallItem


def moment(micros: int | None) -> str | None:
    """RFC 3339, or None."""
    return None if micros is None else rfc3339(micros)


class GrantShape(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a promotional grant; `amount` includes what is held."""

    grant_id: str
    amount_usd: str
    amount_nanos: int
    held_usd: str
    held_nanos: int
    available_usd: str
    available_nanos: int
    priority: int
    expires_at: str | None
    expired: bool


class LimitShape(msgspec.Struct, frozen=True, kw_only=True):
    """A limit. Requests are whole numbers, dollars are decimal strings."""

    on: str
    unit: str
    span: str
    used: int | str
    held: int | str
    limit: int | str
    remaining: int | str
    resets_at: str | None


class BalanceShape(msgspec.Struct, frozen=True, kw_only=True):
    """`available = posted - held`, less what expired grants still have posted. `key_id` null: a member asks."""

    workspace_id: str
    key_id: str | None
    credit_name: str
    available_usd: str
    available_nanos: int
    held_usd: str
    held_nanos: int
    posted_usd: str
    posted_nanos: int
    cash_usd: str
    cash_nanos: int
    low_balance: bool
    low_balance_usd: str
    recommended_action: Action
    top_up_url: str
    grants: list[GrantShape]
    limits: list[LimitShape]
    as_of: str


class UsageShape(msgspec.Struct, frozen=True, kw_only=True):
    """One call. Counts are null until it has ended. `charge` is what the header `…-Cost-USD` said.

    `units` has the other classes of use, where they are not zero: tokens of sound and pictures, `images`, `characters`,
    `audio_milliseconds`, `video_milliseconds`, `web_searches`. No class is part of another.
    """

    call_id: str
    key_id: str
    model: str
    dialect: str
    streamed: bool
    status: str
    error_code: str | None
    evidence: str | None
    input_tokens: int | None
    cached_input_tokens: int | None
    cache_write_5m_tokens: int | None
    cache_write_1h_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    hold_usd: str
    hold_nanos: int
    charge_usd: str
    charge_nanos: int
    request_counted: bool | None
    started_at: str
    finished_at: str | None
    milliseconds: int | None
    first_byte_milliseconds: int | None
    units: dict[str, int] | None


class UsageList(msgspec.Struct, frozen=True, kw_only=True):
    """Calls, newest first. Go on with `?cursor=<next_cursor>`; a page may be empty and not be the last."""

    data: list[UsageShape]
    has_more: bool
    next_cursor: str | None
    object: str = "list"


class PostingShape(msgspec.Struct, frozen=True, kw_only=True):
    """A movement of money. `amount` is negative for a charge; `balance_after` is of the whole workspace."""

    entry_id: str
    at: str
    kind: str
    reason: str
    amount_usd: str
    amount_nanos: int
    balance_after_usd: str
    balance_after_nanos: int
    account: str
    account_after_usd: str
    account_after_nanos: int
    call_id: str | None


class PostingList(msgspec.Struct, frozen=True, kw_only=True):
    """Movements, newest first; the first `balance_after` is the posted balance of the moment."""

    data: list[PostingShape]
    has_more: bool
    next_cursor: str | None
    object: str = "list"


def grant_shape(grant: Grant) -> GrantShape:
    """A grant as the API shows it."""
    return GrantShape(
        grant_id=show_short("grant", grant.grant_id),
        amount_usd=format_usd(grant.posted_nanos),
        amount_nanos=grant.posted_nanos,
        held_usd=format_usd(grant.held_nanos),
        held_nanos=grant.held_nanos,
        available_usd=format_usd(grant.available_nanos),
        available_nanos=grant.available_nanos,
        priority=grant.priority,
        expires_at=moment(grant.expires_at),
        expired=grant.expired,
    )


def limit_shape(limit: LimitState) -> LimitShape:
    """A limit as the API shows it."""

    def shown(amount: int) -> int | str:
        return format_usd(amount) if limit.unit == "usd" else amount

    return LimitShape(
        on=limit.holder,
        unit=limit.unit,
        span=limit.span,
        used=shown(limit.used),
        held=shown(limit.held),
        limit=shown(limit.limit),
        remaining=shown(limit.remaining),
        resets_at=limit.resets_at,
    )


def usage_shape(item: CallItem) -> UsageShape:
    """A call as the API shows it."""
    finished_at = item.finished_at
    return UsageShape(
        call_id=show_call(item.call_id),
        key_id=show_short("key", item.key_id),
        model=item.model_id,
        dialect=item.dialect,
        streamed=item.streamed,
        status=item.status,
        error_code=item.error_code,
        evidence=item.evidence,
        **token_counts(item.usage),
        hold_usd=format_usd(item.held_nanos),
        hold_nanos=item.held_nanos,
        charge_usd=format_usd(item.charge_nanos),
        charge_nanos=item.charge_nanos,
        request_counted=item.request_counted,
        started_at=rfc3339(item.started_at),
        finished_at=moment(finished_at),
        milliseconds=None if finished_at is None else (finished_at - item.started_at) // 1_000,
        first_byte_milliseconds=item.first_byte_ms,
        units=None if item.usage is None else rare_units(item.usage),
    )


_TOKENS = tuple(name for name in Usage.__struct_fields__ if name in UsageShape.__struct_fields__)


def token_counts(usage: Usage | None) -> dict[str, int | None]:
    """The counts by class, or nulls."""
    return {name: None if usage is None else getattr(usage, name) for name in _TOKENS}


def posting_shape(item: Posting) -> PostingShape:
    """A movement as the API shows it."""
    return PostingShape(
        entry_id=f"entry_{item.entry_id.hex}",
        at=rfc3339(item.recorded_at),
        kind=item.kind,
        reason=item.reason,
        amount_usd=format_usd(item.amount_nanos),
        amount_nanos=item.amount_nanos,
        balance_after_usd=format_usd(item.balance_after_nanos),
        balance_after_nanos=item.balance_after_nanos,
        account="cash" if item.grant_id is None else show_short("grant", item.grant_id),
        account_after_usd=format_usd(item.account_after_nanos),
        account_after_nanos=item.account_after_nanos,
        call_id=None if item.call_id is None else show_call(item.call_id),
    )


def money(balance: Balance) -> dict[str, int | str]:
    """The amounts of a balance, each as dollars and as nano-USD."""
    names = ("available", "held", "posted", "cash")
    amounts = {name: int(getattr(balance, f"{name}_nanos")) for name in names}
    dollars: dict[str, int | str] = {f"{name}_usd": format_usd(amount) for name, amount in amounts.items()}
    return dollars | {f"{name}_nanos": amount for name, amount in amounts.items()}
