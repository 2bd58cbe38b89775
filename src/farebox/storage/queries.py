"""Loads named statements from a `.sql` file, so that SQL is read and reviewed as SQL.

-- name: find_key
-- Comments say why; they are not sent to the server.
SELECT … WHERE key_hash = %(key_hash)s;
"""

import importlib.resources
import re
from collections.abc import Iterator, Mapping

_NAME = re.compile(r"--\s*name:\s*([a-z][a-z0-9_]*)\s*")


class Queries(Mapping[str, str]):
    """The statements of one file, by key or as attributes: `queries["find_key"]`, `queries.find_key`."""

    def __init__(self, statements: Mapping[str, str]) -> None:
        self._statements = dict(statements)

    def __getitem__(self, name: str) -> str:
        return self._statements[name]

    def __getattr__(self, name: str) -> str:
        try:
            return self.__dict__["_statements"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(f"there is no statement named {name}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._statements)

    def __len__(self) -> int:
        return len(self._statements)


def load_queries(package: str, file_name: str) -> Queries:
    """The statements of a file in a package: `load_queries("farebox.identity", "queries.sql")`. Raises ValueError."""
    return parse_queries(importlib.resources.files(package).joinpath(file_name).read_text(encoding="utf-8"))


def parse_queries(text: str) -> Queries:
    """Raises ValueError for SQL before the first name, a name used twice, or a name without a statement."""
    lines_by_name: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if match := _NAME.fullmatch(line.strip()):
            if match[1] in lines_by_name:
                raise ValueError(f"two statements are named {match[1]}")
            lines = lines_by_name[match[1]] = []
        elif line.strip() and not line.strip().startswith("--"):
            if not lines_by_name:
                raise ValueError(
                    f"this belongs to no statement, a `-- name: …` line is missing above it: {line.strip()}"
                )
            lines.append(line.rstrip())
    for name, found in lines_by_name.items():
        if not found:
            raise ValueError(f"the name {name} has no statement")
    return Queries({name: "\n".join(found).removesuffix(";") for name, found in lines_by_name.items()})
