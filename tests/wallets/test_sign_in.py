"""Signing in with wallets that have a key and with wallets that are contracts, linking and unlinking them."""

import asyncio
import os
import re
from uuid import UUID

from farebox.identity.people.ethereum import checksummed
from tests.chain.anvil import Chain, call_data, word_of
from tests.gateway import RunningGateway
from tests.people.browser import Browser
from tests.wallets.signer import Signer, answer, ask, use, wrapped

NO_PAYMENT = "This only proves that the wallet is yours: it is no payment, no approval and no transfer."


async def test_the_text_is_the_servers_and_says_what_it_is_not(gateway: RunningGateway, browser: Browser) -> None:
    signer = Signer()
    made = await ask(browser, signer.address.upper().replace("0X", "0x"), chain_id=8453)
    moments = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
    site = gateway.site
    expected = (
        re.escape(
            f"{site.removeprefix('http://')} wants you to sign in with your Ethereum account:\n"
            f"{checksummed(signer.address)}\n"
            "\n"
            f"Sign in to Farebox. {NO_PAYMENT}\n"
            "\n"
            f"URI: {site}\n"
            "Version: 1\n"
            "Chain ID: 8453\n"
        )
        + rf"Nonce: [0-9a-f]{{32}}\nIssued At: {moments}\nExpiration Time: {moments}"
    )
    assert re.fullmatch(expected, made["message"]), made["message"]
    stored = await gateway.rows(
        "SELECT message FROM wallet_challenge WHERE challenge_id = %s", UUID(made["challenge_id"])
    )
    assert stored == [(made["message"],)]


async def test_every_text_says_what_it_is_for_and_to_whom_it_is_bound(browser: Browser) -> None:
    signer = Signer()
    me = await use(browser, signer)
    linking = await ask(browser, Signer().address, purpose="link")
    stepping = await ask(browser, signer.address, purpose="step_up")
    assert f"Sign in to your account at Farebox with this wallet from now on. {NO_PAYMENT}\n" in linking["message"]
    assert f"Confirm to Farebox that it is you. {NO_PAYMENT}\n" in stepping["message"]
    for made in (linking, stepping):
        assert made["message"].endswith(f"\nRequest ID: {me['person_id']}")


async def test_a_wallet_signs_the_same_person_in_again_on_whatever_chain(browser: Browser, other: Browser) -> None:
    signer = Signer()
    first = await use(browser, signer, chain_id=1)
    again = await use(other, signer, chain_id=56)
    assert first["state"] == "active" and again["person_id"] == first["person_id"]
    assert other.set_cookie.startswith("__Host-session=") and "HttpOnly" in other.set_cookie


async def test_v_may_count_from_0(browser: Browser) -> None:
    signer = Signer()
    made = await ask(browser, signer.address)
    signature = signer.sign(made["message"])
    assert (await answer(browser, made, signature[:-1] + bytes([signature[-1] - 27]))).status == 200


async def test_two_first_sign_ins_at_once_make_one_person(gateway: RunningGateway) -> None:
    signer = Signer()
    async with Browser(gateway) as one, Browser(gateway) as two:
        found = await asyncio.gather(use(one, signer), use(two, signer))
    assert found[0]["person_id"] == found[1]["person_id"]


async def test_a_contract_signs_in_on_its_own_chain(
    chain: Chain, other_chain: Chain, browser: Browser, other: Browser
) -> None:
    """The same address on another chain may be somebody else's contract, so it is another account."""
    here, there = Signer(), Signer()
    wallet = chain.deploy("OwnedWallet", word_of(here.address))
    code = chain.ask("eth_getCode", wallet, "latest")
    other_chain.ask("anvil_setCode", wallet, code)
    other_chain.ask("anvil_setStorageAt", wallet, hex(0), "0x" + word_of(there.address).hex())
    made = await ask(browser, wallet, chain_id=chain.chain_id)
    first = await answer(browser, made, here.sign(made["message"]))
    assert first.status == 200, first.text
    # Who owns it there is not who owns it here.
    made = await ask(other, wallet, chain_id=other_chain.chain_id)
    assert (await answer(other, made, here.sign(made["message"]))).code == "sign_in_failed"
    made = await ask(other, wallet, chain_id=other_chain.chain_id)
    second = await answer(other, made, there.sign(made["message"]))
    assert second.status == 200 and second.json["person_id"] != first.json["person_id"]
    made = await ask(other, wallet, chain_id=chain.chain_id)
    again = await answer(other, made, here.sign(made["message"]))
    assert again.json["person_id"] == first.json["person_id"]


async def test_a_wallet_signs_in_before_it_is_deployed(chain: Chain, browser: Browser, other: Browser) -> None:
    owner, salt = Signer(), word_of(os.urandom(32))
    factory = chain.deploy("WalletFactory")
    where = call_data("addressOf(address,bytes32)", word_of(owner.address), salt)
    wallet = "0x" + chain.call(factory, where)[12:].hex()
    deployment = call_data("deploy(address,bytes32)", word_of(owner.address), salt)
    made = await ask(browser, wallet, chain_id=chain.chain_id)
    before = await answer(browser, made, wrapped(factory, deployment, owner.sign(made["message"])))
    assert before.status == 200, before.text
    chain.send(factory, deployment)
    made = await ask(other, wallet, chain_id=chain.chain_id)
    after = await answer(other, made, owner.sign(made["message"]))
    assert after.json["person_id"] == before.json["person_id"]


async def test_an_account_with_delegated_code_still_signs_in_by_its_key(
    chain: Chain, browser: Browser, other: Browser
) -> None:
    signer = Signer()
    before = await use(browser, signer, chain_id=chain.chain_id)
    delegate = chain.deploy("OwnedWallet", word_of(Signer().address))
    chain.ask("anvil_setCode", signer.address, "0xef0100" + delegate[2:])
    after = await use(other, signer, chain_id=chain.chain_id)
    assert after["person_id"] == before["person_id"]


async def test_another_wallet_is_linked_by_its_signature(
    gateway: RunningGateway, browser: Browser, other: Browser
) -> None:
    first, second = Signer(), Signer()
    me = await use(browser, first)
    token = browser.cookie
    linked = await use(browser, second, purpose="link")
    assert linked["person_id"] == me["person_id"] and browser.cookie != token
    assert (await use(other, second))["person_id"] == me["person_id"]
    number = await _person_number(gateway, second)
    events = await gateway.rows(
        "SELECT action, detail ->> 'wallet' FROM audit_event WHERE person_id = %s ORDER BY event_id", number
    )
    assert events[:4] == [
        ("person.created", None),
        ("wallet.linked", checksummed(first.address)),
        ("sign_in.succeeded", None),
        ("wallet.linked", checksummed(second.address)),
    ]


async def test_a_wallet_of_somebody_else_is_not_taken_over(browser: Browser, other: Browser) -> None:
    theirs = Signer()
    await use(other, theirs)
    await use(browser, Signer())
    made = await ask(browser, theirs.address, purpose="link")
    refused = await answer(browser, made, theirs.sign(made["message"]))
    assert (refused.status, refused.code) == (409, "conflict")


async def test_a_wallet_that_is_linked_already_stays_linked(browser: Browser) -> None:
    signer = Signer()
    await use(browser, signer)
    await use(browser, signer, purpose="link")


async def test_a_wallet_proves_again_who_one_is(gateway: RunningGateway, browser: Browser) -> None:
    signer = Signer()
    me = await use(browser, signer)
    number = await _person_number(gateway, signer)
    async with gateway.connect() as connection:
        await connection.execute("UPDATE person_session SET proved_at = 0 WHERE person_id = %s", [number])
    refused = await browser.request(
        "POST",
        "/api/auth/wallet/challenge",
        body={"address": Signer().address, "chain_id": 1, "purpose": "link"},
    )
    assert refused.code == "step_up_required"
    assert (await use(browser, signer, purpose="step_up"))["person_id"] == me["person_id"]
    await ask(browser, Signer().address, purpose="link")


async def test_unlinking_and_linking_again_keeps_the_history(
    gateway: RunningGateway, browser: Browser, other: Browser
) -> None:
    keeps, comes_and_goes = Signer(), Signer()
    me = await use(browser, keeps)
    await use(browser, comes_and_goes, purpose="link")
    wallets = (await browser.get("/api/me"))["wallets"]
    gone = next(each for each in wallets if each["address"] == checksummed(comes_and_goes.address))
    await browser.delete(f"/api/me/wallets/{gone['wallet_id']}")
    stranger = await use(other, comes_and_goes)
    assert stranger["person_id"] != me["person_id"], "it signs nobody in any more, so it makes a new account"
    rows = await gateway.rows(
        "SELECT person_id, unlinked_at IS NULL FROM person_wallet WHERE address = %s ORDER BY linked_at",
        comes_and_goes.address,
    )
    assert [is_linked for _, is_linked in rows] == [False, True] and rows[0][0] != rows[1][0]
    told = await browser.get("/api/me/events?action=wallet.unlinked")
    assert [event["subject"] for event in told["data"]] == [gone["wallet_id"]]


async def _person_number(gateway: RunningGateway, signer: Signer) -> int:
    rows = await gateway.rows(
        "SELECT person_id FROM person_wallet WHERE address = %s AND unlinked_at IS NULL", signer.address
    )
    return int(rows[0][0])
