"""Commands about rate limits: how fast a workspace or a key may call."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from farebox.cli.running import settings_for
from farebox.cli.show import Config, Json, as_json, command, quiet_progress, rows
from farebox.wiring import rates
from farebox.wiring.processes import ready_database

rate_app = typer.Typer(help="How fast a workspace or a key may call: per minute, and at once.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="WORKSPACE", help="The workspace's id or name.")]

_COLUMNS = (
    ("holder", "holder"),
    ("model", "model"),
    ("requests/min", "requests_per_minute"),
    ("tokens/min", "tokens_per_minute"),
    ("at once", "concurrent_calls"),
)


def add_to(app: typer.Typer) -> None:
    """Give the commands to the program."""
    app.add_typer(rate_app, name="rate")


def _show(
    config: Path | None, use: Callable[[str], Coroutine[Any, Any, list[rates.RateView]]], *, json: bool, none: str
) -> None:
    with ready_database(settings_for(config), role="guest", report=quiet_progress) as database:
        views = asyncio.run(use(database.dsn))
    as_json(views) if json else rows(views, _COLUMNS, none=none)


@rate_app.command("set")
@command
def set_rate(
    workspace: Name,
    *,
    key: Annotated[str | None, typer.Option(help="One of its keys, instead of the whole workspace.")] = None,
    model: Annotated[str | None, typer.Option(help="For calls to this model alone.")] = None,
    requests_per_minute: Annotated[str | None, typer.Option(metavar="N|none", help="Calls begun per minute.")] = None,
    tokens_per_minute: Annotated[
        str | None, typer.Option(metavar="N|none", help="Input and output tokens per minute.")
    ] = None,
    concurrent: Annotated[str | None, typer.Option(metavar="N|none", help="Calls under way at once.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Set, change or lift rate limits; what is not named stays as it is."""
    wish = rates.RateWish(
        requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute, concurrent_calls=concurrent
    )
    _show(
        config,
        lambda dsn: rates.set_rate(dsn, workspace, key=key, model_id=model, wish=wish),
        json=json,
        none="no rate limit is left",
    )


@rate_app.command("list")
@command
def list_rates(workspace: Name, config: Config = None, json: Json = False) -> None:
    """Show the rate limits of a workspace and of its keys; the deployment's stand in farebox.toml."""
    _show(config, lambda dsn: rates.list_rates(dsn, workspace), json=json, none="there is no rate limit")
