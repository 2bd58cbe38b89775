"""Authenticator apps: set up, given at sign-in and for a step-up, guessed, turned off."""

import asyncio

import pytest

from farebox.identity.people.totp import bound_to
from farebox.providers.secrets import CannotOpen, safe_of
from tests.database import TestCluster
from tests.factors.conftest import SECRETS_KEY, Enter
from tests.factors.people import App, Somebody
from tests.gateway import RunningGateway, serve_gateway
from tests.people.clocks import in_one_window

# In which tries of a person's codes are counted.
TRY_SECONDS = 300


async def test_an_app_counts_once_a_code_of_it_was_given(anna: Somebody, enter: Enter) -> None:
    setup = await anna.post("/api/me/totp")
    assert (await enter(anna.email)).cookie, "until then signing in is as before"
    former = anna.cookie
    answer = await anna.request(
        "POST", "/api/me/totp/confirm", body={"code": App(anna.gateway, setup["secret"]).code()}
    )
    assert answer.status == 200, answer.text
    assert anna.cookie != former
    pending = await enter(anna.email)
    assert (await pending.request("GET", "/api/me")).code == "second_factor_required"


async def test_the_setup_names_brand_and_address(anna: Somebody) -> None:
    setup = await anna.post("/api/me/totp")
    assert setup["uri"].startswith(f"otpauth://totp/Farebox:{anna.email.replace('@', '%40')}?secret={setup['secret']}")
    assert "issuer=Farebox" in setup["uri"]


async def test_a_code_completes_a_pending_session(anna: Somebody, enter: Enter) -> None:
    app, _ = await anna.new_app()
    pending = await enter(anna.email)
    former = pending.cookie
    answer = await pending.give(app.code())
    assert (answer.status, answer.json["state"]) == (200, "active")
    assert answer.json["recovery_codes_left"] is None
    assert pending.cookie != former
    assert (await pending.request("GET", "/api/me")).status == 200
    pending.cookie = former
    assert (await pending.request("GET", "/api/me")).status == 401, "the token from before is worth nothing"


async def test_a_code_is_good_once(anna: Somebody, enter: Enter) -> None:
    app, _ = await anna.new_app()
    pending, elsewhere = await enter(anna.email), await enter(anna.email)
    code = app.code()
    assert (await pending.give(code)).status == 200
    assert (await elsewhere.give(code)).code == "sign_in_failed"


async def test_of_two_browsers_with_one_code_one_gets_in(anna: Somebody, enter: Enter) -> None:
    app, _ = await anna.new_app()
    browsers = [await enter(anna.email) for _ in range(3)]
    code = app.code()
    answers = await asyncio.gather(*(browser.give(code) for browser in browsers))
    assert sorted(answer.status for answer in answers) == [200, 401, 401]


async def test_the_code_that_turned_the_app_on_is_used_up(anna: Somebody, enter: Enter) -> None:
    setup = await anna.post("/api/me/totp")
    code = App(anna.gateway, setup["secret"]).code()
    await anna.post("/api/me/totp/confirm", {"code": code})
    assert (await (await enter(anna.email)).give(code)).code == "sign_in_failed"


@pytest.mark.parametrize("steps", [-1, 0, 1])
async def test_a_clock_may_be_wrong_by_one_step(anna: Somebody, enter: Enter, steps: int) -> None:
    app, _ = await anna.new_app()
    answer = await (await enter(anna.email)).give(app.code(steps))
    # A step may begin between telling the code and checking it; then the one before the last is too old.
    assert answer.status == 200 or steps == -1


@pytest.mark.parametrize("steps", [-3, -2, 3, 10])
async def test_codes_of_other_times_are_wrong(anna: Somebody, enter: Enter, steps: int) -> None:
    app, _ = await anna.new_app()
    assert (await (await enter(anna.email)).give(app.code(steps))).code == "sign_in_failed"


async def test_a_later_code_uses_up_the_earlier_ones(anna: Somebody, enter: Enter) -> None:
    app, _ = await anna.new_app()
    assert (await (await enter(anna.email)).give(app.code(1))).status == 200
    assert (await (await enter(anna.email)).give(app.code())).code == "sign_in_failed"


async def test_blanks_in_a_code_do_no_harm(anna: Somebody, enter: Enter) -> None:
    app, _ = await anna.new_app()
    code = app.code()
    assert (await (await enter(anna.email)).give(f" {code[:3]} {code[3:]} ")).status == 200


async def test_guessing_is_cut_off_even_for_the_right_code(anna: Somebody, enter: Enter) -> None:
    app, _ = await anna.new_app()
    pending = await enter(anna.email)
    await in_one_window(TRY_SECONDS)
    codes = [(await pending.give(app.wrong_code())).code for _ in range(6)]
    assert codes[-1] == "too_many_attempts"
    refused = await (await enter(anna.email)).give(app.code())
    assert (refused.status, refused.code) == (429, "too_many_attempts")
    assert 0 < int(refused.headers["retry-after"]) <= 300


async def test_cutting_one_person_off_leaves_others_alone(anna: Somebody, enter: Enter) -> None:
    app, _ = await anna.new_app()
    ben = await enter()
    bens, _ = await ben.new_app()
    for _ in range(6):
        await anna.give(app.wrong_code())
    assert (await ben.give(bens.code())).status == 200


async def test_an_unconfirmed_app_is_not_guessed_either(anna: Somebody) -> None:
    setup = await anna.post("/api/me/totp")
    wrong = App(anna.gateway, setup["secret"]).wrong_code()
    await in_one_window(TRY_SECONDS)
    answers = [await anna.request("POST", "/api/me/totp/confirm", body={"code": wrong}) for _ in range(6)]
    assert [answer.code for answer in answers] == ["sign_in_failed"] * 5 + ["too_many_attempts"]


async def test_turning_it_on_ends_sessions_that_never_gave_a_second_factor(anna: Somebody, enter: Enter) -> None:
    elsewhere = await enter(anna.email)
    strong = await enter(anna.email)
    assert (await strong.link()).status == 200
    assert (await strong.request("GET", "/api/me")).status == 200
    await strong.new_app()
    assert (await elsewhere.request("GET", "/api/me")).code == "not_signed_in"
    assert (await strong.request("GET", "/api/me")).status == 200


async def test_a_session_with_a_second_factor_outlives_it(anna: Somebody, stranger: Somebody) -> None:
    passkey = await anna.new_passkey()
    assert (await stranger.use(passkey)).status == 200
    await anna.new_app()
    assert (await stranger.request("GET", "/api/me")).status == 200


async def test_an_app_is_not_put_in_place_of_another(anna: Somebody) -> None:
    await anna.new_app()
    answer = await anna.request("POST", "/api/me/totp")
    assert (answer.status, answer.code) == (409, "conflict")


async def test_turning_it_off_wants_a_fresh_second_factor(anna: Somebody, enter: Enter) -> None:
    app, _ = await anna.new_app()
    await anna.grow_stale()
    refused = await anna.request("DELETE", "/api/me/totp")
    assert (refused.status, refused.code) == (403, "step_up_required")
    assert (await anna.give(app.code())).status == 200
    assert (await anna.request("DELETE", "/api/me/totp")).status == 204
    again = await enter(anna.email)
    assert (await again.request("GET", "/api/me")).status == 200, "an e-mail code is enough again"
    assert (await anna.request("DELETE", "/api/me/totp")).code == "not_found"


async def test_what_waits_for_a_code_ends_with_the_app(anna: Somebody, enter: Enter) -> None:
    await anna.new_app()
    pending = await enter(anna.email)
    assert (await anna.request("DELETE", "/api/me/totp")).status == 204
    assert (await pending.request("GET", "/api/me")).code == "not_signed_in"


async def test_an_operator_keeps_a_second_factor(anna: Somebody) -> None:
    await anna.new_app()
    await anna.become("support")
    refused = await anna.request("DELETE", "/api/me/totp")
    assert (refused.status, refused.code) == (409, "conflict")
    assert (await anna.link()).status == 200
    assert (await anna.request("DELETE", "/api/me/totp")).status == 204, "a passkey will do"


async def test_who_has_no_app_gives_no_code(anna: Somebody) -> None:
    answer = await anna.give("123456")
    assert (answer.status, answer.code) == (409, "conflict")


async def test_without_a_session_a_code_is_nothing(stranger: Somebody) -> None:
    assert (await stranger.give("123456")).code == "not_signed_in"


async def test_a_setup_that_lay_about_is_not_confirmed(anna: Somebody) -> None:
    setup = await anna.post("/api/me/totp")
    await anna.change("UPDATE totp_secret SET created_at = created_at - 3600000000 WHERE person_id = %s")
    answer = await anna.request(
        "POST", "/api/me/totp/confirm", body={"code": App(anna.gateway, setup["secret"]).code()}
    )
    assert (answer.status, answer.code) == (409, "conflict")


async def test_a_secret_is_stored_sealed_for_its_person_alone(anna: Somebody, enter: Enter) -> None:
    setup = await anna.post("/api/me/totp")
    ((sealed,),) = await anna.gateway.rows("SELECT sealed FROM totp_secret WHERE person_id = %s", anna.person_id)
    assert setup["secret"].encode() not in sealed
    safe = safe_of(SECRETS_KEY, None)
    assert safe is not None
    assert safe.open_for(sealed, bound_to(anna.person_id)) == setup["secret"]
    ben = await enter()
    with pytest.raises(CannotOpen):
        safe.open_for(sealed, bound_to(ben.person_id))


async def test_a_secret_moved_to_another_person_lets_nobody_in(anna: Somebody, enter: Enter) -> None:
    app, _ = await anna.new_app()
    ben = await enter()
    _, recovery_codes = await ben.new_app()
    await ben.change(
        f"UPDATE totp_secret SET sealed = (SELECT sealed FROM totp_secret WHERE person_id = {anna.person_id}) "
        "WHERE person_id = %s"
    )
    pending = await enter(ben.email)
    answer = await pending.give(app.code())
    assert (answer.status, answer.code) == (503, "sign_in_unavailable")
    assert (await pending.give(recovery_codes[0])).status == 200, "recovery codes need no key"


async def test_events_tell_of_it_without_a_code(anna: Somebody, enter: Enter) -> None:
    app, _ = await anna.new_app()
    pending = await enter(anna.email)
    wrong, right = app.wrong_code(), app.code()
    await pending.give(wrong)
    await pending.give(right)
    await pending.request("DELETE", "/api/me/totp")
    actions = await anna.actions()
    for action in ("totp.enabled", "sign_in.failed", "session.second_factor", "totp.disabled"):
        assert action in actions
    stored = await anna.gateway.rows("SELECT detail::text FROM audit_event WHERE person_id = %s", anna.person_id)
    for secret in (wrong, right):
        assert not any(secret in detail for (detail,) in stored)


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "12345६", "-12345", "1" * 40])
async def test_what_is_no_code_is_wrong_and_no_more(anna: Somebody, code: str) -> None:
    await anna.new_app()
    answer = await anna.give(code)
    assert answer.code in ("sign_in_failed", "invalid_request")
    assert answer.status in (401, 400)


async def test_without_a_secrets_key_codes_are_off_and_it_says_why(
    cluster: TestCluster, gateway: RunningGateway
) -> None:
    async with serve_gateway(cluster, sandbox=gateway.sandbox) as bare, Somebody(bare) as anna:
        await anna.enter()
        answer = await anna.request("POST", "/api/me/totp")
        assert (answer.status, answer.code) == (503, "sign_in_unavailable")
        assert "FAREBOX_SECRETS_KEY" in answer.json["error"]["message"]
        assert (await anna.link()).status == 200, "passkeys need none"
        setup = await anna.get("/api/setup")
    states = {item["capability"]: item["state"] for item in setup["readiness"]}
    assert states["authenticator_apps"] == "operator_action_needed"
