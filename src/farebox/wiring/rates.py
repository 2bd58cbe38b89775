"""What each `farebox rate …` command does. A change is in force in every process within a second, without a restart."""

import re
from typing import Final

import msgspec

from farebox.base.errors import OperatorError
from farebox.identity import store
from farebox.identity.model import RateLimit
from farebox.identity.rates import read_rates, write_rate
from farebox.wiring.arguments import LIFTED
from farebox.wiring.catalogs import current_catalog
from farebox.wiring.operate import connected, find_holder

# Beyond what one gateway serves in a minute; it keeps a typing error from becoming a limit.
MAX_UNITS: Final = 1_000_000_000_000
_WHOLE: Final = re.compile(r"[0-9][0-9_,]*")


class RateView(msgspec.Struct, frozen=True, kw_only=True):
    """The rate limits of one holder for one model, or (None) for all together. None: no limit."""

    holder: str
    model: str | None
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrent_calls: int | None


class RateWish(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed: a whole number, `none` to lift a limit, or None to leave it as it is."""

    requests_per_minute: str | None = None
    tokens_per_minute: str | None = None
    concurrent_calls: str | None = None


async def set_rate(dsn: str, name: str, *, key: str | None, model_id: str | None, wish: RateWish) -> list[RateView]:
    """Set or lift the rate limits of a workspace or of one of its keys; what is not named stays.

    Returns all of the workspace and its keys. Raises OperatorError.
    """
    wanted = {field: read_units(text) for field, text in msgspec.structs.asdict(wish).items() if text is not None}
    if not wanted:
        raise OperatorError(
            "there is no limit to set",
            "name --requests-per-minute, --tokens-per-minute or --concurrent; none lifts a limit",
        )
    if model_id is not None and any(wanted.values()):
        await _refuse_unknown_model(dsn, model_id)
    async with connected(dsn) as connection, connection.transaction():
        holder = await find_holder(connection, name, key)
        found = await read_rates(connection, holder.workspace_id)
        place = (holder.key_id, model_id or "")
        before = next((rate for rate in found if (rate.key_id, rate.model_id) == place), RateLimit(*place))
        await write_rate(connection, holder.workspace_id, msgspec.structs.replace(before, **wanted))
        return [_view(rate) for rate in await read_rates(connection, holder.workspace_id)]


async def list_rates(dsn: str, name: str) -> list[RateView]:
    """Every rate limit of a workspace and of its keys."""
    async with connected(dsn) as connection:
        holder = await find_holder(connection, name, None)
        return [_view(rate) for rate in await read_rates(connection, holder.workspace_id)]


def read_units(text: str) -> int | None:
    """A limit as it is typed, or None for `none`. Raises OperatorError."""
    if text == LIFTED:
        return None
    units = int(re.sub("[_,]", "", text)) if _WHOLE.fullmatch(text) else 0
    if not 1 <= units <= MAX_UNITS:
        raise OperatorError(
            f"{text!r} is not a rate limit", "write a whole number above zero, or none; who may do nothing is suspended"
        )
    return units


async def _refuse_unknown_model(dsn: str, model_id: str) -> None:
    if (await current_catalog(dsn)).model(model_id) is None:
        raise OperatorError(
            f"there is no model {model_id!r}", "name it as GET /v1/models does; apply the catalog first if it is new"
        )


def _view(rate: RateLimit) -> RateView:
    return RateView(
        holder=store.show_key(rate.key_id) if rate.key_id else "workspace",
        model=rate.model_id or None,
        requests_per_minute=rate.requests_per_minute,
        tokens_per_minute=rate.tokens_per_minute,
        concurrent_calls=rate.concurrent_calls,
    )
