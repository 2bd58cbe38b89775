import pytest

from farebox.storage.queries import parse_queries

TEXT = """
-- Statements about keys.

-- name: find_key
-- The hash is unique, so this is one row.
SELECT workspace_id
  FROM key
 WHERE key_hash = %(key_hash)s;

-- name: count_keys
SELECT count(*) FROM key
"""


def test_statements_are_found_by_name_without_their_comments() -> None:
    queries = parse_queries(TEXT)
    assert list(queries) == ["find_key", "count_keys"]
    assert len(queries) == 2
    assert queries.find_key == queries["find_key"]
    assert queries.find_key == "SELECT workspace_id\n  FROM key\n WHERE key_hash = %(key_hash)s"
    assert queries.count_keys == "SELECT count(*) FROM key"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="find_keys"):
        _ = parse_queries(TEXT).find_keys


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("SELECT 1", "missing above it"),
        ("-- name: a\nSELECT 1\n-- name: a\nSELECT 2", "two statements are named a"),
        ("-- name: a\n-- nothing\n", "has no statement"),
    ],
)
def test_a_malformed_file_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_queries(text)
