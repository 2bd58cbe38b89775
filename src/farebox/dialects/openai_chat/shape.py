"""Reading decoded JSON whose shape is not to be trusted, and naming what is left out."""

import re
from typing import Any, cast

_NAME = re.compile(r"[^a-z0-9_.:-]")
MAX_NAME_CHARS = 64
# More names of unknown fields are noise.
MAX_NAMES = 32


class Unreadable(Exception):
    """Something is not what it must be. `param` is where, `wanted` what stands there in a chat body."""

    def __init__(self, param: str, wanted: str) -> None:
        super().__init__(wanted)
        self.param = param
        self.wanted = wanted


def text_at(value: Any, param: str) -> str:
    """A string. Raises Unreadable."""
    if not isinstance(value, str):
        raise Unreadable(param, "a string")
    return value


def optional_text_at(value: Any, param: str) -> str:
    """A string, empty where it is null or absent. Raises Unreadable."""
    return "" if value is None else text_at(value, param)


def object_at(value: Any, param: str) -> dict[str, Any]:
    """An object. Raises Unreadable."""
    if not isinstance(value, dict):
        raise Unreadable(param, "an object")
    return cast("dict[str, Any]", value)


def list_at(value: Any, param: str) -> list[Any]:
    """A list, empty where it is null or absent. Raises Unreadable."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unreadable(param, "a list")
    return value


def number_at(value: Any, param: str) -> float | None:
    """A number that is no larger than any there is a use for, or null. Raises Unreadable."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e18 < value < 1e18:
        raise Unreadable(param, "a number")
    return float(value)


def integer_at(value: Any, param: str) -> int | None:
    """A whole number of 64 bits or null. Raises Unreadable."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 1 << 63:
        raise Unreadable(param, "a whole number")
    return value


def plain_name(name: str) -> str:
    """A name as it may stand in a header: lower case, no spaces, bounded."""
    return _NAME.sub("_", name[:MAX_NAME_CHARS].lower())
