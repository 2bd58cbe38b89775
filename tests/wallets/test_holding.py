"""Wallets whose holdings count for a workspace: one workspace each, with history, and no way to sign in."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from farebox.base.ids import read_short
from farebox.identity.people.ethereum import checksummed
from tests.chain.anvil import Chain, word_of
from tests.gateway import RunningGateway
from tests.people.browser import Answer, Browser
from tests.wallets.signer import Signer, answer, ask, use


class Team:
    """A workspace of somebody who signed in with a wallet."""

    def __init__(self, browser: Browser, workspace_id: str) -> None:
        self.browser = browser
        self.workspace_id = workspace_id

    async def ask(self, address: str, *, chain_id: int = 1) -> dict[str, Any]:
        body = {"address": address, "chain_id": chain_id}
        return dict(await self.browser.post("/api/holding-wallets/challenge", body))

    async def answer(self, challenge: dict[str, Any], signature: bytes) -> Answer:
        body = {"challenge_id": challenge["challenge_id"], "signature": f"0x{signature.hex()}"}
        return await self.browser.request("POST", "/api/holding-wallets/verify", body=body)

    async def link(self, signer: Signer, *, address: str = "", chain_id: int = 1) -> Answer:
        made = await self.ask(address or signer.address, chain_id=chain_id)
        return await self.answer(made, signer.sign(made["message"]))

    async def unlink(self, wallet_id: str) -> Answer:
        return await self.browser.request("DELETE", f"/api/holding-wallets/{wallet_id}")

    async def wallets(self) -> list[dict[str, Any]]:
        return list((await self.browser.get("/api/holding-wallets"))["data"])


async def _team(browser: Browser) -> Team:
    await use(browser, Signer())
    made = await browser.post("/api/workspaces", {"name": "Team"})
    return Team(browser, made["workspace_id"])


@pytest.fixture
async def team(browser: Browser) -> Team:
    return await _team(browser)


@pytest.fixture
async def rivals(gateway: RunningGateway) -> AsyncIterator[Team]:
    async with Browser(gateway) as opened:
        yield await _team(opened)


async def test_a_wallet_counts_after_its_signature(gateway: RunningGateway, team: Team) -> None:
    signer = Signer()
    made = await team.ask(signer.address)
    assert "Let what this wallet holds count for a workspace at Farebox; it signs nobody in." in made["message"]
    assert "it is no payment, no approval and no transfer." in made["message"]
    assert made["message"].endswith(f"\nRequest ID: {team.workspace_id}")
    linked = await team.answer(made, signer.sign(made["message"]))
    assert linked.status == 200, linked.text
    assert linked.json["address"] == checksummed(signer.address) and linked.json["chain_id"] is None
    assert await team.wallets() == [linked.json]
    events = await gateway.rows(
        "SELECT action, subject, detail ->> 'wallet' FROM audit_event"
        " WHERE workspace_id = %s AND action LIKE 'holding%%'",
        read_short("ws", team.workspace_id),
    )
    assert events == [("holding_wallet.linked", linked.json["wallet_id"], checksummed(signer.address))]


async def test_a_wallet_counts_for_one_workspace_only(team: Team, rivals: Team) -> None:
    signer = Signer()
    assert (await team.link(signer)).status == 200
    for again in (rivals, team):
        refused = await again.link(signer, chain_id=56)
        assert (refused.status, refused.code) == (409, "conflict")
    assert await rivals.wallets() == []


async def test_unlinking_keeps_the_history_and_frees_the_wallet(team: Team, rivals: Team) -> None:
    signer = Signer()
    linked = (await team.link(signer)).json
    gone = await team.unlink(linked["wallet_id"])
    assert gone.status == 200 and gone.json["unlinked_at"] is not None
    assert (await team.unlink(linked["wallet_id"])).code == "not_found"
    assert (await rivals.link(signer)).status == 200
    assert await team.wallets() == [gone.json]
    told = (await team.browser.get("/api/events?action=holding_wallet.unlinked"))["data"]
    assert [event["subject"] for event in told] == [linked["wallet_id"]]
    back = (await rivals.wallets())[0]
    await rivals.unlink(back["wallet_id"])
    again = await team.link(signer)
    assert [wallet["wallet_id"] for wallet in await team.wallets()] == [again.json["wallet_id"], linked["wallet_id"]]


async def test_a_holding_wallet_signs_nobody_in_and_the_other_way_round(team: Team, gateway: RunningGateway) -> None:
    signer = Signer()
    await team.link(signer)
    async with Browser(gateway) as stranger:
        me = await use(stranger, signer)
        own = await team.browser.get("/api/me")
        assert me["person_id"] != own["person_id"], "a new account, since nobody signed in with it before"
        assert (await stranger.get("/api/workspaces"))["data"] == []
    assert len(await team.wallets()) == 1


async def test_a_text_for_the_one_is_not_good_for_the_other(team: Team, chain: Chain) -> None:
    signer = Signer()
    for_holding = await team.ask(signer.address, chain_id=chain.chain_id)
    refused = await answer(team.browser, for_holding, signer.sign(for_holding["message"]))
    assert refused.code == "sign_in_failed"
    for purpose in ("sign_in", "link"):
        for_person = await ask(team.browser, signer.address, purpose=purpose, chain_id=chain.chain_id)
        assert (await team.answer(for_person, signer.sign(for_person["message"]))).code == "sign_in_failed"
    assert await team.wallets() == []


async def test_a_text_for_one_workspace_is_not_good_for_another(team: Team, rivals: Team, chain: Chain) -> None:
    signer = Signer()
    made = await team.ask(signer.address, chain_id=chain.chain_id)
    assert (await rivals.answer(made, signer.sign(made["message"]))).code == "sign_in_failed"
    assert await rivals.wallets() == [] and await team.wallets() == []


async def test_a_text_for_one_workspace_is_not_good_for_another_of_the_same_person(team: Team, chain: Chain) -> None:
    second = (await team.browser.post("/api/workspaces", {"name": "Second"}))["workspace_id"]
    signer = Signer()

    async def post(path: str, body: dict[str, Any], workspace_id: str) -> Answer:
        headers: dict[str, str | None] = {"x-farebox-workspace": workspace_id}
        return await team.browser.request("POST", path, body=body, headers=headers)

    wanted = {"address": signer.address, "chain_id": chain.chain_id}
    made = (await post("/api/holding-wallets/challenge", wanted, team.workspace_id)).json
    signed = {"challenge_id": made["challenge_id"], "signature": f"0x{signer.sign(made['message']).hex()}"}
    assert (await post("/api/holding-wallets/verify", signed, second)).code == "sign_in_failed"


async def test_another_workspaces_wallet_is_none(team: Team, rivals: Team) -> None:
    theirs = (await rivals.link(Signer())).json["wallet_id"]
    for wallet_id in (theirs, "holding_0000000000001", "wallet_0000000000001", "x"):
        assert (await team.unlink(wallet_id)).code == "not_found"
    assert len(await rivals.wallets()) == 1


async def test_a_contract_counts_on_its_chain_and_never_twice(
    team: Team, rivals: Team, chain: Chain, other_chain: Chain
) -> None:
    owner = Signer()
    wallet = chain.deploy("OwnedWallet", word_of(owner.address))
    other_chain.ask("anvil_setCode", wallet, chain.ask("eth_getCode", wallet, "latest"))
    other_chain.ask("anvil_setStorageAt", wallet, hex(0), "0x" + word_of(owner.address).hex())
    linked = await team.link(owner, address=wallet, chain_id=chain.chain_id)
    assert linked.status == 200 and linked.json["chain_id"] == chain.chain_id
    assert (await rivals.link(owner, address=wallet, chain_id=chain.chain_id)).code == "conflict"
    # On the other chain it is another wallet, with holdings of its own.
    assert (await rivals.link(owner, address=wallet, chain_id=other_chain.chain_id)).status == 200


async def test_a_keys_wallet_counts_on_every_chain_so_a_contract_at_its_address_is_no_second_one(
    team: Team, rivals: Team, chain: Chain
) -> None:
    """Delegated code (EIP-7702) could accept another's signature for the same holdings."""
    signer, delegate = Signer(), Signer()
    assert (await team.link(signer)).status == 200
    code = chain.ask("eth_getCode", chain.deploy("OwnedWallet", word_of(delegate.address)), "latest")
    chain.ask("anvil_setCode", signer.address, code)
    chain.ask("anvil_setStorageAt", signer.address, hex(0), "0x" + word_of(delegate.address).hex())
    refused = await rivals.link(delegate, address=signer.address, chain_id=chain.chain_id)
    assert (refused.status, refused.code) == (409, "conflict")


async def test_who_may_not_change_money_links_no_wallet(gateway: RunningGateway, team: Team) -> None:
    customer = await gateway.new_customer()
    linked = (await team.link(Signer())).json
    for method, path, body in (
        ("POST", "/api/holding-wallets/challenge", {"address": Signer().address, "chain_id": 1}),
        ("POST", "/api/holding-wallets/verify", {"challenge_id": "", "signature": ""}),
        ("DELETE", f"/api/holding-wallets/{linked['wallet_id']}", None),
        ("GET", "/api/holding-wallets", None),
    ):
        async with Browser(gateway) as stranger:
            by_key = await stranger.request(method, path, body=body, headers=dict(customer.headers))
            assert (by_key.status, by_key.code) == (403, "insufficient_scope")
            assert (await stranger.request(method, path, body=body)).status == 401
    async with gateway.connect() as connection:
        number = read_short("ws", team.workspace_id)
        await connection.execute("UPDATE member SET role = 'viewer' WHERE workspace_id = %s", [number])
    body = {"address": Signer().address, "chain_id": 1}
    refused = await team.browser.request("POST", "/api/holding-wallets/challenge", body=body)
    assert (refused.status, refused.code) == (403, "role_not_allowed")
    assert len(await team.wallets()) == 1, "to look is allowed"
