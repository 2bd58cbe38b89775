"""Commands about pools of credentials, and the lanes that workspaces have in them."""

from typing import Annotated, Literal

import typer
from rich.markup import escape

from farebox.cli.providers import ProviderId, with_settings
from farebox.cli.show import Config, Json, as_json, command, line, rows
from farebox.wiring import pools

pool_app = typer.Typer(help="Pools of credentials, shared or private.", no_args_is_help=True)
lane_app = typer.Typer(help="Slots of a pool that are reserved for a workspace.", no_args_is_help=True)

PoolName = Annotated[str, typer.Argument(metavar="POOL", help="Its name, or PROVIDER/default.")]
Name = Annotated[str, typer.Argument(metavar="WORKSPACE", help="The workspace's id or name.")]
RegionOption = Annotated[str | None, typer.Option(help="Serve only routes of this region; any lifts it.")]
Workspaces = Annotated[
    list[str] | None, typer.Option("--workspace", help="Whom a private pool serves; repeat it for more.")
]
MaxConcurrent = Annotated[
    str | None, typer.Option(metavar="N|none", help="Calls at once, of all its credentials together.")
]

_COLUMNS = (
    ("pool", "pool"),
    ("provider", "provider_id"),
    ("region", "region"),
    ("access", "access"),
    ("workspaces", "workspaces"),
    ("at once", "max_concurrent"),
    ("credentials", "credentials"),
    ("lanes", "lanes"),
)


def add_to(app: typer.Typer) -> None:
    """Give the commands to the program."""
    pool_app.add_typer(lane_app, name="lane")
    app.add_typer(pool_app, name="pool")


def _show(view: pools.PoolView, *, json: bool) -> None:
    if json:
        as_json(view)
        return
    rows([view], _COLUMNS, none="")
    # The default pool may have a key of the gateway's environment, which this command does not see.
    if not view.credentials and "/" not in view.pool:
        line(f"no call can use it before it has a key: `farebox provider add {view.provider_id} --pool {view.pool}`")


@pool_app.command("list")
@command
def list_pools(config: Config = None, json: Json = False) -> None:
    """Show all pools with their lanes."""
    views = with_settings(config, pools.list_pools)
    as_json(views) if json else rows(views, _COLUMNS, none="there is no pool yet, since no provider has a key")


@pool_app.command("create")
@command
def create_pool(
    pool: Annotated[str, typer.Argument(metavar="POOL", help="Its name.")],
    provider: ProviderId,
    *,
    region: RegionOption = None,
    private: Annotated[bool, typer.Option("--private", help="Serve only the workspaces that are named.")] = False,
    workspace: Workspaces = None,
    max_concurrent: MaxConcurrent = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make a pool of a provider's credentials."""
    wish = pools.PoolChange(
        region=region,
        access="private" if private else "shared",
        workspaces=workspace,
        max_concurrent=max_concurrent,
    )
    view = with_settings(config, lambda dsn, settings: pools.create_pool(dsn, settings, (pool, provider), wish))
    _show(view, json=json)


@pool_app.command("change")
@command
def change_pool(
    pool: PoolName,
    *,
    region: RegionOption = None,
    private: Annotated[bool | None, typer.Option("--private/--shared", help="Whom it serves.")] = None,
    workspace: Workspaces = None,
    max_concurrent: MaxConcurrent = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Change what is named of a pool; workspaces replace those it had."""
    access: Literal["private", "shared"] | None = None
    if private is not None:
        access = "private" if private else "shared"
    wish = pools.PoolChange(region=region, access=access, workspaces=workspace, max_concurrent=max_concurrent)
    _show(with_settings(config, lambda dsn, settings: pools.change_pool(dsn, settings, pool, wish)), json=json)


@pool_app.command("remove")
@command
def remove_pool(pool: PoolName, config: Config = None, json: Json = False) -> None:
    """Remove a pool that has no credentials any more, with its lanes."""
    removed = with_settings(config, lambda dsn, _: pools.remove_pool(dsn, pool))
    as_json({"removed": removed}) if json else line(f"pool {escape(removed)} is removed")


@lane_app.command("set")
@command
def set_lane(
    pool: PoolName,
    workspace: Name,
    slots: Annotated[int, typer.Argument(metavar="SLOTS", min=1, max=1_000_000, help="Calls at once.")],
    *,
    lend: Annotated[bool, typer.Option("--lend/--no-lend", help="Whether others may use them meanwhile.")] = True,
    config: Config = None,
    json: Json = False,
) -> None:
    """Guarantee a workspace so many calls at once; shared traffic never keeps them from it."""
    names = (pool, workspace)
    view = with_settings(config, lambda dsn, settings: pools.set_lane(dsn, settings, names, slots, lends=lend))
    _show(view, json=json)


@lane_app.command("remove")
@command
def remove_lane(pool: PoolName, workspace: Name, config: Config = None, json: Json = False) -> None:
    """Give a workspace's slots back to the pool."""
    names = (pool, workspace)
    _show(with_settings(config, lambda dsn, settings: pools.remove_lane(dsn, settings, names)), json=json)
