"""Seals of one provider's reasoning inside the fields of another dialect, so that they come back in the next turn.

A client that speaks Messages to a Gemini model keeps Gemini's thought signature in a `signature` it does not look into.
The envelope is `gw1.<origin>.<base64url of JSON>`; a seal that is no envelope belongs to the surface's own dialect.
"""

import base64
import binascii
from typing import get_args

import msgspec

from farebox.dialects.canonical.parts import DialectName

_PREFIX = "gw1."
_NAMES = frozenset(get_args(DialectName))
# A signature is a few kilobytes; whole encrypted reasoning of a long turn some hundred.
MAX_SEAL_CHARS = 4_000_000


class Sealed(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What an envelope holds. `redacted` and `item_id` as in `Reasoning`; `call_id`: the call that the seal is on.
    `is_summary`: what stands beside the envelope is `Reasoning.summary`, not its text (Responses shows both alike)."""

    seal: str
    redacted: bool = False
    item_id: str = ""
    call_id: str = ""
    is_summary: bool = False


_contents = msgspec.json.Decoder(Sealed)
_encode = msgspec.json.Encoder().encode


def seal(origin: DialectName, sealed: Sealed) -> str:
    """An envelope: ASCII without spaces, safe in any JSON string."""
    return f"{_PREFIX}{origin}.{base64.urlsafe_b64encode(_encode(sealed)).decode()}"


def unseal(text: str) -> tuple[DialectName, Sealed] | None:
    """What an envelope holds; None for a text that is no envelope of ours."""
    if not text.startswith(_PREFIX) or len(text) > MAX_SEAL_CHARS:
        return None
    origin, _, payload = text.removeprefix(_PREFIX).partition(".")
    if origin not in _NAMES:
        return None
    try:
        return origin, _contents.decode(base64.urlsafe_b64decode(payload))  # type: ignore[return-value]
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return None
