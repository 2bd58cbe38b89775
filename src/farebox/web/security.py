"""Headers that keep a browser from making more of an answer than it is."""

from typing import Final

# JSON, text and CSV: nothing in them may load, run, be framed or be submitted.
API_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox"

# A year: how long browsers insist on https after a visit.
HSTS: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""data: is for the icons of wallets and for QR codes, which browsers show as pictures and never run."""

PAGE_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"content-security-policy", PAGE_POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
)
"""For every page."""

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
