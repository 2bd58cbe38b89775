"""What all routes of a sandbox share: its log, its faults, its key, and how a call of a model begins."""

import secrets
from collections.abc import Mapping
from typing import Any

from farebox_sandbox.calls import CallLog
from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.exchange import Exchange
from farebox_sandbox.faults import FaultBook
from farebox_sandbox.load import Load

DEFAULT_ACCOUNT = "default"
MAX_ACCOUNTS = 100  # beside the default one: more than a test has keys
GARBAGE_BODY = b"<html><body><h1>502 Bad Gateway</h1>{not json \xff\xfe</body></html>"


class Core:
    """`calls`, `faults` and `load` may be used as they are; the methods are the steps of a call, in their order."""

    def __init__(self, *, api_key: str) -> None:
        self.calls = CallLog()
        self.faults = FaultBook()
        self.load = Load()
        self._api_key = api_key
        self.set_accounts({})

    @property
    def accounts(self) -> list[str]:
        """The names of all accounts."""
        return list(self._keys)

    def set_accounts(self, keys: Mapping[str, str]) -> None:
        """Accept these keys by the names of their accounts, beside the one of the start. Raises UpstreamError 400."""
        every = {DEFAULT_ACCOUNT: self._api_key, **keys}
        if len(every) > MAX_ACCOUNTS + 1 or len(set(every.values())) < len(every) or not all(every.values()):
            raise UpstreamError(400, f"Accounts are at most {MAX_ACCOUNTS}, each with a key of its own.")
        self._keys = {name: key.encode() for name, key in every.items()}

    def authenticate(self, exchange: Exchange) -> None:
        """Raises UpstreamError 401 unless the key came as a Bearer token."""
        if not self.knows_key(exchange):
            raise UpstreamError(401, "Incorrect API key provided.")

    def knows_key(self, exchange: Exchange, *key_headers: bytes) -> bool:
        """Whether a right key came as a Bearer token or in one of `key_headers`: then its account is noted."""
        headers = dict(exchange.scope["headers"])
        given = [headers.get(b"authorization", b"").removeprefix(b"Bearer ")]
        given += [headers[name] for name in key_headers if name in headers]
        for account, key in self._keys.items():
            if any(secrets.compare_digest(one, key) for one in given):
                exchange.call.account = account
                self.load.enter_account(exchange.call, account)
                return True
        return False

    async def read_body(self, exchange: Exchange) -> bytes:
        """The request body, as slowly as the faults say. Raises ClientGone, UpstreamError 413."""
        return await exchange.read_body(self.faults.read_pause_seconds)

    async def begin(self, exchange: Exchange, model: str, own: dict[str, Any] | None, **described: Any) -> bool:
        """Note the call and find its directives (`own` are those of the request). True when the directives have
        answered already: with a status, a redirect or a closed connection.

        `described` are fields of `Call`. Raises ClientGone, HungUp, msgspec.ValidationError for an unknown directive.
        """
        exchange.call.describe(model, self.calls.next_attempt(model), **described)
        self.load.enter_model(exchange.call, model)
        directives = exchange.directives = self.faults.directives(model, own, account=exchange.call.account)
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
