"""A software authenticator: makes passkeys and signs as WebAuthn says, and lies wherever a test wants it to."""

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

import cbor2
import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT: Final = 0x01
VERIFIED: Final = 0x04
_ATTESTED: Final = 0x40
_COORDINATE_BYTES: Final = 32


class Lie(msgspec.Struct, frozen=True, kw_only=True):
    """What is said instead of the truth; None: the truth."""

    origin: str | None = None
    rp_id: str | None = None
    challenge: str | None = None
    type: str | None = None
    flags: int = PRESENT | VERIFIED
    count: int | None = None
    signature: bytes | None = None
    user_handle: bytes | None = None
    credential_id: bytes | None = None


TRUTH: Final = Lie()


class SoftPasskey:
    """One credential: an ES256 key, its id and its counter."""

    def __init__(self, credential_id: bytes | None = None) -> None:
        self.credential_id = credential_id or secrets.token_bytes(32)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.count = 1
        self.user_handle = b""

    @property
    def shown_id(self) -> str:
        return encoded(self.credential_id)

    def create(self, options: dict[str, Any], origin: str, lie: Lie = TRUTH) -> dict[str, Any]:
        """What `navigator.credentials.create` answers."""
        self.user_handle = decoded(options["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        cose = {
            1: 2,  # EC2
            3: -7,  # ES256
            -1: 1,  # P-256
            -2: numbers.x.to_bytes(_COORDINATE_BYTES),
            -3: numbers.y.to_bytes(_COORDINATE_BYTES),
        }
        named = lie.credential_id or self.credential_id
        attested = bytes(16) + len(self.credential_id).to_bytes(2) + self.credential_id + cbor2.dumps(cose)
        authenticated = self._authenticated(options["rp"]["id"], lie, _ATTESTED) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": authenticated})
        response = {
            "clientDataJSON": encoded(_client_data("webauthn.create", options["challenge"], origin, lie)),
            "attestationObject": encoded(attestation),
            "transports": ["internal", "hybrid", "carrier-pigeon"],
        }
        return _credential(named, response)

    def get(self, options: dict[str, Any], origin: str, lie: Lie = TRUTH) -> dict[str, Any]:
        """What `navigator.credentials.get` answers; the counter goes forwards."""
        self.count += 1
        authenticated = self._authenticated(options["rpId"], lie, 0)
        client_data = _client_data("webauthn.get", options["challenge"], origin, lie)
        signed = authenticated + hashlib.sha256(client_data).digest()
        response = {
            "clientDataJSON": encoded(client_data),
            "authenticatorData": encoded(authenticated),
            "signature": encoded(lie.signature or self.key.sign(signed, ec.ECDSA(hashes.SHA256()))),
            "userHandle": encoded(lie.user_handle or self.user_handle),
        }
        return _credential(lie.credential_id or self.credential_id, response)

    def _authenticated(self, rp_id: str, lie: Lie, more_flags: int) -> bytes:
        host = hashlib.sha256((lie.rp_id or rp_id).encode()).digest()
        count = self.count if lie.count is None else lie.count
        return host + bytes([lie.flags | more_flags]) + count.to_bytes(4)


def encoded(raw: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The inverse of `encoded`."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _client_data(kind: str, challenge: str, origin: str, lie: Lie) -> bytes:
    said = {
        "type": lie.type or kind,
        "challenge": lie.challenge or challenge,
        "origin": lie.origin or origin,
        "crossOrigin": False,
    }
    return json.dumps(said).encode()


def _credential(credential_id: bytes, response: dict[str, Any]) -> dict[str, Any]:
    shown = encoded(credential_id)
    return {
        "id": shown,
        "rawId": shown,
        "type": "public-key",
        "authenticatorAttachment": "platform",
        "clientExtensionResults": {"credProps": {"rk": True}},
        "response": response,
    }
