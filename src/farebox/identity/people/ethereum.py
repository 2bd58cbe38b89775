"""Ethereum's addresses, the text that a wallet signs to sign in, and whose signature it is. Pure.

EIP-55 (how addresses are written), EIP-191 (what is hashed), EIP-4361 (the text), ERC-6492 (signatures of wallets that
are not deployed yet). Addresses are kept in lower case and shown with EIP-55's capitals.
"""

import re
from typing import Final

import coincurve
import msgspec
from Crypto.Hash import keccak

from farebox.base.clock import MICROS_PER_SECOND, rfc3339

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_SIGNATURE: Final = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2})*)")
# Those of deployed and undeployed contracts carry several keys' signatures and the deployment: a few kilobytes.
MAX_SIGNATURE_BYTES: Final = 16_384
# Larger ones are exact in no JavaScript, so no wallet shows them.
MAX_CHAIN_ID: Final = 2**53 - 1

_KEY_SIGNATURE_BYTES: Final = 65  # r, s: 32 bytes each; v: one
_WORD: Final = 32
# The order of secp256k1. Of the two values of s that fit, only the lower one is a signature (EIP-2).
_ORDER: Final = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
# v says which of two points it is; wallets write it from 0 or from 27.
_RECOVERY_IDS: Final = {0: 0, 1: 1, 27: 0, 28: 1}
_WRAPPED: Final = bytes.fromhex("6492" * 16)


class NotEthereum(ValueError):
    """The text is no address, or no signature."""


class SignInText(msgspec.Struct, frozen=True, kw_only=True):
    """What EIP-4361 puts together. Moments are microseconds since 1970 UTC; `statement` is one line.

    `authority`: host and port of the site; wallets compare it with the page that asks. `request_id`: to what it is
    bound; '' leaves the line out.
    """

    authority: str
    address: str
    statement: str
    uri: str
    chain_id: int
    nonce: str
    issued_at: int
    expires_at: int
    request_id: str = ""

    def __str__(self) -> str:
        return (
            f"{self.authority} wants you to sign in with your Ethereum account:\n"
            f"{checksummed(self.address)}\n"
            "\n"
            f"{self.statement}\n"
            "\n"
            f"URI: {self.uri}\n"
            "Version: 1\n"
            f"Chain ID: {self.chain_id}\n"
            f"Nonce: {self.nonce}\n"
            f"Issued At: {_seconds(self.issued_at)}\n"
            f"Expiration Time: {_seconds(self.expires_at)}"
        ) + (f"\nRequest ID: {self.request_id}" if self.request_id else "")


def read_address(text: str) -> str:
    """An address in lower case; wallets write its letters large, small or both. Raises NotEthereum."""
    if not _ADDRESS.fullmatch(text):
        raise NotEthereum("is not an address: 0x and 40 hexadecimal digits")
    return text.lower()


def checksummed(address: str) -> str:
    """The address with the capitals of EIP-55, by which a misread letter shows."""
    digits = address.removeprefix("0x").lower()
    hashed = keccak256(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if int(nibble, 16) > 7 else digit for digit, nibble in zip(digits, hashed, strict=False)
    )


def read_signature(text: str) -> bytes:
    """A signature in hexadecimal, with or without 0x; contracts have them of any length, also of none.

    Raises NotEthereum, which does not repeat it.
    """
    found = _SIGNATURE.fullmatch(text) if len(text) <= 2 * MAX_SIGNATURE_BYTES + 2 else None
    if found is None:
        raise NotEthereum(f"is not a signature: 0x and hexadecimal digits, at most {MAX_SIGNATURE_BYTES:,} bytes")
    return bytes.fromhex(found[1])


def message_digest(message: str) -> bytes:
    """What a wallet signs of a text (EIP-191, `personal_sign`)."""
    raw = message.encode()
    return keccak256(b"\x19Ethereum Signed Message:\n%d" % len(raw) + raw)


def recover_address(digest: bytes, signature: bytes) -> str | None:
    """Whose key signed the digest; None: this is no signature of any key, or not its one canonical form."""
    if len(signature) != _KEY_SIGNATURE_BYTES:
        return None
    r, s = int.from_bytes(signature[:_WORD]), int.from_bytes(signature[_WORD : 2 * _WORD])
    recovery_id = _RECOVERY_IDS.get(signature[-1])
    if recovery_id is None or not 0 < r < _ORDER or not 0 < s <= _ORDER // 2:
        return None
    try:
        key = coincurve.PublicKey.from_signature_and_message(signature[:-1] + bytes([recovery_id]), digest, hasher=None)
    except ValueError:  # no point of the curve has that r
        return None
    return address_of(key)


def address_of(key: coincurve.PublicKey) -> str:
    """The address of a public key, in lower case."""
    return "0x" + keccak256(key.format(compressed=False)[1:])[-20:].hex()


def is_wrapped(signature: bytes) -> bool:
    """Whether it says of itself that it is one of a wallet that is not deployed yet (ERC-6492)."""
    return signature.endswith(_WRAPPED)


def is_readable_wrap(signature: bytes) -> bool:
    """Whether a wrapped signature holds what it has to: `abi.encode(address, bytes, bytes)`. A contract that reads
    another one reverts, and that could not be told from a server that fails."""
    body = signature[: -len(_WRAPPED)]
    if len(body) < 3 * _WORD or int.from_bytes(body[:_WORD]) >> 160:
        return False
    return all(_has_bytes_at(body, int.from_bytes(body[_WORD * i : _WORD * (i + 1)])) for i in (1, 2))


def abi_encode_question(address: str, digest: bytes, signature: bytes) -> bytes:
    """`abi.encode(address, bytes32, bytes)`"""
    padding = -len(signature) % _WORD
    head = (int(address, 16), int.from_bytes(digest), 3 * _WORD, len(signature))
    return b"".join(value.to_bytes(_WORD) for value in head) + signature + bytes(padding)


def keccak256(data: bytes) -> bytes:
    """Ethereum's hash: SHA-3 as it was before it was standardised."""
    return keccak.new(digest_bits=256, data=data).digest()


def _has_bytes_at(body: bytes, offset: int) -> bool:
    if offset + _WORD > len(body):
        return False
    return offset + _WORD + int.from_bytes(body[offset : offset + _WORD]) <= len(body)


def _seconds(micros: int) -> str:
    """RFC 3339 without a fraction."""
    return rfc3339(micros - micros % MICROS_PER_SECOND).replace(".000000Z", "Z")
