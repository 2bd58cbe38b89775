"""What all routes of a sandbox share: its log, its faults, its key, and how a call of a model begins."""

import secrets
from typing import Any

from farebox_sandbox.calls import CallLog
from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.exchange import Exchange
from farebox_sandbox.faults import FaultBook

GARBAGE_BODY = b"<html><body><h1>502 Bad Gateway</h1>{not json \xff\xfe</body></html>"


class Core:
    """`calls` and `faults` may be used as they are; the methods are the steps of a call, in their order."""

    def __init__(self, *, api_key: str) -> None:
        self.calls = CallLog()
        self.faults = FaultBook()
        self._api_key = api_key.encode()

    def authenticate(self, exchange: Exchange) -> None:
        """Raises UpstreamError 401 unless the key came as a Bearer token."""
        if not self.knows_key(exchange):
            raise UpstreamError(401, "Incorrect API key provided.")

    def knows_key(self, exchange: Exchange, *key_headers: bytes) -> bool:
        """Whether the right key came as a Bearer token or in one of `key_headers`."""
        headers = dict(exchange.scope["headers"])
        given = [headers.get(b"authorization", b"").removeprefix(b"Bearer ")]
        given += [headers[name] for name in key_headers if name in headers]
        return any(secrets.compare_digest(one, self._api_key) for one in given)

    async def read_body(self, exchange: Exchange) -> bytes:
        """The request body, as slowly as the faults say. Raises ClientGone, UpstreamError 413."""
        return await exchange.read_body(self.faults.read_pause_seconds)

    async def begin(self, exchange: Exchange, model: str, own: dict[str, Any] | None, **described: Any) -> bool:
        """Note the call and find its directives (`own` are those of the request). True when the directives have
        answered already: with a status, a redirect or a closed connection.

        `described` are fields of `Call`. Raises ClientGone, HungUp, msgspec.ValidationError for an unknown directive.
        """
        exchange.call.describe(model, self.calls.next_attempt(model), **described)
        directives = exchange.directives = self.faults.directives(model, own)
        if directives.drop_before_headers:
            await exchange.connection.pause(directives.delay_seconds)
            await exchange.connection.hang_up()
        if directives.redirect is not None:
            await exchange.answer(302, b"", [(b"location", directives.redirect.encode())])
            return True
        if directives.status is not None:
            await self._fail(exchange, directives.status)
            return True
        return False

    async def _fail(self, exchange: Exchange, status: int) -> None:
        directives = exchange.directives
        headers = []
        if directives.retry_after_seconds is not None:
            headers.append((b"retry-after", f"{directives.retry_after_seconds:g}".encode()))
        body = exchange.error_body(status, directives.error_message, directives.error_code)
        await exchange.answer(status, GARBAGE_BODY if directives.garbage else body, headers)
