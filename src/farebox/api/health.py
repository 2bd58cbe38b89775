"""GET /healthz (the process lives) and /readyz (it can serve), for load balancers and people in a hurry."""

import asyncio
from typing import Final

import msgspec
import psycopg
from litestar import Response, get

from farebox.api.depend import TheParts
from farebox.api.parts import HealthCheck, Parts
from farebox.catalog.model import EMPTY_CATALOG
from farebox.storage.errors import DatabaseUnavailable
from farebox.storage.migrate import load_migrations
from farebox.storage.pool import connected

# A load balancer asks every few seconds and waits for little more than one.
DATABASE_TIMEOUT_SECONDS: Final = 1.0
_VERSIONS: Final = frozenset(migration.version for migration in load_migrations())


class HealthShape(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


class CheckShape(msgspec.Struct, frozen=True):
    """One thing that serving needs."""

    name: str
    ok: bool
    reason: str


class ReadyShape(msgspec.Struct, frozen=True):
    """`ready`, or `not_ready` with status 503 and the reasons."""

    status: str
    checks: list[CheckShape]


@get("/healthz", summary="The process is alive", security=[])
async def show_health() -> HealthShape:
    """Asks nobody else: a database that is away is no reason to restart the process."""
    return HealthShape("ok")


@get("/readyz", summary="The process can serve", security=[])
async def show_ready(parts: TheParts) -> Response[ReadyShape]:
    """Database, schema and catalog, and what the process knows of itself."""
    checks = [*await _database_checks(parts), _catalog_check(parts), *parts.health()]
    ready = all(check.ok for check in checks)
    shape = ReadyShape("ready" if ready else "not_ready", [CheckShape(*check) for check in checks])
    return Response(shape, status_code=200 if ready else 503)


async def _database_checks(parts: Parts) -> list[HealthCheck]:
    try:
        async with asyncio.timeout(DATABASE_TIMEOUT_SECONDS), connected(parts.pool) as connection:
            cursor = await connection.execute("SELECT version FROM farebox_schema")
            applied = {int(row[0]) for row in await cursor.fetchall()}
    except (DatabaseUnavailable, TimeoutError):
        return [HealthCheck("database", False, "the database does not answer")]
    except psycopg.errors.UndefinedTable:
        applied = set()
    current = applied == _VERSIONS
    reason = "" if current else "the schema is not the one of this version: run `farebox migrate`"
    return [HealthCheck("database", True), HealthCheck("schema", current, reason)]


def _catalog_check(parts: Parts) -> HealthCheck:
    loaded = parts.catalog().version != EMPTY_CATALOG.version
    return HealthCheck("catalog", loaded, "" if loaded else "no catalog was applied yet")
