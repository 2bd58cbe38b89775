"""Proving oneself again, and what a session may do that has not given its second factor."""

import pytest

from tests.factors.conftest import Enter
from tests.factors.people import Somebody


async def test_without_a_second_factor_ones_addresses_are_the_ways(anna: Somebody) -> None:
    ways = await anna.get("/api/me/step-up")
    assert ways == {"totp": False, "passkey": False, "email": [anna.email], "wallet": False}


async def test_a_second_factor_is_the_only_way(anna: Somebody) -> None:
    await anna.new_passkey()
    assert await anna.get("/api/me/step-up") == {"totp": False, "passkey": True, "email": [], "wallet": False}
    await anna.new_app()
    assert await anna.get("/api/me/step-up") == {"totp": True, "passkey": True, "email": [], "wallet": False}


async def test_a_pending_session_is_told_its_ways(anna: Somebody, enter: Enter) -> None:
    await anna.new_app()
    pending = await enter(anna.email)
    assert (await pending.get("/api/me/step-up"))["totp"] is True


async def test_a_wallet_is_a_way(anna: Somebody) -> None:
    await anna.change(
        "INSERT INTO person_wallet (wallet_id, person_id, address, linked_at) "
        "SELECT person_id, person_id, '0x' || lpad(to_hex(person_id), 40, '0'), 1 FROM person WHERE person_id = %s"
    )
    assert (await anna.get("/api/me/step-up"))["wallet"] is True


async def test_a_stale_session_is_refused_what_is_delicate_and_a_fresh_one_is_not(anna: Somebody) -> None:
    assert await anna.is_fresh()
    await anna.grow_stale()
    assert not await anna.is_fresh()
    former = anna.cookie
    await anna.step_up(anna.email)
    assert anna.cookie != former
    assert await anna.is_fresh()


@pytest.mark.parametrize("factor", ["passkey", "app"])
async def test_an_email_code_is_no_step_up_for_who_has_a_second_factor(anna: Somebody, factor: str) -> None:
    await (anna.new_passkey() if factor == "passkey" else anna.new_app())
    await anna.grow_stale()
    refused = await anna.request("POST", "/api/auth/email", body={"email": anna.email, "purpose": "step_up"})
    if refused.status == 200:
        letter = await anna.letter(anna.email, after=(await anna.letters(anna.email))[0].letter_id - 1)
        refused = await anna.answer_code(refused.json["challenge_id"], letter.code)
    assert (refused.status, refused.code) == (403, "second_factor_required")
    assert not await anna.is_fresh()


async def test_an_email_code_from_before_the_passkey_is_no_step_up_after(anna: Somebody) -> None:
    challenge_id, letter = await anna.begin_email(anna.email, purpose="step_up")
    await anna.new_passkey()
    await anna.grow_stale()
    assert (await anna.answer_code(challenge_id, letter.code)).status != 200
    assert not await anna.is_fresh()


async def test_signing_in_by_email_is_not_fresh_for_who_has_a_passkey(anna: Somebody, enter: Enter) -> None:
    """Or whoever reads the mailbox would get past the passkey by signing out and in."""
    passkey = await anna.new_passkey()
    again = await enter(anna.email)
    assert (await again.request("GET", "/api/me")).status == 200
    assert not await again.is_fresh()
    assert (await again.use(passkey, purpose="step_up")).status == 200
    assert await again.is_fresh()


async def test_the_first_passkey_leaves_other_sessions_open_but_not_fresh(anna: Somebody, enter: Enter) -> None:
    elsewhere = await enter(anna.email)
    assert await elsewhere.is_fresh()
    await anna.new_passkey()
    assert (await elsewhere.request("GET", "/api/me")).status == 200
    assert not await elsewhere.is_fresh()
    assert await anna.is_fresh(), "the one that made it has given it"


async def test_a_code_of_the_app_steps_up(anna: Somebody) -> None:
    app, _ = await anna.new_app()
    await anna.grow_stale()
    former = anna.cookie
    assert (await anna.give(app.code())).status == 200
    assert anna.cookie != former
    assert await anna.is_fresh()
    assert (await anna.actions())[-1] == "session.stepped_up"


PENDING = [
    ("GET", "/api/me"),
    ("PATCH", "/api/me"),
    ("GET", "/api/me/sessions"),
    ("DELETE", "/api/me/sessions"),
    ("GET", "/api/me/events"),
    ("POST", "/api/me/totp"),
    ("POST", "/api/me/totp/confirm"),
    ("DELETE", "/api/me/totp"),
    ("POST", "/api/me/recovery-codes"),
    ("GET", "/api/workspaces"),
    ("POST", "/api/workspaces"),
    ("GET", "/api/workspace"),
    ("GET", "/api/keys"),
    ("POST", "/api/keys"),
    ("GET", "/api/balance"),
    ("GET", "/api/members"),
    ("POST", "/api/invitations/accept"),
]


@pytest.mark.parametrize(("method", "path"), PENDING)
async def test_a_pending_session_is_good_for_nothing_else(anna: Somebody, enter: Enter, method: str, path: str) -> None:
    await anna.new_app()
    pending = await enter(anna.email)
    body: dict[str, str] | None = {} if method in ("POST", "PATCH") else None
    answer = await pending.request(method, path, body=body)
    assert (answer.status, answer.code) == (403, "second_factor_required")


async def test_an_operator_without_a_second_factor_does_nothing(anna: Somebody) -> None:
    await anna.become("superadmin")
    answer = await anna.request("GET", "/api/operator/routes")
    assert (answer.status, answer.code) == (403, "second_factor_required")
    await anna.new_app()
    assert (await anna.request("GET", "/api/operator/routes")).status == 200
