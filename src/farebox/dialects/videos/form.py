"""`multipart/form-data` that is kept whole: small forms, read and written. Sources: RFC 7578, RFC 2046 §5.1.1.

Strict on purpose: what two readers could understand differently is refused.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from farebox.base.errors import Problem
from farebox.dialects.request import refuse_in_form

# Every parameter there is, twice.
MAX_PARTS = 32
MAX_PART_HEADER_BYTES = 4_096

_BOUNDARY = re.compile(
    r"""multipart/form-data\s*;(?:[^"]*;)?\s*boundary=(?:"([^"\\]{1,70})"|([^\s";,]{1,70}))\s*(?:;.*)?""", re.IGNORECASE
)
_PARAMETER = re.compile(r';\s*(name|filename)=(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))', re.IGNORECASE)
_ESCAPED = re.compile(r"\\(.)")
_OUR_BOUNDARY = "farebox-form"


class Part(NamedTuple):
    """One part of a form. `file_name` is None for a field; `content_type` is empty where none was sent."""

    name: str
    data: bytes
    file_name: str | None = None
    content_type: str = ""


def is_form(content_type: str) -> bool:
    """Whether a body of that content type is a form."""
    return content_type.split(";", maxsplit=1)[0].strip().lower() == "multipart/form-data"


def read_form(content_type: str, body: bytes) -> list[Part]:
    """The parts in order. Raises Problem `invalid_request`."""
    found = _BOUNDARY.fullmatch(content_type.strip())
    if found is None:
        raise _malformed("it names no boundary")
    delimiter = b"\r\n--" + (found[1] or found[2]).encode("latin-1", errors="replace")
    pieces = (b"\r\n" + body).split(delimiter, MAX_PARTS + 2)
    if len(pieces) > MAX_PARTS + 2:
        raise _malformed(f"it has more than {MAX_PARTS} parts")
    if pieces[0]:
        raise _malformed("it does not begin with its boundary")
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise _malformed("it ends before its last boundary")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    head, blank, data = piece.partition(b"\r\n\r\n")
    if not piece.startswith(b"\r\n") or not blank or len(head) > MAX_PART_HEADER_BYTES:
        raise _malformed("a part has no headers")
    headers = {}
    for line in head[2:].decode("utf-8", errors="replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("content-transfer-encoding", "binary").lower() not in ("7bit", "8bit", "binary"):
        raise _malformed("a part is encoded")
    named = {}
    for name, quoted, plain in _PARAMETER.findall(headers.get("content-disposition", "")):
        named[name.lower()] = _ESCAPED.sub(r"\1", quoted) or plain
    if "name" not in named:
        raise _malformed("a part has no name")
    refuse_in_form(named["name"])
    return Part(named["name"], data, named.get("filename"), headers.get("content-type", ""))


def _malformed(why: str) -> Problem:
    return Problem("invalid_request", f"The form cannot be read: {why}.")


def write_form(parts: Iterable[Part]) -> tuple[str, bytes]:
    """A form's content type and body. The boundary is always the same unless a part contains it."""
    kept = list(parts)
    boundary = _OUR_BOUNDARY
    while any(boundary.encode() in part.data for part in kept):
        boundary += "-x"
    written = bytearray()
    for part in kept:
        written += f'--{boundary}\r\nContent-Disposition: form-data; name="{part.name}"'.encode()
        if part.file_name is not None:
            written += f'; filename="{part.file_name}"\r\nContent-Type: {part.content_type}'.encode()
        written += b"\r\n\r\n" + part.data + b"\r\n"
    written += f"--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", bytes(written)
