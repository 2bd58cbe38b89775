"""docs/how-to/keys.md tells leak scanners what a key looks like: that finds every key, and hardly anything else."""

import re
from collections.abc import Callable

import pytest

from farebox.base.brand import Brand
from farebox.identity.checks import MAX_LABEL_CHARS, MAX_NAME_CHARS, MAX_NETWORKS, MAX_OVERLAP_SECONDS, MAX_WORKING_KEYS
from farebox.identity.keys import MalformedKey, new_secret, read_secret, visible_prefix
from tests.house.sources import ROOT

PAGE = (ROOT / "docs" / "how-to" / "keys.md").read_text()
PREFIX = Brand().key_prefix


@pytest.fixture(scope="module")
def pattern() -> re.Pattern[str]:
    found = re.search(r"^\(\?<!.*$", PAGE, re.MULTILINE)
    assert found is not None
    return re.compile(found[0])


@pytest.fixture(scope="module")
def is_key() -> Callable[[str], bool]:
    found = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    names: dict[str, Callable[[str], bool]] = {}
    exec(found[1], names)
    return names["is_key"]


def test_every_key_is_found_wherever_it_stands(pattern: re.Pattern[str], is_key: Callable[[str], bool]) -> None:
    for _ in range(500):
        secret = new_secret(PREFIX)
        for text in (secret, f'KEY="{secret}"', f"Bearer {secret}\n", f"https://u:{secret}@x/", f"a_{secret},"):
            assert pattern.findall(text) == [secret]
        assert is_key(secret)


def test_the_checksum_tells_a_key_from_what_only_looks_like_one(
    pattern: re.Pattern[str], is_key: Callable[[str], bool]
) -> None:
    secret = new_secret(PREFIX)
    for place in range(len(PREFIX), len(secret)):
        other = secret[:place] + ("0" if secret[place] != "0" else "1") + secret[place + 1 :]
        assert pattern.fullmatch(other)
        assert not is_key(other)
        with pytest.raises(MalformedKey):
            read_secret(PREFIX, other)


def test_what_is_shown_of_a_key_is_not_taken_for_one(pattern: re.Pattern[str]) -> None:
    secret = new_secret(PREFIX)
    for text in (visible_prefix(secret), f"x{secret}", f"{secret}0", secret.upper(), secret[:-1]):
        assert pattern.search(text) is None


def test_the_page_names_the_bounds() -> None:
    days = MAX_OVERLAP_SECONDS // 86_400
    for said in (
        f"up to {MAX_WORKING_KEYS:,} that work",
        f"at most {MAX_NAME_CHARS} characters",
        f"at most {MAX_LABEL_CHARS} characters",
        f"up to {MAX_NETWORKS} ",
        f"`0` to `{days}d`",
    ):
        assert said in PAGE
