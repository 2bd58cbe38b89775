"""Addresses, texts and signatures, against vectors of the EIPs and of another implementation (eth-account 0.14)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.identity.people.ethereum import (
    MAX_SIGNATURE_BYTES,
    NotEthereum,
    SignInText,
    checksummed,
    is_readable_wrap,
    is_wrapped,
    keccak256,
    message_digest,
    read_address,
    read_signature,
    recover_address,
)
from tests.wallets.signer import ORDER, Signer, high_s, wrapped

# EIP-55's own examples.
CHECKSUMMED = (
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
)

# Text, signer, signature: made by eth-account.
SIGNED = (
    (
        "Some data",
        "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23",
        "b91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd"
        "6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c",
    ),
    (
        "",
        "0xE0c717129Bf3E834c3150c3fCF1e274C7Ed27FcC",
        "f147ec59443e36545871568a00295fd132d8b766513dc8ff60ff3574b61d4ace"
        "28a60b812c1fcf6f420c9418f022800a11f3c395e8ecfcd4610ec0150d1cbc821b",
    ),
    (
        "Über 100 € – 東京",
        "0xF6bbAB8Bef55862dBBdf8A676862299ED8720ab2",
        "42e15136134057a27d16ea5e2abe5f6707c92d8aba1230a02ccff5ac46cdd5b1"
        "36cd9d025daa283e8fb23a2ef39440bc7029f8b51f777f2bdfa433d04c58b6881c",
    ),
    (
        "a\nb\n",
        "0xA08DBef12b49F952D7478bd1447bE2c5F4df3cc9",
        "9f3867bd97518a9d0ec4320cd058aa95a34258d435efc62e6f0fd777e0799d3c"
        "7f7d65b4ad855eac24b92f6757bebbdd1de78f2392cd4c0b6a6982cd31308bfa1c",
    ),
)


@pytest.mark.parametrize("address", CHECKSUMMED)
def test_addresses_are_shown_with_the_capitals_of_eip_55(address: str) -> None:
    assert checksummed(address.lower()) == address
    assert read_address(address) == address.lower()


@pytest.mark.parametrize(
    "text", ["", "0x", "0x12", CHECKSUMMED[0][2:], CHECKSUMMED[0] + "0", "0x" + "g" * 40, "0X" + "a" * 40]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(NotEthereum):
        read_address(text)


def test_what_is_hashed_of_a_text_is_what_wallets_hash() -> None:
    expected = "1da44b586eb0729ff70a73c326926f6ed5a25f5b056e7f47fbc6e58d86871655"
    assert message_digest("Some data").hex() == expected


@pytest.mark.parametrize(("text", "address", "signature"), SIGNED)
def test_signatures_of_another_implementation_are_recovered(text: str, address: str, signature: str) -> None:
    assert recover_address(message_digest(text), read_signature(signature)) == address.lower()


@given(name=st.text(min_size=1), text=st.text(), other=st.text())
def test_a_signature_is_of_one_key_and_one_text(name: str, text: str, other: str) -> None:
    signer = Signer(name)
    signature = signer.sign(text)
    assert recover_address(message_digest(text), signature) == signer.address
    if other != text:
        assert recover_address(message_digest(other), signature) != signer.address


@given(name=st.text(min_size=1), text=st.text())
def test_v_counts_from_0_or_from_27_and_a_high_s_is_refused(name: str, text: str) -> None:
    signer, digest = Signer(name), message_digest(text)
    signature = signer.sign(text)
    assert recover_address(digest, signature[:-1] + bytes([signature[-1] - 27])) == signer.address
    assert recover_address(digest, high_s(signature)) is None


@given(v=st.integers(0, 255).filter(lambda v: v not in (0, 1, 27, 28)))
def test_another_v_is_no_signature(v: int) -> None:
    signature = Signer("v").sign("text")
    assert recover_address(message_digest("text"), signature[:-1] + bytes([v])) is None


@given(raw=st.binary(max_size=200))
def test_whatever_is_sent_is_at_most_nobodys(raw: bytes) -> None:
    assert recover_address(message_digest("text"), raw) != Signer("nobody").address


@pytest.mark.parametrize("r", [0, ORDER, ORDER + 1, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, ORDER // 2 + 1, ORDER, 2**256 - 1])
def test_numbers_outside_the_curve_are_no_signature(r: int, s: int) -> None:
    assert recover_address(message_digest("text"), r.to_bytes(32) + s.to_bytes(32) + b"\x1b") is None


@pytest.mark.parametrize("text", ["0x1", "0xzz", "hello", "0x" + "00" * (MAX_SIGNATURE_BYTES + 1), "0x 00"])
def test_what_is_no_signature_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(NotEthereum) as refused:
        read_signature(text)
    assert text not in str(refused.value)


def test_the_text_is_laid_out_as_eip_4361_says() -> None:
    text = SignInText(
        authority="ai.example.com:8443",
        address="0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        statement="Sign in.",
        uri="https://ai.example.com:8443",
        chain_id=8453,
        nonce="0123456789abcdef",
        issued_at=1_795_000_000_900_000,
        expires_at=1_795_000_300_900_000,
        request_id="person_0000000000005",
    )
    assert str(text) == (
        "ai.example.com:8443 wants you to sign in with your Ethereum account:\n"
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\n"
        "\n"
        "Sign in.\n"
        "\n"
        "URI: https://ai.example.com:8443\n"
        "Version: 1\n"
        "Chain ID: 8453\n"
        "Nonce: 0123456789abcdef\n"
        "Issued At: 2026-11-18T11:06:40Z\n"
        "Expiration Time: 2026-11-18T11:11:40Z\n"
        "Request ID: person_0000000000005"
    )


def test_keccak_is_the_one_before_the_standard() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@given(deployment=st.binary(max_size=300), inner=st.binary(max_size=300))
def test_a_wrapped_signature_is_readable_as_long_as_nothing_of_it_is_missing(deployment: bytes, inner: bytes) -> None:
    whole = wrapped(CHECKSUMMED[0], deployment, inner)
    assert is_wrapped(whole) and is_readable_wrap(whole)
    assert not is_readable_wrap(whole[:90] + whole[-32:])


@given(junk=st.binary(max_size=400))
def test_junk_before_the_mark_of_a_wrapped_signature_is_looked_at_with_care(junk: bytes) -> None:
    is_readable_wrap(junk + bytes.fromhex("6492" * 16))
