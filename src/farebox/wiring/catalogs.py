"""The stored catalog and the `catalog.toml` beside the configuration: filled from it once, compared ever after."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import psycopg

from farebox.base.clock import monotone_clock
from farebox.catalog.checklist import checklist_lines, checklist_summary
from farebox.catalog.diff import Diff
from farebox.catalog.model import Catalog
from farebox.catalog.store import Connection, apply_catalog, catalog_was_applied, load_catalog
from farebox.catalog.toml_file import read_catalog_file
from farebox.storage.pool import mapped_errors
from farebox.wiring.settings import Settings, refuse_empty


@asynccontextmanager
async def connection_to(dsn: str) -> AsyncIterator[Connection]:
    """One connection for a short command. Raises DatabaseUnavailable."""
    with mapped_errors():
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            yield cast(Connection, connection)


async def apply_first_catalog(dsn: str, settings: Settings, report: Callable[[str], None]) -> None:
    """Store the file beside the configuration if no catalog was ever stored. Raises OperatorError for a bad file."""
    async with connection_to(dsn) as connection:
        if await catalog_was_applied(connection) or not settings.catalog_path.exists():
            return
        file = read_catalog_file(settings.catalog_path)
        diff = await apply_catalog(connection, file, actor="first start")
        report(f"catalog filled from {settings.catalog_path}: {checklist_summary(diff.checklist)}")
        for warning in (*file.warnings, *checklist_lines(diff.checklist)):
            report(f"catalog: {warning}")


async def current_catalog(dsn: str) -> Catalog:
    """What is sold now."""
    async with connection_to(dsn) as connection:
        return (await load_catalog(connection, monotone_clock()()))[0]


async def refuse_empty_keys(dsn: str) -> None:
    """Raise OperatorError when a provider's key variable is set to nothing."""
    catalog = await current_catalog(dsn)
    refuse_empty(provider.api_key_env for provider in catalog.providers.values() if provider.api_key_env)


async def store_catalog(dsn: str, path: Path, *, actor: str, effective_at_micros: int | None, dry_run: bool) -> Diff:
    """Apply a file, or with `dry_run` only say what that would change. Raises OperatorError."""
    file = read_catalog_file(path)
    async with connection_to(dsn) as connection:
        return await apply_catalog(
            connection, file, actor=actor, effective_at_micros=effective_at_micros, dry_run=dry_run
        )


def refuse_empty_keys_in(settings: Settings) -> None:
    """The same for the catalog beside the configuration, before anything is started."""
    if settings.catalog_path.exists():
        providers = read_catalog_file(settings.catalog_path).providers.values()
        refuse_empty(provider.api_key_env for provider in providers if provider.api_key_env)
