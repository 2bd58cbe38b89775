"""Headers that keep a browser from making more of an answer than it is."""

from typing import Final

# JSON, text and CSV: nothing in them may load, run, be framed or be submitted.
API_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox"

API_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"content-security-policy", API_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    # Balances and receipts belong in no cache, shared or not.
    (b"cache-control", b"no-store"),
    (b"vary", b"authorization, x-api-key"),
)
"""For every answer of the JSON API. There is no `access-control-allow-origin`: other sites' pages may not read it."""
