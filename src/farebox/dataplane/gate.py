"""A bound on how many of something are under way at once in this process."""


class Gate:
    """Places are taken and given back, never waited for: who finds none is told so at once."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.taken = 0

    def take(self) -> bool:
        """Take a place; False when all are taken."""
        if self.taken >= self.places:
            return False
        self.taken += 1
        return True

    def give_back(self) -> None:
        """Give a taken place back."""
        assert self.taken > 0, "a place is given back once"
        self.taken -= 1
