"""Commands about API keys: make, change, roll, list and revoke them."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer
from rich.markup import escape

from farebox.base.clock import monotone_clock
from farebox.base.errors import OperatorError
from farebox.cli.customers import LIMIT_COLUMNS, Name, with_database
from farebox.cli.running import settings_for
from farebox.cli.show import Config, Json, as_json, command, line, out, rows
from farebox.identity.checks import read_networks
from farebox.identity.model import Labels
from farebox.identity.store import KeyChange
from farebox.wiring import keys
from farebox.wiring.arguments import LIFTED, read_future, read_limits, read_span_seconds

key_app = typer.Typer(help="API keys.", no_args_is_help=True)

Key = Annotated[str, typer.Argument(metavar="KEY", help="Its id, its visible prefix or the whole key.")]
Scopes = Annotated[list[str] | None, typer.Option("--scope", help="A scope; repeat it for more.")]
UsageOnly = Annotated[bool, typer.Option("--usage-only", help="It can only look: the scope usage.read alone.")]
Networks = Annotated[
    list[str] | None,
    typer.Option(metavar="CIDR", help="A network or address that it may be used from; repeat it for more."),
]

_COLUMNS = (
    ("name", "name"),
    ("prefix", "prefix"),
    ("scopes", "scopes"),
    ("status", "status"),
    ("created", "created_at"),
    ("department", "department"),
    ("project", "project"),
    ("customer", "customer"),
    ("last used", "last_used_at"),
    ("expires", "expires_at"),
    ("models", "models"),
    ("from", "ip_allow"),
    ("id", "key_id"),
)


def add_to(app: typer.Typer) -> None:
    """Give the commands to the program."""
    app.add_typer(key_app, name="key")


def _scopes(scope: Sequence[str] | None, *, usage_only: bool) -> list[str]:
    if usage_only and scope:
        raise OperatorError("--usage-only is a scope of its own", "leave out --scope, or --usage-only")
    return [keys.USAGE_SCOPE] if usage_only else list(scope or [])


@key_app.command("create")
@command
def create_key(
    workspace: Name,
    *,
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    scope: Annotated[
        list[str] | None, typer.Option(help="A scope; repeat it for more. Default: all but keys.manage.")
    ] = None,
    usage_only: UsageOnly = False,
    model: Annotated[list[str] | None, typer.Option(help="An allowed model; repeat it for more. Default: all.")] = None,
    expires: Annotated[str | None, typer.Option(metavar="MOMENT", help="When it stops working.")] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(metavar="LIMIT", help="Like requests:100/day or usd:5/month; repeat it for more."),
    ] = None,
    department: Annotated[str, typer.Option(help="Whose calls these are, to count by.")] = "",
    project: Annotated[str, typer.Option(help="What they are for, to count by.")] = "",
    customer: Annotated[str, typer.Option(help="For which customer of yours they are, to count by.")] = "",
    allow_ip: Networks = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make a key and show its secret, this once."""
    wish = keys.KeyWish(
        name=name,
        scopes=_scopes(scope, usage_only=usage_only),
        models=model or [],
        expires_at_micros=read_future(expires, monotone_clock()()),
        limits=read_limits(limit or []),
        labels=Labels(department, project, customer),
        ip_allow=allow_ip or [],
    )
    prefix = settings_for(config).brand.key_prefix
    view = with_database(config, lambda dsn: keys.create_key(dsn, workspace, wish, key_prefix=prefix))
    if json:
        as_json(view)
        return
    out.out(view.api_key, highlight=False)
    line(f"{view.key.key_id} with {', '.join(view.key.scopes)}; keep the secret now, it is not shown again")
    if view.limits:
        rows(view.limits, LIMIT_COLUMNS, none="")


@key_app.command("update")
@command
def update_key(
    key: Key,
    *,
    name: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    scope: Scopes = None,
    usage_only: UsageOnly = False,
    model: Annotated[list[str] | None, typer.Option(help="An allowed model; repeat it for more.")] = None,
    all_models: Annotated[bool, typer.Option("--all-models", help="Allow all models.")] = False,
    expires: Annotated[str | None, typer.Option(metavar="MOMENT|none", help="When it stops working.")] = None,
    department: Annotated[str | None, typer.Option(help='Whose calls these are; "" takes the label away.')] = None,
    project: Annotated[str | None, typer.Option(help="What they are for.")] = None,
    customer: Annotated[str | None, typer.Option(help="For which customer of yours they are.")] = None,
    allow_ip: Networks = None,
    any_ip: Annotated[bool, typer.Option("--any-ip", help="Allow all addresses.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Change a key everywhere within a second; what is not named stays as it is."""
    scopes = _scopes(scope, usage_only=usage_only)
    change = KeyChange(
        name=_named(name),
        scopes=frozenset(scopes) if scopes else msgspec.UNSET,
        allowed_models=None if all_models else frozenset(model) if model else msgspec.UNSET,
        expires_at=_expiry(expires),
        ip_allow=None if any_ip else read_networks(allow_ip) if allow_ip else msgspec.UNSET,
        department=_named(department),
        project=_named(project),
        customer=_named(customer),
    )
    if (all_models and model) or (any_ip and allow_ip):
        raise OperatorError("some and all cannot both be allowed", "leave out --all-models or --any-ip")
    prefix = settings_for(config).brand.key_prefix
    view = with_database(config, lambda dsn: keys.update_key(dsn, key, change, key_prefix=prefix))
    as_json(view) if json else rows([view], _COLUMNS, none="")


def _named(text: str | None) -> str | msgspec.UnsetType:
    return msgspec.UNSET if text is None else text


def _expiry(text: str | None) -> int | msgspec.UnsetType | None:
    if text is None:
        return msgspec.UNSET
    return None if text == LIFTED else read_future(text, monotone_clock()())


@key_app.command("roll")
@command
def roll_key(
    key: Key,
    *,
    overlap: Annotated[
        str, typer.Option(metavar="SPAN", help="How long the former secret works on, like 0, 90m, 24h or 7d.")
    ] = "24h",
    config: Config = None,
    json: Json = False,
) -> None:
    """Make a new secret that takes over from a key, and show it, this once."""
    seconds = read_span_seconds(overlap)
    prefix = settings_for(config).brand.key_prefix
    view = with_database(config, lambda dsn: keys.roll_key(dsn, key, key_prefix=prefix, overlap_seconds=seconds))
    if json:
        as_json(view)
        return
    out.out(view.api_key, highlight=False)
    line(f"{view.key.key_id} takes over; keep the secret now, it is not shown again")
    line(f"{view.former.key_id} ({escape(view.former.prefix)}…) works until {view.former.expires_at}")


@key_app.command("list")
@command
def list_keys(workspace: Name, config: Config = None, json: Json = False) -> None:
    """Show a workspace's keys, revoked ones too, the newest first."""
    views = with_database(config, lambda dsn: keys.list_keys(dsn, workspace))
    as_json(views) if json else rows(views, _COLUMNS, none="there is no key yet")


@key_app.command("revoke")
@command
def revoke_key(key: Key, config: Config = None, json: Json = False) -> None:
    """Stop a key everywhere within a second."""
    prefix = settings_for(config).brand.key_prefix
    view = with_database(config, lambda dsn: keys.revoke_key(dsn, key, key_prefix=prefix))
    as_json(view) if json else line(f"{view.key_id} ({escape(view.prefix)}…) is {view.status}")
