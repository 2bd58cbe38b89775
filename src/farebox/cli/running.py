"""Commands that run Farebox and look after it."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape

from farebox.catalog.checklist import checklist_lines, checklist_of, checklist_summary
from farebox.catalog.diff import diff_lines
from farebox.catalog.toml_file import read_catalog_file
from farebox.cli.show import (
    EXIT_FAILED,
    Config,
    Json,
    Port,
    as_json,
    command,
    err,
    line,
    out,
    progress,
    quiet_progress,
)
from farebox.wiring import catalogs, operate, processes
from farebox.wiring.arguments import read_moment
from farebox.wiring.people import site_of
from farebox.wiring.settings import MAX_WORKERS, Settings, load_settings, refuse_empty, refuse_weak_secrets

if TYPE_CHECKING:
    from farebox.wiring.demo import Demo

catalog_app = typer.Typer(help="What is sold, and at which price.", no_args_is_help=True)
config_app = typer.Typer(help="The configuration.", no_args_is_help=True)
ledger_app = typer.Typer(help="The books.", no_args_is_help=True)

_MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "error": "[bold red]error[/]"}
BREACHES_SHOWN = 20


def add_to(app: typer.Typer) -> None:
    """Give the commands to the program, in the order of `--help`."""
    for function in (demo, serve, worker, migrate, examine):
        app.command(name="doctor" if function is examine else None)(function)
    app.add_typer(config_app, name="config")
    app.add_typer(catalog_app, name="catalog")
    app.add_typer(ledger_app, name="ledger")


def settings_for(
    config: Path | None, *, host: str | None = None, port: int | None = None, workers: int | None = None
) -> Settings:
    """The checked configuration, with what the command line overrides."""
    settings = load_settings(config)
    wanted = {"host": host, "port": port, "workers": workers}
    given = {name: value for name, value in wanted.items() if value is not None}
    return msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, **given))


@command
def demo(config: Config = None, port: Port = None, json: Json = False) -> None:
    """Try everything on this machine: a database, sandbox providers, and a key with $10."""
    from farebox.wiring.demo import demo as run_demo

    settings = settings_for(config, port=port)
    refuse_weak_secrets(settings)
    catalogs.refuse_empty_keys_in(settings)
    run_demo(
        settings, report=progress, on_ready=lambda ready: as_json_line(ready) if json else _show_demo(settings, ready)
    )


def as_json_line(ready: "Demo") -> None:
    """The one line that scripts wait for."""
    out.file.write(ready.line() + "\n")
    out.file.flush()


def _show_demo(settings: Settings, ready: "Demo") -> None:
    sandboxed = ", ".join(ready.sandboxed) or "none"
    lines = [
        f"[bold]base URL[/]   {escape(ready.base_url)}",
        f"[bold]console[/]    {escape(ready.console_url)} (sign in with any e-mail address)",
        *_letters(settings, ready),
        f"[bold]key[/]        {escape(ready.api_key)}",
        f"[bold]workspace[/]  Demo ({escape(ready.workspace_id)}), ${escape(ready.available_usd)} available",
        "",
        f"[bold yellow]SANDBOX[/]    plays {escape(sandboxed)}: their answers are made up, nothing is sent to them",
    ]
    if ready.real:
        lines.append(f"[bold red]REAL[/]       {escape(', '.join(ready.real))}: their keys are set, they will bill you")
    line(f"\n[bold green]{escape(settings.brand.name)} demo is ready[/]\n")
    for text in lines:
        line(f"  {text}" if text else "")
    line("\nA paid call:\n")
    out.out(ready.curl(), highlight=False)
    line("\nCtrl-C stops it; the next start keeps the balance and makes a new key.")


def _letters(settings: Settings, ready: "Demo") -> list[str]:
    """Where the letters with the codes are, unless a mail server takes them."""
    if settings.mail.host:
        return []
    return [f"[bold]letters[/]    here, and at {escape(ready.console_url)}demo/mailbox; none are sent"]


@command
def serve(
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Port = None,
    workers: Annotated[int | None, typer.Option(min=1, max=MAX_WORKERS, help="Worker processes.")] = None,
) -> None:
    """Run the gateway."""
    settings = settings_for(config, host=host, port=port, workers=workers)
    refuse_weak_secrets(settings)
    catalogs.refuse_empty_keys_in(settings)
    processes.serve(
        settings,
        report=progress,
        on_ready=lambda address: _show_gateway(settings, address),
    )


def _show_gateway(settings: Settings, address: str) -> None:
    line(f"{escape(settings.brand.name)} is ready at {escape(address)}")
    server = settings.server
    site = site_of(server.public_url, host=server.host, port=server.port)
    if site is not None:
        line(f"People sign in at {escape(site.url('/sign-in'))}")
    elif server.port:
        err.print("[yellow]warning:[/] nobody can sign in, because server.public_url is not set; API keys work")
        err.print('[bold]fix:[/] set it to the address that people\'s browsers use, like "https://ai.example.com"')


@command
def worker(config: Config = None) -> None:
    """Do the background chores in a process of their own."""
    settings = settings_for(config)
    refuse_weak_secrets(settings)
    processes.work(settings, report=progress)


@command
def migrate(config: Config = None, json: Json = False) -> None:
    """Bring the database's schema up to date."""
    applied = processes.migrate_database(settings_for(config), report=quiet_progress)
    if json:
        as_json({"applied": applied})
        return
    for name in applied:
        line(f"applied {escape(name)}")
    if not applied:
        line("the schema is current")


@command
def examine(config: Config = None, port: Port = None, json: Json = False) -> None:
    """Check the whole installation; each finding comes with its fix."""
    from farebox.wiring import doctor

    findings = doctor.examine(settings_for(config, port=port), quiet_progress)
    if json:
        as_json({"findings": findings, "sound": all(finding.verdict != "error" for finding in findings)})
    else:
        for finding in findings:
            line(f"{_MARKS[finding.verdict]} {escape(finding.check)}: {escape(finding.detail)}")
            if finding.fix:
                line(f"   fix: {escape(finding.fix)}")
    if any(finding.verdict == "error" for finding in findings):
        raise typer.Exit(EXIT_FAILED)


@config_app.command("check")
@command
def check_config(config: Config = None, json: Json = False) -> None:
    """Check farebox.toml and the catalog.toml beside it, without starting anything."""
    settings = load_settings(config)
    refuse_weak_secrets(settings)
    warnings: list[str] = []
    summary = ""
    if settings.catalog_path.exists():
        file = read_catalog_file(settings.catalog_path)
        checklist = checklist_of(file.catalog())
        warnings = [*file.warnings, *checklist_lines(checklist)]
        summary = f": {checklist_summary(checklist)}"
        refuse_empty(provider.api_key_env for provider in file.providers.values() if provider.api_key_env)
    if json:
        as_json({"config": settings.config_path, "catalog": str(settings.catalog_path), "warnings": warnings})
        return
    for warning in warnings:
        err.print(f"[yellow]warning:[/] {escape(warning)}")
    line(f"{escape(settings.config_path)} is well{summary}")


@catalog_app.command("apply")
@command
def apply_catalog(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The catalog.toml.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    effective_at: Annotated[
        str | None, typer.Option(metavar="MOMENT", help="When it takes effect, like 2027-01-31T00:00:00Z; now.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Put a catalog into effect, in every running process within a second."""
    moment = read_moment(effective_at)
    with processes.ready_database(settings_for(config), role="guest", report=quiet_progress) as database:
        diff = asyncio.run(
            catalogs.store_catalog(database.dsn, file, actor=operate.ACTOR, effective_at_micros=moment, dry_run=dry_run)
        )
    if json:
        as_json(diff)
        return
    for text in diff_lines(diff):
        line(escape(text))
    if dry_run:
        line("dry run: nothing was stored")


@ledger_app.command("verify")
@command
def verify(config: Config = None, json: Json = False) -> None:
    """Prove the books from the stored rows alone; exit status 1 if they do not add up."""
    with processes.ready_database(settings_for(config), role="guest", report=quiet_progress) as database:
        report = asyncio.run(operate.verify_ledger(database.dsn))
    if json:
        as_json(
            {**report._asdict(), "breaches": [breach._asdict() for breach in report.breaches], "sound": report.sound}
        )
    else:
        for breach in report.breaches[:BREACHES_SHOWN]:
            line(f"[bold red]breach[/] {escape(breach.invariant)}: {escape(breach.row)}: {escape(breach.problem)}")
        counts = (
            f"{report.entries} entries, {report.holds} holds ({report.open_holds} open), {report.accounts} accounts"
        )
        verdict = "all hold" if report.sound else f"{len(report.breaches)} breaches"
        line(f"{report.checks} invariants over {counts}: {verdict}")
    if not report.sound:
        raise typer.Exit(EXIT_FAILED)
