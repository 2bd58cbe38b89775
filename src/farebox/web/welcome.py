"""The page at `/`: what this address is and where to go, until there is a console. Plain HTML, no script."""

from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Final

from farebox.base.brand import Brand

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}"
    "code{font-size:.95em}.sandbox{border:2px solid;padding:.5rem 1rem;border-radius:.5rem}"
)
_STYLE_HASH: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'"


def welcome_page(brand: Brand, *, is_sandbox: bool) -> bytes:
    """The page, as UTF-8."""
    name, credit = escape(brand.name), escape(brand.credit_name)
    sandbox = (
        "<p class=sandbox><strong>Sandbox.</strong> Providers without a key are played by a program on this machine; "
        "their answers are made up and nothing is sent to them.</p>"
        if is_sandbox
        else ""
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{name}</title>
<style>{_STYLE}</style></head><body><main>
<h1>{name}</h1>{sandbox}
<p>This is a gateway for AI models. One key calls every model and spends one balance of {credit}.</p>
<p>Speak to it as to OpenAI (<code>/v1/chat/completions</code>, <code>/v1/responses</code>) or to Anthropic
(<code>/v1/messages</code>), with <code>Authorization: Bearer {escape(brand.key_prefix)}…</code> or
<code>x-api-key</code>. <code>/v1/models</code> lists what the key may call.</p>
<ul>
<li><a href="/api/setup">What this gateway offers</a>: models, request limits, readiness</li>
<li><a href="/api/openapi.json">The API description</a>: balance, usage, receipts</li>
<li><a href="/api/errors">Every error code</a> and what to do about it</li>
</ul>
<p>There is no console in this version: the operator manages keys and balances with the <code>farebox</code>
command.</p>
</main></body></html>
""".encode()


def welcome_headers(length: int) -> list[tuple[bytes, bytes]]:
    """The headers that go with it."""
    return [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(length).encode()),
        (b"content-security-policy", _POLICY.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-cache"),
    ]
