"""All commands under one name."""

import typer

from farebox.cli import admins, customers, key_usage, keys, persons, pools, providers, rates, routing, running
from farebox.wiring.logs import log_to_stderr

_HELP = "Farebox: a self-hostable, prepaid gateway for AI models. Start with `farebox demo`."

app = typer.Typer(
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
running.add_to(app)
customers.add_to(app)
admins.add_to(app)
keys.add_to(app)
key_usage.add_to(keys.key_app)
providers.add_to(app)
pools.add_to(app)
rates.add_to(app)
routing.add_to(app)
persons.add_to(app)


def main() -> None:
    """Exit status 0; 1 for a failure, with its fix on standard error; 2 for a wrong command line."""
    log_to_stderr()
    app()
