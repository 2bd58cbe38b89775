"""Codes, links and tokens of sessions stand in letters and cookies, and nowhere else."""

import logging

import pytest
from structlog.testing import capture_logs

from tests.gateway import RunningGateway
from tests.people.browser import Browser

_TABLES = (
    "person", "person_email", "person_session", "email_challenge", "sign_in_attempt", "audit_event",
)  # fmt: skip


async def test_no_secret_of_signing_in_is_logged_recorded_or_stored(
    gateway: RunningGateway, caplog: pytest.LogCaptureFixture
) -> None:
    secrets: list[str] = []
    caplog.set_level(logging.DEBUG)
    with capture_logs() as logs:
        async with Browser(gateway) as browser:
            await browser.sign_in("secret@secrets.example")
            secrets.append(browser.cookie)
            for purpose, email in (("link", "secret2@secrets.example"), ("step_up", "secret@secrets.example")):
                challenge_id, letter = await browser.begin_email(email, purpose=purpose)
                await browser.answer_code(challenge_id, f"{(int(letter.code) + 1) % 1_000_000:06d}")
                assert (await browser.answer_link(letter.link_token)).status == 200
                secrets += [letter.link_token, browser.cookie]
            await browser.post("/api/auth/sign-out")
    told = str(logs) + caplog.text
    stored = ""
    for table in _TABLES:
        rows = await gateway.rows(f"SELECT row_to_json(t)::text FROM {table} t")
        assert rows
        stored += str(rows)
    for secret in secrets:
        assert len(secret) >= 43
        assert secret not in told
        assert secret not in stored


async def test_a_code_is_stored_as_its_hash(browser: Browser, gateway: RunningGateway) -> None:
    """With the challenge's id, so that no table of a million hashes fits all."""
    first, letter = await browser.begin_email("hashes@secrets.example")
    rows = await gateway.rows(
        "SELECT code_hash = sha256(uuid_send(challenge_id) || convert_to(%s, 'UTF8')), row_to_json(c)::text "
        "FROM email_challenge c WHERE challenge_id = %s::uuid",
        letter.code,
        first,
    )
    assert rows[0][0] is True
    assert f'"{letter.code}"' not in rows[0][1]


async def test_what_failed_is_recorded_without_what_was_tried(browser: Browser, gateway: RunningGateway) -> None:
    challenge_id, _ = await browser.begin_email("tried@secrets.example")
    await browser.answer_code(challenge_id, "31415926")
    rows = await gateway.rows(
        "SELECT row_to_json(a)::text FROM audit_event a WHERE action = 'sign_in.failed' AND address = %s",
        browser.address,
    )
    assert len(rows) == 1
    assert "31415926" not in rows[0][0] and "tried@" not in rows[0][0]
