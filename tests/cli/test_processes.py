"""Whatever ends the parent, nothing of it stays behind."""

import json
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from farebox.storage.home import Home
from tests.cli.programs import (
    ask,
    farebox_json,
    free_port,
    processes_of,
    running,
    wait_for,
    workers_of,
)
from tests.terms import TERMS

SLOW_HEADERS_SECONDS = 0.5
CONFIG = f"[server]\nheader_timeout_seconds = {SLOW_HEADERS_SECONDS}\nmax_header_bytes = 8192\n"


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "farebox.toml"
    path.write_text(CONFIG)
    (tmp_path / "catalog.toml").write_text(_CATALOG)
    return str(path)


_CATALOG = f"""
margin_bps = 0
{TERMS}
[providers.local]
display_name = "Local"
base_url     = "http://127.0.0.1:9/v1"
[models.small]
display_name      = "Small"
context_tokens    = 1000
max_output_tokens = 100
[routes."local/small"]
cost = {{ input = "1", output = "1" }}
"""


def test_a_gateway_for_other_machines_says_that_nobody_can_sign_in_yet(home: Home, config: str) -> None:
    with running(home, "serve", "--config", config, "--host", "0.0.0.0", "--port", str(free_port())) as program:
        assert "ready at http://" in program.line()
        assert wait_for(lambda: "fix: set it to the address that people's browsers use" in program.errors.read_text())
        assert "warning: nobody can sign in, because server.public_url is not set" in program.errors.read_text()
        assert program.interrupt() == 0


def test_serve_listens_with_several_workers_and_ctrl_c_leaves_nothing(home: Home, config: str) -> None:
    port = free_port()
    with running(home, "serve", "--config", config, "--port", str(port), "--workers", "2") as program:
        assert f"ready at http://127.0.0.1:{port}" in program.line()
        assert program.line() == f"People sign in at http://localhost:{port}/sign-in\n"
        assert len(workers_of(home)) == 2
        assert ask(port, "GET", "/readyz")[0] == 200
        _slow_headers_are_cut(port)
        _large_headers_are_refused(port)
        assert program.interrupt() == 0
        assert processes_of(home) == []
    assert not list(home.run.glob("metrics-*"))


def _slow_headers_are_cut(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n")
        began = time.monotonic()
        dripping = threading.Thread(target=_drip, args=[client])
        dripping.start()
        answer = client.recv(1000)
        dripping.join()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 10


def _drip(client: socket.socket) -> None:
    try:
        for _ in range(100):
            client.sendall(b"X-A: b\r\n")
            time.sleep(SLOW_HEADERS_SECONDS / 5)
    except OSError:
        return


def _large_headers_are_refused(port: int) -> None:
    for end in (b"", b"\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: " + b"b" * 9_000 + end)
            assert client.recv(1000).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("arguments", [("demo", "--json"), ("serve", "--workers", "2")])
def test_a_killed_parent_leaves_neither_worker_nor_database_nor_sandbox(home: Home, arguments: tuple[str, ...]) -> None:
    with running(home, *arguments, "--port", str(free_port())) as program:
        program.line()
        assert len(processes_of(home)) >= 4
        program.process.kill()
        program.process.wait()
        assert wait_for(lambda: processes_of(home) == [])


def test_sigterm_lets_a_running_call_finish_and_be_charged(home: Home) -> None:
    port = free_port()
    with running(home, "demo", "--json", "--port", str(port)) as program:
        key = json.loads(program.line())["api_key"]
        answers: list[int] = []
        body = {
            "model": "claude-haiku-4-5",
            "messages": [{"role": "user", "content": "hi"}],
            "sandbox": {"delay_seconds": 1.0},
        }
        call = threading.Thread(
            target=lambda: answers.append(ask(port, "POST", "/v1/chat/completions", key=key, body=body)[0])
        )
        call.start()
        time.sleep(0.4)
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(20) == 0
        call.join()
        assert answers == [200]
    (view,) = farebox_json(home, "workspace", "list")
    assert view["available_usd"] != "10.00" and view["held_usd"] == "0.00"


def test_ctrl_c_while_it_starts_is_quiet_and_leaves_nothing(home: Home) -> None:
    with running(home, "demo", "--json", "--port", str(free_port())) as program:
        assert wait_for(lambda: "creating the database" in program.errors.read_text())
        program.interrupt()
        assert "Traceback" not in program.errors.read_text()
        assert wait_for(lambda: processes_of(home) == [])
