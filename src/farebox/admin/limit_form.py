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
# Stands in no number.
_BETWEEN: Final = "|"


def fields_of(limits: Iterable[LimitState]) -> dict[str, str]:
    """The limits as they stand in the form."""
    fields = dict.fromkeys(FIELDS, "")
    for limit in limits:
        shown = format_usd(limit.limit) if limit.unit == "usd" else str(limit.limit)
        fields[f"{limit.span}_{limit.unit}"] = shown
    return fields


def form_of_limits(limits: Iterable[LimitState]) -> dict[str, str]:
    """The form as it is opened: its fields, and (`shown`) what they were, so that it changes nothing else."""
    fields = fields_of(limits)
    return {**fields, "shown": _BETWEEN.join(fields[name] for name in FIELDS)}


def changes_of(form: Form, limits: Iterable[LimitState]) -> list[LimitChange]:
    """What was typed anew. What somebody else set after the form was opened stays; a form that does not say how it was
    opened is compared with the limits as they are. Raises Problem(`invalid_request`) with the field as `param`."""
    shown = form.text("shown").split(_BETWEEN)
    before = dict(zip(FIELDS, shown, strict=True)) if len(shown) == len(FIELDS) else fields_of(limits)
    changes = []
    for span in SPANS:
        requests_field, usd_field = (f"{SPAN_NAMES[span]}_{unit}" for unit in ("requests", "usd"))
        requests = _requests(form.text(requests_field), requests_field)
        nanos = _dollars(form.text(usd_field), usd_field)
        change = LimitChange(
            span,
            msgspec.UNSET if requests == _requests(before[requests_field], requests_field) else requests,
            msgspec.UNSET if nanos == _dollars(before[usd_field], usd_field) else nanos,
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
