"""Two things of one person at the same moment: one comes first, and the other sees it."""

import asyncio

from farebox.identity.people.store import lock_person
from tests.factors.conftest import Enter
from tests.factors.people import Somebody
from tests.gateway import PATIENCE_SECONDS
from tests.people.browser import Answer

WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%%FROM person%%'
"""


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
