"""A FAREBOX_HOME on a real disk, with a catalog whose providers are the sandbox, and paying customers."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.books import open_books, working_ledger
from bench.machine import file_system_of
from farebox.base.clock import monotone_clock
from farebox.base.errors import OperatorError
from farebox.identity.model import Kind
from farebox.identity.store import NewKey, create_key, create_workspace
from farebox.storage.lock import FileLock
from farebox.wiring.processes import ready_database
from farebox.wiring.settings import Settings, load_settings

MODEL = "bench-1"
# The same model at a provider that speaks another dialect: calls of a chat client are translated.
MESSAGES_MODEL = "bench-messages-1"
KEY_VARIABLE = "BENCH_UPSTREAM_KEY"
# By the file hierarchy standard /var/tmp survives a reboot, so it is on a disk; /tmp often is not.
DEFAULT_FOLDER = Path("/var/tmp")
_MEMORY_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs"})
_PREFIX = "farebox-bench-"
_LOCK = "bench.lock"

_CONFIG = "[limits]\nmax_output_tokens = 4096\n"
_CATALOG = """
margin_bps = 1000

[terms]
region          = "global"
retention       = "standard"
resale          = "not_required"
contract_review = "not_required"
logging         = "metadata_only"
sla             = "none"
support_owner   = "operator"
key_scopes      = ["chat.completions", "responses", "messages"]
budget_cap      = "none"

[providers.bench]
display_name         = "The sandbox"
base_url             = "{url}"
api_key_env          = "{variable}"
cancel_stops_billing = false

[providers.bench-messages]
display_name         = "The sandbox, as Messages"
base_url             = "{url}"
api_key_env          = "{variable}"
dialects             = ["anthropic_messages"]
cancel_stops_billing = false

[models.{model}]
display_name      = "Bench 1"
context_tokens    = 128_000
max_output_tokens = 4_096

[models.{messages_model}]
display_name      = "Bench 1, as Messages"
context_tokens    = 128_000
max_output_tokens = 4_096

[routes."bench/{model}"]
cost = {{ input = "1.00", cached_input = "0.10", output = "5.00" }}

[routes."bench-messages/{messages_model}"]
cost = {{ input = "1.00", cached_input = "0.10", output = "5.00" }}
"""


@dataclass(frozen=True)
class BenchHome:
    """A prepared home. `keys` are secrets of customers with a large balance, one key each."""

    config: Path
    environment: dict[str, str]
    keys: Sequence[str]


@contextmanager
def disk_folder(parent: Path) -> Iterator[Path]:
    """A temporary folder that PostgreSQL's account can pass through. Raises OperatorError on a memory file system."""
    kind = file_system_of(parent.resolve())
    if kind in _MEMORY_FILE_SYSTEMS:
        raise OperatorError(f"{parent} is in memory ({kind})", "give --folder a folder on a disk")
    _remove_abandoned(parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    folder.chmod(0o711)
    lock = FileLock(folder / _LOCK)
    lock.try_acquire()
    try:
        yield folder
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(parent: Path) -> None:
    """Folders of runs that were killed: nobody holds their lock."""
    for folder in parent.glob(f"{_PREFIX}*"):
        lock = FileLock(folder / _LOCK)
        if (folder / _LOCK).exists() and os.access(folder, os.W_OK) and lock.try_acquire():
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()


def prepare_home(
    folder: Path, *, upstream_url: str, upstream_key: str, customers: int, time_functions: bool = False
) -> BenchHome:
    """Write the configuration, make the cluster and its schema, and open the customers' accounts."""
    config = folder / "farebox.toml"
    config.write_text(_CONFIG, encoding="utf-8")
    names = {"model": MODEL, "messages_model": MESSAGES_MODEL}
    catalog = _CATALOG.format(url=upstream_url, variable=KEY_VARIABLE, **names)
    config.with_name("catalog.toml").write_text(catalog, encoding="utf-8")
    environment = {"FAREBOX_HOME": str(folder / "home"), KEY_VARIABLE: upstream_key}
    settings = load_settings(config, environment)
    with ready_database(settings, role="supervisor", report=lambda line: None) as database:
        if time_functions:
            with psycopg.connect(database.dsn, autocommit=True) as connection:
                connection.execute("ALTER DATABASE farebox SET track_functions = 'all'")
                connection.execute("ALTER DATABASE farebox SET track_wal_io_timing = on")
        keys = asyncio.run(_open_customers(database.dsn, settings, customers))
    return BenchHome(config, environment, keys)


async def _open_customers(dsn: str, settings: Settings, customers: int) -> list[str]:
    clock = monotone_clock()
    workspaces, keys = [], []
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        for number in range(customers):
            workspace = await create_workspace(connection, f"Bench {number}", kind=Kind.CUSTOMER, now_micros=clock())
            prefix = settings.brand.key_prefix
            key = await create_key(connection, workspace, NewKey(name="bench"), key_prefix=prefix, now_micros=clock())
            workspaces.append(workspace.workspace_id)
            keys.append(key.secret)
    async with working_ledger(dsn) as ledger:
        await open_books(ledger, workspaces)
    return keys
