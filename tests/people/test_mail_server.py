"""A gateway with a real mail server, and what it tells of one that fails."""

import asyncio
import email
import email.policy
from typing import Any

import msgspec
import pytest

from farebox.base.errors import Problem
from farebox.base.limits import Mail
from farebox.mail.letter import Letter
from farebox.mail.nobody import NoMailing
from farebox.wiring.doctor import examine_mail
from farebox.wiring.settings import Settings
from tests.database import TestCluster
from tests.gateway import PATIENCE_SECONDS, serve_gateway, until
from tests.mail.servers import Mailbox, free_port, mail_server, settings_of
from tests.people.browser import Browser
from tests.people.browser import Letter as Read


async def _readiness(browser: Browser) -> dict[str, Any]:
    items = (await browser.get("/api/setup"))["readiness"]
    return next(item for item in items if item["capability"] == "email_sign_in")


async def test_a_letter_by_smtp_signs_in(cluster: TestCluster) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox) as mail:
        async with serve_gateway(cluster, mail=mail) as gateway, Browser(gateway) as browser:
            challenge = await browser.post("/api/auth/email", {"email": "anna@smtp.example"})
            await until(lambda: mailbox.messages)
            message = email.message_from_bytes(mailbox.messages[0], policy=email.policy.default)
            letter = Read(1, message["To"], message["Subject"], message.get_content().replace("\r\n", "\n"))
            assert letter.code not in letter.subject
            assert (await browser.answer_code(challenge["challenge_id"], letter.code)).status == 200
            assert (await _readiness(browser))["state"] == "live"
            assert await browser.letters("anna@smtp.example") == []


async def test_a_mail_server_that_refuses_is_shown_as_work_for_the_operator(cluster: TestCluster) -> None:
    """To customers without its words; and asking for a letter is answered as ever."""
    mailbox = Mailbox("554 we do not like anna@smtp.example")
    with mail_server(mailbox) as mail:
        async with serve_gateway(cluster, mail=mail) as gateway, Browser(gateway) as browser:
            asked = await browser.post("/api/auth/email", {"email": "anna@smtp.example"})
            assert set(asked) == {"challenge_id", "expires_at"}
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (item := await _readiness(browser))["state"] == "live":
                    await asyncio.sleep(0.02)
            assert item["state"] == "operator_action_needed"
            assert "anna" not in str(item) and "554" not in str(item)


async def test_a_demo_says_where_its_letters_lie(browser: Browser) -> None:
    item = await _readiness(browser)
    assert item["state"] == "live" and "mailbox" in item["detail"]


def test_without_a_mail_server_no_letter_is_taken() -> None:
    mailing = NoMailing()
    for refused in (mailing.take, mailing.feign):
        with pytest.raises(Problem, match="sends no e-mail"):
            refused(Letter("a@b.example", "Hello", "Hello"))


def test_the_doctor_asks_the_mail_server() -> None:
    def found(mail: Mail) -> tuple[str, str]:
        finding = examine_mail(Settings(config_path="", home_path="", mail=mail))
        return finding.verdict, finding.detail

    with mail_server(Mailbox()) as mail:
        assert found(mail)[0] == "ok"
        lost = found(msgspec.structs.replace(mail, username="farebox"))
        assert (lost[0], "FAREBOX_SMTP_PASSWORD is not set" in lost[1]) == ("error", True)
    assert found(settings_of(free_port(), security="none"))[0] == "error"
    assert found(Mail())[0] == "warning"
