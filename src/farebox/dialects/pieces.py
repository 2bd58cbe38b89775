"""Long texts that come in short pieces."""

# A short string takes many times its characters, so pieces are joined in lots of this many.
LOT_PIECES = 256


class Pieces:
    """A text in the making. It takes little more than its characters, however short its pieces are."""

    __slots__ = ("_latest", "_lots")

    def __init__(self) -> None:
        self._lots: list[str] = []
        self._latest: list[str] = []

    def add(self, piece: str) -> None:
        """More of the text; not empty."""
        self._latest.append(piece)
        if len(self._latest) >= LOT_PIECES:
            self._lots.append("".join(self._latest))
            self._latest.clear()

    def text(self) -> str:
        """All of it."""
        return "".join((*self._lots, *self._latest))

    def __bool__(self) -> bool:
        return bool(self._latest or self._lots)
