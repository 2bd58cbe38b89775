"""Looks at running processes: is the PostgreSQL of a data folder still alive, whatever its pid file says?

A pid file alone proves nothing: after a kill -9 or a reboot its number may belong to any other program. PostgreSQL's
processes keep the data folder as their current folder, so /proc answers exactly. Without /proc (macOS) only the main
process can be recognised, by its command line.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

_PROC = Path("/proc")
_POLL_SECONDS = 0.02


def postgres_processes(data_folder: Path) -> list[int]:
    """The pids of every live PostgreSQL process, main or child, that works in that data folder."""
    wanted = str(data_folder.resolve())
    if (_PROC / "self").exists():
        pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
        return [pid for pid in pids if _works_in(pid, wanted)]
    return _by_command_line(wanted)


def wait_until_gone(remaining: Callable[[], list[int]], timeout_seconds: float) -> bool:
    """Whether `remaining()` became empty within the time."""
    deadline = time.monotonic() + timeout_seconds
    while remaining():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def send(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to each; processes that have gone meanwhile are fine."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _works_in(pid: int, wanted: str) -> bool:
    # A zombie has neither link, and a process of another account hides both: neither is ours.
    try:
        program = (_PROC / str(pid) / "exe").readlink().name
        return program.startswith("postgres") and str((_PROC / str(pid) / "cwd").readlink()) == wanted
    except OSError:
        return False


def _by_command_line(wanted: str) -> list[int]:
    listing = subprocess.run(["/bin/ps", "-axo", "pid=,command="], capture_output=True, text=True, check=True)
    found = []
    for line in listing.stdout.splitlines():
        pid, _, command = line.strip().partition(" ")
        if "/postgres " in command and f" {wanted} " in f"{command} ":
            found.append(int(pid))
    return found
