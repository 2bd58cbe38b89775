"""Forms as clients write them, byte by byte."""

from typing import NamedTuple

BOUNDARY = "----farebox-test-7MA4YWxk"


class File(NamedTuple):
    """A part that is a file."""

    name: str
    content: bytes
    content_type: str = "application/octet-stream"


Part = File | tuple[str, str]


def form(*parts: Part) -> bytes:
    """The body, in this order."""
    pieces = []
    for part in parts:
        pieces.append(f"--{BOUNDARY}\r\n".encode())
        if isinstance(part, File):
            pieces.append(f'Content-Disposition: form-data; name="{part.name}"; filename="a.bin"\r\n'.encode())
            pieces.append(f"Content-Type: {part.content_type}\r\n\r\n".encode() + part.content + b"\r\n")
        else:
            pieces.append(f'Content-Disposition: form-data; name="{part[0]}"\r\n\r\n{part[1]}\r\n'.encode())
    return b"".join((*pieces, f"--{BOUNDARY}--\r\n".encode()))


CONTENT_TYPE = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
