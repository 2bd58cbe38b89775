"""Named events. Clients of Messages silently drop what has no name, so every event that is written has both."""

from typing import Any, Final

import msgspec

_encode = msgspec.json.Encoder().encode


def event_bytes(kind: str, value: Any) -> bytes:
    """One event: its name is its type."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode(value))


PING: Final = event_bytes("ping", {"type": "ping"})
MESSAGE_STOP: Final = event_bytes("message_stop", {"type": "message_stop"})
