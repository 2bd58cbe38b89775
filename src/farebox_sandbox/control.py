"""The routes under /sandbox: what the sandbox tells tests, and faults that are set ahead."""

from typing import Any
from urllib.parse import parse_qs

import msgspec

from farebox_sandbox.core import Core
from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.exchange import Exchange
from farebox_sandbox.faults import MAX_COUNT
from farebox_sandbox.routing import Routes


class Control:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._calls = core.calls
        self._faults = core.faults
        self.routes: Routes = {
            ("GET", "/sandbox/calls"): self._list_calls,
            ("DELETE", "/sandbox/calls"): self._clear_calls,
            ("GET", "/sandbox/open"): self._open,
            ("GET", "/sandbox/load"): self._list_load,
            ("DELETE", "/sandbox/load"): self._reset_load,
            ("GET", "/sandbox/accounts"): self._list_accounts,
            ("PUT", "/sandbox/accounts"): self._put_accounts,
            ("GET", "/sandbox/faults"): self._list_faults,
            ("PUT", "/sandbox/faults"): self._put_faults,
            ("DELETE", "/sandbox/faults"): self._delete_faults,
        }

    async def _list_calls(self, exchange: Exchange) -> None:
        await exchange.answer_json({"calls": self._calls.listing(_query(exchange, "model"))})

    async def _clear_calls(self, exchange: Exchange) -> None:
        self._calls.clear()
        await exchange.answer_json({"calls": []})

    async def _open(self, exchange: Exchange) -> None:
        await exchange.answer_json(self._calls.open_counts())

    async def _list_load(self, exchange: Exchange) -> None:
        await exchange.answer_json(self._core.load.listing())

    async def _reset_load(self, exchange: Exchange) -> None:
        self._core.load.reset()
        await self._list_load(exchange)

    async def _list_accounts(self, exchange: Exchange) -> None:
        await exchange.answer_json({"accounts": self._core.accounts})

    async def _put_accounts(self, exchange: Exchange) -> None:
        self._core.set_accounts(msgspec.json.decode(await exchange.read_body(), type=dict[str, str]))
        await self._list_accounts(exchange)

    async def _list_faults(self, exchange: Exchange) -> None:
        await exchange.answer_json({"faults": self._faults.listing()})

    async def _put_faults(self, exchange: Exchange) -> None:
        fields = msgspec.json.decode(await exchange.read_body(), type=dict[str, Any])
        times = _query(exchange, "times")
        if times is not None and not (times.isascii() and times.isdigit() and 1 <= int(times) <= MAX_COUNT):
            raise UpstreamError(400, f"`times` is a whole number from 1 to {MAX_COUNT}.")
        self._faults.put(
            _query(exchange, "model"),
            fields,
            account=_query(exchange, "account"),
            times=None if times is None else int(times),
        )
        await self._list_faults(exchange)

    async def _delete_faults(self, exchange: Exchange) -> None:
        self._faults.delete(_query(exchange, "model"), _query(exchange, "account"))
        await self._list_faults(exchange)


def _query(exchange: Exchange, name: str) -> str | None:
    values = parse_qs(exchange.scope["query_string"].decode("latin-1")).get(name)
    return values[0] if values else None
