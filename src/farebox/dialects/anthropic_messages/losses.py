"""What a translation into this dialect leaves out, by name."""

from farebox.dialects.anthropic_messages.shape import plain_name


class Losses:
    """Names of what could not be carried. `unsupported`: features that this vendor does not take."""

    __slots__ = ("_unsupported", "names")

    def __init__(self, unsupported: frozenset[str] = frozenset()) -> None:
        self.names: set[str] = set()
        self._unsupported = unsupported

    def add(self, name: str) -> None:
        """Something is left out."""
        self.names.add(plain_name(name))

    def supports(self, feature: str) -> bool:
        """Whether the vendor takes a feature at all."""
        return feature not in self._unsupported

    def takes(self, feature: str) -> bool:
        """Whether the vendor takes a feature; if not it is left out."""
        if self.supports(feature):
            return True
        self.add(feature)
        return False

    @property
    def sorted(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self.names))
