"""How much there is in a workspace, besides money and calls."""

from typing import Any, NamedTuple

from farebox.ledger.reading import Connection
from farebox.storage.queries import load_queries

_QUERIES = load_queries("farebox.records", "workspace.sql")


class Counts(NamedTuple):
    """`working_keys`: those that calls can be made with now."""

    working_keys: int
    members: int


async def read_counts(connection: Connection, workspace_id: int, *, now_micros: int) -> Counts:
    """Zeros for a workspace that is not there."""
    cursor = await connection.execute(_QUERIES["counts"], {"workspace_id": workspace_id, "now_micros": now_micros})
    row: Any = await cursor.fetchone()
    return Counts(*row)
