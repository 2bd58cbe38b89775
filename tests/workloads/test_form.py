"""The reader of forms: however the bytes are cut, what comes out is what went in; and a library reads the same."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multipart import MultipartSegment, PushMultipartParser  # type: ignore[import-untyped]

from farebox.base.errors import Problem
from farebox.dialects.openai_media.form import (
    MAX_FIELD_BYTES,
    MAX_PARTS,
    Form,
    ModelPlace,
    Piece,
    boundary_of,
    form_content_type,
)
from tests.workloads.forms import BOUNDARY, File, Part, form

NAMES = st.sampled_from(["file", "image[]", "prompt", "n", "language", "x"])
VALUES = st.text(max_size=40)
NASTY = st.binary(max_size=60) | st.sampled_from(
    [b"\r\n--", f"\r\n--{BOUNDARY[:-1]}".encode(), b"\r\n\r\n", b"--", b""]
)
FILES = st.builds(File, st.sampled_from(["file", "image[]", "x"]), NASTY, st.just("audio/wav"))
PARTS: st.SearchStrategy[Part] = st.tuples(NAMES, VALUES) | FILES


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(bounds)]


def read(chunks: list[bytes]) -> tuple[Form, list[Piece]]:
    found, pieces = Form(BOUNDARY.encode()), []
    for chunk in chunks:
        pieces += found.feed(chunk)
    found.close()
    return found, pieces


def with_model(pieces: list[Piece], model: bytes) -> bytes:
    return b"".join(model if isinstance(piece, ModelPlace) else piece for piece in pieces)


@given(st.lists(PARTS, max_size=6), st.lists(PARTS, max_size=3), st.lists(st.integers(0, 5_000), max_size=30))
def test_however_it_is_cut_only_the_model_changes(before: list[Part], after: list[Part], places: list[int]) -> None:
    data = form(*before, ("model", "theirs"), *after)
    found, pieces = read(cut(data, places))
    assert with_model(pieces, b"theirs") == data
    assert with_model(pieces, b"ours") == form(*before, ("model", "ours"), *after)
    assert found.value("model") == "theirs"
    files = [part for part in (*before, *after) if isinstance(part, File)]
    assert found.files == [file.name for file in files]
    assert found.file_bytes == sum(len(file.content) for file in files)


@given(st.lists(PARTS, max_size=6))
def test_a_library_reads_the_same_fields(parts: list[Part]) -> None:
    data = form(*parts, ("model", "m"))
    found, _ = read([data])
    values: dict[str, list[str]] = {}
    with PushMultipartParser(BOUNDARY) as parser:
        segment: Any = None
        for event in parser.parse(data):
            if isinstance(event, MultipartSegment):
                segment, text = event, bytearray()
            elif event is not None:
                text += event
            elif segment.filename is None:
                values.setdefault(segment.name, []).append(text.decode())
    assert found.fields == values


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
def test_whatever_comes_is_a_form_or_a_clear_refusal(tail: bytes, places: list[int]) -> None:
    data = f"--{BOUNDARY}\r\n".encode() + tail
    try:
        _, pieces = read(cut(data, places))
    except Problem as problem:
        assert problem.code == "invalid_request"
    else:
        assert with_model(pieces, b"") in data


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"", b"x", b"\n\r", b"\r\n\n"])
@pytest.mark.parametrize("before", [b"", b"RIFF", b"RIFF" * 40])
@pytest.mark.parametrize("is_file", [True, False])
def test_a_boundary_that_lenient_readers_would_see_is_refused(line_end: bytes, before: bytes, is_file: bool) -> None:
    smuggled = b'--%s\nContent-Disposition: form-data; name="model"\n\ndearer' % BOUNDARY.encode()
    content = before + line_end + smuggled
    part: Part = File("file", content) if is_file else ("prompt", content.decode())
    data = form(("model", "cheap"), part)
    for step in (len(data), 1, 7):
        with pytest.raises(Problem, match="inside a part"):
            read([data[place : place + step] for place in range(0, len(data), step)])


def test_one_byte_at_a_time_costs_no_more_than_the_bytes() -> None:
    data = form(("prompt", "x" * 20_000), ("model", "m"), File("file", bytes(20_000)))
    found, pieces = read([data[place : place + 1] for place in range(len(data))])
    assert with_model(pieces, b"m") == data and found.file_bytes == 20_000


@pytest.mark.parametrize(
    "body",
    [
        form(*[("x", "y")] * (MAX_PARTS + 1)),
        form(("prompt", "x" * (MAX_FIELD_BYTES + 1))),
        form(*[("prompt", "x" * (MAX_FIELD_BYTES // 4))] * 5),
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=".encode() + b"x" * 9_000,
    ],
    ids=["parts", "one field", "all fields", "headers"],
)
def test_what_is_kept_is_bounded(body: bytes) -> None:
    with pytest.raises(Problem):
        read(cut(body, list(range(0, len(body), 65_536))))


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data;boundary="a b c"', b"a b c"),
        ("multipart/form-data ; boundary=----WebKit'()+_,./:=?7", None),
        ("multipart/form-data; boundary=x; charset=UTF-8", b"x"),
        ("multipart/form-data; charset=utf-8; boundary=x", b"x"),
        ("multipart/form-data; boundary=x; charset=utf-16", None),
        ("multipart/form-data; boundary=a; boundary=b", None),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=", None),
        ("multipart/form-data; boundary=" + "x" * 71, None),
    ],
)
def test_the_boundary_is_read_strictly(content_type: str, boundary: bytes | None) -> None:
    if boundary is None:
        with pytest.raises(Problem):
            boundary_of(content_type)
    else:
        assert boundary_of(content_type) == boundary
        assert boundary_of(form_content_type(boundary)) == boundary
