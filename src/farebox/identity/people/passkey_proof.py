"""What a browser is asked for (WebAuthn), and whether what it answers holds. Pure: rows are in passkeys.py.

Passkeys belong to the site's host and are believed from its origin alone; both follow from settings. User verification
(a PIN, a finger, a face) is always wanted: with it a passkey is two factors in one.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import webauthn
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from farebox.base.site import Site
from farebox.identity.people.passkeys import NewPasskey, Passkey, PasskeyUse

# What browsers send is 1-3 kB; attestations with certificates reach 10 kB.
MAX_CREDENTIAL_BYTES: Final = 32_000
_MAX_CREDENTIAL_ID_BYTES: Final = 1_023  # the specification's own
_ALGORITHMS: Final = [
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]


class BadPasskey(Exception):
    """The answer does not hold. The message says why, for tests and records; it repeats nothing that was sent."""


class Account(msgspec.Struct, frozen=True):
    """How an authenticator names the account: by a number, and by what its owner recognises."""

    person_id: int
    login: str
    shown: str


class Claim(msgspec.Struct, frozen=True):
    """A browser's answer, read but not believed."""

    credential_id: bytes
    user_handle: bytes | None
    transports: tuple[str, ...]
    fields: dict[str, Any]

    def __repr__(self) -> str:
        return "Claim()"


class _Response(msgspec.Struct):
    clientDataJSON: str  # noqa: N815 - the specification's names
    attestationObject: str | None = None  # noqa: N815
    authenticatorData: str | None = None  # noqa: N815
    signature: str | None = None
    userHandle: str | None = None  # noqa: N815
    transports: list[str] = []


class _Credential(msgspec.Struct):
    id: str
    rawId: str  # noqa: N815
    type: str
    response: _Response


_read = msgspec.json.Decoder(_Credential)


def user_handle_of(person_id: int) -> bytes:
    """What an authenticator stores to know the account by: nothing that tells who it is."""
    return person_id.to_bytes(8)


def options_to_get(site: Site, challenge: bytes, *, timeout_seconds: float, allowed: Sequence[Passkey] = ()) -> Any:
    """What `navigator.credentials.get` takes, as JSON. None allowed: the browser offers whatever it has for the site,
    so nobody has to say first who they are."""
    options = webauthn.generate_authentication_options(
        rp_id=site.host,
        challenge=challenge,
        timeout=int(timeout_seconds * 1_000),
        allow_credentials=[_descriptor(passkey) for passkey in allowed],
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return json.loads(webauthn.options_to_json(options))


def options_to_create(
    site: Site, challenge: bytes, account: Account, *, brand: str, timeout_seconds: float, known: Sequence[Passkey]
) -> Any:
    """What `navigator.credentials.create` takes, as JSON. An authenticator that has one of the known makes no other."""
    options = webauthn.generate_registration_options(
        rp_id=site.host,
        rp_name=brand,
        user_id=user_handle_of(account.person_id),
        user_name=account.login,
        user_display_name=account.shown,
        challenge=challenge,
        timeout=int(timeout_seconds * 1_000),
        exclude_credentials=[_descriptor(passkey) for passkey in known],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        supported_pub_key_algs=_ALGORITHMS,
    )
    return json.loads(webauthn.options_to_json(options))


def read_claim(credential: bytes) -> Claim:
    """A browser's answer in the JSON form of the specification. Raises BadPasskey."""
    if len(credential) > MAX_CREDENTIAL_BYTES:
        raise BadPasskey("too long")
    try:
        found = _read.decode(credential)
        credential_id = base64url_to_bytes(found.rawId)
        handle = None if found.response.userHandle is None else base64url_to_bytes(found.response.userHandle)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise BadPasskey("cannot be read") from None
    if not 0 < len(credential_id) <= _MAX_CREDENTIAL_ID_BYTES:
        raise BadPasskey("no credential id")
    transports = tuple(name for name in found.response.transports if name in set(AuthenticatorTransport))
    return Claim(credential_id, handle, transports, msgspec.to_builtins(found))


def check_new(site: Site, challenge: bytes, claim: Claim, *, name: str) -> NewPasskey:
    """The passkey that was made for this challenge. Raises BadPasskey."""
    try:
        verified = webauthn.verify_registration_response(
            credential=claim.fields,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
            supported_pub_key_algs=_ALGORITHMS,
        )
    except Exception as error:  # bytes of anybody go through parsers of CBOR and keys: whatever they raise, it is a no
        raise BadPasskey(type(error).__name__) from None
    if verified.credential_id != claim.credential_id:
        raise BadPasskey("names another credential")
    return NewPasskey(
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        transports=claim.transports[: len(AuthenticatorTransport)],
        is_backed_up=verified.credential_backed_up,
        name=name,
    )


def check_use(site: Site, challenge: bytes, claim: Claim, passkey: Passkey) -> PasskeyUse:
    """What the signature of a known passkey says. A counter that does not go forwards is the mark of a copy.

    Raises BadPasskey."""
    if claim.user_handle is not None and claim.user_handle != user_handle_of(passkey.person_id):
        raise BadPasskey("names another person")
    try:
        verified = webauthn.verify_authentication_response(
            credential=claim.fields,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except Exception as error:  # as above
        raise BadPasskey(type(error).__name__) from None
    return PasskeyUse(verified.new_sign_count, verified.credential_backed_up)


# What the browser's program calls itself, and what people call it: the first that is found.
_DEVICES: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "Chromebook"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)


def default_name(user_agent: str) -> str:
    """`Chrome on Linux`, as far as that can be told: what a passkey is called until its owner says otherwise."""
    device = next((shown for mark, shown in _DEVICES if mark in user_agent), "")
    browser = next((shown for mark, shown in _BROWSERS if mark in user_agent), "")
    return " on ".join(part for part in (browser, device) if part) or "Passkey"


def _descriptor(passkey: Passkey) -> PublicKeyCredentialDescriptor:
    transports = [AuthenticatorTransport(name) for name in passkey.transports if name in set(AuthenticatorTransport)]
    return PublicKeyCredentialDescriptor(id=passkey.credential_id, transports=transports or None)
