"""Commands about who works on the whole installation."""

from typing import Annotated

import typer
from rich.markup import escape

from farebox.cli.customers import with_database
from farebox.cli.running import settings_for
from farebox.cli.show import AtPort, Config, Json, as_json, command, err, line, rows
from farebox.identity.roles import PlatformRole
from farebox.wiring import admins

admin_app = typer.Typer(help="People who run this installation: superadmin, finance, support, auditor.")

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="What they sign in with.")]

_COLUMNS = (
    ("e-mail", "email"),
    ("name", "name"),
    ("role", "role"),
    ("second factor", "second_factor"),
    ("since", "granted_at"),
    ("given by", "granted_by"),
    ("id", "person_id"),
)


def add_to(app: typer.Typer) -> None:
    """Give the commands to the program."""
    app.add_typer(admin_app, name="admin", no_args_is_help=True)


@admin_app.command("create")
@command
def create_admin(
    email: Email,
    *,
    role: Annotated[
        str, typer.Option(metavar="ROLE", help=f"{', '.join(PlatformRole)}: what they may do everywhere.")
    ] = PlatformRole.SUPERADMIN,
    config: Config = None,
    port: AtPort = None,
    json: Json = False,
) -> None:
    """Give somebody a role in the whole installation, and an account if they have none."""
    settings = settings_for(config, port=port)
    view = with_database(config, lambda dsn: admins.create_admin(settings, dsn, email, role))
    if json:
        as_json(view)
        return
    _show_grant(view)


def _show_grant(view: admins.GrantView) -> None:
    admin = view.admin
    if view.role_before == admin.role:
        what = f"was {admin.role} already"
    elif view.role_before is not None:
        what = f"is {admin.role} now, no longer {view.role_before}"
    else:
        what = f"is {admin.role} now{', with a new account' if view.was_new else ''}"
    line(f"[bold]{escape(admin.email)}[/] {what} ({admin.person_id})")
    if view.sign_in_url is not None:
        line(f"Sign in with this address at {escape(view.sign_in_url)}")
    if view.mailbox_url is not None:
        line(f"In the demo, the letter with the code is shown at {escape(view.mailbox_url)}")
    if admin.second_factor == "no":
        line("At the first visit a second factor is asked for; until it is set up, the operators' pages stay closed.")
    for hint in view.hints:
        err.print(f"[yellow]warning:[/] {escape(hint.problem)}")
        err.print(f"[bold]fix:[/] {escape(hint.fix)}")


@admin_app.command("list")
@command
def list_admins(config: Config = None, json: Json = False) -> None:
    """Show who has a role in the whole installation."""
    views = with_database(config, admins.list_admins)
    none = "nobody has a role yet; `farebox admin create EMAIL` makes the first superadmin"
    as_json(views) if json else rows(views, _COLUMNS, none=none)


@admin_app.command("remove")
@command
def remove_admin(email: Email, config: Config = None, json: Json = False) -> None:
    """Take somebody's role in the whole installation; the account stays. It is gone with their next request."""
    view = with_database(config, lambda dsn: admins.remove_admin(dsn, email))
    if json:
        as_json(view)
    else:
        line(f"{escape(view.email)} is {view.role} no more; the account stays")
    if view.was_last_superadmin:
        err.print("[yellow]warning:[/] that was the last superadmin: nobody can give or take roles in the pages now")
        err.print("[bold]fix:[/] make another one with `farebox admin create EMAIL`")
