"""`multipart/form-data` as it streams: which fields and files there are, and where the model's id stands, so that it
can be replaced while every other byte passes untouched. Sources: RFC 7578, RFC 2046 §5.1.1.

Strict on purpose: what two readers could understand differently is refused, because the provider reads it again.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from farebox.base.errors import Problem
from farebox.dialects.request import DECIDING, refuse_in_form, refuse_lookalike

# Boundary, names and headers are short in every client there is.
MAX_PART_HEADER_BYTES = 8_192
# Files and fields of one form: the most pictures of one edit, and every parameter several times.
MAX_PARTS = 256
# All fields together, which are kept: a prompt of 32,000 characters, or samples of four voices.
MAX_FIELD_BYTES = 4_000_000

_UTF8 = r"(?:;\s*charset=utf-8\s*)?"
_BOUNDARY = re.compile(
    rf"""multipart/form-data\s*{_UTF8};\s*boundary=(?:"([^"\\]{{1,70}})"|([^\s";,]{{1,70}}))\s*{_UTF8}""", re.IGNORECASE
)
_DISPOSITION = re.compile(r'form-data((?:\s*;\s*[\w*-]+=(?:"(?:[^"\\]|\\.)*"|[^\s";]+))*)\s*', re.IGNORECASE)
_PARAMETER = re.compile(r';\s*([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))')
_HEADER = re.compile(r"([!-9;-~]+):([^\x00-\x08\x0a-\x1f\x7f]*)")
_PLAIN_ENCODINGS = frozenset({"7bit", "8bit", "binary"})
# Fields that decide what a form costs: some readers take their values from files as well.
_NEVER_FILES: Final = DECIDING - {"file", "image", "images", "mask", "input"}


class ModelPlace:
    """Stands where the model's id stood."""

    __slots__ = ()


MODEL: Final = ModelPlace()
Piece = bytes | ModelPlace


class _Part(NamedTuple):
    name: str
    is_file: bool


def boundary_of(content_type: str) -> bytes:
    """The boundary that a form's content type names. Raises Problem `invalid_request`."""
    found = _BOUNDARY.fullmatch(content_type)
    if found is None or not content_type.isascii():
        raise Problem("invalid_request", "Send `multipart/form-data` with a boundary.")
    return (found[1] or found[2]).encode()


def form_content_type(boundary: bytes) -> str:
    """The content type of a form with that boundary."""
    return f'multipart/form-data; boundary="{boundary.decode()}"'


class Form:
    """Feed chunks as they come; get the same bytes back, cut otherwise, with a place for the model's id.

    `fields` maps names to values, `files` are the names of the parts that are files, `ended` whether the form is
    complete. Keeps the fields (`MAX_FIELD_BYTES`), one header (`MAX_PART_HEADER_BYTES`) and a delimiter: never a file.
    """

    def __init__(self, boundary: bytes) -> None:
        self.fields: dict[str, list[str]] = {}
        self.files: list[str] = []
        self.file_bytes = 0
        self.ended = False
        self._delimiter = b"\r\n--" + boundary
        self._rest = bytearray()
        self._searched = 0  # how much of `_rest` has no beginning of a delimiter
        self._field_bytes = 0
        self._parts = 0
        self._step: Callable[[], bool] = self._start
        self._part = _Part("", False)
        self._pieces: list[Piece] = []

    def feed(self, chunk: bytes) -> list[Piece]:
        """Take the next bytes. Raises Problem `invalid_request` for what is no such form."""
        self._rest += chunk
        self._pieces = []
        while self._step():
            pass
        return self._pieces

    def close(self) -> None:
        """The bytes are over. Raises Problem `invalid_request` when the form is not."""
        if not self.ended:
            raise _malformed("it ends before its last boundary")
        if self._rest:
            raise _malformed("something follows its last boundary")

    def value(self, name: str) -> str | None:
        """A field that may stand there once. Raises Problem `invalid_request` when it stands there twice."""
        values = self.fields.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise Problem("invalid_request", f"`{name}` stands in the form more than once.", param=name)
        return values[0]

    # Each step takes what it can of `_rest`; False: more bytes are needed.

    def _start(self) -> bool:
        first = self._delimiter[2:]
        if not first.startswith(bytes(self._rest[: len(first)])):
            raise _malformed("it does not begin with its boundary")
        if len(self._rest) < len(first):
            return False
        return self._pass(len(first), self._after_delimiter)

    def _after_delimiter(self) -> bool:
        if len(self._rest) < 2:
            return False
        if self._rest.startswith(b"--"):
            self.ended = True
            return self._pass(2, self._epilogue)
        if not self._rest.startswith(b"\r\n"):
            raise _malformed("a boundary has something after it")
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _malformed(f"it has more than {MAX_PARTS} parts")
        return self._pass(2, self._headers)

    def _headers(self) -> bool:
        end = self._rest.find(b"\r\n\r\n", 0, MAX_PART_HEADER_BYTES + 4)
        if end < 0 and len(self._rest) > MAX_PART_HEADER_BYTES:
            raise _malformed(f"the headers of a part are longer than {MAX_PART_HEADER_BYTES} bytes")
        if end < 0:
            return False
        self._part = _read_part(bytes(self._rest[:end]))
        if self._part.is_file:
            if self._part.name in _NEVER_FILES:
                raise _malformed(f"`{self._part.name}` is a file")
            self.files.append(self._part.name)
        return self._pass(end + 4, self._file if self._part.is_file else self._field)

    def _field(self) -> bool:
        end = self._find_delimiter()
        if self._field_bytes + (len(self._rest) if end < 0 else end) > MAX_FIELD_BYTES:
            raise _malformed(f"its fields are longer than {MAX_FIELD_BYTES} bytes; a file needs a `filename`")
        if end < 0:
            return False
        self._field_bytes += end
        name, value = self._part.name, self._rest[:end]
        try:
            self.fields.setdefault(name, []).append(value.decode())
        except UnicodeDecodeError as error:
            raise _malformed("a field is not UTF-8") from error
        if name == "model":
            self.value("model")
            self._pieces.append(MODEL)
            del self._rest[:end]
            end = 0
        return self._pass(end + len(self._delimiter), self._after_delimiter)

    def _file(self) -> bool:
        end = self._find_delimiter()
        if end < 0:
            self.file_bytes += self._searched
            if self._searched:
                self._pass(self._searched, self._file)
            return False
        self.file_bytes += end
        return self._pass(end + len(self._delimiter), self._after_delimiter)

    def _find_delimiter(self) -> int:
        """Where the next delimiter begins, -1 while none is whole. What was searched once is not searched again.

        Some readers take the boundary after a lone line feed for a delimiter, too: to them a file could hold another
        model's name or another `n`. No writer puts its boundary into a part, so one that stands there is refused.
        """
        found = self._rest.find(self._delimiter[2:], self._searched)
        if found < 0:
            # One may have begun in the last bytes.
            self._searched = max(0, len(self._rest) - len(self._delimiter) + 1)
            return -1
        if found < 2 or self._rest[found - 2 : found] != b"\r\n":
            raise _malformed("its boundary stands inside a part")
        return found - 2

    def _epilogue(self) -> bool:
        if not b"\r\n".startswith(self._rest):
            raise _malformed("something follows its last boundary")
        return len(self._rest) == 2 and self._pass(2, self._nothing)

    def _nothing(self) -> bool:
        if self._rest:
            raise _malformed("something follows its last boundary")
        return False

    def _pass(self, length: int, step: Callable[[], bool]) -> bool:
        self._pieces.append(bytes(self._rest[:length]))
        del self._rest[:length]
        self._searched = 0
        self._step = step
        return True


def _read_part(headers: bytes) -> _Part:
    try:
        lines = headers.decode().split("\r\n")
    except UnicodeDecodeError as error:
        raise _malformed("the headers of a part are not UTF-8") from error
    found: dict[str, str] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None or header[1].lower() in found:
            raise _malformed("the headers of a part cannot be read")
        found[header[1].lower()] = header[2].strip()
    if found.get("content-transfer-encoding", "binary").lower() not in _PLAIN_ENCODINGS:
        raise _malformed("a part is encoded")
    disposition = _DISPOSITION.fullmatch(found.get("content-disposition", ""))
    parameters = _PARAMETER.findall(disposition[1]) if disposition else []
    values = {name.lower(): quoted or token for name, quoted, token in parameters}
    name = values.get("name", "")
    if len(values) != len(parameters) or not name or "\\" in name or "name*" in values:
        raise _malformed("a part has no plain name")
    refuse_in_form(name)
    refuse_lookalike(name)
    return _Part(name, "filename" in values or "filename*" in values)


def _malformed(why: str) -> Problem:
    return Problem("invalid_request", f"The form cannot be read: {why}.")
