"""`farebox demo`: from the command to the first paid call, on a fresh home and on one that exists."""

import http.client
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bench.children import stop
from bench.home import disk_folder
from bench.report import Report, medians, middle
from bench.run import Run

PATIENCE_SECONDS = 60.0
# No configuration, no keys, no database of the caller's may reach the demo.
_FOREIGN = ("FAREBOX_", "DATABASE_URL", "PORT", "_API_KEY")


class DemoLine(msgspec.Struct):
    """What `farebox demo --json` prints; the rest of it is not needed here."""

    base_url: str
    api_key: str


class Failed(Exception):
    """The demo did not start, or its first call failed."""


def coldstart(run: Run) -> Report:
    """Seconds until the line is printed, and until the first paid call is answered."""
    report = Report("coldstart", ["", "until the line, s", "until the first paid call, s", "budget"])
    rounds = run.pick(5, quick=1)
    fresh: list[tuple[float, float]] = []
    existing: list[tuple[float, float]] = []
    try:
        for number in range(rounds):
            run.progress(f"round {number + 1} of {rounds}")
            with disk_folder(run.folder) as folder:
                fresh.append(_start(folder))
                existing.append(_start(folder))
    except Failed as error:
        report.notes.append(str(error))
    for name, found in (("fresh home", fresh), ("existing home", existing)):
        if found:
            report.row(name, *(middle(column) for column in zip(*found, strict=True)), "≤ 5 s")
    report.notes.append(f"Installed, with the caches of the file system warm; {medians(len(existing))}.")
    return report


def _start(folder: Path) -> tuple[float, float]:
    began_at = time.perf_counter()
    with _demo(folder) as demo:
        assert demo.stdout is not None
        line = _line(demo)
        line_after = time.perf_counter() - began_at
        _call(line)
        return line_after, time.perf_counter() - began_at


@contextmanager
def _demo(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    environment = {name: value for name, value in os.environ.items() if not any(part in name for part in _FOREIGN)}
    program = Path(sys.executable).with_name("farebox")
    try:
        process = subprocess.Popen(
            [str(program), "demo", "--json", "--port", str(_free_port())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={**environment, "FAREBOX_HOME": str(folder / "home")},
            start_new_session=True,
        )
    except OSError as error:
        raise Failed(f"`farebox` cannot be started: {error.strerror}.") from error
    try:
        yield process
    finally:
        stop(process)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _line(demo: "subprocess.Popen[bytes]") -> DemoLine:
    assert demo.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(demo.stdout, selectors.EVENT_READ)
        line = demo.stdout.readline() if selector.select(PATIENCE_SECONDS) else b""
    try:
        return msgspec.json.decode(line, type=DemoLine)
    except msgspec.DecodeError as error:
        raise Failed("`farebox demo --json` did not print its line.") from error


def _call(line: DemoLine) -> None:
    base = urlsplit(line.base_url)
    connection = http.client.HTTPConnection(base.netloc, timeout=PATIENCE_SECONDS)
    body = {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "Reply exactly: hello"}]}
    headers = {"authorization": f"Bearer {line.api_key}", "content-type": "application/json"}
    connection.request("POST", f"{base.path}/chat/completions", json.dumps(body), headers)
    status = connection.getresponse().status
    connection.close()
    if status != 200:
        raise Failed(f"the first call was answered with {status}.")
