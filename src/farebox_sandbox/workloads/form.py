"""Reading a request body that is JSON or multipart. Files are read as a stream and forgotten: what stays of one is its
name, size and hash, and its first bytes, which tell the length of a sound file."""

import hashlib
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import msgspec
from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from farebox_sandbox.calls import ReceivedFile
from farebox_sandbox.core import Core
from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.exchange import Exchange
from farebox_sandbox.workloads.directives import FIELD, take_directives

MAX_PARTS = 200  # fields and files of one form; the richest request has about 30
MAX_FIELD_BYTES = 2**20  # of all fields that are no files, together
MAX_NAME_CHARACTERS = 200
MAX_PATH = 4  # names of a nested field: sandbox[job_fails][message] has 3
HEAD_BYTES = 2**16  # the header of a WAV file, with the chunks that may come before its sound

_BRACKET = re.compile(r"\[([^\[\]]*)\]")

Fields = TypeVar("Fields")


class Upload(NamedTuple):
    """A file as the log shows it, and its first HEAD_BYTES."""

    file: ReceivedFile
    head: bytes


class Received(NamedTuple):
    """A request body. `own`: its directives. `is_form`: all values of its fields are text."""

    fields: dict[str, Any]
    files: tuple[Upload, ...]
    own: dict[str, Any] | None
    is_form: bool

    def read(self, kind: type[Fields]) -> Fields:
        """The fields as a struct. Raises msgspec.ValidationError."""
        return msgspec.convert(self.fields, kind, strict=not self.is_form)

    def uploads(self, *names: str) -> tuple[Upload, ...]:
        """The files of these fields."""
        return tuple(upload for upload in self.files if upload.file.field in names)

    @property
    def logged(self) -> tuple[ReceivedFile, ...]:
        return tuple(upload.file for upload in self.files)


async def receive(sandbox: Core, exchange: Exchange) -> Received:
    """The body of a request. Raises ClientGone, UpstreamError 400 and 413, msgspec.DecodeError."""
    content_type = dict(exchange.scope["headers"]).get(b"content-type", b"").decode("latin-1")
    kind, options = parse_options_header(content_type)
    if kind == "multipart/form-data":
        values, files = await _read_form(sandbox, exchange, options.get("boundary", ""))
    else:
        values, files = _read_json(await sandbox.read_body(exchange)), ()
    fields, own = take_directives(values)
    return Received(fields, files, own, kind == "multipart/form-data")


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except RecursionError as error:
        raise UpstreamError(400, "The body is nested too deeply.") from error


async def _read_form(sandbox: Core, exchange: Exchange, boundary: str) -> tuple[dict[str, Any], tuple[Upload, ...]]:
    form = _Form()
    try:
        with PushMultipartParser(boundary, max_segment_count=MAX_PARTS) as parser:
            async for data in exchange.body_parts(sandbox.faults.read_pause_seconds):
                if data and not parser.closed:
                    form.take(parser.parse(data))
    except MultipartError as error:
        raise UpstreamError(400, f"We could not parse the multipart form: {error}") from error
    return form.fields, tuple(form.files)


class _Form:
    """Collects a form: fields up to MAX_FIELD_BYTES, and of a file no more than HEAD_BYTES at a time."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.files: list[Upload] = []
        self._segment: Any = None
        self._kept = bytearray()
        self._field_bytes = 0
        self._hash = hashlib.sha256()

    def take(self, events: Iterator[Any]) -> None:
        for event in events:
            if isinstance(event, MultipartSegment):
                self._segment = event
                self._kept = bytearray()
                self._hash = hashlib.sha256()
            elif event is None:
                self._close()
            elif self._segment.filename is not None:
                self._hash.update(event)
                self._kept += event[: HEAD_BYTES - len(self._kept)]
            else:
                self._kept += event
                self._field_bytes += len(event)
                if self._field_bytes > MAX_FIELD_BYTES:
                    raise UpstreamError(413, f"The fields of the form are larger than {MAX_FIELD_BYTES} bytes.")

    def _close(self) -> None:
        segment = self._segment
        if segment.filename is None:
            _put(self.fields, segment.name, self._kept.decode("utf-8", "replace"))
            return
        file = ReceivedFile(
            field=segment.name.removesuffix("[]")[:MAX_NAME_CHARACTERS],
            name=segment.filename[:MAX_NAME_CHARACTERS],
            content_type=(segment.content_type or "")[:MAX_NAME_CHARACTERS],
            size=segment.size,
            sha256=self._hash.hexdigest(),
        )
        self.files.append(Upload(file, bytes(self._kept)))


def _put(fields: dict[str, Any], name: str, value: str) -> None:
    """Set a field by its name in a form: `a`, `a[]` for one of a list, `a[b]` for a field of an object."""
    first = name.partition("[")[0]
    path = [first, *_BRACKET.findall(name)][:MAX_PATH]
    place: Any = fields
    for here, following in pairwise(path):
        empty: Any = [] if following == "" else {}
        if not isinstance(place.get(here), type(empty)):
            place[here] = empty
        place = place[here]
        if following == "":
            place.append(value)
            return
    place[path[-1]] = _read_directive(value) if first == FIELD and len(path) > 1 else value


def _read_directive(value: str) -> Any:
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value
