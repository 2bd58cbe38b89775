"""Where log lines go: to standard error, because standard output is for what a command was asked for (`--json`)."""

import sys

import structlog


def log_to_stderr() -> None:
    """Call it once, when a process starts."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
