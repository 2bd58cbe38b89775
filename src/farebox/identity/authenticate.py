"""From a request's headers to the key that pays for it. No message ever has any part of the key in it."""

from collections.abc import Iterable, Sequence

from farebox.base.addresses import Address, Network, client_address, within
from farebox.base.clock import rfc3339
from farebox.base.errors import Problem
from farebox.identity.cache import KeyCache, Miss
from farebox.identity.keys import MalformedKey, read_secret
from farebox.identity.model import SCOPES, KeyRecord
from farebox.storage.errors import DatabaseUnavailable

_BEARER = b"bearer "
# Most programs show a message alone, so it says what to do.
_ANOTHER = "Copy it again, use another one, or make a new one."


def credential_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The key as sent: `Authorization: Bearer …`, else `x-api-key: …`. Raises Problem("missing_api_key").

    `headers` as ASGI gives them: pairs of bytes, names in lower case.
    """
    bearer, api_key, other_scheme = b"", b"", False
    for name, value in headers:
        if name == b"authorization":
            if value[: len(_BEARER)].lower() == _BEARER:
                bearer = bearer or value[len(_BEARER) :].strip()
            else:
                other_scheme = value.strip().lower() != _BEARER.strip()
        elif name == b"x-api-key":
            api_key = api_key or value.strip()
    if found := bearer or api_key:
        return found.decode("latin-1")
    message = "The Authorization header is not `Bearer …`." if other_scheme else "The request has no API key."
    raise Problem("missing_api_key", f"{message} Send your key as `Authorization: Bearer …` or `x-api-key: …`.")


async def authenticate(
    headers: Sequence[tuple[bytes, bytes]],
    cache: KeyCache,
    *,
    key_prefix: str,
    now_micros: int,
    peer: str | None = None,
    trusted: Sequence[Network] = (),
) -> KeyRecord:
    """The key of a request, usable at that moment and from there.

    `peer`: the socket's other end, None where that has no address; `trusted`: the proxies whose X-Forwarded-For is
    believed. Raises Problem: missing_api_key, invalid_api_key (`facts["reason"]`: malformed, unknown, expired or
    revoked), address_not_allowed, capacity_exhausted, database_unavailable.
    """
    try:
        key_hash = read_secret(key_prefix, credential_of(headers))
    except MalformedKey as error:
        raise _invalid(error.reason, f"This is not a key of this gateway: {error}. {_ANOTHER}") from None
    found = cache.get(key_hash)
    if isinstance(found, Miss):
        try:
            found = await cache.lookup(key_hash)
        except DatabaseUnavailable:
            message = "The key cannot be checked: the database is not available."
            raise Problem("database_unavailable", message, retry_after_seconds=1) from None
    key = _usable(found, now_micros)
    if key.ip_allow is not None:
        forwarded = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
        _require_address(key.ip_allow, client_address(peer, forwarded, trusted))
    return key


def _require_address(allowed: Sequence[Network], address: Address | None) -> None:
    """Raises Problem. Which addresses are allowed is told to nobody who may have found the key."""
    if address is None:
        message = "This key may be used from some addresses only, and the address of this request is not known."
        raise Problem("address_not_allowed", message)
    if not within(address, allowed):
        raise Problem("address_not_allowed", f"This key may not be used from the address {address}.")


def _usable(key: KeyRecord | None, now_micros: int) -> KeyRecord:
    if key is None:
        raise _invalid("unknown", f"No such key was ever made here. {_ANOTHER}")
    if not key.active:
        raise _invalid("revoked", f"This key was revoked. {_ANOTHER}")
    if not key.workspace_active:
        raise _invalid("revoked", "The workspace of this key is suspended; ask the operator.")
    if key.expires_at is not None and key.expires_at <= now_micros:
        raise _invalid("expired", f"This key expired at {rfc3339(key.expires_at)}. {_ANOTHER}")
    return key


def _invalid(reason: str, message: str) -> Problem:
    return Problem("invalid_api_key", message, facts={"reason": reason})


def require_scope(key: KeyRecord, scope: str) -> None:
    """Raises Problem("insufficient_scope") unless the key has the scope."""
    if scope not in key.scopes:
        scopes = [known for known in SCOPES if known in key.scopes]
        message = f"This key lacks the scope `{scope}`; it has {', '.join(scopes) or 'none'}."
        raise Problem("insufficient_scope", message, facts={"required_scope": scope, "scopes": scopes})
