"""The pure parts: tokens, example documents."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.schema import MAX_VALUES, example_of
from farebox_sandbox.tokens import count_tokens, cut_to_tokens, filler, pieces, split_tokens


@given(st.text())
def test_tokens_join_to_the_text_and_never_outnumber_its_bytes(text: str) -> None:
    tokens = split_tokens(text)
    assert "".join(tokens) == text
    assert all(1 <= len(token.encode()) <= 4 for token in tokens)


@given(st.text(), st.integers(0, 50))
def test_a_cut_text_has_at_most_that_many_tokens(text: str, limit: int) -> None:
    cut = cut_to_tokens(text, limit)
    assert text.startswith(cut)
    assert count_tokens(cut) == min(limit, count_tokens(text))


@given(st.text(), st.integers(1, 50) | st.none())
def test_pieces_carry_every_token_once(text: str, count: int | None) -> None:
    parts = pieces(text, count)
    assert sum(tokens for _, tokens in parts) == count_tokens(text)
    assert len(parts) == min(count or count_tokens(text), count_tokens(text))


@pytest.mark.parametrize("count", [0, 1, 7, 1000])
def test_filler_has_exactly_the_tokens_asked_for(count: int) -> None:
    assert count_tokens(filler(count)) == count


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"type": "object", "properties": {"a": {"type": "boolean"}}}, {"a": True}),
        ({"enum": ["x", "y"]}, "x"),
        ({"const": 5}, 5),
        ({"type": "array", "items": {"type": "null"}, "minItems": 2}, [None, None]),
        ({"type": "string", "minLength": 9}, "sandboxxx"),
        ({"type": "string", "maxLength": 4}, "sand"),
        ({"type": ["null", "integer"]}, 1),
        ({"type": "number", "maximum": -3}, -3),
        ({"type": "integer", "exclusiveMinimum": 4, "maximum": 5}, 5),
        ({"anyOf": [{"$ref": "#/$defs/s"}], "$defs": {"s": {"type": "string"}}}, "sandbox"),
    ],
)
def test_an_example_fits_its_schema(schema: dict[str, Any], example: Any) -> None:
    assert example_of(schema) == example


def test_a_schema_that_refers_to_itself_ends() -> None:
    node = {"type": "object", "properties": {name: {"$ref": "#"} for name in "abcdefgh"}, "required": list("abcdefgh")}
    assert str(example_of(node)).count("{") <= MAX_VALUES


def test_a_schema_that_is_none_is_refused() -> None:
    with pytest.raises(UpstreamError):
        example_of({"type": "string", "minLength": []})
