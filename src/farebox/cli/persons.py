"""Commands about people who sign in: found, shut out, and helped when their second factor is lost."""

from typing import Annotated

import typer
from rich.markup import escape

from farebox.cli.providers import with_settings
from farebox.cli.show import Config, Json, as_json, command, line, rows
from farebox.wiring import persons

person_app = typer.Typer(help="People who sign in.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="An address that they sign in with.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

_COLUMNS = (
    ("id", "person_id"),
    ("name", "name"),
    ("e-mail", "emails"),
    ("status", "status"),
    ("wallets", "wallets"),
    ("passkeys", "passkeys"),
    ("app", "authenticator_app"),
    ("sessions", "open_sessions"),
    ("workspaces", "workspaces"),
    ("role here", "platform_role"),
)
_QUESTION = (
    "This takes away the authenticator app, the recovery codes and all passkeys of {email}, and ends their sessions.\n"
    "Whoever reads that mailbox can sign in afterwards. Make sure, by another way than e-mail, that it is really them "
    "who asks.\nGo on?"
)


def add_to(app: typer.Typer) -> None:
    """Give the commands to the program."""
    app.add_typer(person_app, name="person")


@person_app.command("list")
@command
def list_people(
    text: Annotated[str, typer.Argument(help="A part of the name or address.")] = "",
    config: Config = None,
    json: Json = False,
) -> None:
    """Show everybody who can sign in, the newest first."""
    views = with_settings(config, lambda dsn, settings: persons.list_people(dsn, settings, text))
    as_json(views) if json else rows(views, _COLUMNS, none="there is nobody")


@person_app.command("show")
@command
def show(email: Email, config: Config = None, json: Json = False) -> None:
    """Show what somebody signs in with. No secret is shown."""
    view = with_settings(config, lambda dsn, settings: persons.show(dsn, settings, email))
    if json:
        as_json(view)
    else:
        rows([view], _COLUMNS, none="")
        line(f"recovery codes left: {view.recovery_codes_left}; since {view.created_at}")


@person_app.command("disable")
@command
def disable(email: Email, config: Config = None, json: Json = False) -> None:
    """Shut somebody out: their sessions end with the next request. Keys of their workspaces work on."""
    view = with_settings(config, lambda dsn, settings: persons.set_status(dsn, settings, email, "disabled"))
    as_json(view) if json else line(f"{view.person_id} is disabled; nobody can sign in as them")


@person_app.command("enable")
@command
def enable(email: Email, config: Config = None, json: Json = False) -> None:
    """Let somebody sign in again."""
    view = with_settings(config, lambda dsn, settings: persons.set_status(dsn, settings, email, "active"))
    as_json(view) if json else line(f"{view.person_id} can sign in again")


@person_app.command("reset-second-factor")
@command
def reset_second_factor(email: Email, yes: Yes = False, config: Config = None, json: Json = False) -> None:
    """Help somebody who has lost their authenticator app, recovery codes and passkeys: take them away."""
    if not yes:
        typer.confirm(_QUESTION.format(email=email), abort=True, err=True)
    view = with_settings(config, lambda dsn, settings: persons.reset_second_factor(dsn, email))
    if json:
        as_json(view)
        return
    app = "authenticator app taken away; " if view.authenticator_app else ""
    line(
        f"{escape(view.person_id)}: {app}passkeys taken away: {view.passkeys}; sessions ended: {view.sessions_ended}; "
        "they sign in by e-mail now and should add a second factor at once"
    )
