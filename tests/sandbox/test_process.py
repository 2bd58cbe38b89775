"""The sandbox as a program of its own: it starts, it ends, and it never outlives its parent."""

import ast
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import farebox_sandbox
from farebox_sandbox.process import start_sandbox

PARENT = """
import sys, time
from farebox_sandbox.process import start_sandbox
with start_sandbox() as sandbox:
    print(sandbox.process_id, flush=True)
    time.sleep(60)
"""


def alive(process_id: int) -> bool:
    try:
        # A zombie whose new parent does not reap it counts as gone.
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone_within(process_id: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while alive(process_id) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(process_id)


def test_it_answers_while_the_block_lasts_and_is_gone_after_it() -> None:
    with start_sandbox(api_key="other") as sandbox:
        assert sandbox.process_id is not None
        with urllib.request.urlopen(f"{sandbox.url}/healthz") as response:
            assert response.status == 200
        assert sandbox.base_url == sandbox.url + "/v1"
        assert "other" not in repr(sandbox)
    assert gone_within(sandbox.process_id, 1)


def test_it_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    assert gone_within(child, 5)


def test_a_signal_ends_it_with_status_zero() -> None:
    command = [sys.executable, "-m", "farebox_sandbox", "--port", "0", "--print-port"]
    for number in (signal.SIGTERM, signal.SIGINT):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            os.kill(process.pid, number)
            assert process.wait(5) == 0


def test_a_taken_port_is_one_clear_line() -> None:
    with start_sandbox() as sandbox:
        port = sandbox.url.rpartition(":")[2]
        command = [sys.executable, "-m", "farebox_sandbox", "--port", port]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}" in ended.stderr


def test_it_imports_nothing_of_farebox() -> None:
    for file in Path(farebox_sandbox.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "farebox" for name in names), file.name
