"""Evidence on disk: how a call ended, for when the database cannot be told.

A file holds one settlement command with its receipt: numbers and ids, no prompt and no answer. The sweeper sends it
again under the same command id, so that sending it twice settles once.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec

from farebox.ledger.commands import Release, Settle
from farebox.records.call import CallRow

# A settlement is about two kilobytes; so many files mean that the database has been gone for long.
MAX_SPOOLED = 100_000


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """A settlement that could not be committed."""

    command: Settle | Release
    row: CallRow


_decoder = msgspec.json.Decoder(Evidence)


class Spool:
    """A folder of evidence."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, call_id: UUID, evidence: Evidence) -> None:
        """Write evidence so that it survives a crash of the machine. Raises OSError."""
        final = self._folder / f"{call_id.hex}.json"
        draft = final.with_suffix(".draft")
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(evidence))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(final)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def waiting(self) -> Iterator[tuple[Path, Evidence]]:
        """What is kept, oldest first. A file that cannot be read is left for a person to look at."""
        for path in sorted(self._folder.glob("*.json"))[:MAX_SPOOLED]:
            try:
                yield path, _decoder.decode(path.read_bytes())
            except (OSError, msgspec.MsgspecError):
                continue

    def count(self) -> int:
        """How many settlements wait."""
        return sum(1 for _ in self._folder.glob("*.json"))
