"""A prompt is relayed, never stored: markers in prompts and answers are searched for everywhere a gateway can write."""

import asyncio
import io
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.dataplane.outcomes import see, together
from tests.dataplane.recorder import Recorder
from tests.dataplane.shop import catalog_text
from tests.dataplane.test_client_leaves import call, only_receipt
from tests.dataplane.test_faults import NOT_WHOLE, WHOLE, Fault, cases
from tests.gateway import Customer, RunningGateway, serve_gateway


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """All of structlog and of the standard library's logging, the debug lines of every library included."""
    text = io.StringIO()
    handler, root = logging.StreamHandler(text), logging.getLogger()
    level, configuration = root.level, structlog.get_config()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(text), cache_logger_on_first_use=False)
    try:
        yield text
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        structlog.configure(**configuration)


async def found_in_database(gateway: RunningGateway, marker: str) -> list[str]:
    """Tables with a row that has the marker in any column, as text or in the bytes of a bytea."""
    tables = await gateway.rows(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    found = []
    for (table,) in tables:
        query = f"SELECT count(*) FROM {table} t WHERE t::text ILIKE %s OR t::text ILIKE %s"
        [(rows,)] = await gateway.rows(query, f"%{marker}%", f"%{marker.encode().hex()}%")
        found += [table] if rows else []
    assert len(tables) > 10
    return found


def found_in_files(folder: Path, marker: str) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file() and marker.encode() in path.read_bytes()]


async def play_everything(gateway: RunningGateway, customer: Customer, marker: str) -> list[bytes]:
    """Prompts and answers with the marker through every fault; what other customers are told."""

    async def one(fault: Fault, stream: bool) -> None:
        gateway.parts.accounts.woke("sandbox:locked")
        directives = {"error_message": f"about {marker}", **fault.directives}
        if "words" not in directives:
            directives["text"] = f"answer {marker}"
        tools = [{"type": "function", "function": {"name": f"f_{marker}", "parameters": {}}}]
        await see(customer.chat(f"prompt {marker}", model=fault.model, stream=stream, sandbox=directives, tools=tools))

    await together(one(*case) for case in cases(WHOLE + NOT_WHOLE))
    await gateway.idle()
    for headers in ({"x-marker": marker}, {"idempotency-key": marker}, {"idempotency-key": marker}):
        await see(customer.chat(f"prompt {marker}", headers=headers))
    for body in (f'{{"model":"{marker}"', f'{{"model":"{marker}","messages":[]}}', f'"{marker}"'):
        await see(customer.post("/v1/chat/completions", body.encode()))
    await see(customer.chat(marker, max_tokens=10**6))
    await see(customer.chat(marker, model=f"model-{marker}"))
    for model in ("plain", "cancels"):
        leaver = await gateway.new_customer()
        line = await call(leaver, model=model, sandbox={"text": f"x {marker} " * 20, "chunk_delay_seconds": 0.01})
        await line.reader.readexactly(1_500)
        line.hang_up()
        await only_receipt(leaver)
    other = await gateway.new_customer(balance_usd="0")
    return [(await see(other.chat())).body, (await see(other.chat(model="closed", max_tokens=1))).body]


async def test_no_marker_is_left_anywhere(
    sandbox: RunningSandbox, recorder: Recorder, black_hole: str, capfd: pytest.CaptureFixture[str]
) -> None:
    marker = f"zq{secrets.token_hex(8)}"
    catalog = catalog_text(recorder=recorder.base_url, black_hole=black_hole)
    with TestCluster() as own_cluster, everything_logged() as logged:
        async with serve_gateway(own_cluster, sandbox=sandbox, catalog=catalog) as gateway:
            customer = await gateway.new_customer(balance_usd="1000")
            told_others = await play_everything(gateway, customer, marker)
            await gateway.idle()
            assert not [body for body in told_others if marker.encode() in body]
            assert await found_in_database(gateway, marker) == []
            assert len(await customer.call_ids()) > 80, "the faults were played"
            async with gateway.session.get(f"{gateway.url}/metrics") as response:
                metrics = await response.text()
                assert "farebox_calls_total" in metrics and marker not in metrics
            await customer.get("/api/usage")

            late = asyncio.ensure_future(
                see(customer.chat(marker, sandbox={"text": marker, "delay_seconds": 0.6}, tools=[], stream=True))
            )
            await asyncio.sleep(0.3)
            own_cluster._postgres.stop()
            assert (await late).error["code"] == "database_unavailable"
            home = gateway.settings.home.path
            assert list(gateway.settings.home.spool.glob("*.json")), "there is evidence on disk"
            assert found_in_files(home, marker) == []
            assert found_in_files(own_cluster.home.path, marker) == [], "neither tables nor PostgreSQL's own log"
            own_cluster._postgres.start()
            async with asyncio.timeout(30):
                while gateway.parts.spool.count():
                    await asyncio.sleep(0.1)
            assert await found_in_database(gateway, marker) == []
    text = logged.getvalue()
    assert "attempt failed" in text and "settlement kept on disk" in text, "logs were captured"
    assert marker not in text
    output = capfd.readouterr()
    assert marker not in output.out and marker not in output.err
