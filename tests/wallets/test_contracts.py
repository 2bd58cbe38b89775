"""Contracts asked on a real chain, and servers that are of no use."""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog.testing

from farebox.base.errors import Problem
from farebox.identity.people.contracts import RpcContracts
from farebox.identity.people.ethereum import MAX_SIGNATURE_BYTES, message_digest
from tests.chain.anvil import VALIDATOR, Chain, call_data, compiled, word_of
from tests.wallets.bad_servers import SECRET, BadServers, redirecting_to
from tests.wallets.signer import Signer, high_s, wrapped

DIGEST = message_digest("a text")


@pytest.fixture
async def contracts(chain: Chain) -> AsyncIterator[RpcContracts]:
    opened = RpcContracts({chain.chain_id: chain.url}, {chain.chain_id: 10.0})
    yield opened
    await opened.close()


async def test_the_committed_code_is_what_its_source_compiles_to() -> None:
    assert VALIDATOR.with_suffix(".hex").read_text().strip() == compiled()["ValidateSignature"]


async def test_a_contract_says_itself_what_it_accepts(chain: Chain, contracts: RpcContracts) -> None:
    owner, stranger = Signer(), Signer()
    wallet = chain.deploy("OwnedWallet", word_of(owner.address))
    number = chain.chain_id
    assert await contracts.is_valid(number, wallet, DIGEST, owner.sign_digest(DIGEST))
    assert not await contracts.is_valid(number, wallet, DIGEST, stranger.sign_digest(DIGEST))
    assert not await contracts.is_valid(number, wallet, message_digest("another"), owner.sign_digest(DIGEST))
    assert not await contracts.is_valid(number, wallet, DIGEST, b"")


async def test_a_former_owner_signs_for_the_contract_no_more(chain: Chain, contracts: RpcContracts) -> None:
    former, owner = Signer(), Signer()
    wallet = chain.deploy("OwnedWallet", word_of(former.address))
    assert await contracts.is_valid(chain.chain_id, wallet, DIGEST, former.sign_digest(DIGEST))
    chain.send(wallet, call_data("rotate(address)", word_of(owner.address)), sender=former.address)
    assert not await contracts.is_valid(chain.chain_id, wallet, DIGEST, former.sign_digest(DIGEST))
    assert await contracts.is_valid(chain.chain_id, wallet, DIGEST, owner.sign_digest(DIGEST))


async def test_a_wallet_signs_before_it_is_deployed_and_after(chain: Chain, contracts: RpcContracts) -> None:
    owner, salt = Signer(), word_of(os.urandom(32))
    factory = chain.deploy("WalletFactory")
    where = call_data("addressOf(address,bytes32)", word_of(owner.address), salt)
    wallet = "0x" + chain.call(factory, where)[12:].hex()
    deployment = call_data("deploy(address,bytes32)", word_of(owner.address), salt)
    signature = wrapped(factory, deployment, owner.sign_digest(DIGEST))
    assert await contracts.is_valid(chain.chain_id, wallet, DIGEST, signature)
    assert not chain.has_code(wallet), "asking changes nothing"
    assert not await contracts.is_valid(chain.chain_id, wallet, DIGEST, owner.sign_digest(DIGEST))
    chain.send(factory, deployment)
    assert await contracts.is_valid(chain.chain_id, wallet, DIGEST, signature)
    assert await contracts.is_valid(chain.chain_id, wallet, DIGEST, owner.sign_digest(DIGEST))


async def test_a_factory_signs_only_for_what_it_deploys(chain: Chain, contracts: RpcContracts) -> None:
    owner, thief, salt = Signer(), Signer(), word_of(os.urandom(32))
    factory, another = chain.deploy("WalletFactory"), chain.deploy("WalletFactory")
    where = call_data("addressOf(address,bytes32)", word_of(owner.address), salt)
    wallet = "0x" + chain.call(factory, where)[12:].hex()
    by_thief = call_data("deploy(address,bytes32)", word_of(thief.address), salt)
    by_owner = call_data("deploy(address,bytes32)", word_of(owner.address), salt)
    for place, deployment, signer in ((factory, by_thief, thief), (another, by_owner, owner), (factory, b"", owner)):
        signature = wrapped(place, deployment, signer.sign_digest(DIGEST))
        assert not await contracts.is_valid(chain.chain_id, wallet, DIGEST, signature)


async def test_nobody_prepares_a_wallet_that_is_deployed(chain: Chain, contracts: RpcContracts) -> None:
    """What a signature brings along is called only where there is no wallet yet."""
    owner, thief = Signer(), Signer()
    wallet = chain.deploy("CarelessWallet", word_of(owner.address))
    rotation = call_data("rotate(address)", word_of(thief.address))
    prepared = wrapped(wallet, rotation, thief.sign_digest(DIGEST))
    assert not await contracts.is_valid(chain.chain_id, wallet, DIGEST, prepared)
    # In a transaction of its own it would have worked: then it is the wallet's new state.
    chain.send(wallet, rotation)
    assert await contracts.is_valid(chain.chain_id, wallet, DIGEST, prepared)


@pytest.mark.parametrize("contract", ["Nonsense", "TooShort", "Reverts", "RevertsWithYes", "BurnsAllGas", "Floods"])
async def test_whatever_else_a_contract_answers_is_no(contract: str, chain: Chain, contracts: RpcContracts) -> None:
    odd = chain.deploy(contract)
    assert not await contracts.is_valid(chain.chain_id, odd, DIGEST, Signer().sign_digest(DIGEST))
    # Also as the factory of a wallet that is not there.
    through = wrapped(odd, b"", b"")
    assert not await contracts.is_valid(chain.chain_id, Signer().address, DIGEST, through)
    assert not await contracts.is_valid(chain.chain_id, odd, DIGEST, through)


async def test_where_no_contract_is_nothing_is_accepted(chain: Chain, contracts: RpcContracts) -> None:
    signer = Signer()
    for signature in (b"", signer.sign_digest(DIGEST), high_s(signer.sign_digest(DIGEST)), bytes(MAX_SIGNATURE_BYTES)):
        assert not await contracts.is_valid(chain.chain_id, signer.address, DIGEST, signature)
    # Built into the chain, without code: it answers every call with what it was given.
    assert not await contracts.is_valid(chain.chain_id, f"0x{4:040x}", DIGEST, signer.sign_digest(DIGEST))


async def test_a_broken_wrap_is_refused_without_a_question(chain: Chain, contracts: RpcContracts) -> None:
    for junk in (b"", bytes(31), bytes(96), b"\xff" * 96, (96).to_bytes(32) * 3 + (2**255).to_bytes(32)):
        signature = junk + bytes.fromhex("6492" * 16)
        assert not await contracts.is_valid(chain.chain_id, Signer().address, DIGEST, signature)


@pytest.mark.parametrize("name", ["down", "hangs", "garbage", "huge", "odd", "refuses"])
async def test_a_server_that_is_of_no_use_makes_nothing_invalid(name: str, bad: BadServers) -> None:
    contracts = RpcContracts({1: getattr(bad, name)}, {1: 0.3 if name == "hangs" else 10.0})
    with structlog.testing.capture_logs() as logged, pytest.raises(Problem) as refused:
        await contracts.is_valid(1, Signer().address, DIGEST, b"")
    await contracts.close()
    assert refused.value.code == "chain_unavailable"
    _knows_no_secret(refused.value, logged)


async def test_a_server_is_asked_where_the_operator_said_and_nowhere_else(chain: Chain) -> None:
    owner = Signer()
    wallet = chain.deploy("OwnedWallet", word_of(owner.address))
    async with redirecting_to(chain.url) as elsewhere:
        contracts = RpcContracts({chain.chain_id: elsewhere}, {chain.chain_id: 10.0})
        with structlog.testing.capture_logs() as logged, pytest.raises(Problem) as refused:
            await contracts.is_valid(chain.chain_id, wallet, DIGEST, owner.sign_digest(DIGEST))
        await contracts.close()
    assert refused.value.code == "chain_unavailable"
    _knows_no_secret(refused.value, logged)


async def test_a_server_of_another_chain_is_not_asked(chain: Chain) -> None:
    owner = Signer()
    wallet = chain.deploy("OwnedWallet", word_of(owner.address))
    contracts = RpcContracts({7: chain.url}, {7: 10.0})
    with pytest.raises(Problem, match="nobody can ask chain 7"):
        await contracts.is_valid(7, wallet, DIGEST, owner.sign_digest(DIGEST))
    await contracts.close()


async def test_a_chain_without_a_server_cannot_be_asked() -> None:
    contracts = RpcContracts({}, {})
    with pytest.raises(Problem, match="no server"):
        await contracts.is_valid(1, Signer().address, DIGEST, b"")
    await contracts.close()


def _knows_no_secret(problem: Problem, logged: Any) -> None:
    seen: BaseException | None = problem
    texts = [str(logged), str(problem.facts)]
    while seen is not None:
        texts.append(f"{seen!r} {seen}")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    assert logged and not [text for text in texts if SECRET in text or "127.0.0.1" in text]
