"""`farebox demo`: everything on one machine, with nothing configured, and a key that works at once.

Providers whose key is in the environment are called for real; the sandbox plays all others.
"""

import asyncio
import base64
import contextlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from uuid import UUID, uuid5

import msgspec

from farebox.base.errors import OperatorError
from farebox.base.money import NANOS_PER_USD
from farebox.catalog.checklist import checklist_of
from farebox.catalog.model import Catalog
from farebox.catalog.policy import ANY
from farebox.providers.accounts import Accounts
from farebox.providers.secrets import KEY_BYTES
from farebox.routing.rules import standing
from farebox.storage.server import OpenDatabase
from farebox.wiring import keys, operate
from farebox.wiring.arguments import read_limits
from farebox.wiring.catalogs import current_catalog, store_catalog
from farebox.wiring.crew import Plan
from farebox.wiring.processes import address_of, at_port_of, bound, metrics_folder, ready_database, run_crew
from farebox.wiring.providers import accounts_of, stored_pools
from farebox.wiring.settings import Settings
from farebox.wiring.signals import StopSignals
from farebox_sandbox.process import RunningSandbox, SandboxStartError, start_sandbox

WORKSPACE_NAME = "Demo"
KEY_NAME = "demo"
GIFT_NANOS = 10 * NANOS_PER_USD
PREFERRED_MODEL = "claude-haiku-4-5"
# That of the call which is printed.
CHAT_SCOPE = "chat.completions"
HOST = "127.0.0.1"
# The gift's command id follows from the workspace: however often a demo starts, it is given once.
_GIFT_NAMESPACE = UUID("8f6f1c0e-5c0b-4f0e-9a57-7a4c6f0f9f10")
_LAST_CONFIG = "demo-config"

Report = Callable[[str], None]


class Demo(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody needs to use the demo. The first four are what `--json` prints."""

    base_url: str
    console_url: str
    api_key: str
    workspace_id: str
    model: str
    available_usd: str
    sandboxed: list[str]
    real: list[str]

    def __repr__(self) -> str:
        return f"Demo({self.base_url!r})"

    def line(self) -> str:
        """One line of JSON."""
        names = ("base_url", "console_url", "api_key", "workspace_id")
        return json.dumps({name: getattr(self, name) for name in names})

    def curl(self) -> str:
        """A paid call as a shell line."""
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": "Reply exactly: hello from Farebox"}],
            "max_tokens": 64,
        }
        return (
            f"curl {self.base_url}/chat/completions \\\n"
            f"  -H 'Authorization: Bearer {self.api_key}' \\\n"
            f"  -H 'Content-Type: application/json' \\\n"
            f"  -d '{json.dumps(body)}'"
        )


def demo(settings: Settings, *, report: Report, on_ready: Callable[[Demo], None]) -> None:
    """Run a demo until a stop signal. DATABASE_URL is left alone: a demo never writes to a database of yours.

    Raises OperatorError.
    """
    if settings.database_url:
        report("DATABASE_URL is set, but a demo uses its own embedded database")
    server = msgspec.structs.replace(settings.server, host=HOST, workers=1)
    settings = msgspec.structs.replace(settings, server=server, database_url=None)
    with StopSignals.caught() as signals, contextlib.ExitStack() as resources:
        listener = resources.enter_context(bound(server.host, server.port))
        settings = with_secrets_key(at_port_of(listener, settings))
        report("starting the sandbox, which plays the providers without a key")
        sandbox = resources.enter_context(_sandbox())
        database = resources.enter_context(ready_database(settings, role="supervisor", report=report))
        metrics = resources.enter_context(metrics_folder(settings.home))
        ready = _furnish(settings, database, address_of(listener), report=report)
        plan = Plan(
            settings=settings,
            dsn=database.dsn,
            workers=1,
            listener=listener,
            metrics=metrics,
            report=report,
            sandbox_base_url=sandbox.base_url,
            sandbox_api_key=sandbox.api_key,
        )
        run_crew(plan, signals, database, on_ready=lambda: on_ready(ready))


def with_secrets_key(settings: Settings) -> Settings:
    """With FAREBOX_SECRETS_KEY, or one that this home's demos share: without any there are no authenticator apps, and
    a demo has to show them. In production a key that lies beside what it encrypts would protect little."""
    if settings.secrets_key is not None:
        return settings
    path = settings.home.create().demo_secrets_key
    if not path.exists():
        # Whole or not at all: a demo may be ended at any moment.
        unfinished = path.with_suffix(".new")
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())
        unfinished.replace(path)
    return msgspec.structs.replace(settings, secrets_key=path.read_text())


@contextlib.contextmanager
def _sandbox() -> Iterator[RunningSandbox]:
    with contextlib.ExitStack() as resources:
        try:
            running = resources.enter_context(start_sandbox())
        except SandboxStartError as error:
            raise OperatorError(str(error), "run `farebox-sandbox` by hand to see why") from error
        yield running


def _furnish(settings: Settings, database: OpenDatabase, address: str, *, report: Report) -> Demo:
    asyncio.run(_follow_config(settings, database.dsn, report))
    report("opening the demo workspace and making a key")
    catalog = asyncio.run(current_catalog(database.dsn))
    workspace_id, key = asyncio.run(_furnish_workspace(settings, database.dsn))
    sandboxed, real = _providers(catalog, accounts_of(settings, asyncio.run(stored_pools(database.dsn, settings))))
    available_usd = next(
        view.available_usd
        for view in asyncio.run(operate.list_workspaces(database.dsn))
        if view.workspace_id == workspace_id
    )
    return Demo(
        base_url=f"{address}/v1",
        # Passkeys belong to a name, and an address is none.
        console_url=f"http://localhost:{address.rpartition(':')[2]}/",
        api_key=key.api_key,
        workspace_id=workspace_id,
        model=_model(catalog),
        available_usd=available_usd,
        sandboxed=sandboxed,
        real=real,
    )


async def _follow_config(settings: Settings, dsn: str, report: Report) -> None:
    """A demo of another deployment in the same home sells that deployment's catalog. With the same one, rows decide,
    unless nothing of them can be sold: an earlier version stored them without a checklist."""
    note = settings.home.path / _LAST_CONFIG
    changed = note.exists() and note.read_text() != settings.config_path
    if settings.catalog_path.exists() and (changed or not checklist_of(await current_catalog(dsn)).able):
        await store_catalog(dsn, settings.catalog_path, actor="demo", effective_at_micros=None, dry_run=False)
        report(f"catalog now follows {settings.catalog_path}")
    note.write_text(settings.config_path)


async def _furnish_workspace(settings: Settings, dsn: str) -> tuple[str, keys.NewKeyView]:
    """The demo's workspace, made and given its credit once, and a new key in place of the former."""
    views = [view for view in await operate.list_workspaces(dsn) if view.name == WORKSPACE_NAME]
    # The oldest: whoever makes another of that name later means another.
    limits = read_limits(settings.new_workspace.limits)
    view = views[-1] if views else await operate.create_workspace(dsn, WORKSPACE_NAME, limits=limits)
    gift = operate.CreditWish(
        amount_nanos=GIFT_NANOS,
        reason="credit of the demo",
        command_id=uuid5(_GIFT_NAMESPACE, view.workspace_id),
    )
    await operate.credit(dsn, view.workspace_id, gift)
    for former in await keys.list_keys(dsn, view.workspace_id):
        if former.name == KEY_NAME and former.status in ("active", "rolled"):
            await keys.revoke_key(dsn, former.key_id, key_prefix=settings.brand.key_prefix)
    wish = keys.KeyWish(name=KEY_NAME)
    key = await keys.create_key(dsn, view.workspace_id, wish, key_prefix=settings.brand.key_prefix)
    return view.workspace_id, key


def _model(catalog: Catalog) -> str:
    """A text model that is for sale by chat; the preferred one if it is among them."""
    sold = [
        model_id
        for model_id, model in catalog.models.items()
        if model.workload in ("text", "coding") and standing(catalog, model, ANY, CHAT_SCOPE).routes
    ]
    return PREFERRED_MODEL if PREFERRED_MODEL in sold or not sold else sold[0]


def _providers(catalog: Catalog, accounts: Accounts) -> tuple[list[str], list[str]]:
    """Who is played by the sandbox, and who is called for real."""
    real = [p.display_name for p in catalog.providers.values() if accounts.pools(p)]
    return [p.display_name for p in catalog.providers.values() if p.display_name not in real], real
