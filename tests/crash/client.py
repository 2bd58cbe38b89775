"""A customer's program: one connection, one call at a time, and an exact memory of what it was told.

Written on bare streams, so that the test knows which connection, and so which worker, a call is on.
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from farebox.base.money import parse_usd

# Longer than the gateway ever makes a client of these tests wait: what takes longer hangs.
CALL_SECONDS: Final = 40.0
_MAX_LINE_BYTES: Final = 1_000_000


class Lost(Exception):
    """The connection broke: what became of the call is not known."""


class Answer(NamedTuple):
    """One HTTP answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes


class Told(NamedTuple):
    """What a client knows of one call. `charge_nanos` is None unless the call was acknowledged."""

    customer: int
    streamed: bool
    status: int
    call_id: str | None
    charge_nanos: int | None
    text: str = ""

    @property
    def acknowledged(self) -> bool:
        """A 200 with its cost, or a stream to its [DONE]."""
        return self.charge_nanos is not None


class Client:
    """One connection at a time to 127.0.0.1; `key` is the secret it pays with."""

    def __init__(self, port: int, key: str, *, customer: int = 0) -> None:
        self._port = port
        self._key = key
        self._customer = customer
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.busy = False
        self.calls = 0
        self.told: dict[int, Told] = {}
        self._call_id: str | None = None

    @property
    def local_port(self) -> int | None:
        """This end of the connection, if there is one."""
        return None if self._writer is None else int(self._writer.get_extra_info("sockname")[1])

    @property
    def call_id(self) -> str | None:
        """The call that is running, as soon as its headers have come."""
        return self._call_id

    async def chat(self, *, stream: bool, name: str | None = None, **directives: Any) -> Told:
        """One paid call, every other one to a provider of another dialect; `name` is its Idempotency-Key. Never raises;
        a call that hangs is told as status -1."""
        # A named call keeps its model when it is repeated.
        number = self.calls if name is None else sum(name.encode())
        model = "translated" if number % 2 else "plain"
        content = f"hello [[sandbox {json.dumps(directives)}]]"
        body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": 200}
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        headers = {} if name is None else {"idempotency-key": name}
        self.busy, self._call_id = True, None
        self.calls += 1
        try:
            async with asyncio.timeout(CALL_SECONDS):
                answer = await self.request("POST", "/v1/chat/completions", json.dumps(body).encode(), headers)
            told = self._told(answer, stream=stream)
        except Lost:
            told = Told(self._customer, stream, 0, self._call_id, None)
        except TimeoutError:
            told = Told(self._customer, stream, -1, self._call_id, None)
            self.close()
        finally:
            self.busy = False
        self.told[self.calls] = told
        return told

    def _told(self, answer: Answer, *, stream: bool) -> Told:
        call_id = answer.headers.get("x-farebox-call-id")
        cost = None
        if answer.status == 200:
            cost = _cost_of_stream(answer.body) if stream else answer.headers.get("x-farebox-cost-usd")
        charge_nanos = None if cost is None else parse_usd(cost)
        text = "" if charge_nanos is not None else answer.body[-600:].decode(errors="replace")
        return Told(self._customer, stream, answer.status, call_id, charge_nanos, text)

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send and read the whole answer. Raises Lost."""
        try:
            reader = await self._connected()
            assert self._writer is not None
            lines = [f"{method} {path} HTTP/1.1", "host: farebox.test", f"authorization: Bearer {self._key}"]
            lines += ["content-type: application/json", f"content-length: {len(body)}"]
            lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
            self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            await self._writer.drain()
            return await self._read(reader)
        except (OSError, EOFError, ValueError) as error:
            self.close()
            raise Lost from error

    async def _connected(self) -> asyncio.StreamReader:
        if self._reader is None or self._reader.at_eof():
            self.close()
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=_MAX_LINE_BYTES)
        return self._reader

    async def _read(self, reader: asyncio.StreamReader) -> Answer:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(_pair(line) for line in head[1:] if line)
        self._call_id = headers.get("x-farebox-call-id")
        if headers.get("transfer-encoding") == "chunked":
            body = await _read_chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            self.close()
        return Answer(int(head[0].split()[1]), headers, body)

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                self._writer.close()
        self._reader = self._writer = None


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(parts)


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()


def _cost_of_stream(body: bytes) -> str | None:
    """The cost in the usage event of a stream that came to its end marker."""
    if not body.endswith(b"data: [DONE]\n\n"):
        return None
    for line in reversed(body.split(b"\n")):
        if line.startswith(b"data: {") and b"cost_usd" in line:
            return _find(json.loads(line[6:]), "cost_usd")
    return None


def _find(value: Any, name: str) -> str | None:
    if isinstance(value, dict):
        if name in value:
            return str(value[name])
        return next((found for inner in value.values() if (found := _find(inner, name)) is not None), None)
    return None
