"""GET /api/limits and PUT /api/keys/{key}/limits: what a workspace and its keys may use, and how much of it is used.

A change goes through the ledger like every call, so it holds for the next call of every process.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from litestar import get, put
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.params import FromPath

from farebox.access import manage_limits
from farebox.access.depend import TheAccess, TheCaller
from farebox.api.bodies import NULL, fields_of
from farebox.api.depend import AnyRequest, TheParts
from farebox.api.describe import MANAGED, MEMBERS, MEMBERS_ERRORS, body_schema, taking
from farebox.api.shapes import LimitShape, limit_shape
from farebox.base.clock import rfc3339
from farebox.base.errors import Problem
from farebox.identity.grants import SPANS
from farebox.identity.model import RateLimit
from farebox.identity.rates import read_rates
from farebox.identity.roles import Verb
from farebox.ledger.limits import LimitChange
from farebox.ledger.reading import LimitUse, read_limits
from farebox.records.balance import limit_states
from farebox.routing.wishes import read_dollars
from farebox.storage.pool import connected

# A limit nobody reaches is no limit; this keeps a typing error from becoming one.
MAX_REQUESTS: Final = 1_000_000_000_000
_HALVES: Final = ("requests", "usd")
_number = msgspec.json.Decoder(int)

MAX_BODY_BYTES: Final = 16_384

_NULL = OpenAPIType.NULL
_SPAN: Final = Schema(
    type=[OpenAPIType.OBJECT, _NULL],
    properties={
        "requests": Schema(type=[OpenAPIType.INTEGER, _NULL], minimum=0, maximum=MAX_REQUESTS),
        "usd": Schema(type=[OpenAPIType.STRING, OpenAPIType.NUMBER, _NULL], description="Dollars, like `5.00`"),
    },
    additional_properties=False,
    description="Whole requests, and dollars as text or number; null lifts",
)
_LIMITS: Final = "Limits by span. A span, and a half of one, that is not named stays as it is; null lifts it."
LIMITS_SCHEMA: Final = body_schema(_LIMITS, dict.fromkeys(SPANS, _SPAN))
LIMITS_BODY: Final = taking(_LIMITS, dict.fromkeys(SPANS, _SPAN), example={"day": {"requests": 100, "usd": "5.00"}})


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


@get(
    "/api/limits",
    summary="Limits of this key and its workspace, and their use",
    security=MEMBERS,
    opt={"verb": Verb.USAGE_READ},
    responses=MEMBERS_ERRORS,
)
async def show_limits(parts: TheParts, caller: TheCaller) -> LimitsShape:
    """What may be used by day, month and lifetime, what is used of it, and how fast calls may come. A member is shown
    the workspace's own."""
    key, now_micros = caller.key, parts.clock()
    async with connected(parts.pool) as connection:
        uses = await read_limits(connection, key.workspace_id, key_ids=[key.holder_id, 0], now_micros=now_micros)
        rates = key.rates
        if caller.session is not None:
            rates = tuple(rate for rate in await read_rates(connection, key.workspace_id) if not rate.key_id)
    return limits_shape(uses, now_micros, rates=rates)


@put(
    "/api/keys/{key_id:str}/limits",
    summary="Set limits of a key of this workspace",
    security=MEMBERS,
    opt={"verb": Verb.KEYS_MANAGE},
    responses=MANAGED,
    operation_class=LIMITS_BODY,
    request_max_body_size=MAX_BODY_BYTES,
)
async def set_key_limits(
    request: AnyRequest, access: TheAccess, caller: TheCaller, key_id: FromPath[str]
) -> LimitsShape:
    """Answers with all limits of that key. The workspace's own limits hold as well, whatever a key's are.

    No key gets a higher limit than the one that sets it has, itself included.
    """
    body = await request.body()
    uses = await manage_limits.set_key_limits(access, caller, key_id, lambda: read_changes(body))
    return limits_shape(uses, access.clock())


def limits_shape(uses: Sequence[LimitUse], now_micros: int, *, rates: Sequence[RateLimit] = ()) -> LimitsShape:
    """Limits as the API shows them."""
    return LimitsShape(
        data=[limit_shape(state) for state in limit_states(uses, now_micros)],
        rates=[rate_shape(rate) for rate in rates if not rate.limits_nothing],
        as_of=rfc3339(now_micros),
    )


def rate_shape(rate: RateLimit) -> RateShape:
    """A rate limit as the API shows it."""
    return RateShape(
        on="key" if rate.key_id else "workspace",
        model=rate.model_id or None,
        requests_per_minute=rate.requests_per_minute,
        tokens_per_minute=rate.tokens_per_minute,
        concurrent_calls=rate.concurrent_calls,
    )


def read_changes(body: bytes, *, within: str = "") -> list[LimitChange]:
    """`{"day": {"requests": 100, "usd": "5.00"}}`. `within` stands before the names of spans in `param`.

    Raises Problem(`invalid_request`) with `param`.
    """
    spans = fields_of(body, tuple(SPANS), what="limits", within=within or "limits.")
    if not spans:
        raise _refuse("limits", f"names no limit; name any of {', '.join(SPANS)}")
    changes = []
    for name, raw in spans.items():
        if raw == NULL:
            changes.append(LimitChange(SPANS[name], None, None))
            continue
        param = f"{within}{name}"
        halves = fields_of(raw, _HALVES, what=param, within=f"{param}.")
        requests = _requests(halves["requests"], f"{param}.requests") if "requests" in halves else msgspec.UNSET
        nanos = _dollars(halves["usd"], f"{param}.usd") if "usd" in halves else msgspec.UNSET
        changes.append(LimitChange(SPANS[name], requests, nanos))
    return changes


def _requests(raw: bytes, param: str) -> int | None:
    if raw == NULL:
        return None
    try:
        count = _number.decode(raw)
    except msgspec.DecodeError:
        count = -1
    if not 0 <= count <= MAX_REQUESTS:
        raise _refuse(param, f"is a whole number from 0 to {MAX_REQUESTS:,}, or null to lift it")
    return count


def _dollars(raw: bytes, param: str) -> int | None:
    return None if raw == NULL else read_dollars(raw, param=param)


def _refuse(param: str, message: str) -> Problem:
    return Problem("invalid_request", f"{param} {message}.", param=param)
