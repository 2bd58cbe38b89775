"""What a translation leaves out, by name."""

import re

_UNFIT = re.compile(r"[^a-z0-9_.:-]")


def plain(name: str) -> str:
    """A name of theirs, fit for a header."""
    return _UNFIT.sub("_", name[:80].lower())


class Losses:
    """Names of what could not be carried. `unsupported`: features that this vendor does not take."""

    __slots__ = ("_unsupported", "names")

    def __init__(self, unsupported: frozenset[str] = frozenset()) -> None:
        self.names: set[str] = set()
        self._unsupported = unsupported

    def add(self, name: str) -> None:
        """Something is left out."""
        self.names.add(plain(name))

    def lacks(self, feature: str) -> bool:
        """Whether the vendor does not take a feature, which is then left out."""
        if feature in self._unsupported:
            self.add(feature)
            return True
        return False

    @property
    def sorted(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self.names))
