"""A wallet's key, and what a page does with it."""

import hashlib
import itertools
from typing import Any, Final

import coincurve

from farebox.identity.people.ethereum import address_of, message_digest
from tests.people.browser import Answer, Browser

ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_NUMBERS: Final = itertools.count(1)


class Signer:
    """A key of its own; the same name has the same key."""

    def __init__(self, name: str = "") -> None:
        seed = hashlib.sha256((name or f"wallet {next(_NUMBERS)}").encode()).digest()
        self._key = coincurve.PrivateKey(seed)
        self.address = address_of(self._key.public_key)

    def sign(self, message: str) -> bytes:
        """`personal_sign`: r, s and v, which is 27 or 28."""
        return self.sign_digest(message_digest(message))

    def sign_digest(self, digest: bytes) -> bytes:
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([27 + signature[64]])


def high_s(signature: bytes) -> bytes:
    """The other signature that the curve allows for the same key and text."""
    s = ORDER - int.from_bytes(signature[32:64])
    return signature[:32] + s.to_bytes(32) + bytes([55 - signature[64]])


def wrapped(factory: str, deployment: bytes, inner: bytes) -> bytes:
    """ERC-6492: `abi.encode(address, bytes, bytes)` and its mark."""

    def padded(data: bytes) -> bytes:
        return len(data).to_bytes(32) + data + bytes(-len(data) % 32)

    first, second = padded(deployment), padded(inner)
    head = (int(factory, 16), 96, 96 + len(first))
    return b"".join(word.to_bytes(32) for word in head) + first + second + bytes.fromhex("6492" * 16)


async def ask(browser: Browser, address: str, *, chain_id: int = 1, purpose: str = "sign_in") -> dict[str, Any]:
    """The challenge for a wallet."""
    body = {"address": address, "chain_id": chain_id, "purpose": purpose}
    return dict(await browser.post("/api/auth/wallet/challenge", body))


async def answer(browser: Browser, challenge: dict[str, Any], signature: bytes | str) -> Answer:
    """Answer a challenge, rightly or not."""
    text = signature if isinstance(signature, str) else f"0x{signature.hex()}"
    body = {"challenge_id": challenge["challenge_id"], "signature": text}
    return await browser.request("POST", "/api/auth/wallet/verify", body=body)


async def use(browser: Browser, signer: Signer, *, chain_id: int = 1, purpose: str = "sign_in") -> dict[str, Any]:
    """Sign in, link or step up with a key, as a page does; the answer of verify."""
    challenge = await ask(browser, signer.address, chain_id=chain_id, purpose=purpose)
    answered = await answer(browser, challenge, signer.sign(challenge["message"]))
    assert answered.status == 200, answered.text
    return dict(answered.json)
