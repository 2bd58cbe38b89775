"""What the sandbox remembers of requests, for tests: metadata only, never a message, a header value or an answer."""

import time
from collections import Counter, deque
from typing import Any

import msgspec
from msgspec import Struct

MAX_CALLS = 1000  # a test that needs more clears the log in between
MAX_COUNTED_MODELS = 1000  # past it the attempts of all models start again at 1
MAX_MODEL_CHARACTERS = 200


class ReceivedFile(Struct, frozen=True):
    """A file of a multipart body: `size` in bytes, `sha256` in hex."""

    field: str
    name: str
    content_type: str
    size: int
    sha256: str


class Call(Struct):
    """One request. `time` is Unix seconds; `attempt` counts requests for the same model since the log was cleared.

    `completed`: the whole answer was written. `client_disconnected`: the client left before. Neither: the sandbox hung
    up, or is still answering (`open`). `chunks_sent` counts the paced chunks of a stream, `bytes_sent` body bytes.
    `n`, `size`, `quality` and `seconds` are as they were asked. `account` is the name of the account whose key came.
    """

    id: str
    time: float
    path: str
    header_names: tuple[str, ...]
    account: str = ""
    dialect: str = ""
    model: str = ""
    attempt: int = 0
    stream: bool = False
    stream_options: Any = None
    n: int | None = None
    size: str | None = None
    quality: str | None = None
    seconds: str | None = None
    files: tuple[ReceivedFile, ...] = ()
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    max_output_tokens: int | None = None
    status: int | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    chunks_sent: int = 0
    open: bool = True
    completed: bool = False
    client_disconnected: bool = False

    def describe(self, model: str, attempt: int, **fields: Any) -> None:
        """Note what the body asked; `fields` are others of this class."""
        self.model = model[:MAX_MODEL_CHARACTERS]
        self.attempt = attempt
        for name, value in fields.items():
            setattr(self, name, value)


class CallLog:
    """The last MAX_CALLS requests, oldest first, and which of them are still being answered."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=MAX_CALLS)
        self._open: dict[int, Call] = {}
        self._attempts: Counter[str] = Counter()

    def begin(self, call_id: str, path: str, headers: list[tuple[bytes, bytes]]) -> Call:
        names = tuple([name.decode("latin-1") for name, _ in headers])
        call = Call(id=call_id, time=time.time(), path=path, header_names=names)
        self._calls.append(call)
        self._open[id(call)] = call
        return call

    def end(self, call: Call) -> None:
        call.open = False
        self._open.pop(id(call), None)

    def next_attempt(self, model: str) -> int:
        if len(self._attempts) >= MAX_COUNTED_MODELS and model not in self._attempts:
            self._attempts.clear()
        self._attempts[model] += 1
        return self._attempts[model]

    def clear(self) -> None:
        """Forget all; requests that are still being answered stay counted as open."""
        self._calls.clear()
        self._attempts.clear()

    def listing(self, model: str | None) -> list[Any]:
        return [msgspec.to_builtins(call) for call in self._calls if model in (None, call.model)]

    def open_counts(self) -> dict[str, int]:
        calls = self._open.values()
        return {"open_streams": sum(call.stream for call in calls), "open_requests": len(calls)}
