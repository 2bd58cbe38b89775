"""How commands talk: results on standard output, progress and errors on standard error, `--json` as one line."""

import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import msgspec
import psycopg
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from farebox.base.errors import OperatorError
from farebox.ledger.batcher import LedgerFault, LedgerUnavailable
from farebox.storage.errors import DatabaseUnavailable

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130  # what shells report for a program that Ctrl-C ended
MAX_PIPED_CHARS = 1_000  # the width of a table that no terminal shows: more than the longest row of ids and names

P = ParamSpec("P")
R = TypeVar("R")

Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="FAREBOX_CONFIG",
        show_envvar=True,
        metavar="FILE",
        help="The farebox.toml to use; without it, the one that comes with Farebox.",
    ),
]
Port = Annotated[int | None, typer.Option("--port", envvar="PORT", min=0, max=65_535, help="Port to listen on.")]
AtPort = Annotated[
    int | None,
    typer.Option(
        "--port", envvar="PORT", min=0, max=65_535, help="Where the gateway listens, for the address that is printed."
    ),
]

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def progress(line: str) -> None:
    """What is going on, for whoever waits."""
    err.print(escape(f"· {line}"), style="dim")


def quiet_progress(line: str) -> None:
    """The same, where nobody watches a script's standard error for it."""
    if err.is_terminal:
        progress(line)


def complain(error: OperatorError) -> None:
    """The two lines of every failure that an operator can mend."""
    err.print(f"[bold red]error:[/] {escape(error.message)}")
    err.print(f"[bold]fix:[/] {escape(error.fix)}")


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Wraps every command: no failure of the world outside shows a traceback, and Ctrl-C shows nothing."""

    @functools.wraps(function)
    def guarded(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            return function(*arguments, **named)
        except OperatorError as error:
            complain(error)
        except (DatabaseUnavailable, LedgerUnavailable, psycopg.OperationalError):
            complain(_UNAVAILABLE)
        except LedgerFault as error:
            complain(OperatorError(f"the ledger refused its own work: {error}", "report this; nothing was done"))
        except BrokenPipeError:
            # Whoever read our output has seen enough; the interpreter must not flush into the closed pipe again.
            sys.stdout = None
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None
        raise typer.Exit(EXIT_FAILED)

    return guarded


_UNAVAILABLE = OperatorError(
    "the database went away before it answered", "run `farebox doctor`; credits can be repeated with their --command-id"
)


def as_json(value: object) -> None:
    """One line on standard output."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def line(text: str) -> None:
    """One line for a person; `text` may carry rich markup, so escape what is not ours."""
    out.print(text)


def rows(items: Sequence[msgspec.Struct], columns: Iterable[tuple[str, str]], *, none: str) -> None:
    """A table: pairs of heading and field. `none` is said when there is nothing to show."""
    if not items:
        line(none)
        return
    pairs = list(columns)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading, _ in pairs:
        table.add_column(heading, overflow="fold")
    for item in items:
        table.add_row(*(escape(_cell(getattr(item, field))) for _, field in pairs))
    # Ids are there to be copied: a file or a pipe gets whole lines, and a narrow terminal folds what it cannot show.
    (out if out.is_terminal else Console(highlight=False, width=MAX_PIPED_CHARS)).print(table)


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
