"""What somebody tries who has not the key, or not the right one, or not the right text."""

import asyncio
from typing import Any

import pytest

from farebox.access.wallet_sign_in import CHALLENGES_PER_CLIENT
from farebox.base.limits import Chain as ChainSetting
from farebox.base.limits import SignIn
from tests.chain.anvil import Chain, call_data, word_of
from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway
from tests.people.browser import Answer, Browser
from tests.people.clocks import in_one_window
from tests.wallets.bad_servers import SECRET
from tests.wallets.conftest import BAD_CHAINS, HANGS
from tests.wallets.signer import Signer, answer, ask, high_s, use

FAILED = (401, "sign_in_failed")


def _shown(answered: Answer) -> tuple[int, str]:
    return answered.status, answered.code


def _same(answered: Answer) -> Any:
    """A refusal without what is of the moment."""
    return {name: value for name, value in answered.json["error"].items() if name != "request_id"}


async def test_a_text_is_good_once(chain: Chain, browser: Browser, other: Browser) -> None:
    signer = Signer()
    made = await ask(browser, signer.address, chain_id=chain.chain_id)
    signature = signer.sign(made["message"])
    assert (await answer(browser, made, signature)).status == 200
    assert _shown(await answer(other, made, signature)) == FAILED


async def test_of_many_answers_at_once_one_is_taken(chain: Chain, gateway: RunningGateway, browser: Browser) -> None:
    signer = Signer()
    made = await ask(browser, signer.address, chain_id=chain.chain_id)
    signature = signer.sign(made["message"])
    async with Browser(gateway) as another:
        found = await asyncio.gather(*(answer(another, made, signature) for _ in range(8)))
    assert sorted(each.status for each in found) == [200] + [401] * 7


async def test_a_wrong_answer_uses_a_text_up_too(chain: Chain, browser: Browser) -> None:
    signer = Signer()
    made = await ask(browser, signer.address, chain_id=chain.chain_id)
    assert _shown(await answer(browser, made, Signer().sign(made["message"]))) == FAILED
    assert _shown(await answer(browser, made, signer.sign(made["message"]))) == FAILED


async def test_what_can_be_no_signature_uses_nothing_up(browser: Browser) -> None:
    signer = Signer()
    made = await ask(browser, signer.address)
    for text in ("0xzz", "0x1", "0x" + "00" * 17_000):
        refused = await answer(browser, made, text)
        assert (refused.status, refused.code) == (400, "invalid_request") and text not in refused.text
    assert (await answer(browser, made, signer.sign(made["message"]))).status == 200


async def test_a_text_is_too_old_after_its_time(gateway: RunningGateway, chain: Chain, browser: Browser) -> None:
    signer = Signer()
    made = await ask(browser, signer.address, chain_id=chain.chain_id)
    async with gateway.connect() as connection:
        await connection.execute(
            "UPDATE wallet_challenge SET expires_at = created_at WHERE challenge_id = %s", [made["challenge_id"]]
        )
    assert _shown(await answer(browser, made, signer.sign(made["message"]))) == FAILED


@pytest.mark.parametrize(
    "forge",
    [
        lambda text: text.replace("localhost", "evil.example"),
        lambda text: text.replace("Sign in to Farebox", "Approve everything"),
        lambda text: text + "\n",
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("Chain ID: 31337", "Chain ID: 1"),
        lambda text: text.replace("Nonce: ", "Nonce: 0"),
        lambda text: "",
    ],
)
async def test_only_the_very_text_counts(forge: Any, chain: Chain, browser: Browser) -> None:
    signer = Signer()
    made = await ask(browser, signer.address, chain_id=chain.chain_id)
    assert forge(made["message"]) != made["message"]
    assert _shown(await answer(browser, made, signer.sign(forge(made["message"])))) == FAILED


@pytest.mark.parametrize("other_origin", [{"host": "evil.example"}, {"x-forwarded-host": "evil.example"}])
async def test_the_text_names_the_site_of_the_settings_whatever_a_request_says(
    other_origin: dict[str, str | None], gateway: RunningGateway, browser: Browser
) -> None:
    body = {"address": Signer().address, "chain_id": 1}
    made = await browser.request("POST", "/api/auth/wallet/challenge", body=body, headers=other_origin)
    assert "evil" not in made.text and made.json["message"].startswith(gateway.site.removeprefix("http://") + " wants")


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}])
@pytest.mark.parametrize("what", ["challenge", "verify"])
async def test_another_sites_page_signs_nobody_in(what: str, headers: dict[str, str | None], browser: Browser) -> None:
    signer = Signer()
    made = await ask(browser, signer.address)
    body = {
        "challenge": {"address": signer.address, "chain_id": 1},
        "verify": {"challenge_id": made["challenge_id"], "signature": f"0x{signer.sign(made['message']).hex()}"},
    }[what]
    refused = await browser.request("POST", f"/api/auth/wallet/{what}", body=body, headers=headers)
    assert (refused.status, refused.code) == (403, "cross_site_request")


async def test_signatures_that_are_not_the_keys_own_are_refused(chain: Chain, browser: Browser) -> None:
    signer = Signer()

    def spoiled(signature: bytes) -> list[bytes]:
        flipped = signature[:10] + bytes([signature[10] ^ 1]) + signature[11:]
        other_v = signature[:-1] + bytes([55 - signature[-1]])
        return [high_s(signature), flipped, other_v, signature[:64], b"", signature + b"\0", bytes(65)]

    for index in range(7):
        made = await ask(browser, signer.address, chain_id=chain.chain_id)
        signature = spoiled(signer.sign(made["message"]))[index]
        assert _shown(await answer(browser, made, signature)) == FAILED, index


async def test_a_link_or_a_step_up_of_one_session_is_not_answered_in_another(
    chain: Chain, browser: Browser, other: Browser
) -> None:
    """Or somebody could have their own wallet linked to another's account, or the other way round."""
    victim, attacker = Signer(), Signer()
    await use(browser, victim)
    await use(other, attacker)
    for purpose, wallet in (("link", Signer()), ("step_up", attacker)):
        made = await ask(other, wallet.address, purpose=purpose, chain_id=chain.chain_id)
        assert _shown(await answer(browser, made, wallet.sign(made["message"]))) == FAILED
        # Nor by nobody, nor where it was asked for, since it is used up.
        assert _shown(await answer(other, made, wallet.sign(made["message"]))) == FAILED


async def test_a_link_is_not_answered_by_a_later_session_of_the_same_person(
    gateway: RunningGateway, chain: Chain, browser: Browser, other: Browser
) -> None:
    signer, new = Signer(), Signer()
    await use(browser, signer)
    await use(other, signer)
    made = await ask(browser, new.address, purpose="link", chain_id=chain.chain_id)
    assert _shown(await answer(other, made, new.sign(made["message"]))) == FAILED


async def test_a_text_for_linking_signs_nobody_in(chain: Chain, gateway: RunningGateway, browser: Browser) -> None:
    signer = Signer()
    await use(browser, signer)
    for purpose, wallet in (("link", Signer()), ("step_up", signer)):
        made = await ask(browser, wallet.address, purpose=purpose, chain_id=chain.chain_id)
        async with Browser(gateway) as stranger:
            assert _shown(await answer(stranger, made, wallet.sign(made["message"]))) == FAILED
            assert not stranger.cookie


async def test_a_step_up_takes_a_wallet_of_ones_own(chain: Chain, browser: Browser, other: Browser) -> None:
    mine, theirs, nobodys = Signer(), Signer(), Signer()
    await use(browser, mine)
    await use(other, theirs)
    for wallet in (theirs, nobodys):
        made = await ask(browser, wallet.address, purpose="step_up", chain_id=chain.chain_id)
        assert _shown(await answer(browser, made, wallet.sign(made["message"]))) == FAILED


@pytest.mark.parametrize("purpose", ["link", "step_up"])
async def test_who_is_not_signed_in_links_nothing(purpose: str, browser: Browser) -> None:
    body = {"address": Signer().address, "chain_id": 1, "purpose": purpose}
    refused = await browser.request("POST", "/api/auth/wallet/challenge", body=body)
    assert (refused.status, refused.code) == (401, "not_signed_in")


async def test_a_text_for_a_holding_wallet_cannot_be_had_here(browser: Browser) -> None:
    body = {"address": Signer().address, "chain_id": 1, "purpose": "holding"}
    refused = await browser.request("POST", "/api/auth/wallet/challenge", body=body)
    assert (refused.status, refused.code) == (400, "invalid_request")


async def test_a_contracts_former_owner_is_refused(chain: Chain, browser: Browser, other: Browser) -> None:
    former, owner = Signer(), Signer()
    wallet = chain.deploy("OwnedWallet", word_of(former.address))
    made = await ask(browser, wallet, chain_id=chain.chain_id)
    assert (await answer(browser, made, former.sign(made["message"]))).status == 200
    chain.send(wallet, call_data("rotate(address)", word_of(owner.address)), sender=former.address)
    made = await ask(other, wallet, chain_id=chain.chain_id)
    assert _shown(await answer(other, made, former.sign(made["message"]))) == FAILED
    made = await ask(other, wallet, chain_id=chain.chain_id)
    assert (await answer(other, made, owner.sign(made["message"]))).status == 200


async def test_a_contract_is_not_the_account_of_a_key_at_its_address(
    chain: Chain, browser: Browser, other: Browser
) -> None:
    """Code that is put at somebody's address signs nobody in as them."""
    victim, thief = Signer(), Signer()
    me = await use(browser, victim, chain_id=chain.chain_id)
    lenient = chain.deploy("OwnedWallet", word_of(thief.address))
    chain.ask("anvil_setCode", victim.address, chain.ask("eth_getCode", lenient, "latest"))
    chain.ask("anvil_setStorageAt", victim.address, hex(0), "0x" + word_of(thief.address).hex())
    made = await ask(other, victim.address, chain_id=chain.chain_id)
    found = await answer(other, made, thief.sign(made["message"]))
    assert found.status == 200 and found.json["person_id"] != me["person_id"]


@pytest.mark.parametrize("name", BAD_CHAINS)
async def test_where_nobody_can_ask_a_contract_it_is_not_called_wrong(name: str, browser: Browser) -> None:
    made = await ask(browser, Signer().address, chain_id=BAD_CHAINS[name])
    refused = await answer(browser, made, Signer().sign(made["message"]))
    assert (refused.status, refused.code) == (503, "chain_unavailable")
    assert SECRET not in refused.text and "127.0.0.1" not in refused.text


async def test_an_answer_that_nobody_could_judge_may_be_sent_again(
    gateway: RunningGateway, chain: Chain, browser: Browser
) -> None:
    owner = Signer()
    wallet = chain.deploy("OwnedWallet", word_of(owner.address))
    made = await ask(browser, wallet, chain_id=BAD_CHAINS["down"])
    signature = owner.sign(made["message"])
    assert (await answer(browser, made, signature)).status == 503
    async with gateway.connect() as connection:  # the chain is up again
        await connection.execute(
            "UPDATE wallet_challenge SET chain_id = %s WHERE challenge_id = %s", [chain.chain_id, made["challenge_id"]]
        )
    assert (await answer(browser, made, signature)).status == 200
    assert _shown(await answer(browser, made, signature)) == FAILED


@pytest.mark.parametrize("chain_id", [1, *BAD_CHAINS.values()])
async def test_a_wallet_with_a_key_needs_no_chain(chain_id: int, browser: Browser) -> None:
    await use(browser, Signer(), chain_id=chain_id)


async def test_while_a_chain_hangs_no_connection_to_the_database_waits(
    gateway: RunningGateway, browser: Browser
) -> None:
    made = [await ask(browser, Signer().address, chain_id=HANGS) for _ in range(12)]
    waiting = [asyncio.create_task(answer(browser, each, b"")) for each in made]
    async with Browser(gateway) as another:
        await use(another, Signer())
    assert {(await each).status for each in waiting} == {503}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"address": "0x12", "chain_id": 1},
        {"address": "0x" + "0" * 40, "chain_id": 0},
        {"address": "0x" + "0" * 40, "chain_id": True},
        {"address": "0x" + "0" * 40, "chain_id": "1"},
        {"address": "0x" + "0" * 40, "chain_id": 1.5},
        {"address": "0x" + "0" * 40, "chain_id": 2**53},
        {"address": 7, "chain_id": 1},
        {"address": "0x" + "0" * 40, "chain_id": 1, "purpose": "pay"},
        {"address": "0x" + "0" * 40, "chain_id": 1, "domain": "evil.example"},
    ],
)
async def test_a_challenge_that_cannot_be_meant_is_refused(body: Any, browser: Browser) -> None:
    refused = await browser.request("POST", "/api/auth/wallet/challenge", body=body)
    assert (refused.status, refused.code) == (400, "invalid_request")


async def test_nobody_learns_which_wallets_are_known(chain: Chain, browser: Browser, other: Browser) -> None:
    known, unknown = Signer(), Signer()
    await use(browser, known)
    asked = [await ask(other, signer.address, chain_id=chain.chain_id) for signer in (known, unknown)]
    assert asked[0].keys() == asked[1].keys()
    wrong = [await answer(other, each, Signer().sign(each["message"])) for each in asked]
    assert _same(wrong[0]) == _same(wrong[1])


async def test_where_sign_up_is_closed_an_unknown_wallet_is_refused_like_a_wrong_signature(
    cluster: TestCluster, chain: Chain
) -> None:
    chains = (ChainSetting(chain_id=chain.chain_id, rpc_url_env="UNUSED"),)
    urls = {chain.chain_id: chain.url}
    async with (
        serve_gateway(cluster, sign_in=SignIn(open=False), chains=chains, rpc_urls=urls) as closed,
        Browser(closed) as browser,
    ):
        signer = Signer()
        made = await ask(browser, signer.address, chain_id=chain.chain_id)
        unknown = await answer(browser, made, signer.sign(made["message"]))
        made = await ask(browser, signer.address, chain_id=chain.chain_id)
        wrong = await answer(browser, made, Signer().sign(made["message"]))
        assert _shown(unknown) == FAILED and _same(unknown) == _same(wrong)
        assert await closed.rows("SELECT 1 FROM person") == []


async def test_a_failure_stands_in_the_record_of_whom_it_would_have_signed_in(
    gateway: RunningGateway, chain: Chain, browser: Browser, other: Browser
) -> None:
    signer = Signer()
    await use(browser, signer)
    made = await ask(other, signer.address, chain_id=chain.chain_id)
    signature = Signer().sign(made["message"])
    await answer(other, made, signature)
    rows = await gateway.rows(
        "SELECT e.actor, e.address, e.detail::text FROM audit_event e JOIN person_wallet w USING (person_id)"
        " WHERE w.address = %s AND action = 'sign_in.failed'",
        signer.address,
    )
    assert [(actor, address) for actor, address, _ in rows] == [("nobody", other.address)]
    assert signature.hex() not in str(rows)


async def test_texts_and_answers_are_limited_for_each_client(gateway: RunningGateway) -> None:
    await in_one_window(CHALLENGES_PER_CLIENT[1], needed_seconds=20.0)
    async with Browser(gateway) as eager:
        body = {"address": Signer().address, "chain_id": 1}
        for _ in range(CHALLENGES_PER_CLIENT[0]):
            await eager.post("/api/auth/wallet/challenge", body)
        refused = await eager.request("POST", "/api/auth/wallet/challenge", body=body)
        assert (refused.status, refused.code) == (429, "too_many_attempts") and int(refused.headers["retry-after"]) > 0
    async with Browser(gateway) as another:
        await another.post("/api/auth/wallet/challenge", body)
