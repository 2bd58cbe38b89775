"""Small readers of decoded JSON that may be anything, and the names of what was not understood."""

import re
from collections.abc import Collection, Mapping
from typing import Any

_UNFIT = re.compile(r"[^a-z0-9_.:-]")
MAX_NAME_CHARS = 80
# Names of fields that were not understood; more are a client's noise.
MAX_UNKNOWN_NAMES = 32


class Unreadable(Exception):
    """A value is not what the API says. `place` is its path, `wanted` what it must be."""

    def __init__(self, place: str, wanted: str) -> None:
        super().__init__(place)
        self.place = place
        self.wanted = wanted


def plain_name(name: str) -> str:
    """A name of theirs, fit for a header."""
    return _UNFIT.sub("_", name[:MAX_NAME_CHARS].lower())


class Unknowns:
    """Names of fields that were not understood; of many only the first ones."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: set[str] = set()

    def add(self, name: str) -> None:
        """Note a field by its path without numbers."""
        if len(self._names) < MAX_UNKNOWN_NAMES:
            self._names.add(plain_name(name))

    def add_rest(self, prefix: str, holder: Mapping[str, Any], known: Collection[str]) -> None:
        """Note every field of an object that says something and is not among the known ones."""
        for name, value in holder.items():
            if name not in known and value is not None and value is not False:
                self.add(f"{prefix}{name}")

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, sorted."""
        return tuple(sorted(self._names))


def object_at(value: Any, place: str) -> dict[str, Any]:
    """A JSON object. Raises Unreadable."""
    if not isinstance(value, dict):
        raise Unreadable(place, "an object")
    return value


def list_at(value: Any, place: str) -> list[Any]:
    """A list. Raises Unreadable."""
    if not isinstance(value, list):
        raise Unreadable(place, "a list")
    return value


def text_at(holder: Mapping[str, Any], name: str, place: str) -> str:
    """A required string of an object. Raises Unreadable."""
    text = holder.get(name)
    if not isinstance(text, str):
        raise Unreadable(f"{place}.{name}", "a string")
    return text


def optional_text_at(holder: Mapping[str, Any], name: str, place: str) -> str:
    """A string of an object, empty where it is absent or null. Raises Unreadable."""
    return text_at(holder, name, place) if holder.get(name) is not None else ""


def switch_at(holder: Mapping[str, Any], name: str, place: str) -> bool | None:
    """True, false or not said. Raises Unreadable."""
    value = holder.get(name)
    if value is not None and not isinstance(value, bool):
        raise Unreadable(f"{place}.{name}", "true or false")
    return value
