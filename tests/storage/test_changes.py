import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest

from farebox.storage.changes import ChangeFeed
from farebox.storage.embedded import EmbeddedPostgres


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


async def test_a_silent_database_is_noticed_after_a_second_and_the_feed_comes_back(heard: Heard, dsn: str) -> None:
    silent = listener_of(dsn)
    losses = heard.losses
    os.kill(silent, signal.SIGSTOP)
    try:
        assert 0.5 < await until(lambda: not heard.feed.alive) < 2.0
        assert heard.losses == losses + 1
        await until(lambda: heard.feed.alive)
        assert heard.losses == losses + 2
    finally:
        os.kill(silent, signal.SIGCONT)
    notify(dsn, "key:1")
    await until(lambda: heard.changes == [("key", "1")])


async def test_a_broken_connection_drops_the_caches_at_once(heard: Heard, dsn: str) -> None:
    losses = heard.losses
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 1000)", [listener_of(dsn)])
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
