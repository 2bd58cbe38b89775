"""Providers' keys at rest: AES-256-GCM with a key that only the environment has.

A sealed secret is `fingerprint of the key (8 bytes) · nonce (12) · ciphertext and tag`. The fingerprint says which key
opens it, so that a change of keys can be interrupted and taken up again. It is sealed for one credential of one
provider: moved to another row, it does not open.
"""

import base64
import binascii
import hashlib
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from farebox.base.errors import OperatorError

KEY_BYTES: Final = 32
FINGERPRINT_BYTES: Final = 8
NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
MIN_SEALED_BYTES: Final = FINGERPRINT_BYTES + NONCE_BYTES + _TAG_BYTES
# Longer than any provider's key: those that are tokens of a cloud have a few thousand characters.
MAX_SECRET_CHARS: Final = 16_384

VARIABLE: Final = "FAREBOX_SECRETS_KEY"
OLD_VARIABLE: Final = "FAREBOX_OLD_SECRETS_KEY"


class CannotOpen(Exception):
    """A sealed secret stays closed. The message says why in words for the operator, and nothing of the secret."""


class _Key:
    def __init__(self, key: bytes) -> None:
        self.fingerprint = hashlib.sha256(key).digest()[:FINGERPRINT_BYTES]
        self.cipher = AESGCM(key)


class Safe:
    """Seals with the current key, opens with the current or the old one."""

    def __init__(self, key: bytes, old_key: bytes | None = None) -> None:
        """Keys of 32 bytes."""
        self._current = _Key(key)
        self._by_fingerprint = {each.fingerprint: each for each in (_Key(old_key or key), self._current)}

    def __repr__(self) -> str:
        return "Safe()"

    def seal(self, secret: str, *, credential_id: str, provider_id: str) -> bytes:
        """The secret as it may be stored in the row of that credential."""
        return self._seal(secret, _bound_to(credential_id, provider_id))

    def open(self, sealed: bytes, *, credential_id: str, provider_id: str) -> str:
        """The secret. Raises CannotOpen."""
        return self._open(sealed, _bound_to(credential_id, provider_id))

    def seal_for(self, secret: str, bound_to: str) -> bytes:
        """Another small secret as it may be stored, for that row alone: `totp person_…`."""
        return self._seal(secret, _OTHER + bound_to.encode())

    def open_for(self, sealed: bytes, bound_to: str) -> str:
        """What `seal_for` sealed. Raises CannotOpen."""
        return self._open(sealed, _OTHER + bound_to.encode())

    def _seal(self, secret: str, bound_to: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return self._current.fingerprint + nonce + self._current.cipher.encrypt(nonce, secret.encode(), bound_to)

    def _open(self, sealed: bytes, bound_to: bytes) -> str:
        key = self._by_fingerprint.get(sealed[:FINGERPRINT_BYTES])
        if key is None or len(sealed) < MIN_SEALED_BYTES:
            raise CannotOpen(f"it was encrypted with another key than {VARIABLE} holds")
        nonce, rest = sealed[FINGERPRINT_BYTES:][:NONCE_BYTES], sealed[FINGERPRINT_BYTES + NONCE_BYTES :]
        try:
            return key.cipher.decrypt(nonce, rest, bound_to).decode()
        except InvalidTag:
            pass
        # Not chained: a traceback that shows locals would show the ciphertext.
        raise CannotOpen("its stored bytes were changed, or belong to another credential")

    def is_current(self, sealed: bytes) -> bool:
        """Whether it was sealed with the current key."""
        return sealed[:FINGERPRINT_BYTES] == self._current.fingerprint


_OTHER: Final = b"farebox secret\0"


def _bound_to(credential_id: str, provider_id: str) -> bytes:
    # Neither id can hold the separator: both are checked when they are made.
    return b"\0".join((b"farebox provider credential", credential_id.encode(), provider_id.encode()))


def safe_of(key: str | None, old_key: str | None) -> Safe | None:
    """What opens and seals stored keys: both in base64, as the environment has them. None without a key: then none
    can be stored. Raises OperatorError for a key that is none."""
    if key is None:
        return None
    return Safe(_read_key(VARIABLE, key), None if old_key is None else _read_key(OLD_VARIABLE, old_key))


def _read_key(variable: str, text: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise OperatorError(
            f"{variable} is not {KEY_BYTES} bytes in base64",
            f"set {variable} to the output of `openssl rand -base64 {KEY_BYTES}`",
        )
    return key


def check_secret(secret: str) -> str:
    """A provider's key as it was typed, without space around it. Raises OperatorError, which does not repeat it."""
    secret = secret.strip()
    if not secret:
        raise OperatorError("there is no secret", "type it when asked, or send it on standard input")
    if len(secret) > MAX_SECRET_CHARS or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise OperatorError(
            "this is not a provider's key: a key is one line of plain characters without spaces",
            "send the key alone, without quotes or its variable's name",
        )
    return secret
