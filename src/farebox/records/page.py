"""Cursors: opaque texts that say where the next page starts. They hold an id, so rows added meanwhile shift nothing."""

import base64
import binascii
from typing import Final, NamedTuple
from uuid import UUID

DEFAULT_PAGE: Final = 50
# One page is one read and one answer in memory; whoever wants more reads the next page or an export.
MAX_PAGE: Final = 500

_ID_BYTES: Final = 16
_AMOUNT_BYTES: Final = 8
LAST_ID: Final = UUID(int=(1 << 128) - 1)


class CursorError(ValueError):
    """The text is not a cursor of ours."""


class Cursor(NamedTuple):
    """The next page holds what is older than `before_id`; `amount_nanos` is a balance that goes along, if any."""

    before_id: UUID
    amount_nanos: int | None = None


FIRST_PAGE: Final = Cursor(LAST_ID)


def show_cursor(cursor: Cursor) -> str:
    """22 or 32 characters that are safe in a query."""
    packed = cursor.before_id.bytes
    if cursor.amount_nanos is not None:
        packed += cursor.amount_nanos.to_bytes(_AMOUNT_BYTES, "big", signed=True)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """The inverse of `show_cursor`. Raises CursorError."""
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise CursorError("this is not a cursor of ours") from error
    before_id, amount = packed[:_ID_BYTES], packed[_ID_BYTES:]
    if len(before_id) != _ID_BYTES or len(amount) not in (0, _AMOUNT_BYTES):
        raise CursorError("this is not a cursor of ours")
    return Cursor(UUID(bytes=before_id), int.from_bytes(amount, "big", signed=True) if amount else None)
