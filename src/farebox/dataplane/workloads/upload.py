"""A form with files on its way through: its beginning is kept until the hold is taken, the rest passes as it comes.

What is kept can be sent to another route once more; as soon as anything went on that is not kept, there is one attempt.
Memory: what is kept (`bounds.max_buffered_upload_bytes` at most) and what `Form` says.
"""

import asyncio
from collections.abc import AsyncIterator, Set
from typing import Any

from farebox.base.errors import Problem
from farebox.base.limits import Bounds
from farebox.dataplane.asgi import ClientLeft, Exchange, header
from farebox.dialects.openai_media.form import MAX_PARTS, Form, ModelPlace, Piece, boundary_of, form_content_type
from farebox.dialects.port import Inexpressible
from farebox.providers.client import Upload

# Of the fields that follow the files of a form that streams on: its hold has room for so much prompt.
MAX_LATE_BYTES = 4_096


def is_form(exchange: Exchange) -> bool:
    """Whether the request is a form."""
    content_type = header(exchange.headers, b"content-type") or b""
    return content_type.lstrip()[:19].lower() == b"multipart/form-data"


class FormReader:
    """One form, from the client to the provider. `late` names fields that may not come once the rest streams on;
    `most_files` is how many files the hold is for."""

    def __init__(
        self, exchange: Exchange, bounds: Bounds, *, late: frozenset[str], most_files: int = MAX_PARTS
    ) -> None:
        """Raises Problem (`invalid_request`, `request_too_large`)."""
        if (header(exchange.headers, b"content-encoding") or b"identity") != b"identity":
            raise Problem("invalid_request", "Send the body uncompressed: `content-encoding` is not supported.")
        self._boundary = boundary_of((header(exchange.headers, b"content-type") or b"").decode("latin-1"))
        announced = header(exchange.headers, b"content-length")
        self.announced_bytes = int(announced) if announced is not None and announced.isdigit() else None
        self.form = Form(self._boundary)
        self.over = False
        self.finished = asyncio.Event()  # nothing more is read of the request
        self._receive = exchange.receive
        self._bounds = bounds
        self._late = late
        self._most_files = most_files
        self._kept: list[Piece] = []
        self.size_bytes = 0
        self._came_within: dict[str, int] = {}  # the size with the read that brought a field
        self._gone = False
        self._deadline = asyncio.get_running_loop().time() + bounds.upload_timeout_seconds
        if (self.announced_bytes or 0) > bounds.max_upload_bytes:
            raise too_large("The form", bounds.max_upload_bytes)

    async def keep(self, most_bytes: int) -> None:
        """Read and keep until the form is over or longer than so many bytes. Raises Problem and ClientLeft."""
        while not self.over and self.size_bytes <= most_bytes:
            _append(self._kept, await self._next())

    def has_within(self, names: Set[str], most_bytes: int) -> bool:
        """Whether all of these fields came with the first so many bytes."""
        return all(self._came_within.get(name, most_bytes + 1) <= most_bytes for name in names)

    def raw(self) -> bytes:
        """The whole body as it came; for a form that was kept whole."""
        model = (self.form.value("model") or "").encode()
        return b"".join(model if isinstance(piece, ModelPlace) else piece for piece in self._kept)

    def most_bytes(self) -> int:
        """More bytes than the files can have."""
        return self.form.file_bytes if self.over else self.announced_bytes or self._bounds.max_upload_bytes

    def body(self, upstream_model: str) -> Upload:
        """The form for a provider. Raises Inexpressible when a part of it is gone."""
        if self._gone:
            raise Inexpressible("upload_sent")
        model = upstream_model.encode()
        length = None
        if self.over or self.announced_bytes is not None:
            client_model = (self.form.value("model") or "").encode()
            length = (self.size_bytes if self.over else self.announced_bytes or 0) + len(model) - len(client_model)
        return _Passing(self, form_content_type(self._boundary), length, model)

    async def chunks(self, model: bytes) -> AsyncIterator[bytes]:
        """What was kept, then what comes. Raises Problem and ClientLeft."""
        for piece in self._kept:
            yield model if isinstance(piece, ModelPlace) else piece
        if self.over:
            return
        self._gone = True
        self._kept.clear()
        seen = {name: len(values) for name, values in self.form.fields.items()}
        while not self.over:
            pieces = await self._next()
            late_bytes = 0
            for name, values in self.form.fields.items():
                if late := values[seen.get(name, 0) :]:
                    self._check_order(name)
                    late_bytes += sum(len(value.encode()) for value in late)
            if late_bytes > MAX_LATE_BYTES:
                raise too_large("What follows the files of a form that is so long", MAX_LATE_BYTES)
            if found := b"".join(piece for piece in pieces if isinstance(piece, bytes)):
                yield found

    def _check_order(self, name: str) -> None:
        if name.casefold().removesuffix("[]") in self._late:
            message = f"`{name}` must come before the files of a form that is so long."
            raise Problem("invalid_request", message, param=name)

    async def _next(self) -> list[Piece]:
        try:
            return await self._read()
        except BaseException:
            self.finished.set()
            raise

    async def _read(self) -> list[Piece]:
        message = await self._message()
        body = message.get("body", b"")
        self.size_bytes += len(body)
        if self.size_bytes > self._bounds.max_upload_bytes:
            raise too_large("The form", self._bounds.max_upload_bytes)
        pieces = self.form.feed(body)
        for name in self.form.fields.keys() - self._came_within.keys():
            self._came_within[name] = self.size_bytes
        if (files := len(self.form.files)) > self._most_files:
            facts = {"requested": files, "request_limit": self._most_files}
            words = f"The form has more than {self._most_files} files."
            raise Problem("request_limit_exceeded", words, facts=facts, param=self.form.files[-1])
        if not message.get("more_body", False):
            self.form.close()
            self.over = True
            self.finished.set()
        return pieces

    async def _message(self) -> dict[str, Any]:
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(self._bounds.body_timeout_seconds, self._deadline - now)):
                message = await self._receive()
        except TimeoutError as error:
            raise Problem("request_timeout", "The request's body did not arrive in time.") from error
        if message["type"] == "http.disconnect":
            raise ClientLeft
        return message


class _Passing:
    """One attempt to send a form."""

    def __init__(self, reader: FormReader, content_type: str, length: int | None, model: bytes) -> None:
        self.content_type = content_type
        self.length = length
        self.failure: BaseException | None = None
        self._reader = reader
        self._model = model

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body; what ends it early is kept for whoever asks why."""
        try:
            async for chunk in self._reader.chunks(self._model):
                yield chunk
        except (Problem, ClientLeft) as error:
            self.failure = error
            raise


def _append(kept: list[Piece], pieces: list[Piece]) -> None:
    """Keep pieces, the small ones of one read together: a form may come byte by byte."""
    for piece in pieces:
        last = kept[-1] if kept else None
        if isinstance(piece, bytes) and isinstance(last, bytes) and len(last) < _SMALL_BYTES:
            kept[-1] = last + piece
        else:
            kept.append(piece)


_SMALL_BYTES = 65_536


def too_large(what: str, limit_bytes: int, why: str = "") -> Problem:
    """The refusal of a form that is longer than a bound."""
    message = f"{what} is larger than {limit_bytes} bytes{why}."
    return Problem("request_too_large", message, facts={"limit_bytes": limit_bytes})
