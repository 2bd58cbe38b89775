"""The stored pools as a process knows them: read at the start and on each change, handed to its accounts."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog

from farebox.providers.accounts import Accounts
from farebox.providers.secrets import Safe
from farebox.providers.store import Closed, Connection, load_pools

_log = structlog.get_logger(__name__)


class LivePools:
    """Call `refresh` at the start and on every `credential:…` message of the change feed."""

    def __init__(
        self, connect: Callable[[], AbstractAsyncContextManager[Connection]], accounts: Accounts, safe: Safe | None
    ) -> None:
        """`connect` lends a connection; `safe` None: no key can be opened."""
        self._connect = connect
        self._accounts = accounts
        self._safe = safe
        self._closed: frozenset[Closed] = frozenset()
        # An older answer must never replace a newer one.
        self._refreshing = asyncio.Lock()

    async def refresh(self) -> None:
        """Load everything again. On an error of the database the old pools stay."""
        async with self._refreshing:
            async with self._connect() as connection:
                loaded = await load_pools(connection, self._safe)
            self._accounts.replace_stored(loaded.pools)
            closed = frozenset(loaded.closed)
            for found in closed - self._closed:
                _log.error(
                    "a stored credential is left out",
                    credential=found.credential_id,
                    provider=found.provider_id,
                    why=found.why,
                )
            self._closed = closed
