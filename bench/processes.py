"""Processor time and memory of a process and all its descendants, from /proc."""

import os
from pathlib import Path
from typing import NamedTuple

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


class Cpu(NamedTuple):
    """Seconds, user and system, of the processes of a tree by what they are."""

    parent: float = 0.0
    worker: float = 0.0
    postgres: float = 0.0

    @property
    def total(self) -> float:
        """Of the whole tree."""
        return sum(self)

    def since(self, before: "Cpu") -> "Cpu":
        """What was used after the earlier reading."""
        return Cpu(*(now - then for now, then in zip(self, before, strict=True)))


class _Stat(NamedTuple):
    pid: int
    name: str
    parent: int
    cpu_seconds: float


def cpu_of_tree(root: int) -> Cpu:
    """Processor time so far. Descendants that ended are counted in with whoever waited for them."""
    parent = worker = postgres = 0.0
    for stat in _tree(root):
        if stat.name == "postgres":
            postgres += stat.cpu_seconds
        elif stat.pid == root:
            parent += stat.cpu_seconds
        else:
            worker += stat.cpu_seconds
    return Cpu(parent, worker, postgres)


def worker_pid(root: int) -> int:
    """The process below `root` that serves, or `root` itself."""
    found = [stat.pid for stat in _tree(root) if stat.pid != root and stat.name != "postgres"]
    return found[0] if found else root


def resident_mb(pid: int) -> float:
    """Resident memory in MB (10^6 bytes)."""
    pages = int((_PROC / str(pid) / "statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _tree(root: int) -> list[_Stat]:
    stats = [stat for entry in _PROC.iterdir() if entry.name.isdigit() and (stat := _read(entry)) is not None]
    children: dict[int, list[_Stat]] = {}
    for stat in stats:
        children.setdefault(stat.parent, []).append(stat)
    found = [stat for stat in stats if stat.pid == root]
    for stat in found:
        found.extend(children.get(stat.pid, ()))
    return found


def _read(entry: Path) -> _Stat | None:
    try:
        text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it has just ended
        return None
    before, _, after = text.rpartition(")")
    fields = after.split()
    ticks = sum(int(field) for field in fields[11:15])
    return _Stat(int(entry.name), before.partition("(")[2], int(fields[1]), ticks / _TICKS_PER_SECOND)
