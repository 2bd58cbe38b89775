"""Asks contracts on a chain, by JSON-RPC, whether a signature is theirs.

The address of a server may have a key in it: it stands in no log, no error and no text of this module.
"""

import importlib.resources
import re
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import msgspec
import structlog

from farebox.base.errors import Problem
from farebox.identity.people.ethereum import abi_encode_question, is_readable_wrap, is_wrapped

# The creation code of contracts/ValidateSignature.sol; a test compiles it again and compares.
_VALIDATOR: Final = bytes.fromhex(
    importlib.resources.files("farebox.identity.people")
    .joinpath("contracts", "ValidateSignature.hex")
    .read_text(encoding="ascii")
)
_NUMBER: Final = re.compile(r"0x[0-9a-fA-F]{1,64}")
_ANSWERS: Final[Mapping[object, bool]] = {"0x01": True, "0x00": False}
# An answer is a few dozen bytes; what is longer than this is none.
MAX_ANSWER_BYTES: Final = 65_536
# Questions to one server at a time. More wait, within the timeout: people who sign in are not to use up its quota.
MAX_QUESTIONS: Final = 16
# For chains of which nobody said how long they may take.
_USUAL_SECONDS: Final = 5.0

_log = structlog.get_logger(__name__)


class _Answer(msgspec.Struct):
    """What JSON-RPC 2.0 answers; the error's text is the server's and is not repeated."""

    result: Any = None
    error: Any = None


class RpcContracts:
    """One server for each chain, by chain id. Timeouts are of a whole question, its waiting included."""

    def __init__(self, urls: Mapping[int, str], timeouts_seconds: Mapping[int, float]) -> None:
        self._urls = dict(urls)
        self._timeouts_seconds = dict(timeouts_seconds)
        self._confirmed: set[int] = set()
        self._session: aiohttp.ClientSession | None = None

    async def is_valid(self, chain_id: int, address: str, digest: bytes, signature: bytes) -> bool:
        """Whether the contract at that address takes the signature for its own (ERC-1271), also if it is not deployed
        yet (ERC-6492); False where there is no contract. Raises Problem(`chain_unavailable`) where nobody can tell."""
        if chain_id not in self._urls:
            raise _unavailable(chain_id, "this gateway has no server for it")
        if is_wrapped(signature) and not is_readable_wrap(signature):
            return False
        await self._confirm(chain_id)
        question = _VALIDATOR + abi_encode_question(address, digest, signature)
        answer = await self._ask(chain_id, "eth_call", {"data": f"0x{question.hex()}"}, "latest")
        if answer not in _ANSWERS:
            raise _failed(chain_id, "unreadable answer")
        return _ANSWERS[answer]

    async def close(self) -> None:
        """End its connections."""
        if self._session is not None:
            await self._session.close()

    async def _confirm(self, chain_id: int) -> None:
        """Once: the server is one of that chain. On another one the same address may be somebody else's contract."""
        if chain_id in self._confirmed:
            return
        told = await self._ask(chain_id, "eth_chainId")
        if not _NUMBER.fullmatch(told) or int(told, 16) != chain_id:
            raise _failed(chain_id, "the server is of another chain")
        self._confirmed.add(chain_id)

    async def _ask(self, chain_id: int, method: str, *params: Any) -> str:
        """The result of a question, a short text. Raises Problem(`chain_unavailable`)."""
        timeout = aiohttp.ClientTimeout(total=self._timeouts_seconds.get(chain_id, _USUAL_SECONDS))
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        try:
            async with self._http().post(
                self._urls[chain_id], data=body, timeout=timeout, allow_redirects=False
            ) as response:
                raw = await _bounded(response) if response.status == 200 else b""
                status = response.status
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            # Its text may name the server.
            raise _failed(chain_id, type(error).__name__) from None
        try:
            answer = msgspec.json.decode(raw, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _failed(chain_id, f"no JSON-RPC, status {status}") from None
        if not isinstance(answer.result, str):
            raise _failed(chain_id, "refused" if answer.error is not None else "unreadable answer")
        return answer.result

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=MAX_QUESTIONS),
                headers={"content-type": "application/json", "accept-encoding": "identity"},
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    """The body, or b"" when it is longer than any answer."""
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > MAX_ANSWER_BYTES:
            response.close()
            return b""
    return bytes(raw)


def _failed(chain_id: int, why: str) -> Problem:
    _log.warning("chain unavailable", chain_id=chain_id, why=why)
    return _unavailable(chain_id, "its server gave no usable answer")


def _unavailable(chain_id: int, why: str) -> Problem:
    message = (
        f"This signature is not one of the address's own key, and nobody can ask chain {chain_id} about it: {why}."
    )
    return Problem("chain_unavailable", message, facts={"chain_id": chain_id})
