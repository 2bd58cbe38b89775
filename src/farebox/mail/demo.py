"""Letters of a demo: kept where everybody who reaches the demo can read them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import psycopg

from farebox.base.clock import Clock
from farebox.mail.nobody import NoMailing


class DemoMailing(NoMailing):
    """Keeps letters in the table `demo_letter`, and prints each to the terminal."""

    def __init__(
        self,
        connect: Callable[[], AbstractAsyncContextManager[psycopg.AsyncConnection[tuple[Any, ...]]]],
        clock: Clock,
    ) -> None:
        self._connect = connect
        self._clock = clock
