"""The rules of workspaces and keys in PostgreSQL: which routes they allow, and which they prefer.

A stored rule is read strictly. One that this version cannot read, because a newer one wrote it or somebody changed it
by hand, may forbid what is not understood here: nothing is allowed by it.
"""

from typing import Any, NamedTuple

import msgspec
import psycopg

from farebox.catalog.policy import NO_RULE, Rule, combined
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

# As the key of a rule: the whole workspace.
WORKSPACE: int = 0

_QUERIES = load_queries("farebox.identity", "policies.sql")
_decoder = msgspec.json.Decoder(Rule)


class UnreadableRule(Exception):
    """A stored rule that this version does not understand."""


class StoredRules(NamedTuple):
    """A workspace's own rule, and one of its keys'."""

    workspace: Rule
    key: Rule

    @property
    def effective(self) -> Rule:
        """What holds for calls by the key."""
        return combined(self.workspace, self.key)


def decode_rule(body: str | bytes | None) -> Rule:
    """A rule from its stored JSON; None: there is none. Raises UnreadableRule."""
    if body is None:
        return NO_RULE
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableRule(str(error)) from error


def encode_rule(rule: Rule) -> str:
    """The JSON under which a rule is stored; equal rules give equal JSON."""
    return msgspec.json.encode(rule, order="deterministic").decode()


async def read_rules(connection: Connection, workspace_id: int, key_id: int = WORKSPACE) -> StoredRules:
    """What is stored for a workspace and one of its keys. Raises UnreadableRule."""
    parameters = {"workspace_id": workspace_id, "key_id": key_id}
    cursor = await connection.execute(_QUERIES["read_rules"], parameters)
    bodies: dict[int, str] = dict(await cursor.fetchall())
    key = decode_rule(bodies.get(key_id)) if key_id != WORKSPACE else NO_RULE
    return StoredRules(decode_rule(bodies.get(WORKSPACE)), key)


async def write_rule(connection: Connection, workspace_id: int, key_id: int, *, rule: Rule, now_micros: int) -> None:
    """Store what a workspace (key 0) or one of its keys allows; calls heed it within a second. A rule that says nothing
    is not kept. Whether there is such a key is the caller's to know."""
    holder: dict[str, object] = {"workspace_id": workspace_id, "key_id": key_id}
    if rule == NO_RULE:
        await connection.execute(_QUERIES["clear_rule"], holder)
        return
    body = encode_rule(rule)
    await connection.execute(_QUERIES["write_rule"], {**holder, "body": body, "now_micros": now_micros})
