"""Stands between a batcher and PostgreSQL, and cuts the line where it hurts most."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from psycopg.conninfo import conninfo_to_dict, make_conninfo

_SOCKET = ".s.PGSQL.5432"
# The name of the batcher's prepared COMMIT, as it travels in a Bind message: portal, statement.
_COMMIT = b"\0commit\0"
_READY_IDLE = b"Z\0\0\0\5I"


class CuttingProxy:
    """Use as a context manager; `dsn` leads through it.

    `cut_at_commit`: at the next COMMIT both sides are cut, after PostgreSQL did it ("after") or before it hears of it
    ("before"). `refusing`: new connections are closed at once.
    """

    def __init__(self, dsn: str) -> None:
        fields = conninfo_to_dict(dsn)
        self._target = f"{fields['host']}/{_SOCKET}"
        self._folder = Path(tempfile.mkdtemp(prefix="farebox-proxy-", dir="/tmp"))
        self.dsn = make_conninfo(dsn, host=str(self._folder))
        self.cut_at_commit: str | None = None
        self.refusing = False
        self.cuts = 0
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "CuttingProxy":
        self._server = await asyncio.start_unix_server(self._accept, f"{self._folder}/{_SOCKET}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)
        shutil.rmtree(self._folder)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.create_task(self._relay(reader, writer))
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.close()
            return
        upstream, onward = await asyncio.open_unix_connection(self._target)
        back = asyncio.create_task(self._pass_back(upstream, writer))
        try:
            while data := await reader.read(1 << 16):
                if self.cut_at_commit is not None and _COMMIT in data:
                    how, self.cut_at_commit = self.cut_at_commit, None
                    self.cuts += 1
                    back.cancel()
                    await asyncio.gather(back, return_exceptions=True)
                    if how == "after":
                        onward.write(data)
                        await upstream.readuntil(_READY_IDLE)
                    return
                onward.write(data)
                await onward.drain()
        except ConnectionError:
            return
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            onward.close()
            writer.close()

    async def _pass_back(self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await upstream.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()
