"""What a customer can see of answers, and how to ask for all of them."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from tests.gateway import Customer
from tests.leaks.fort import HIDDEN
from tests.workloads.forms import CONTENT_TYPE, File, form

PICTURE: Final = b"\x89PNG\r\n\x1a\n0"


class Sight(NamedTuple):
    """One answer as it came: `text` is its status line, headers and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    text: str

    @property
    def error(self) -> dict[str, Any]:
        """The error of its body, in whichever dialect; empty without one."""
        try:
            found = msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            return {}
        error = found.get("error") if isinstance(found, dict) else None
        return error if isinstance(error, dict) else {}

    @property
    def hidden(self) -> list[str]:
        """What it shows and must not."""
        return HIDDEN.findall(self.text)


async def look(
    customer: Customer, method: str, path: str, *, body: Any = None, headers: Mapping[str, str] | None = None
) -> Sight:
    """Ask, read everything. A body that is no bytes goes as JSON."""
    raw = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
    all_headers = {**customer.headers, "content-type": "application/json", **(headers or {})}
    url = customer.gateway.url + path
    async with customer.gateway.session.request(
        method, url, data=raw, headers=all_headers, allow_redirects=False
    ) as response:
        content = await response.read()
        lines = [f"{response.status} {response.reason}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        text = "\r\n".join(lines) + "\r\n\r\n" + content.decode("utf-8", "replace")
        return Sight(response.status, response.headers, content, text)


def text_body(path: str, model: str, **more: Any) -> dict[str, Any]:
    """A small request for an address of text."""
    said = [{"role": "user", "content": "Reply exactly: hi"}]
    if path == "/v1/responses":
        return {"model": model, "input": "Reply exactly: hi", "max_output_tokens": 20, **more}
    return {"model": model, "messages": said, "max_tokens": 20, **more}


class Call(NamedTuple):
    """A paid call as a client makes it."""

    path: str
    model: str
    body: Any
    headers: Mapping[str, str] = {}


def every_call() -> list[Call]:
    """One call of each address and kind of answer, by every upstream dialect."""
    calls = []
    for path in ("/v1/chat/completions", "/v1/responses", "/v1/messages"):
        for model in ("openai_chat", "openai_responses", "anthropic_messages", "gemini"):
            calls += [Call(path, model, text_body(path, model, stream=stream)) for stream in (False, True)]
    calls += [
        Call("/v1/embeddings", "embed", {"model": "embed", "input": "a"}),
        Call("/v1/moderations", "moderate", {"model": "moderate", "input": "a"}),
        Call("/v1/images/generations", "draw", {"model": "draw", "prompt": "a"}),
        Call("/v1/audio/speech", "speak", {"model": "speak", "input": "a", "voice": "alloy"}),
        Call(
            "/v1/images/edits",
            "draw",
            form(("model", "draw"), ("prompt", "a"), File("image", PICTURE, "image/png")),
            CONTENT_TYPE,
        ),
        Call(
            "/v1/audio/transcriptions",
            "hear",
            form(("model", "hear"), File("file", b"RIFF0000WAVE", "audio/wav")),
            CONTENT_TYPE,
        ),
        Call("/v1/videos", "film", {"model": "film", "prompt": "a", "seconds": "4"}),
    ]
    return calls


def name_of(call: Call) -> str:
    """For the names of tests."""
    streamed = "-stream" if isinstance(call.body, dict) and call.body.get("stream") else ""
    return f"{call.path.removeprefix('/v1/')}-{call.model}{streamed}"


async def make(customer: Customer, call: Call, **more: Any) -> Sight:
    """Make the call, with more fields where it is JSON."""
    body = {**call.body, **more} if isinstance(call.body, dict) else call.body
    return await look(customer, "POST", call.path, body=body, headers=call.headers)
