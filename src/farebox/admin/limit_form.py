"""The form of a workspace's limits: six fields, of which an empty one is no limit. Pure."""

from collections.abc import Iterable
from typing import Final

import msgspec

from farebox.access.form import Form
from farebox.base.errors import Problem
from farebox.base.money import MoneyError, format_usd, parse_usd
from farebox.ledger.book import Span
from farebox.ledger.limit_texts import MAX_REQUESTS
from farebox.ledger.limits import LimitChange
from farebox.records.balance import SPAN_NAMES, LimitState

SPANS: Final = (Span.DAY, Span.MONTH, Span.LIFETIME)
FIELDS: Final = tuple(f"{SPAN_NAMES[span]}_{unit}" for span in SPANS for unit in ("requests", "usd"))


def fields_of(limits: Iterable[LimitState]) -> dict[str, str]:
    """The limits as they stand in the form."""
    fields = dict.fromkeys(FIELDS, "")
    for limit in limits:
        shown = format_usd(limit.limit) if limit.unit == "usd" else str(limit.limit)
        fields[f"{limit.span}_{limit.unit}"] = shown
    return fields


def changes_of(form: Form, limits: Iterable[LimitState]) -> list[LimitChange]:
    """What is different from the limits as they are. Raises Problem(`invalid_request`) with the field as `param`."""
    now = {(limit.span, limit.unit): limit.limit for limit in limits}
    changes = []
    for span in SPANS:
        name = SPAN_NAMES[span]
        requests = _requests(form.text(f"{name}_requests"), f"{name}_requests")
        nanos = _dollars(form.text(f"{name}_usd"), f"{name}_usd")
        change = LimitChange(
            span,
            msgspec.UNSET if requests == now.get((name, "requests")) else requests,
            msgspec.UNSET if nanos == now.get((name, "usd")) else nanos,
        )
        if change != LimitChange(span):
            changes.append(change)
    return changes


def _requests(text: str, param: str) -> int | None:
    if not text:
        return None
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_REQUESTS)) else -1
    if not 0 <= number <= MAX_REQUESTS:
        message = f"A limit of requests is a whole number up to {MAX_REQUESTS:,}, or empty for none."
        raise Problem("invalid_request", message, param=param)
    return number


def _dollars(text: str, param: str) -> int | None:
    if not text:
        return None
    try:
        nanos = parse_usd(text)
    except MoneyError:
        nanos = -1
    if nanos < 0:
        message = "A limit of dollars is an amount like 20 or 20.50, or empty for none."
        raise Problem("invalid_request", message, param=param)
    return nanos
