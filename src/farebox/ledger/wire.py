"""One PostgreSQL connection, driven in pipeline mode straight on libpq.

The batcher makes two exchanges per batch and they are the CPU of every paid call, so this skips the layers that a
general-purpose driver needs. Protocol: libpq's pipeline mode (PostgreSQL documentation, chapter "Pipeline Mode").
"""

import asyncio
import select
from collections.abc import Callable, Mapping, Sequence

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result

# Longer than any commit that is still alive; a server that says nothing for so long is treated as lost.
EXCHANGE_TIMEOUT_SECONDS = 30.0

_GOOD = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)

Step = tuple[str, Sequence[bytes | None]]
"""A prepared statement's name and its parameters in text format."""


class Wire:
    """Runs batches of prepared statements, one exchange at a time. Raises psycopg.Error."""

    def __init__(self, connection: "psycopg.AsyncConnection[tuple[object, ...]]", on_lost: Callable[[], None]) -> None:
        self._connection = connection
        self._on_lost = on_lost
        self._pg = connection.pgconn
        self._loop = asyncio.get_running_loop()
        self._results: list[pq.abc.PGresult] = []
        self._waiting: asyncio.Future[None] | None = None
        self._descriptor = self._pg.socket
        self._more = select.poll()
        self._more.register(self._descriptor, select.POLLIN)

    @classmethod
    async def open(
        cls,
        dsn: str,
        statements: Mapping[str, str],
        *,
        settings: Sequence[str] = (),
        on_lost: Callable[[], None] = lambda: None,
    ) -> "Wire":
        """Connect, apply session settings, prepare the statements. Raises psycopg.Error.

        `on_lost` is called in the event loop when the connection breaks, also while nothing runs on it.
        """
        connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
        wire = cls(connection, on_lost)
        try:
            for setting in settings:
                await connection.execute(setting)
            wire._enter()
            await wire._prepare(statements)
        except BaseException:
            await wire.close()
            raise
        return wire

    def _enter(self) -> None:
        self._pg.nonblocking = 1
        self._pg.enter_pipeline_mode()
        self._loop.add_reader(self._descriptor, self._readable)
        self._watched = True

    async def _prepare(self, statements: Mapping[str, str]) -> None:
        for name, sql in statements.items():
            self._pg.send_prepare(name.encode(), sql.encode())
        await self._exchange()

    async def run(self, steps: Sequence[Step]) -> list[bytes | None]:
        """Run the steps in one exchange; returns the first column of each step's first row (None without one)."""
        for name, parameters in steps:
            self._pg.send_query_prepared(name.encode(), parameters)
        return [
            result.get_value(0, 0) if result.status == pq.ExecStatus.TUPLES_OK and result.ntuples else None
            for result in await self._exchange()
        ]

    async def prepare_and_run(self, name: str, sql: str, parameters: Sequence[bytes | None] = ()) -> bytes | None:
        """Prepare one more statement and run it once."""
        await self._prepare({name: sql})
        return (await self.run([(name, parameters)]))[0]

    async def _exchange(self) -> list[pq.abc.PGresult]:
        self._pg.pipeline_sync()
        self._results = []
        self._waiting = self._loop.create_future()
        self._flush()
        try:
            async with asyncio.timeout(EXCHANGE_TIMEOUT_SECONDS):
                await self._waiting
        except TimeoutError as error:
            raise psycopg.OperationalError("the database did not answer in time") from error
        finally:
            self._waiting = None
        for result in self._results:
            if result.status not in _GOOD:
                raise error_from_result(result)
        return self._results

    def _flush(self) -> None:
        """Send what libpq has buffered; what the socket does not take now goes when it can."""
        try:
            unsent = self._pg.flush()
        except psycopg.Error as error:
            self._fail(error)
            return
        if unsent and not self._writing:
            self._loop.add_writer(self._descriptor, self._flush)
        elif self._writing and not unsent:
            self._loop.remove_writer(self._descriptor)
        self._writing = bool(unsent)

    def _readable(self) -> None:
        try:
            # To the last byte: libuv tells of a reset connection once, together with what came before it, and then
            # never watches that socket again.
            self._pg.consume_input()
            while self._more.poll(0):
                self._pg.consume_input()
            if self._pg.status == pq.ConnStatus.BAD:
                raise psycopg.OperationalError("the database closed the connection")
            while self._waiting is not None and not self._waiting.done() and not self._pg.is_busy():
                result = self._pg.get_result()
                if result is None:
                    continue
                if result.status == pq.ExecStatus.PIPELINE_SYNC:
                    self._waiting.set_result(None)
                else:
                    self._results.append(result)
        except psycopg.Error as error:
            self._fail(error)

    def _fail(self, error: psycopg.Error) -> None:
        self._unwatch()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(psycopg.OperationalError(str(error)))
        self._broken = True
        self._on_lost()

    def _unwatch(self) -> None:
        """Once only: libpq closes the socket of a lost connection, and its number may be somebody else's by now."""
        if self._watched:
            self._watched = False
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_writer(self._descriptor)

    _broken = False
    _watched = False
    _writing = False

    @property
    def broken(self) -> bool:
        """Whether the connection was lost; the answer to an exchange under way is then not known."""
        return self._broken

    async def close(self) -> None:
        """End the session; the advisory lock it holds goes with it."""
        self._unwatch()
        await self._connection.close()
