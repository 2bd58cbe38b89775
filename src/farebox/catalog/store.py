"""Versioned, effective-dated rows: apply a file, load the catalog of a moment, find the price a call used."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final, cast

import psycopg
from psycopg.rows import tuple_row

from farebox.base.clock import rfc3339
from farebox.base.errors import OperatorError
from farebox.catalog.checklist import checklist_of
from farebox.catalog.diff import Diff, RowChange, compare_rows
from farebox.catalog.model import Catalog, Model, Provider, Route
from farebox.catalog.rows import Kind, PriceTerms, decode_body, encode_body, read_price_version
from farebox.catalog.rules import Price
from farebox.catalog.timeline import Stage, StoredRow, as_price, build_timeline, state_at
from farebox.catalog.toml_file import CatalogFile
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[object]

# Every process keeps the catalog of each scheduled moment in memory.
MAX_SCHEDULED_MOMENTS: Final = 32
# "farecat" in ASCII: one apply at a time, whoever runs it.
APPLY_LOCK: Final = 0x66617265636174

_QUERIES = load_queries("farebox.catalog", "queries.sql")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


async def _fetch(connection: Connection, name: str, parameters: dict[str, object]) -> list[tuple[object, ...]]:
    async with connection.cursor(row_factory=tuple_row) as cursor:
        await cursor.execute(_QUERIES[name], parameters)
        return cast("list[tuple[object, ...]]", await cursor.fetchall())


async def _rows_from(connection: Connection, moment_micros: int) -> tuple[list[StoredRow], int]:
    found = await _fetch(connection, "rows_from", {"moment": _moment(moment_micros)})
    return [_stored(*row[:6]) for row in found], cast(int, found[0][6]) if found else 0


def _stored(*columns: object) -> StoredRow:
    kind, row_id, version, apply_id, effective_at, text = cast(
        "tuple[Kind, str, int, int, datetime, str|None]", columns
    )
    body = None if text is None else decode_body(kind, text)
    return StoredRow(kind, row_id, version, apply_id, _micros(effective_at), body)


async def load_timeline(connection: Connection, now_micros: int) -> tuple[Stage, ...]:
    """The catalog now and at every scheduled change after it, in order; never empty."""
    rows, effective_applies = await _rows_from(connection, now_micros)
    return build_timeline(rows, moment_micros=now_micros, effective_applies=effective_applies)


async def load_catalog(connection: Connection, now_micros: int) -> tuple[Catalog, int | None]:
    """The catalog now, and the moment of the next scheduled change (microseconds since 1970 UTC), if there is one."""
    stages = await load_timeline(connection, now_micros)
    return stages[0].catalog, stages[1].from_micros if len(stages) > 1 else None


async def load_price(connection: Connection, price_version: str) -> Price:
    """The price a call stored by name, for its receipt. Raises LookupError when there is no such version."""
    route_id, version = read_price_version(price_version)
    found = await _fetch(connection, "price_row", {"route_id": route_id, "version": version})
    if not found or found[0][0] is None:
        raise LookupError(f"there is no price version {price_version!r}")
    return as_price(route_id, version, cast(PriceTerms, decode_body("price", cast(str, found[0][0]))))


async def catalog_was_applied(connection: Connection) -> bool:
    """Whether any catalog was ever applied; until then the file beside the configuration is taken."""
    return bool((await _fetch(connection, "any_apply", {}))[0][0])


async def apply_catalog(
    connection: Connection,
    file: CatalogFile,
    *,
    actor: str,
    effective_at_micros: int | None = None,
    dry_run: bool = False,
) -> Diff:
    """Store what differs from the catalog in effect at the given moment (None: now), or only say what would.

    The same file twice changes nothing. `actor` is who did it, for the record. Raises OperatorError when the moment
    has passed or too many changes are scheduled already.
    """
    async with connection.transaction():
        await _fetch(connection, "lock_applies", {"lock": APPLY_LOCK})
        applied_at = _micros(cast(datetime, (await _fetch(connection, "next_moment", {}))[0][0]))
        effective_at = applied_at if effective_at_micros is None else effective_at_micros
        await _check_moment(connection, applied_at, effective_at)
        rows, _ = await _rows_from(connection, effective_at)
        before = {key: row.body for key, row in state_at(rows, effective_at).items() if row.body is not None}
        changes = compare_rows(before, file.rows())
        apply_id = None
        if changes and not dry_run:
            apply_id = await _insert(
                connection,
                file,
                changes,
                moments={"applied_at": _moment(applied_at), "effective_at": _moment(effective_at)},
                actor=actor,
            )
    return Diff(
        changes=changes,
        warnings=(*file.warnings, *_scheduled_warnings(rows, effective_at)),
        checklist=checklist_of(file.catalog()),
        effective_at_micros=effective_at,
        apply_id=apply_id,
    )


async def add_provider(connection: Connection, provider: Provider, *, actor: str) -> Diff:
    """Store one provider beside everything that is in effect, or in place of its own row. Raises OperatorError."""
    async with connection.transaction():
        await _fetch(connection, "lock_applies", {"lock": APPLY_LOCK})
        now = _micros(cast(datetime, (await _fetch(connection, "next_moment", {}))[0][0]))
        rows, _ = await _rows_from(connection, now)
        bodies = {key: row.body for key, row in state_at(rows, now).items()}
        providers = {key: body for (_, key), body in bodies.items() if isinstance(body, Provider)}
        file = CatalogFile(
            providers={**providers, provider.provider_id: provider},
            models={key: body for (_, key), body in bodies.items() if isinstance(body, Model)},
            routes={key: body for (_, key), body in bodies.items() if isinstance(body, Route)},
            prices={key: body for (_, key), body in bodies.items() if isinstance(body, PriceTerms)},
            warnings=(),
            sha256=hashlib.sha256(encode_body(provider).encode()).hexdigest(),
        )
        return await apply_catalog(connection, file, actor=actor)


async def _check_moment(connection: Connection, applied_at: int, effective_at: int) -> None:
    if effective_at < applied_at:
        raise OperatorError(
            f"the catalog cannot take effect at {rfc3339(effective_at)}: that moment has passed",
            "Leave out --effective-at to apply it now, or name a moment to come.",
        )
    if effective_at == applied_at:
        return
    parameters: dict[str, object] = {"moment": _moment(applied_at), "effective_at": _moment(effective_at)}
    scheduled = cast(int, (await _fetch(connection, "scheduled_moments", parameters))[0][0])
    if scheduled >= MAX_SCHEDULED_MOMENTS:
        raise OperatorError(
            f"changes at {scheduled} moments are scheduled already, and {MAX_SCHEDULED_MOMENTS} is the limit",
            "Apply this one with the moment of one of those, or after some have taken effect.",
        )


def _scheduled_warnings(rows: list[StoredRow], effective_at: int) -> list[str]:
    later: dict[int, int] = {}
    for row in rows:
        if row.effective_at_micros > effective_at:
            later[row.effective_at_micros] = later.get(row.effective_at_micros, 0) + 1
    return [f"{count} rows scheduled earlier take over at {rfc3339(moment)}" for moment, count in later.items()]


async def _insert(
    connection: Connection,
    file: CatalogFile,
    changes: tuple[RowChange, ...],
    *,
    moments: dict[str, object],
    actor: str,
) -> int:
    rows = file.rows()
    inserted = await _fetch(connection, "insert_apply", {**moments, "source_sha256": file.sha256, "actor": actor})
    bodies = [rows.get((change.kind, change.id)) for change in changes]
    await connection.execute(
        _QUERIES["insert_rows"],
        {
            "apply_id": inserted[0][0],
            "effective_at": moments["effective_at"],
            "kinds": [change.kind for change in changes],
            "ids": [change.id for change in changes],
            "bodies": [None if body is None else encode_body(body) for body in bodies],
        },
    )
    return cast(int, inserted[0][0])
