import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.identity.keys import (
    CHECKSUM_LETTERS,
    RANDOM_LETTERS,
    MalformedKey,
    new_secret,
    read_secret,
    visible_prefix,
)

PREFIXES = ("fbx_", "tokeo_", "sk-clb-", "gaig-")
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
printable = st.characters(min_codepoint=33, max_codepoint=126)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_new_key_has_the_brands_prefix_and_160_random_bits_and_a_checksum(prefix: str) -> None:
    secret = new_secret(prefix)
    assert re.fullmatch(re.escape(prefix) + f"[{ALPHABET}]{{38}}", secret)
    assert len(read_secret(prefix, secret)) == 32
    assert visible_prefix(secret) == secret[: len(prefix) + 6]


def test_keys_and_their_hashes_differ() -> None:
    secrets = {new_secret("fbx_") for _ in range(1_000)}
    assert len(secrets) == 1_000
    assert len({read_secret("fbx_", secret) for secret in secrets}) == 1_000


@given(st.sampled_from(PREFIXES), st.data())
def test_any_change_of_one_letter_makes_a_key_malformed(prefix: str, data: st.DataObject) -> None:
    secret = new_secret(prefix)
    place = data.draw(st.integers(0, len(secret) - 1))
    letter = data.draw(printable.filter(lambda c: c != secret[place]))
    with pytest.raises(MalformedKey):
        read_secret(prefix, secret[:place] + letter + secret[place + 1 :])


def test_no_change_of_one_byte_hides_in_the_checksum_bits_that_are_left_out() -> None:
    # CRC is linear: whether a change shows depends on its place and pattern alone, not on the rest of the text.
    longest = bytes(max(map(len, PREFIXES)) + RANDOM_LETTERS)
    for place in range(len(longest)):
        for pattern in range(1, 256):
            changed = longest[:place] + bytes([pattern]) + longest[place + 1 :]
            shown = (zlib.crc32(longest) ^ zlib.crc32(changed)) & ((1 << 5 * CHECKSUM_LETTERS) - 1)
            assert shown, (place, pattern)


@given(st.sampled_from(PREFIXES), st.data())
def test_two_letters_swapped_make_a_key_malformed(prefix: str, data: st.DataObject) -> None:
    secret = new_secret(prefix)
    place = data.draw(st.integers(len(prefix), len(secret) - 2))
    swapped = secret[:place] + secret[place + 1] + secret[place] + secret[place + 2 :]
    if swapped != secret:
        with pytest.raises(MalformedKey):
            read_secret(prefix, swapped)


@given(st.sampled_from(PREFIXES), st.text())
def test_any_other_text_is_malformed_and_never_repeated(prefix: str, text: str) -> None:
    for attempt in (text, prefix + text):
        with pytest.raises(MalformedKey) as refusal:
            read_secret(prefix, attempt)
        assert refusal.value.reason == "malformed"
        if len(text) > 8:
            assert text not in str(refusal.value)


def test_a_key_of_another_brand_is_malformed_even_under_this_brands_prefix() -> None:
    foreign = new_secret("tokeo_")
    for attempt in (
        foreign,
        foreign.replace("tokeo_", "fbx_"),
        "sk-proj-" + "a" * 40,
        foreign.upper(),
        foreign + "0",
        "",
    ):
        with pytest.raises(MalformedKey):
            read_secret("fbx_", attempt)
