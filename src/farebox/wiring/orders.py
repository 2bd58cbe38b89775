"""What a parent and its workers say to each other. Light: the parent imports none of what serves requests."""

from typing import Final

import msgspec

from farebox.wiring.settings import Boot, Settings

APP_FACTORY: Final = "farebox.wiring.app:build_app"
# Between the bound for running calls and the end of the process: the application's own shutdown.
LIFESPAN_SHUTDOWN_SECONDS: Final = 10.0
LISTEN_BACKLOG: Final = 2_048  # a burst of new connections between two turns of the event loop


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent wants: serve this application on that listening socket. It holds secrets; never log it."""

    settings: Settings
    dsn: str
    boot: Boot
    listen_fd: int
    status_fd: int
    factory: str = APP_FACTORY


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker tells its parent: it is ready, or it cannot start and what would mend that."""

    ready: bool
    message: str = ""
    fix: str = ""
