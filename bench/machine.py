"""The machine in one line: what a reader needs to judge the figures, and nothing that names it."""

import os
import platform
import subprocess
from functools import cache
from pathlib import Path

from farebox.storage.binaries import find_binaries

_BYTES_PER_GB = 1 << 30


@cache
def describe_machine() -> str:
    """Cores, processor, memory, kernel, Python and PostgreSQL."""
    cores = len(os.sched_getaffinity(0))
    parts = [
        f"{cores} core{'s' if cores > 1 else ''} ({_processor()})",
        f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / _BYTES_PER_GB:.0f} GB of memory",
        f"{platform.system()} {platform.release().partition('-')[0]}",
        f"{platform.python_implementation()} {platform.python_version()}",
        f"PostgreSQL {_postgres_version()}",
    ]
    return ", ".join(parts)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _postgres_version() -> str:
    program = find_binaries(None).program("postgres")
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return shown.stdout.split()[-1]


def file_system_of(folder: Path) -> str:
    """`ext4`, `tmpfs` …: of the mount that the folder lies on."""
    found, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, point, file_system, *_ = line.split()
        below = point == "/" or folder == Path(point) or Path(point) in folder.parents
        if below and len(point) >= len(found):
            found, kind = point, file_system
    return kind
