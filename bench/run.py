"""How a run was asked for."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """`folder` is where homes are made: on a real disk."""

    folder: Path
    quick: bool = False
    long: bool = False

    def pick(self, normal: T, *, quick: T, long: T | None = None) -> T:
        """The value for this kind of run."""
        if self.quick:
            return quick
        return long if self.long and long is not None else normal

    def progress(self, line: str) -> None:
        """What is going on, beside the results."""
        print(f"   {line}", file=sys.stderr, flush=True)

    @property
    def how(self) -> str:
        """For the caption of a table."""
        return "Quick run: rough" if self.quick else "Long run" if self.long else "Full run"
