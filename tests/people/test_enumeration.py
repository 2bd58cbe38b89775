"""Nobody learns from asking for a letter, or from a wrong code, who has an account."""

from typing import Any

import pytest

from farebox.base.limits import SignIn
from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway, until
from tests.mail.servers import Listening, mail_server
from tests.people.browser import Answer, Browser
from tests.people.clocks import in_one_window

_TOLD = {"challenge_id", "expires_at"}


@pytest.fixture(scope="module")
async def closed(cluster: TestCluster) -> Any:
    """Signing up is closed."""
    async with serve_gateway(cluster, sign_in=SignIn(open=False)) as running:
        yield running


async def _ask(browser: Browser, email: str) -> Answer:
    return await browser.request("POST", "/api/auth/email", body={"email": email})


def _shape(answer: Answer) -> tuple[Any, ...]:
    """What an answer tells, without what is new in each."""
    body = answer.json
    body.pop("request_id", None)
    for value in body.values():
        if isinstance(value, dict):
            value.pop("request_id", None)
    told = {name: value for name, value in body.items() if name not in _TOLD}
    names = sorted(name.lower() for name in answer.headers)
    return answer.status, sorted(body), told, names, len(answer.body)


async def _person(gateway: RunningGateway, email: str, *, status: str = "active") -> None:
    async with gateway.connect() as connection:
        await connection.execute(
            "WITH made AS (INSERT INTO person (person_id, status, created_at) "
            "VALUES (abs(hashtext(%(email)s)), %(status)s, 1) RETURNING person_id) "
            "INSERT INTO person_email (email_id, person_id, email, linked_at) "
            "SELECT abs(hashtext(%(email)s)), person_id, %(email)s, 1 FROM made",
            {"email": email, "status": status},
        )


async def _invite(gateway: RunningGateway, email: str, *, expires_at: int) -> None:
    customer = await gateway.new_customer()
    async with gateway.connect() as connection:
        await connection.execute(
            "INSERT INTO invitation (workspace_id, invitation_id, email, role, token_hash, invited_by, created_at, "
            "expires_at) VALUES (%s, 1, %s, 'viewer', sha256(%s::bytea), 'operator', 1, %s)",
            (customer.workspace_id, email, email, expires_at),
        )


async def test_asking_is_answered_alike_for_everybody(closed: RunningGateway) -> None:
    """Known, unknown, disabled: the same words, and only those who may enter get a letter."""
    await _person(closed, "known@alike.example")
    await _person(closed, "disabled@alike.example", status="disabled")
    answers = {}
    async with Browser(closed) as browser:
        for name in ("disabled", "nobody", "known"):
            answers[name] = await _ask(browser, f"{name}@alike.example")
        await browser.letter("known@alike.example")
        assert [len(await browser.letters(f"{name}@alike.example")) for name in ("disabled", "nobody")] == [0, 0]
    assert _shape(answers["known"]) == _shape(answers["nobody"]) == _shape(answers["disabled"])
    assert answers["known"].status == 200


async def test_asking_writes_the_same_rows_for_everybody(closed: RunningGateway) -> None:
    """The same work, so that the time it takes tells nothing either."""
    await _person(closed, "known@rows.example")
    async with Browser(closed) as browser:
        for name in ("nobody", "known"):
            await _ask(browser, f"{name}@rows.example")
    rows = await closed.rows(
        "SELECT purpose, person_id, session_id, attempts, used_at FROM email_challenge WHERE email LIKE %s",
        "%@rows.example",
    )
    assert len(rows) == 2 and rows[0] == rows[1]


async def test_the_mail_server_is_talked_to_whoever_is_asked_about(cluster: TestCluster) -> None:
    """Else somebody could tell by how busy the gateway is afterwards."""
    mailbox = Listening()
    with mail_server(mailbox) as mail:
        async with (
            serve_gateway(cluster, sign_in=SignIn(open=False), mail=mail) as gateway,
            Browser(gateway) as browser,
        ):
            await _person(gateway, "known@talk.example")
            heard = []
            for name in ("nobody", "known"):
                assert (await _ask(browser, f"{name}@talk.example")).status == 200
                await until(lambda: "QUIT" in mailbox.heard)
                heard.append(mailbox.heard.copy())
                mailbox.heard.clear()
    assert heard == [["NOOP"] * 4 + ["QUIT"], ["MAIL", "RCPT", "DATA", "QUIT"]]
    assert mailbox.recipients == ["known@talk.example"]


async def test_a_wrong_code_is_answered_alike_for_everybody(closed: RunningGateway) -> None:
    await _person(closed, "known@wrong.example")
    answers = []
    async with Browser(closed) as browser:
        for name in ("nobody", "known"):
            challenge_id = (await _ask(browser, f"{name}@wrong.example")).json["challenge_id"]
            answers.append(await browser.answer_code(challenge_id, "000000"))
    assert _shape(answers[0]) == _shape(answers[1])
    assert answers[0].status == 401


async def test_the_limit_of_letters_is_the_same_for_everybody(closed: RunningGateway) -> None:
    await in_one_window(10 * 60)
    await _person(closed, "known@limit.example")
    answers = []
    for name in ("nobody", "known"):
        async with Browser(closed) as browser:
            statuses = [(await _ask(browser, f"{name}@limit.example")).status for _ in range(6)]
            answers.append(statuses)
    assert answers[0] == answers[1] == [200] * 5 + [429]


async def test_who_is_unknown_gets_no_account_where_signing_up_is_closed(closed: RunningGateway) -> None:
    """Not even who guesses the code of a letter that was never sent."""
    async with Browser(closed) as browser:
        challenge_id = (await _ask(browser, "stranger@closed.example")).json["challenge_id"]
        async with closed.connect() as connection:
            await connection.execute(
                "UPDATE email_challenge SET code_hash = sha256(uuid_send(challenge_id) || '123456'::bytea) "
                "WHERE challenge_id = %s",
                (challenge_id,),
            )
        assert (await browser.answer_code(challenge_id, "123456")).code == "sign_in_failed"
    assert await closed.rows("SELECT 1 FROM person_email WHERE email = 'stranger@closed.example'") == []


async def test_who_is_invited_gets_a_letter_and_an_account(closed: RunningGateway) -> None:
    await _invite(closed, "invited@closed.example", expires_at=1 << 60)
    async with Browser(closed) as browser:
        assert (await browser.sign_in("invited@closed.example"))["state"] == "active"


async def test_an_invitation_that_is_over_invites_nobody(closed: RunningGateway) -> None:
    await _invite(closed, "late@closed.example", expires_at=2)
    await _invite(closed, "witness@closed.example", expires_at=1 << 60)
    async with Browser(closed) as browser:
        await _ask(browser, "late@closed.example")
        await browser.begin_email("witness@closed.example")
        assert await browser.letters("late@closed.example") == []


async def test_only_who_reads_the_mail_learns_that_an_address_is_taken(browser: Browser, other: Browser) -> None:
    await other.sign_in("taken@alike.example")
    await browser.sign_in("owner@alike.example")
    asked = [
        await browser.request("POST", "/api/auth/email", body={"email": email, "purpose": "link"})
        for email in ("taken@alike.example", "free@alike.example")
    ]
    assert _shape(asked[0]) == _shape(asked[1])
    challenge_id, letter = await browser.begin_email("taken@alike.example", purpose="link")
    wrong = await browser.answer_code(challenge_id, f"{(int(letter.code) + 1) % 1_000_000:06d}")
    assert wrong.code == "sign_in_failed"
    assert (await browser.answer_code(challenge_id, letter.code)).code == "conflict"
    assert (await browser.answer_code(challenge_id, letter.code)).code == "sign_in_failed"
