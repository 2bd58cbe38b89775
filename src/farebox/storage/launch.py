"""Starts a program as another account, tied to the life of the process that asked for it.

Run as a file, never imported: `python -I -S launch.py PARENT_PID UID:GID|- SIGNAL PROGRAM [ARGUMENT …]`.

Why a program of its own and not `subprocess`'s preexec_fn: code between fork and exec can deadlock in a process that
has threads. The order matters: changing the account clears the parent-death signal, so it is asked for afterwards;
the parent may have died before that, so its pid is compared last. Linux only; elsewhere a killed parent leaves its
PostgreSQL running until the next start stops it.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def _die_with_parent(parent_pid: int, signal_number: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:
        sys.exit("the parent process ended before PostgreSQL was started")


def main(arguments: list[str]) -> None:
    """Become the program; returns only by an exception."""
    parent_pid, account, signal_number, program = arguments[:4]
    if account != "-":
        uid, gid = (int(part) for part in account.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    _die_with_parent(int(parent_pid), int(signal_number))
    os.execv(program, arguments[3:])  # noqa: S606 - there is no shell, and the program is our own choice


if __name__ == "__main__":
    main(sys.argv[1:])
