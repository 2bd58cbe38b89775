"""Places in lists that are ordered by a moment and then by a number: opaque texts for whoever reads page by page."""

from typing import Final
from uuid import UUID

from farebox.base.errors import Problem
from farebox.records.page import Cursor, CursorError, read_cursor, show_cursor

# Moments in microseconds and our numbers are positive and below 2^63: both go into one 128-bit cursor.
_BITS: Final = 64


def show_place(moment_micros: int, number: int) -> str:
    """The place after the row of that moment and number."""
    return show_cursor(Cursor(UUID(int=(moment_micros << _BITS) | number)))


def read_place(cursor: str | None) -> tuple[int | None, int | None]:
    """The inverse of `show_place`; (None, None) for the beginning. Raises Problem(`invalid_request`)."""
    if cursor is None:
        return None, None
    try:
        place = read_cursor(cursor).before_id.int
    except CursorError:
        raise _not_ours() from None
    moment_micros, number = divmod(place, 1 << _BITS)
    if max(moment_micros, number) >= 1 << (_BITS - 1):
        raise _not_ours()
    return moment_micros, number


def _not_ours() -> Problem:
    return Problem("invalid_request", "Use the next_cursor of the page before, unchanged.", param="cursor")
