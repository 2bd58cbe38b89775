"""Where log lines go: to standard error, because standard output is for what a command was asked for (`--json`)."""

import sys

import structlog


def log_to_stderr() -> None:
    """Call it once, when a process starts."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            # The renderer's own traceback shows the variables of every frame, and those hold keys and prompts.
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
