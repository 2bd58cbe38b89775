"""GET /api/limits and PUT /api/keys/{key}/limits: what a workspace and its keys may use, and how much of it is used.

A change goes through the ledger like every call, so it holds for the next call of every process.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from litestar import get, put
from litestar.params import FromPath

from farebox.api.depend import AnyRequest, TheKey, TheParts
from farebox.api.describe import ERRORS, KEYED, taking
from farebox.api.holders import own_key
from farebox.api.parts import Parts
from farebox.api.shapes import LimitShape, limit_shape
from farebox.base.clock import rfc3339
from farebox.base.errors import Problem
from farebox.identity.authenticate import require_scope
from farebox.identity.model import RateLimit
from farebox.ledger.book import Span
from farebox.ledger.commands import Command
from farebox.ledger.limits import LimitChange, LimitHolder, change_limits
from farebox.ledger.outcomes import Reason, Refusal
from farebox.ledger.reading import Connection, LimitUse, read_limits
from farebox.records.balance import limit_states
from farebox.routing.wishes import read_dollars
from farebox.storage.pool import connected

# A limit nobody reaches is no limit; this keeps a typing error from becoming one.
MAX_REQUESTS: Final = 1_000_000_000_000
_SPANS: Final = {"day": Span.DAY, "month": Span.MONTH, "lifetime": Span.LIFETIME}
_HALVES: Final = ("requests", "usd")
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_number = msgspec.json.Decoder(int)

LIMITS_BODY: Final = taking(
    "Limits by span. A span, and a half of one, that is not named stays as it is; null lifts it.",
    dict.fromkeys(_SPANS, 'Like `{"requests": 100, "usd": "5.00"}`: whole requests, and dollars as text or number'),
)


class RateShape(msgspec.Struct, frozen=True, kw_only=True):
    """How fast the workspace or the key may call; null: no limit. `model` null: all models together."""

    on: str
    model: str | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrent_calls: int | None


class LimitsShape(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a key come before those of its workspace. `rates` were read with the key, up to a second ago."""

    data: list[LimitShape]
    rates: list[RateShape]
    as_of: str
    object: str = "limits"


@get("/api/limits", summary="Limits of this key and its workspace, and their use", security=KEYED, responses=ERRORS)
async def show_limits(parts: TheParts, key: TheKey) -> LimitsShape:
    """What may be used by day, month and lifetime, what is used of it, and how fast calls may come."""
    require_scope(key, "usage.read")
    async with connected(parts.pool) as connection:
        uses = await read_limits(
            connection, key.workspace_id, key_ids=[key.key_id, 0], now_micros=(now_micros := parts.clock())
        )
    return limits_shape(uses, now_micros, rates=key.rates)


@put(
    "/api/keys/{key_id:str}/limits",
    summary="Set limits of a key of this workspace",
    security=KEYED,
    responses=ERRORS,
    operation_class=LIMITS_BODY,
)
async def set_key_limits(request: AnyRequest, parts: TheParts, key: TheKey, key_id: FromPath[str]) -> LimitsShape:
    """Answers with all limits of that key. The workspace's own limits hold as well, whatever a key's are."""
    require_scope(key, "keys.manage")
    changes = read_changes(await request.body())
    async with connected(parts.pool) as connection:
        holder = await own_key(connection, key.workspace_id, key_id)
        return await set_limits(parts, connection, holder, changes)


async def set_limits(
    parts: Parts, connection: Connection, holder: LimitHolder, changes: Sequence[LimitChange]
) -> LimitsShape:
    """Change the limits of a workspace or a key, and show all that it has then. Raises Problem."""

    async def submit(command: Command) -> None:
        outcome = await parts.submit(command)
        if isinstance(outcome, Refusal):
            told = "The ledger does not take this amount." if outcome.reason is Reason.INVALID_AMOUNT else None
            raise Problem("invalid_request", told or "The ledger refuses this limit.")

    uses = await change_limits(submit, connection, holder, changes=changes, clock=parts.clock)
    return limits_shape(uses, parts.clock())


def limits_shape(uses: Sequence[LimitUse], now_micros: int, *, rates: Sequence[RateLimit] = ()) -> LimitsShape:
    """Limits as the API shows them."""
    return LimitsShape(
        data=[limit_shape(state) for state in limit_states(uses, now_micros)],
        rates=[_rate_shape(rate) for rate in rates if not rate.limits_nothing],
        as_of=rfc3339(now_micros),
    )


def _rate_shape(rate: RateLimit) -> RateShape:
    return RateShape(
        on="key" if rate.key_id else "workspace",
        model=rate.model_id or None,
        requests_per_minute=rate.requests_per_minute,
        tokens_per_minute=rate.tokens_per_minute,
        concurrent_calls=rate.concurrent_calls,
    )


def read_changes(body: bytes) -> list[LimitChange]:
    """`{"day": {"requests": 100, "usd": "5.00"}}`. Raises Problem(`invalid_request`) with `param`."""
    spans = _object(body, "limits", tuple(_SPANS))
    if not spans:
        raise _refuse("limits", f"names no limit; name any of {', '.join(_SPANS)}")
    changes = []
    for name, raw in spans.items():
        if raw == b"null":
            changes.append(LimitChange(_SPANS[name], None, None))
            continue
        halves = _object(raw, name, _HALVES)
        requests = _requests(halves["requests"], f"{name}.requests") if "requests" in halves else msgspec.UNSET
        nanos = _dollars(halves["usd"], f"{name}.usd") if "usd" in halves else msgspec.UNSET
        changes.append(LimitChange(_SPANS[name], requests, nanos))
    return changes


def _object(raw: bytes, param: str, known: tuple[str, ...]) -> dict[str, bytes]:
    try:
        fields = _fields.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _refuse(param, f"is not a JSON object; its fields are {', '.join(known)}") from None
    for name in fields:
        if name not in known:
            raise _refuse(f"{param}.{name[:40]}", f"is not known; known are {', '.join(known)}")
    return {name: bytes(value) for name, value in fields.items()}


def _requests(raw: bytes, param: str) -> int | None:
    if raw == b"null":
        return None
    try:
        count = _number.decode(raw)
    except msgspec.DecodeError:
        count = -1
    if not 0 <= count <= MAX_REQUESTS:
        raise _refuse(param, f"is a whole number from 0 to {MAX_REQUESTS:,}, or null to lift it")
    return count


def _dollars(raw: bytes, param: str) -> int | None:
    return None if raw == b"null" else read_dollars(raw, param=param)


def _refuse(param: str, message: str) -> Problem:
    return Problem("invalid_request", f"{param} {message}.", param=param)
