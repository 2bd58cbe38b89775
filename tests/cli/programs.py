"""The `farebox` program as people start it: real processes, each with a home of its own."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from farebox.storage.home import Home
from farebox.storage.processes import postgres_processes

FAREBOX = str(Path(sys.executable).with_name("farebox"))
# A start takes two seconds; a machine that runs other tests as well needs more.
START_SECONDS = 40.0
END_SECONDS = 20.0
_POLL_SECONDS = 0.02


def environment(home: Home, **more: str) -> dict[str, str]:
    """Nothing of whoever runs the tests but the paths to programs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "FAREBOX_HOME": str(home.path), **more}


def farebox(home: Home, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    command = [FAREBOX, *arguments]
    return subprocess.run(
        command, env=environment(home, **more), capture_output=True, text=True, timeout=START_SECONDS, check=False
    )


def farebox_json(home: Home, *arguments: str, **more: str) -> Any:
    """What a command that must succeed answers with --json."""
    done = farebox(home, *arguments, "--json", **more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(done: "subprocess.CompletedProcess[str]") -> tuple[str, str]:
    """The error and the fix of a command that must fail like one: two lines, status 1, no traceback."""
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    message = next(line for line in lines if line.startswith("error: "))
    fix = next(line for line in lines if line.startswith("fix: "))
    return message, fix


class Program:
    """A farebox that keeps running, as the leader of a process group, like a terminal starts it."""

    def __init__(self, home: Home, *arguments: str, **more: str) -> None:
        self.home = home
        self.errors = home.path.parent / "stderr"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [FAREBOX, *arguments],
                env=environment(home, **more),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )

    def line(self) -> str:
        """Its next line; a test that waits too long is ended by pytest."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.errors.read_text()
        return line

    def lines_until(self, sign: str) -> str:
        """All lines up to one that has the sign in it."""
        text = ""
        while sign not in text:
            text += self.line()
        return text

    def interrupt(self) -> int:
        """Ctrl-C: SIGINT to the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(END_SECONDS)

    def end(self) -> None:
        """Whatever happened in the test, nothing stays."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(END_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()
        assert wait_for(lambda: not processes_of(self.home)), processes_of(self.home)


@contextmanager
def running(home: Home, *arguments: str, **more: str) -> Iterator[Program]:
    """A program for the length of a block."""
    program = Program(home, *arguments, **more)
    try:
        yield program
    finally:
        program.end()


def processes_of(home: Home) -> list[str]:
    """Everything that belongs to a home: by its environment, and PostgreSQL by its folder."""
    mark = f"FAREBOX_HOME={home.path}\0".encode()
    found = [f"postgres {pid}" for pid in postgres_processes(_data_folder(home))]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes() + b"\0":
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode() + entry.name)
            except OSError:
                continue
    return found


def _data_folder(home: Home) -> Path:
    location = home.database / "location"
    cluster = Path(location.read_text().strip()) if location.exists() else home.database / "cluster"
    return cluster / "data"


def workers_of(home: Home) -> list[int]:
    """The process ids of its workers."""
    return [int(line.rpartition(" ")[2]) for line in processes_of(home) if "farebox.wiring.worker" in line]


def wait_for(happened: Callable[[], bool], seconds: float = END_SECONDS) -> bool:
    """Whether it happened in time."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, method: str, path: str, *, key: str = "", body: Any = None) -> tuple[int, Any]:
    """One request: status and decoded body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    finally:
        connection.close()


def chat(port: int, key: str, text: str = "Reply exactly: hi") -> tuple[int, Any]:
    """A paid call."""
    body = {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": text}], "max_tokens": 64}
    return ask(port, "POST", "/v1/chat/completions", key=key, body=body)
