"""Commands about customers: workspaces, their money and limits, and the receipt of a call."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.markup import escape

from farebox.base.clock import monotone_clock
from farebox.cli.running import settings_for
from farebox.cli.show import AtPort, Config, Json, as_json, command, line, quiet_progress, rows
from farebox.identity.model import Status
from farebox.wiring import operate, team
from farebox.wiring.arguments import read_future, read_limits, read_span, read_usd
from farebox.wiring.processes import ready_database
from farebox.wiring.receipts import ReceiptView, receipt_view

workspace_app = typer.Typer(help="Customer accounts.", no_args_is_help=True)
limit_app = typer.Typer(help="What a workspace or a key may use per day, month or lifetime.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="WORKSPACE", help="The workspace's id or name.")]
R = TypeVar("R")

_WORKSPACE_COLUMNS = (
    ("id", "workspace_id"),
    ("name", "name"),
    ("kind", "kind"),
    ("status", "status"),
    ("available $", "available_usd"),
    ("held $", "held_usd"),
)
LIMIT_COLUMNS = (
    ("holder", "holder"),
    ("per", "per"),
    ("requests", "max_requests"),
    ("used", "used_requests"),
    ("$", "max_usd"),
    ("used $", "used_usd"),
)


def add_to(app: typer.Typer) -> None:
    """Give the commands to the program."""
    workspace_app.add_typer(limit_app, name="limit")
    app.add_typer(workspace_app, name="workspace")
    app.command(context_settings={"ignore_unknown_options": True})(credit)
    app.command()(receipt)


def with_database(config: Path | None, use: Callable[[str], Coroutine[Any, Any, R]]) -> R:
    """The command's result, on the database that runs or on one that runs for as long as the command."""
    with ready_database(settings_for(config), role="guest", report=quiet_progress) as database:
        return asyncio.run(use(database.dsn))


@workspace_app.command("create")
@command
def create_workspace(
    name: Annotated[str, typer.Argument(help="Its name.")], config: Config = None, json: Json = False
) -> None:
    """Open a workspace with an empty balance, and the limits that `new_workspace` in farebox.toml says."""
    limits = read_limits(settings_for(config).new_workspace.limits)
    view = with_database(config, lambda dsn: operate.create_workspace(dsn, name, limits=limits))
    as_json(view) if json else line(f"workspace {escape(view.name)} is {view.workspace_id}")


@workspace_app.command("list")
@command
def list_workspaces(config: Config = None, json: Json = False) -> None:
    """Show all workspaces with their balances, the newest first."""
    views = with_database(config, operate.list_workspaces)
    as_json(views) if json else rows(views, _WORKSPACE_COLUMNS, none="there is no workspace yet")


@workspace_app.command("hand-over")
@command
def hand_over(
    workspace: Name,
    email: Annotated[str, typer.Argument(help="Who shall own it; they sign in with this address.")],
    config: Config = None,
    port: AtPort = None,
    json: Json = False,
) -> None:
    """Invite somebody to own a workspace that has no owner, and print the link, once."""
    settings = settings_for(config, port=port)
    view = with_database(config, lambda dsn: team.hand_over(settings, dsn, workspace, email))
    if json:
        as_json(view)
        return
    line(f"{escape(view.email)} can take over workspace {escape(view.name)} until {view.expires_at} with this link:")
    line(escape(view.link))


@workspace_app.command("suspend")
@command
def suspend(workspace: Name, config: Config = None, json: Json = False) -> None:
    """Stop a workspace's keys within a second; its money stays."""
    _set_status(workspace, Status.SUSPENDED, config, json=json)


@workspace_app.command("activate")
@command
def activate(workspace: Name, config: Config = None, json: Json = False) -> None:
    """Let a suspended workspace's keys work again."""
    _set_status(workspace, Status.ACTIVE, config, json=json)


def _set_status(workspace: str, status: Status, config: Path | None, *, json: bool) -> None:
    view = with_database(config, lambda dsn: operate.set_workspace_status(dsn, workspace, status))
    as_json(view) if json else line(f"workspace {escape(view.name)} is {view.status}")


@limit_app.command("set")
@command
def set_limit(
    workspace: Name,
    *,
    per: Annotated[str, typer.Option(metavar="SPAN", help="day, month or lifetime; days and months are UTC.")],
    requests: Annotated[str | None, typer.Option(metavar="N|none", help="Requests; none lifts the limit.")] = None,
    usd: Annotated[str | None, typer.Option(metavar="X|none", help="Dollars charged; none lifts the limit.")] = None,
    key: Annotated[str | None, typer.Option(help="One of its keys, instead of the whole workspace.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Set, change or lift a limit; what is not named stays as it is."""
    span = read_span(per)
    views = with_database(
        config, lambda dsn: operate.set_limit(dsn, workspace, key=key, span=span, requests=requests, usd=usd)
    )
    as_json(views) if json else rows(views, LIMIT_COLUMNS, none="no limit is left")


@limit_app.command("list")
@command
def list_limits(workspace: Name, config: Config = None, json: Json = False) -> None:
    """Show the limits of a workspace and of its keys, and what is used of them."""
    views = with_database(config, lambda dsn: operate.list_limits(dsn, workspace))
    as_json(views) if json else rows(views, LIMIT_COLUMNS, none="there is no limit")


@command
def credit(
    workspace: Name,
    usd: Annotated[str, typer.Argument(metavar="USD", help="Dollars; a negative amount takes back what is available.")],
    *,
    reason: Annotated[str, typer.Option(help="Why; it stays in the books.")],
    promotional: Annotated[bool, typer.Option("--promotional", help="Promotional credit: spent before cash.")] = False,
    priority: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="Among promotions, lower is spent first.")
    ] = operate.DEFAULT_PRIORITY,
    expires: Annotated[str | None, typer.Option(metavar="MOMENT", help="When a promotion ends.")] = None,
    command_id: Annotated[
        UUID | None, typer.Option(help="A UUID of yours: the same one credits once, however often it is sent.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Credit a workspace."""
    wish = operate.CreditWish(
        amount_nanos=read_usd(usd),
        reason=reason,
        promotional=promotional,
        priority=priority,
        expires_at_micros=read_future(expires, monotone_clock()()),
        command_id=command_id,
    )
    view = with_database(config, lambda dsn: operate.credit(dsn, workspace, wish))
    if json:
        as_json(view)
        return
    what = "promotional credit" if view.promotional else "credit"
    if view.credited_usd.startswith("-"):
        what = "correction"
    done = "had been booked before; nothing was booked now" if view.replayed else "booked"
    line(f"${view.credited_usd} {what} for {escape(view.workspace)} {done}; ${view.available_usd} available")


@command
def receipt(
    call: Annotated[str, typer.Argument(metavar="CALL_ID", help="The id of the Call-Id header.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Show a call as the operator sees it: usage, price, charge, cost and margin."""
    found = with_database(config, lambda dsn: operate.find_receipt(dsn, call))
    view = receipt_view(found)
    as_json(view) if json else _show_receipt(view)


def _routing_lines(view: ReceiptView) -> Iterator[str]:
    audit = view.routing
    if audit is not None:
        excluded = ", ".join(f"{reason} ({count})" for reason, count in audit.excluded_by_reason.items())
        sticky = ", the conversation's former one first" if audit.sticky else ""
        routes = "1 route" if len(audit.routes) == 1 else f"{len(audit.routes)} routes"
        chosen = f"{routes} remained, sorted by {audit.sort}{sticky}"
        yield f"  {chosen}; excluded by {excluded}" if excluded else f"  {chosen}"
        for route in audit.passed_over:
            yield f"  passed over {escape(route)}: no slot free"
    for attempt in view.attempts:
        by = f" with {escape(attempt.credential)}" if attempt.credential else ""
        yield f"  tried {escape(attempt.route)}{by}: {escape(attempt.outcome)}, {attempt.milliseconds} ms"


def _show_receipt(view: ReceiptView) -> None:
    line(f"[bold]{view.call_id}[/]  {escape(view.model)}  {view.status}  {view.started_at}")
    line(f"workspace {view.workspace_id}, {view.key_id}, route {escape(view.route)} ({escape(view.provider)})")
    for text in _routing_lines(view):
        line(text)
    for priced in view.lines:
        line(f"  {priced.units:>12,} {escape(priced.unit)} at {priced.unit_pico_usd:,} pico-USD")
    line(f"held ${view.held_usd}, priced ${view.priced_usd}, absorbed ${view.absorbed_usd}")
    line(f"[bold]charge ${view.charge_usd}[/], cost ${view.cost_usd}, margin ${view.margin_usd}")
    if view.rule is not None:
        line(f"settled by rule {escape(view.rule)}: {escape(view.rule_meaning)}")
    if view.evidence is not None:
        line(f"evidence {escape(view.evidence)}: {escape(view.evidence_meaning)}")
