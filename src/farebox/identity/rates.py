"""Rate limits of workspaces and keys in PostgreSQL. Whether there is such a key or model is the caller's to know."""

from typing import Any

import msgspec
import psycopg

from farebox.base.errors import OperatorError
from farebox.identity.model import RateLimit
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

# Rows of one workspace, or of one key: each call looks through those of both.
MAX_PER_HOLDER = 100
# Rows of one list: of a workspace and its keys.
MAX_LISTED = 1_000

_QUERIES = load_queries("farebox.identity", "rates.sql")
_decoder = msgspec.json.Decoder(tuple[RateLimit, ...])


def decode_rates(text: str) -> tuple[RateLimit, ...]:
    """Rate limits from the JSON that `find_key` makes of their rows."""
    return _decoder.decode(text)


async def read_rates(connection: Connection, workspace_id: int) -> list[RateLimit]:
    """Those of a workspace and of all of its keys, the workspace's first."""
    parameters = {"workspace_id": workspace_id, "most": MAX_LISTED}
    cursor = await connection.execute(_QUERIES["read_rates"], parameters)
    return [RateLimit(*row) for row in await cursor.fetchall()]


async def write_rate(connection: Connection, workspace_id: int, limit: RateLimit) -> None:
    """Store a limit in the place of the one for the same key and model; calls heed it within a second.

    One that limits nothing is not kept. Raises OperatorError when the key or the workspace has too many.
    """
    parameters = {"workspace_id": workspace_id, **msgspec.structs.asdict(limit)}
    if limit.limits_nothing:
        await connection.execute(_QUERIES["clear_rate"], parameters)
        return
    cursor = await connection.execute(_QUERIES["count_rates"], parameters)
    row = await cursor.fetchone()
    if row is not None and row[0] >= MAX_PER_HOLDER:
        raise OperatorError(
            f"there are {row[0]} rate limits already, and no more can be kept", "lift one that is not needed, with none"
        )
    await connection.execute(_QUERIES["write_rate"], parameters)
