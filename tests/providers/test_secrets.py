"""What is stored of a provider's key opens with the operator's key alone, and in its own row alone."""

import base64

import pytest

from farebox.base.errors import OperatorError
from farebox.providers.secrets import MIN_SEALED_BYTES, CannotOpen, Safe, check_secret, safe_of

SECRET = "sk-upstream-0123456789"
KEY, OTHER = bytes(range(32)), bytes(range(1, 33))


def _seal(safe: Safe, secret: str = SECRET) -> bytes:
    return safe.seal(secret, credential_id="cred_a", provider_id="one")


def _open(safe: Safe, sealed: bytes, *, credential_id: str = "cred_a", provider_id: str = "one") -> str:
    return safe.open(sealed, credential_id=credential_id, provider_id=provider_id)


def test_a_secret_opens_again_and_is_not_in_what_is_stored() -> None:
    safe = Safe(KEY)
    sealed = _seal(safe)
    assert _open(safe, sealed) == SECRET
    assert SECRET.encode() not in sealed and len(sealed) == MIN_SEALED_BYTES + len(SECRET)
    assert _seal(safe) != sealed


@pytest.mark.parametrize("moved", [{"credential_id": "cred_b"}, {"provider_id": "two"}])
def test_a_secret_that_was_moved_to_another_row_stays_closed(moved: dict[str, str]) -> None:
    safe = Safe(KEY)
    with pytest.raises(CannotOpen, match="another credential"):
        _open(safe, _seal(safe), **moved)


def test_no_single_bit_can_be_changed() -> None:
    safe = Safe(KEY)
    sealed = _seal(safe)
    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(CannotOpen) as caught:
            _open(safe, changed)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("length", [0, 7, 8, 20, MIN_SEALED_BYTES - 1, MIN_SEALED_BYTES])
def test_what_was_cut_short_stays_closed(length: int) -> None:
    safe = Safe(KEY)
    with pytest.raises(CannotOpen):
        _open(safe, _seal(safe)[:length])


def test_another_key_opens_nothing_and_says_so() -> None:
    with pytest.raises(CannotOpen, match="another key than FAREBOX_SECRETS_KEY"):
        _open(Safe(OTHER), _seal(Safe(KEY)))


def test_beside_a_new_key_the_old_one_still_opens() -> None:
    old, new = Safe(KEY), Safe(OTHER, KEY)
    sealed = _seal(old)
    assert _open(new, sealed) == SECRET and not new.is_current(sealed)
    again = _seal(new)
    assert _open(new, again) == SECRET and new.is_current(again)
    with pytest.raises(CannotOpen):
        _open(old, again)


def test_the_keys_come_in_base64() -> None:
    text = base64.b64encode(KEY).decode()
    safe = safe_of(f" {text}\n", base64.b64encode(OTHER).decode())
    assert safe is not None and _open(safe, _seal(Safe(KEY))) == _open(safe, _seal(Safe(OTHER))) == SECRET
    assert safe_of(None, None) is None
    assert text not in repr(safe) and repr(KEY) not in repr(safe)


@pytest.mark.parametrize("text", ["", "hunter2", "AAAA", base64.b64encode(bytes(31)).decode(), "ö" * 44, "*" * 44])
def test_a_key_that_is_none_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(OperatorError, match="is not 32 bytes in base64") as caught:
        safe_of(text, None)
    assert "openssl rand" in caught.value.fix and (not text or text not in caught.value.message)
    with pytest.raises(OperatorError, match="FAREBOX_OLD_SECRETS_KEY"):
        safe_of(base64.b64encode(KEY).decode(), text)


def test_a_typed_secret_is_one_word() -> None:
    assert check_secret(f"  {SECRET}\n") == SECRET


@pytest.mark.parametrize("text", ["", " \n", "two words", "two\nlines", "schlüssel", "x" * 16_385, "tab\tbed"])
def test_what_is_no_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(OperatorError) as caught:
        check_secret(text)
    assert not text.strip() or text.strip() not in caught.value.message + caught.value.fix
