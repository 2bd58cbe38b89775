"""Commands about upstream providers and their keys. A secret comes by a prompt or standard input, never by argument."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.markup import escape

from farebox.base.errors import OperatorError
from farebox.cli.running import settings_for
from farebox.cli.show import (
    EXIT_FAILED,
    Config,
    Json,
    as_json,
    command,
    complain,
    err,
    line,
    quiet_progress,
    rows,
)
from farebox.providers.pools import DEFAULT_POOL
from farebox.providers.secrets import MAX_SECRET_CHARS
from farebox.providers.store import CredentialStatus, NewCredential
from farebox.wiring import providers
from farebox.wiring.processes import ready_database
from farebox.wiring.settings import Settings

provider_app = typer.Typer(help="Upstream providers and their keys.", no_args_is_help=True)

ProviderId = Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider's id in the catalog.")]
CredentialName = Annotated[str, typer.Argument(metavar="CREDENTIAL", help="The credential's id or name.")]
R = TypeVar("R")

_MOST = 1_000_000
_COLUMNS = (
    ("id", "credential_id"),
    ("name", "name"),
    ("pool", "pool_id"),
    ("weight", "weight"),
    ("at once", "max_concurrent"),
    ("per minute", "requests_per_minute"),
    ("status", "status"),
    ("rotated", "rotated_at"),
)


def add_to(app: typer.Typer) -> None:
    """Give the commands to the program."""
    app.add_typer(provider_app, name="provider")


def with_settings(config: Path | None, use: Callable[[str, Settings], Coroutine[Any, Any, R]]) -> R:
    """The command's result, on the database that runs or on one that runs for as long as the command."""
    settings = settings_for(config)
    with ready_database(settings, role="guest", report=quiet_progress) as database:
        return asyncio.run(use(database.dsn, settings))


def _secret() -> str:
    """The secret that is being typed, unseen, or piped in."""
    if sys.stdin.isatty():
        return str(typer.prompt("Secret", hide_input=True, err=True))
    return sys.stdin.read(MAX_SECRET_CHARS + 2)


@provider_app.command("list")
@command
def list_providers(config: Config = None, json: Json = False) -> None:
    """Show the catalog's providers with their keys, but never a key itself."""
    views = with_settings(config, providers.list_providers)
    if json:
        as_json(views)
        return
    for view in views:
        line(f"[bold]{escape(view.provider_id)}[/]  {escape(view.base_url)}  {view.status}, {view.state}")
        none = f"  no key: set {view.api_key_env}, or `farebox provider add {view.provider_id}`"
        rows(view.credentials, _COLUMNS, none=escape(none))
        for credential in view.credentials:
            if credential.why:
                err.print(f"[yellow]warning:[/] {credential.credential_id} cannot be opened: {escape(credential.why)}")
    if not views:
        line("the catalog has no provider yet")


@provider_app.command("add")
@command
def add(
    provider: ProviderId,
    *,
    profile: Annotated[str | None, typer.Option(help="What a provider is that the catalog does not have yet.")] = None,
    base_url: Annotated[str | None, typer.Option(metavar="URL", help="The same, by its address.")] = None,
    name: Annotated[str, typer.Option(help="What to call the credential.")] = "",
    pool: Annotated[str, typer.Option(help="The pool it is in.")] = DEFAULT_POOL,
    weight: Annotated[int, typer.Option(min=1, max=1_000, help="Its share of the pool's calls.")] = 1,
    max_concurrent: Annotated[int | None, typer.Option(min=1, max=_MOST, help="Calls at once.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, max=_MOST, help="Calls a minute.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Store a key of a provider, encrypted. The secret is asked for, or read from standard input."""
    providers.needed_safe(settings_for(config))
    credential = NewCredential(
        provider_id=provider,
        name=name,
        pool_id=pool,
        weight=weight,
        max_concurrent=max_concurrent,
        requests_per_minute=requests_per_minute,
    )
    wish = providers.ProviderWish(credential=credential, profile=profile, base_url=base_url)
    secret = _secret()
    view = with_settings(
        config, lambda dsn, settings: providers.add_provider(dsn, settings, wish, secret, report=quiet_progress)
    )
    if json:
        as_json(view)
        return
    line(f"{view.credential.credential_id} is stored in pool {escape(view.credential.pool_id)} of {escape(provider)}")
    if view.catalog_row:
        line(
            f"{escape(provider)} is in the stored catalog now; add it to catalog.toml, too, or the next apply drops it"
        )


@provider_app.command("rotate")
@command
def rotate(provider: ProviderId, credential: CredentialName, config: Config = None, json: Json = False) -> None:
    """Give a credential a new secret, everywhere within a second; running calls end with the old one."""
    names = (provider, credential)
    providers.needed_safe(settings_for(config))
    with_settings(config, lambda dsn, _: providers.check_credential(dsn, names))
    secret = _secret()
    view = with_settings(config, lambda dsn, settings: providers.rotate_credential(dsn, settings, names, secret))
    as_json(view) if json else line(f"{view.credential_id} has its new secret")


@provider_app.command("disable")
@command
def disable(provider: ProviderId, credential: CredentialName, config: Config = None, json: Json = False) -> None:
    """Use a credential no more, everywhere within a second; it stays stored."""
    _set_status((provider, credential), "disabled", config, json=json)


@provider_app.command("enable")
@command
def enable(provider: ProviderId, credential: CredentialName, config: Config = None, json: Json = False) -> None:
    """Use a disabled credential again."""
    _set_status((provider, credential), "active", config, json=json)


def _set_status(names: tuple[str, str], status: CredentialStatus, config: Path | None, *, json: bool) -> None:
    view = with_settings(config, lambda dsn, settings: providers.set_credential_status(dsn, settings, names, status))
    as_json(view) if json else line(f"{view.credential_id} is {view.status}")


@provider_app.command("remove")
@command
def remove(provider: ProviderId, credential: CredentialName, config: Config = None, json: Json = False) -> None:
    """Forget a credential and its secret; running calls end with it."""
    names = (provider, credential)
    view = with_settings(config, lambda dsn, settings: providers.remove_credential(dsn, settings, names))
    as_json(view) if json else line(f"{view.credential_id} is removed")


@provider_app.command("rotate-secrets")
@command
def rotate_secrets(config: Config = None, json: Json = False) -> None:
    """Encrypt all stored secrets anew, of authenticator apps too: from FAREBOX_OLD_SECRETS_KEY to the new key."""
    view = with_settings(config, providers.reseal_all)
    if json:
        as_json(view)
    else:
        line(f"{view.changed} encrypted anew, {view.already_current} had been already")
        if view.changed:
            line("workers that were started without this FAREBOX_SECRETS_KEY leave them out until you restart them")
    if view.closed:
        what = f"{len(view.closed)} cannot be opened: {', '.join(view.closed)}"
        complain(OperatorError(what, providers.reseal_fix(settings_for(config))))
        raise typer.Exit(EXIT_FAILED)


@provider_app.command("test")
@command
def test(
    provider: ProviderId,
    *,
    model: Annotated[str | None, typer.Option(help="A text model of the provider; its first one.")] = None,
    credential: Annotated[str | None, typer.Option(help="The credential's id or name; the first one.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make one small real call, which the provider bills, and show how it went."""
    from farebox.wiring import probe

    view = with_settings(
        config, lambda dsn, settings: probe.probe(dsn, settings, provider, model=model, credential=credential)
    )
    as_json(view) if json else _show_probe(view)
    if view.outcome != "answered":
        raise typer.Exit(EXIT_FAILED)


def _show_probe(view: Any) -> None:
    asked = f"{view.upstream_model} by {view.credential_id}, {view.dialect}"
    line(f"[bold]{escape(view.route_id)}[/]: {escape(asked)}")
    status = "" if view.status is None else f", status {view.status}"
    line(
        f"{escape(view.outcome)}{status}, first byte after {_milliseconds(view.first_byte_milliseconds)}, "
        f"all of it after {_milliseconds(view.total_milliseconds)}"
    )
    if view.answer:
        line(f"it says: {escape(view.answer)}")
    for name, units in view.tokens.items():
        line(f"  {units:>8,} {name.replace('_', ' ')}")
    if view.outcome == "answered":
        line(
            f"cost ${view.cost_usd}" if view.cost_usd else "its cost is not known: no report, or no cost in the catalog"
        )
    if view.detail:
        line(f"the provider says: {escape(view.detail)}")
    if view.fix:
        err.print(f"[bold]fix:[/] {escape(view.fix)}")


def _milliseconds(value: int | None) -> str:
    return "-" if value is None else f"{value:,} ms"
