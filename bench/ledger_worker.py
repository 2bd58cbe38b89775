"""One of several workers on one ledger: a process with a batcher of its own, as `serve --workers 2` has them."""

import uvloop
from msgspec import Struct

from bench.books import run_pairs, working_ledger
from bench.children import give_answer, take_order
from bench.load import percentile_ms


class WorkerOrder(Struct):
    """What to play: so many waiting at once, for so long after a warm-up of a tenth of it."""

    dsn: str
    workspaces: list[int]
    waiting: int
    seconds: float


class WorkerAnswer(Struct):
    """What came of it; latencies of one command in milliseconds."""

    pairs_per_second: float
    p50_ms: float
    p99_ms: float


async def _play(order: WorkerOrder) -> WorkerAnswer:
    async with working_ledger(order.dsn) as book:
        await run_pairs(book, order.workspaces, waiting=order.waiting, seconds=order.seconds / 10)
        found = await run_pairs(book, order.workspaces, waiting=order.waiting, seconds=order.seconds)
    return WorkerAnswer(
        found.pairs / found.seconds, percentile_ms(found.latencies, 0.5), percentile_ms(found.latencies, 0.99)
    )


if __name__ == "__main__":
    give_answer(uvloop.run(_play(take_order(WorkerOrder))))
