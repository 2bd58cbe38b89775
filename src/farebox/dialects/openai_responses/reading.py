"""Small readers of decoded JSON that may be anything, and the names of what was not understood."""

import re
from collections.abc import Collection, Mapping
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
MAX_UNKNOWN_NAMES = 32


class Wrong(ValueError):
    """A value is not what the API says. `where` is its path below the item that is read."""

    def __init__(self, where: str, wanted: str) -> None:
        super().__init__(where)
        self.where = where
        self.wanted = wanted


class Unknowns:
    """Names of fields that were not understood, fit for a header; of many only the first ones."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, prefix: str, name: str) -> None:
        """Note a field. A name that is none becomes `other`: it came from the client's body."""
        if len(self._names) < MAX_UNKNOWN_NAMES:
            self._names[prefix + (name.lower() if _NAME.fullmatch(name) else "other")] = None

    def add_rest(self, prefix: str, value: Mapping[str, Any], known: Collection[str]) -> None:
        """Note every field of an object that says something and is not among the known ones."""
        for name, inner in value.items():
            if name not in known and inner is not None:
                self.add(prefix, name)

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in order."""
        return tuple(sorted(self._names))


def text_at(value: Mapping[str, Any], name: str) -> str:
    """A required string. Raises Wrong."""
    text = value.get(name)
    if not isinstance(text, str):
        raise Wrong(name, "a string")
    return text


def optional_text_at(value: Mapping[str, Any], name: str) -> str:
    """A string, empty where it is absent or null. Raises Wrong."""
    return text_at(value, name) if value.get(name) is not None else ""


def object_of(value: Any, where: str) -> dict[str, Any]:
    """A JSON object. Raises Wrong."""
    if not isinstance(value, dict):
        raise Wrong(where, "an object")
    return value


def list_of(value: Any, where: str) -> list[Any]:
    """A list. Raises Wrong."""
    if not isinstance(value, list):
        raise Wrong(where, "a list")
    return value


def index_of(value: Any) -> int | None:
    """A place in a text; None where there is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None
