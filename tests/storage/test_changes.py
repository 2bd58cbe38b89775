import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from farebox.storage.changes import ChangeFeed
from farebox.storage.embedded import EmbeddedPostgres
from farebox.storage.home import Home


class Heard:
    """What a process that caches would be told."""

    def __init__(self, dsn: str) -> None:
        self.changes: list[tuple[str, str]] = []
        self.losses = 0
        self.feed = ChangeFeed(dsn, lambda topic, subject: self.changes.append((topic, subject)), self._count_loss)

    def _count_loss(self) -> None:
        assert not self.feed.alive, "caches are dropped before the feed counts as alive"
        self.losses += 1


@pytest.fixture
async def heard(dsn: str) -> AsyncIterator[Heard]:
    heard = Heard(dsn)
    heard.feed.start()
    await until(lambda: heard.feed.alive)
    yield heard
    await heard.feed.stop()


class Relay:
    """Stands between a client and the database; while `silent`, it keeps connections open and lets nothing through.

    Stopping the server's process would be silence too, but a killed test run would leave it stopped for ever.
    """

    def __init__(self, dsn: str, folder: Path) -> None:
        parts = conninfo_to_dict(dsn)
        self._target = f"{parts['host']}/.s.PGSQL.{parts['port']}"
        self._own = str(folder / f".s.PGSQL.{parts['port']}")
        self.dsn = make_conninfo(dsn, host=str(folder))
        self.silent = False

    async def __aenter__(self) -> "Relay":
        self._server = await asyncio.start_unix_server(self._serve, self._own)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._target)
        await asyncio.gather(self._pass_on(reader, far_writer), self._pass_on(far_reader, writer))

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while chunk := await source.read(65_536):
            if not self.silent:
                target.write(chunk)
        target.close()


async def until(condition: Callable[[], bool], *, seconds: float = 10.0) -> float:
    """How many seconds it took."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, "it did not happen in time"
        await asyncio.sleep(0.005)
    return time.monotonic() - begin


def notify(dsn: str, *payloads: str) -> None:
    with psycopg.connect(dsn) as connection:
        for payload in payloads:
            connection.execute("SELECT pg_notify('farebox_changes', %s)", [payload])


def listener_of(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
        assert row is not None
        return int(row[0])


async def test_a_change_arrives_within_a_second(heard: Heard, dsn: str) -> None:
    notify(dsn, "key:17", "route:a:b", "price")
    assert await until(lambda: len(heard.changes) == 3) < 1.0
    assert heard.changes == [("key", "17"), ("route", "a:b"), ("price", "")]


async def test_no_change_is_missed_while_the_feed_proves_itself_alive(heard: Heard, dsn: str) -> None:
    for number in range(60):
        notify(dsn, f"key:{number}")
        await asyncio.sleep(0.02)
    await until(lambda: len(heard.changes) == 60)
    assert [int(subject) for _, subject in heard.changes] == list(range(60))


async def test_a_silent_database_is_noticed_after_a_second_and_the_feed_comes_back(dsn: str, new_home: Home) -> None:
    async with Relay(dsn, new_home.path.parent) as relay:
        heard = Heard(relay.dsn)
        heard.feed.start()
        await until(lambda: heard.feed.alive)
        losses = heard.losses
        relay.silent = True
        assert 0.5 < await until(lambda: not heard.feed.alive) < 2.0
        assert heard.losses == losses + 1
        relay.silent = False
        await until(lambda: heard.feed.alive)
        assert heard.losses == losses + 2
        notify(dsn, "key:1")
        await until(lambda: heard.changes == [("key", "1")])
        await heard.feed.stop()


async def test_a_broken_connection_drops_the_caches_at_once(heard: Heard, dsn: str) -> None:
    losses, listener = heard.losses, listener_of(dsn)  # asked for first: it is the only other session then
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 1000)", [listener])
    await until(lambda: heard.losses == losses + 2)
    await until(lambda: heard.feed.alive)


async def test_a_stopped_database_drops_the_caches_until_it_is_back(postgres: EmbeddedPostgres) -> None:
    heard = Heard(postgres.start())
    heard.feed.start()
    await until(lambda: heard.feed.alive)
    losses = heard.losses
    postgres.stop()
    await until(lambda: not heard.feed.alive)
    assert heard.losses == losses + 1
    postgres.start()
    await until(lambda: heard.feed.alive)
    assert heard.losses == losses + 2
    await heard.feed.stop()
    await heard.feed.stop()
    assert not heard.feed.alive
