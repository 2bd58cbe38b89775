"""Proofs that a client gave something back unchanged.

Providers sign thinking, or encrypt it, and refuse it when it comes back altered. The sandbox does the same with a key
that everybody may know: several processes agree, and nothing is protected by it.
"""

import base64
import binascii
import hashlib
import hmac

_KEY = b"sandbox signatures prove carriage, not secrecy"
_MARK = "sandbox"
_MAC_CHARACTERS = 32


class BadSignature(Exception):
    """Why a signature is refused, in words that complete "the signature"."""


def sign(dialect: str, kind: str, content: str) -> str:
    """A signature as base64. It covers `content` and says nothing of it."""
    text = f"{_MARK}:{dialect}:{kind}:{_mac(dialect, kind, content)}"
    return base64.b64encode(text.encode()).decode()


def verify(signature: str, dialect: str, kind: str, content: str) -> None:
    """Raises BadSignature unless `sign` made it of the same arguments. Both base64 alphabets are understood."""
    try:
        padded = signature.replace("-", "+").replace("_", "/") + "=" * (-len(signature) % 4)
        mark, said_dialect, said_kind, mac = base64.b64decode(padded, validate=True).decode().split(":")
    except (binascii.Error, ValueError) as error:
        raise BadSignature("is not one of ours") from error
    if mark != _MARK:
        raise BadSignature("is not one of ours")
    if said_dialect != dialect:
        raise BadSignature("was made by another provider")
    if said_kind != kind or not hmac.compare_digest(mac.encode(), _mac(dialect, kind, content).encode()):
        raise BadSignature("does not fit what came with it")


def _mac(dialect: str, kind: str, content: str) -> str:
    message = "\0".join((dialect, kind, content)).encode("utf-8", "surrogatepass")
    return hmac.new(_KEY, message, hashlib.sha256).hexdigest()[:_MAC_CHARACTERS]


def marked_id(prefix: str, stem: str) -> str:
    """An id that says of itself that thinking came before it, so that its absence later is noticed."""
    return f"{prefix}{stem}t{_mac('id', 'thought', stem)[:8]}"


def is_marked(value: str) -> bool:
    """Whether `marked_id` made it, under any prefix."""
    stem, mark, mac = value.rpartition("_")[2].rpartition("t")
    return bool(mark) and hmac.compare_digest(mac.encode(), _mac("id", "thought", stem)[:8].encode())
