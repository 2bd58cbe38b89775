import asyncio

from farebox.wiring.running import end_if_failed


async def _ended_by(work: "asyncio.Task[None]") -> int:
    ends: list[None] = []
    work.add_done_callback(lambda task: end_if_failed(task, end=lambda: ends.append(None)))
    await asyncio.wait([work])
    await asyncio.sleep(0)
    return len(ends)


async def _fail() -> None:
    raise RuntimeError("the ledger broke")


async def _finish() -> None:
    await asyncio.sleep(0)


async def test_a_failed_ledger_task_ends_the_process_so_that_its_parent_starts_another() -> None:
    assert await _ended_by(asyncio.ensure_future(_fail())) == 1


async def test_a_ledger_task_that_was_told_to_stop_ends_nothing() -> None:
    assert await _ended_by(asyncio.ensure_future(_finish())) == 0
    stopped = asyncio.ensure_future(asyncio.sleep(60))
    stopped.cancel()
    assert await _ended_by(stopped) == 0
