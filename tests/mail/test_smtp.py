"""Letters reach a real mail server, or are given up for a reason that names nobody."""

import email
import email.policy
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from farebox.base.errors import Problem
from farebox.base.limits import Mail
from farebox.mail.letter import Letter
from farebox.mail.smtp import SmtpMailing
from farebox.mail.waiting import MAX_WAITING, CannotSend
from tests.gateway import PATIENCE_SECONDS, until
from tests.mail.servers import PASSWORD, Listening, Mailbox, certificate, free_port, mail_server, settings_of

LETTER = Letter("anna@example.com", "Your code for Farebox", "Your code:\n\n    123456\n\nGrüße\n")


@asynccontextmanager
async def sending(mail: Mail, password: str | None = None, **others: Any) -> AsyncIterator[SmtpMailing]:
    mailing = SmtpMailing(mail, password, **{"pauses_seconds": (0.01, 0.01), **others})
    mailing.start()
    try:
        yield mailing
    finally:
        await mailing.stop()


async def test_a_letter_arrives_as_it_was_written() -> None:
    mailbox = Mailbox()
    with mail_server(mailbox) as mail:
        async with sending(mail) as mailing:
            mailing.take(LETTER)
            await until(lambda: mailbox.messages)
            assert mailing.state.failure == ""
    message = email.message_from_bytes(mailbox.messages[0], policy=email.policy.default)
    assert message["To"] == "anna@example.com"
    assert message["From"] == "Farebox <no-reply@gateway.example>"
    assert message["Subject"] == "Your code for Farebox"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@gateway.example>") and message["Date"]
    assert message.get_content().replace("\r\n", "\n") == LETTER.body
    assert (mailbox.recipients, mailbox.senders) == (["anna@example.com"], ["no-reply@gateway.example"])


async def test_starttls_and_a_password(tmp_path: Path) -> None:
    server, client = certificate(tmp_path)
    mailbox = Mailbox()
    with mail_server(mailbox, tls=server, wants_login=True) as mail:
        async with sending(mail, PASSWORD, tls=client) as mailing:
            await mailing.greet()
            mailing.take(LETTER)
            await until(lambda: mailbox.messages)


async def test_a_wrong_password_is_not_tried_again(tmp_path: Path) -> None:
    server, client = certificate(tmp_path)
    mailbox = Mailbox()
    with mail_server(mailbox, tls=server, wants_login=True) as mail:
        async with sending(mail, "another password", tls=client, pauses_seconds=(PATIENCE_SECONDS,)) as mailing:
            with pytest.raises(CannotSend, match="refuses the account"):
                await mailing.greet()
            mailing.take(LETTER)
            await until(lambda: "refuses the account" in mailing.state.failure)
    assert not mailbox.messages


async def test_a_certificate_of_somebody_else_gets_no_letter(tmp_path: Path) -> None:
    server, _ = certificate(tmp_path)
    mailbox = Mailbox()
    with mail_server(mailbox, tls=server) as mail:
        async with sending(mail) as mailing:
            mailing.take(LETTER)
            await until(lambda: "certificate" in mailing.state.failure)
    assert not mailbox.messages


async def test_a_server_without_starttls_gets_no_letter_in_the_open() -> None:
    mailbox = Mailbox()
    with mail_server(mailbox) as mail:
        async with sending(msgspec.structs.replace(mail, security="starttls")) as mailing:
            mailing.take(LETTER)
            await until(lambda: mailing.state.failure)
    assert not mailbox.messages


async def test_what_a_server_cannot_take_now_is_sent_again() -> None:
    mailbox = Mailbox("451 try later", "452 still full")
    with mail_server(mailbox) as mail:
        async with sending(mail) as mailing:
            mailing.take(LETTER)
            await until(lambda: mailbox.messages)
    assert mailbox.tries == 3


@pytest.mark.parametrize("at", ["RCPT", "DATA"])
async def test_what_a_server_refuses_for_good_is_tried_once(at: str) -> None:
    """And what it says is not repeated: it may say whom the letter was for."""
    mailbox = Mailbox(*["550 no anna@example.com here"] * 3, at=at)
    with mail_server(mailbox) as mail, capture_logs() as logs:
        async with sending(mail) as mailing:
            mailing.take(LETTER)
            await until(lambda: mailing.state.failure)
            assert "550" in mailing.state.failure
    assert mailbox.tries == 1
    assert "anna" not in str(logs) + mailing.state.failure
    assert "123456" not in str(logs)
    assert logs[0]["domain"] == "example.com"


async def test_a_server_that_is_gone_is_told_of() -> None:
    async with sending(settings_of(free_port(), security="none")) as mailing:
        mailing.take(LETTER)
        await until(lambda: "cannot be reached" in mailing.state.failure)


async def test_a_failure_is_told_of_until_a_letter_arrives() -> None:
    mailbox = Mailbox("550 no")
    with mail_server(mailbox) as mail:
        async with sending(mail) as mailing:
            mailing.take(LETTER)
            await until(lambda: mailing.state.failure)
            mailing.take(LETTER)
            await until(lambda: mailbox.messages and not mailing.state.failure)


async def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    server, client = certificate(tmp_path)
    mailbox = Mailbox()
    with mail_server(mailbox, tls=server, is_tls_first=True) as mail:
        async with sending(mail, tls=client) as mailing:
            mailing.take(LETTER)
            await until(lambda: mailbox.messages)


async def test_a_server_that_hangs_holds_up_nobody() -> None:
    """Taking a letter waits for nothing, and a server that says nothing is given up."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mail = msgspec.structs.replace(settings_of(silent.getsockname()[1], security="none"), timeout_seconds=0.1)
        async with sending(mail) as mailing:
            with pytest.raises(CannotSend, match="in time"):
                await mailing.greet()
            mailing.take(LETTER)
            await until(lambda: mailing.state.failure)
            assert "in time" in mailing.state.failure


async def test_the_operator_reads_what_is_wrong_with_the_server() -> None:
    """In words, not in names of Python's classes: nothing listens, it speaks no TLS, it offers no STARTTLS."""
    with mail_server(Mailbox()) as mail:
        for changes, words in (
            ({"port": free_port()}, "cannot be reached"),
            ({"security": "tls"}, "speaks no TLS there"),
            ({"security": "starttls"}, "does not offer what"),
        ):
            with pytest.raises(CannotSend, match=words):
                await SmtpMailing(msgspec.structs.replace(mail, **changes), None).greet()


async def test_too_many_waiting_letters_are_refused() -> None:
    mailing = SmtpMailing(settings_of(free_port(), security="none"), None)
    for number in range(MAX_WAITING):
        (mailing.feign if number % 2 else mailing.take)(LETTER)
    for refused in (mailing.take, mailing.feign):
        with pytest.raises(Problem, match="Too many letters"):
            refused(LETTER)


async def test_a_feigned_letter_is_as_much_talk_and_names_nobody() -> None:
    mailbox = Listening()
    with mail_server(mailbox) as mail:
        async with sending(mail) as mailing:
            mailing.take(LETTER)
            await until(lambda: "QUIT" in mailbox.heard)
            real = mailbox.heard.copy()
            mailbox.heard.clear()
            mailing.feign(LETTER)
            await until(lambda: "QUIT" in mailbox.heard)
    assert real == ["MAIL", "RCPT", "DATA", "QUIT"]
    # The end of a letter's text is answered, too.
    assert mailbox.heard == ["NOOP"] * 4 + ["QUIT"]
    assert mailbox.recipients == ["anna@example.com"] and len(mailbox.messages) == 1


async def test_a_feigned_letter_fails_like_a_real_one() -> None:
    told = []
    for name in ("take", "feign"):
        async with sending(settings_of(free_port(), security="none")) as mailing:
            getattr(mailing, name)(LETTER)
            await until(lambda: mailing.state.failure)
            told.append(mailing.state)
    assert told[0] == told[1]


async def test_what_waits_is_sent_before_the_end() -> None:
    mailbox = Mailbox()
    with mail_server(mailbox) as mail:
        async with sending(mail) as mailing:
            for number in range(10):
                mailing.take(Letter(f"person{number}@example.com", "Hello", "Hello\n"))
    assert len(mailbox.messages) == 10


async def test_a_letter_that_waited_too_long_is_given_up() -> None:
    """Its code is void by then."""
    mailbox = Mailbox()
    with mail_server(mailbox) as mail:
        async with sending(mail, max_wait_seconds=-1.0) as mailing:
            mailing.take(LETTER)
            await until(lambda: "too long" in mailing.state.failure)
    assert not mailbox.messages


@pytest.mark.parametrize(
    ("to", "subject"),
    [
        ("anna@example.com\nBcc: all@example.com", "Hello"),
        ("anna@example.com\r\nBcc: all@example.com", "Hello"),
        ("anna@example.com, eve@example.com", "Hello"),
        ("anna@example.com,eve", "Hello"),
        ("Eve <eve@example.com>", "Hello"),
        ("anna", "Hello"),
        ("", "Hello"),
        ("anna@example.com", "Hello\nBcc: all@example.com"),
        ("anna@example.com", "Hello\r\n\r\nAnother body"),
        ("anna@example.com", "Hello\u2028Bcc: all@example.com"),
        ("anna@example.com", "Hello" * 1_000),
    ],
)
async def test_no_letter_gets_another_head(to: str, subject: str) -> None:
    mailing = SmtpMailing(settings_of(free_port(), security="none"), None)
    with pytest.raises(ValueError, match=r"address|subject"):
        mailing.take(Letter(to, subject, "body"))


def test_letters_show_nothing_of_themselves() -> None:
    assert "123456" not in repr(LETTER) and "anna" not in repr(LETTER)
