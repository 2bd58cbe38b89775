"""Stored keys of providers in PostgreSQL. Each change is announced on the change feed by the tables' triggers.

A key leaves this module decrypted only inside a `Credential`; whatever lists keys has them sealed.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec
import psycopg

from farebox.base.errors import OperatorError
from farebox.base.ids import random_id, show_short
from farebox.providers.pools import DEFAULT_POOL, Credential, Lane, Pool
from farebox.providers.secrets import VARIABLE, CannotOpen, Safe
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
CredentialStatus = Literal["active", "disabled"]

# Every process keeps all of them in memory, and reads them again on each change.
MAX_CREDENTIALS: Final = 10_000

QUERIES = load_queries("farebox.providers", "queries.sql")


class StoredCredential(NamedTuple):
    """A row: its secret is sealed. Moments in microseconds since 1970 UTC."""

    credential_id: str
    provider_id: str
    pool_id: str
    name: str
    sealed: bytes
    weight: int
    max_concurrent: int | None
    requests_per_minute: int | None
    status: CredentialStatus
    created_at: int
    rotated_at: int | None

    def __repr__(self) -> str:
        return f"StoredCredential({self.credential_id!r})"


class NewCredential(msgspec.Struct, frozen=True, kw_only=True):
    """What a key shall be, without its secret. `name` empty: named by its id."""

    provider_id: str
    name: str = ""
    pool_id: str = DEFAULT_POOL
    weight: int = 1
    max_concurrent: int | None = None
    requests_per_minute: int | None = None


class Closed(NamedTuple):
    """A stored key that cannot be used, and why, in words for the operator."""

    credential_id: str
    provider_id: str
    why: str


class Loaded(NamedTuple):
    """All stored pools with the active keys that could be opened, and those that could not."""

    pools: tuple[Pool, ...]
    closed: tuple[Closed, ...]


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def load_pools(connection: Connection, safe: Safe | None) -> Loaded:
    """Everything that calls can use. A key that cannot be opened is left out, never fatal."""
    pools = await _fetch(connection, "load_pools")
    found: dict[tuple[str, str], list[Credential]] = {}
    closed = []
    for stored in await list_credentials(connection):
        if stored.status != "active":
            continue
        try:
            credential = credential_of(stored, open_secret(stored, safe))
        except CannotOpen as error:
            closed.append(Closed(stored.credential_id, stored.provider_id, str(error)))
        else:
            found.setdefault((stored.provider_id, stored.pool_id), []).append(credential)
    return Loaded(tuple(_pool(row, tuple(found.get((row[0], row[1]), ()))) for row in pools), tuple(closed))


def open_secret(stored: StoredCredential, safe: Safe | None) -> str:
    """The secret of a row. Raises CannotOpen."""
    if safe is None:
        raise CannotOpen(f"{VARIABLE} is not set")
    return safe.open(stored.sealed, credential_id=stored.credential_id, provider_id=stored.provider_id)


def credential_of(stored: StoredCredential, secret: str) -> Credential:
    """The row as calls use it."""
    return Credential(
        credential_id=stored.credential_id,
        provider_id=stored.provider_id,
        pool_id=stored.pool_id,
        origin="stored",
        api_key=secret,
        weight=stored.weight,
        max_concurrent=stored.max_concurrent,
        requests_per_minute=stored.requests_per_minute,
    )


def _pool(row: tuple[Any, ...], credentials: tuple[Credential, ...]) -> Pool:
    provider_id, pool_id, region, access, max_concurrent, workspaces, lanes = row
    return Pool(
        pool_id=pool_id,
        provider_id=provider_id,
        credentials=credentials,
        region=region,
        access=access,
        workspaces=frozenset(workspaces),
        max_concurrent=max_concurrent,
        lanes=tuple(
            Lane(lane_id=lane_id, pool_id=pool_id, workspace_id=workspace_id, slots=slots, lends=lends)
            for lane_id, workspace_id, slots, lends in msgspec.json.decode(lanes)
        ),
    )


async def list_credentials(connection: Connection) -> list[StoredCredential]:
    """All stored keys, disabled ones too, by provider and pool, the oldest first."""
    return [StoredCredential(*row) for row in await _fetch(connection, "list_credentials")]


async def find_credential(connection: Connection, provider_id: str, text: str) -> StoredCredential:
    """By id or name. Raises OperatorError when the provider has none of that name."""
    rows = await _fetch(connection, "credential_named", {"provider_id": provider_id, "text": text})
    if rows:
        return StoredCredential(*rows[0])
    if text.startswith("env:"):
        raise OperatorError(
            f"{text} is not stored: it comes from the environment",
            "change the variable and restart, or store a key with `farebox provider add`",
        )
    # Not repeated in the message: somebody may have given the secret itself.
    raise OperatorError(f"{provider_id} has no such credential", "`farebox provider list` shows ids and names")


# ── changing ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def add_credential(
    connection: Connection, safe: Safe, wanted: NewCredential, secret: str, *, now_micros: int
) -> StoredCredential:
    """Store a key; its pool must exist, but for `default`. Raises OperatorError."""
    if (await _fetch(connection, "count_credentials"))[0][0] >= MAX_CREDENTIALS:
        raise OperatorError(f"{MAX_CREDENTIALS:,} credentials are stored, which is the limit", "remove one first")
    credential_id = show_short("cred", random_id())
    sealed = safe.seal(secret, credential_id=credential_id, provider_id=wanted.provider_id)
    parameters = msgspec.structs.asdict(wanted) | {
        "credential_id": credential_id,
        "name": wanted.name.strip() or credential_id,
        "sealed": sealed,
        "now_micros": now_micros,
    }
    if wanted.pool_id == DEFAULT_POOL:
        await connection.execute(QUERIES["ensure_pool"], parameters)
    try:
        await connection.execute(QUERIES["add_credential"], parameters)
    except psycopg.errors.UniqueViolation as error:
        raise OperatorError(
            f"{wanted.provider_id} has a credential {wanted.name!r} already",
            "choose another --name, or give it a new secret with `farebox provider rotate`",
        ) from error
    except psycopg.errors.ForeignKeyViolation as error:
        raise OperatorError(
            f"{wanted.provider_id} has no pool {wanted.pool_id!r}",
            f"make it with `farebox pool create {wanted.pool_id} {wanted.provider_id}`, or leave out --pool",
        ) from error
    return await find_credential(connection, wanted.provider_id, credential_id)


async def rotate_credential(
    connection: Connection, safe: Safe, stored: StoredCredential, secret: str, *, now_micros: int
) -> None:
    """Replace its secret; calls that run end with the old one."""
    sealed = safe.seal(secret, credential_id=stored.credential_id, provider_id=stored.provider_id)
    parameters = {"credential_id": stored.credential_id, "sealed": sealed, "now_micros": now_micros}
    await connection.execute(QUERIES["rotate_credential"], parameters)


async def set_credential_status(connection: Connection, stored: StoredCredential, status: CredentialStatus) -> None:
    """Stop using it within a second, or use it again."""
    parameters = {"credential_id": stored.credential_id, "status": status}
    await connection.execute(QUERIES["set_credential_status"], parameters)


async def remove_credential(connection: Connection, stored: StoredCredential) -> None:
    """Forget it; calls that run end with it."""
    await connection.execute(QUERIES["remove_credential"], {"credential_id": stored.credential_id})


class Resealed(NamedTuple):
    """How many rows were sealed anew, how many had been, and which stay closed."""

    changed: int
    current: int
    closed: tuple[Closed, ...]


async def reseal_all(connection: Connection, safe: Safe) -> Resealed:
    """Seal every row with the current key. Each row is whole at any moment, so this may be interrupted and repeated."""
    changed = current = 0
    closed = []
    for stored in await list_credentials(connection):
        if safe.is_current(stored.sealed):
            current += 1
            continue
        try:
            secret = open_secret(stored, safe)
        except CannotOpen as error:
            closed.append(Closed(stored.credential_id, stored.provider_id, str(error)))
            continue
        sealed = safe.seal(secret, credential_id=stored.credential_id, provider_id=stored.provider_id)
        parameters = {"credential_id": stored.credential_id, "sealed": sealed, "former": stored.sealed}
        changed += (await connection.execute(QUERIES["reseal_credential"], parameters)).rowcount
    return Resealed(changed, current, tuple(closed))


async def _fetch(
    connection: Connection, name: str, parameters: Mapping[str, object] | None = None
) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(QUERIES[name], parameters)
    return await cursor.fetchall()
