"""Signatures of webhooks, as the Standard Webhooks specification has them (standardwebhooks.com). Pure."""

import hashlib
import hmac
from base64 import b64encode
from typing import Final

from farebox.base.ids import show_short

_KEY_PREFIX: Final = "whsec_"


def signing_key(secret: str, workspace_id: int) -> bytes:
    """The key that a workspace's webhooks are signed with, 32 bytes: it follows from the operator's secret, and tells
    nothing of it or of other workspaces' keys."""
    return hmac.digest(secret.encode(), f"webhook:{show_short('ws', workspace_id)}".encode(), hashlib.sha256)


def show_signing_key(key: bytes) -> str:
    """`whsec_` and base64, as libraries for receivers take it."""
    return _KEY_PREFIX + b64encode(key).decode()


def signature(key: bytes, message_id: str, timestamp_seconds: int, body: bytes) -> str:
    """The header `webhook-signature`: `v1,` and the base64 of HMAC-SHA256 over id, timestamp and body with dots."""
    signed = b".".join((message_id.encode(), str(timestamp_seconds).encode(), body))
    return "v1," + b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
