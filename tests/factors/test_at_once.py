"""Two things of one person at the same moment: one comes first, and the other sees it."""

import asyncio

from farebox.identity.people.store import lock_person
from tests.factors.authenticator import SoftPasskey
from tests.factors.conftest import Enter
from tests.factors.people import App, Somebody
from tests.gateway import PATIENCE_SECONDS, RunningGateway
from tests.people.browser import Answer
from tests.wallets import signer

WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%%FROM person%%'
"""


async def wait_for_waiting(gateway: RunningGateway, count: int) -> None:
    """Until so many requests wait for the person whom the test holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await gateway.rows(WAITING))[0][0] < count:
            await asyncio.sleep(0.01)


async def answered(person: Somebody, change: str, stranger: Somebody) -> Answer:
    """What a sign-in by e-mail is answered during the change."""
    challenge_id, letter = await stranger.begin_email(person.email)
    async with person.gateway.connect() as connection, connection.transaction():
        await lock_person(connection, person.person_id)
        await connection.execute(change.encode(), (person.person_id,))
        answering = asyncio.create_task(stranger.answer_code(challenge_id, letter.code))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (await person.gateway.rows(WAITING))[0][0]:
                assert not answering.done(), "it did not wait"
                await asyncio.sleep(0.01)
    return await answering


async def test_who_signs_in_while_an_app_is_turned_on_has_to_give_its_code(anna: Somebody, stranger: Somebody) -> None:
    turned_on = "INSERT INTO totp_secret (person_id, sealed, created_at, confirmed_at) VALUES (%s, '', 1, 1)"
    assert (await answered(anna, turned_on, stranger)).json["state"] == "pending"


async def test_who_signs_in_while_they_are_shut_out_stays_out(anna: Somebody, stranger: Somebody) -> None:
    shut_out = "UPDATE person SET status = 'disabled' WHERE person_id = %s"
    assert (await answered(anna, shut_out, stranger)).code == "sign_in_failed"


async def test_who_is_thrown_out_while_a_passkey_is_linked_leaves_none_behind(anna: Somebody, enter: Enter) -> None:
    thief = await enter(anna.email)
    challenge = await thief.challenge("link")
    made = SoftPasskey().create(challenge["options"], anna.gateway.site)
    async with anna.gateway.connect() as connection, connection.transaction():
        await lock_person(connection, anna.person_id)
        linking = asyncio.create_task(thief.answer(challenge, made))
        await wait_for_waiting(anna.gateway, 1)
        await anna.delete("/api/me/sessions", status=200)
    assert (await linking).code == "not_signed_in"
    await thief.get("/api/me", status=401)
    assert (await anna.get("/api/me"))["passkeys"] == []


async def test_an_app_that_is_turned_on_and_a_wallet_that_is_linked_do_not_wait_for_each_other(
    anna: Somebody, enter: Enter
) -> None:
    """The app ends the session that links: one of both comes first, and neither fails by ours."""
    second, wallet = await enter(anna.email), signer.Signer()
    challenge = await signer.ask(second, wallet.address, purpose="link")
    app = App(anna.gateway, (await anna.post("/api/me/totp"))["secret"])
    async with anna.gateway.connect() as connection, connection.transaction():
        await lock_person(connection, anna.person_id)
        confirming = asyncio.create_task(anna.request("POST", "/api/me/totp/confirm", body={"code": app.code()}))
        await wait_for_waiting(anna.gateway, 1)
        linking = asyncio.create_task(signer.answer(second, challenge, wallet.sign(challenge["message"])))
        await wait_for_waiting(anna.gateway, 2)
    assert ((await confirming).status, (await linking).code) == (200, "not_signed_in")
    assert (await anna.get("/api/me"))["wallets"] == []


async def test_everything_at_once_locks_nobody_up(anna: Somebody, enter: Enter) -> None:
    """Ways in are used, and taken away, in all orders: each is answered, none by a failure of ours."""
    passkey = await anna.new_passkey()
    app, codes = await anna.new_app()
    browsers = [await enter(anna.email) for _ in range(4)]
    answers = await asyncio.gather(
        browsers[0].give(app.code()),
        browsers[1].give(codes[0]),
        browsers[2].use(passkey, purpose="step_up"),
        anna.request("POST", "/api/me/recovery-codes"),
        anna.request("DELETE", "/api/me/totp"),
        browsers[3].give(codes[1]),
    )
    assert all(answer.status < 500 for answer in answers), [answer.text for answer in answers]
