"""What somebody might send instead of a passkey's honest answer."""

import asyncio
from typing import Any

import pytest

from tests.factors.authenticator import PRESENT, Lie, SoftPasskey, encoded
from tests.factors.conftest import Enter
from tests.factors.people import Somebody
from tests.people.clocks import in_one_window

LIES = {
    "another origin": Lie(origin="https://evil.example"),
    "the origin of another port": Lie(origin="http://localhost:1"),
    "another relying party": Lie(rp_id="evil.example"),
    "another challenge": Lie(challenge=encoded(b"c" * 32)),
    "no user verification": Lie(flags=PRESENT),
    "nobody present": Lie(flags=0x04),
    "another ceremony": Lie(type="webauthn.other"),
}
OF_USE = {
    "a tampered signature": Lie(signature=b"0" * 70),
    "a counter that goes backwards": Lie(count=1),
    "another person's handle": Lie(user_handle=(1).to_bytes(8)),
    "a credential that nobody has": Lie(credential_id=b"nobody's"),
}


@pytest.mark.parametrize("lie", [*LIES.values(), *OF_USE.values()], ids=[*LIES, *OF_USE])
async def test_a_lie_does_not_sign_in(anna: Somebody, stranger: Somebody, lie: Lie) -> None:
    passkey = await anna.new_passkey()
    answer = await stranger.use(passkey, lie)
    assert (answer.status, answer.code) == (401, "sign_in_failed")
    assert not stranger.cookie
    assert (await stranger.use(passkey)).status == 200, "the truth does"


@pytest.mark.parametrize("lie", [*LIES.values(), Lie(credential_id=b"another")], ids=[*LIES, "another credential"])
async def test_a_lie_links_nothing(anna: Somebody, lie: Lie) -> None:
    answer = await anna.link(lie=lie)
    assert (answer.status, answer.code) == (401, "sign_in_failed")
    assert not await anna.gateway.rows("SELECT 1 FROM passkey WHERE person_id = %s", anna.person_id)


@pytest.mark.parametrize("lie", [*LIES.values(), *OF_USE.values()], ids=[*LIES, *OF_USE])
async def test_a_lie_steps_nothing_up(anna: Somebody, lie: Lie) -> None:
    passkey = await anna.new_passkey()
    await anna.grow_stale()
    assert (await anna.use(passkey, lie, purpose="step_up")).code == "sign_in_failed"
    assert not await anna.is_fresh()


async def test_an_answer_is_good_once(anna: Somebody, stranger: Somebody) -> None:
    passkey = await anna.new_passkey()
    challenge = await stranger.challenge()
    credential = passkey.get(challenge["options"], stranger.gateway.site)
    assert (await stranger.answer(challenge, credential)).status == 200
    assert (await stranger.answer(challenge, credential)).code == "sign_in_failed"


async def test_a_wrong_answer_uses_the_challenge_up(anna: Somebody, stranger: Somebody) -> None:
    passkey = await anna.new_passkey()
    challenge = await stranger.challenge()
    wrong = passkey.get(challenge["options"], stranger.gateway.site, Lie(signature=b"0" * 70))
    assert (await stranger.answer(challenge, wrong)).code == "sign_in_failed"
    right = passkey.get(challenge["options"], stranger.gateway.site)
    assert (await stranger.answer(challenge, right)).code == "sign_in_failed"


async def test_of_two_answers_at_once_one_signs_in(anna: Somebody, stranger: Somebody) -> None:
    passkey = await anna.new_passkey()
    challenge = await stranger.challenge()
    credential = passkey.get(challenge["options"], stranger.gateway.site)
    answers = await asyncio.gather(*(stranger.answer(challenge, credential) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 401, 401, 401]


async def test_a_signature_does_not_fit_another_challenge(anna: Somebody, stranger: Somebody) -> None:
    passkey = await anna.new_passkey()
    one, other = await stranger.challenge(), await stranger.challenge()
    credential = passkey.get(one["options"], stranger.gateway.site)
    assert (await stranger.answer(other, credential)).code == "sign_in_failed"


async def test_an_expired_challenge_is_void(anna: Somebody, stranger: Somebody) -> None:
    passkey = await anna.new_passkey()
    challenge = await stranger.challenge()
    async with stranger.gateway.connect() as connection:
        await connection.execute(
            "UPDATE passkey_challenge SET expires_at = created_at WHERE challenge_id = %s", (challenge["challenge_id"],)
        )
    credential = passkey.get(challenge["options"], stranger.gateway.site)
    assert (await stranger.answer(challenge, credential)).code == "sign_in_failed"


async def test_an_unknown_challenge_is_void(stranger: Somebody) -> None:
    challenge = {"challenge_id": "5f0c2d53-6a0f-4f4e-8f0a-0d7a1c7f1b11"}
    assert (await stranger.answer(challenge, {})).code == "sign_in_failed"


@pytest.mark.parametrize("purpose", ["link", "step_up"])
async def test_a_challenge_is_answered_in_the_session_that_asked(anna: Somebody, enter: Enter, purpose: str) -> None:
    passkey = await anna.new_passkey()
    challenge = await anna.challenge(purpose)
    ben = await enter()
    if purpose == "link":
        credential = SoftPasskey().create(challenge["options"], ben.gateway.site)
    else:
        credential = passkey.get(challenge["options"], ben.gateway.site)
    assert (await ben.answer(challenge, credential)).code == "sign_in_failed"
    assert not await ben.gateway.rows("SELECT 1 FROM passkey WHERE person_id = %s", ben.person_id)


async def test_another_session_of_the_same_person_cannot_answer_either(anna: Somebody, enter: Enter) -> None:
    passkey = await anna.new_passkey()
    challenge = await anna.challenge("step_up")
    elsewhere = await enter(anna.email)
    credential = passkey.get(challenge["options"], anna.gateway.site)
    assert (await elsewhere.answer(challenge, credential)).code == "sign_in_failed"


async def test_nobody_steps_up_with_another_persons_passkey(anna: Somebody, enter: Enter) -> None:
    ben = await enter()
    await anna.new_passkey()
    foreign = await ben.new_passkey()
    await anna.grow_stale()
    assert (await anna.use(foreign, purpose="step_up")).code == "sign_in_failed"
    assert not await anna.is_fresh()


async def test_a_passkey_belongs_to_one_person(anna: Somebody, enter: Enter) -> None:
    passkey = await anna.new_passkey()
    ben = await enter()
    answer = await ben.link(SoftPasskey(passkey.credential_id))
    assert (answer.status, answer.code) == (409, "conflict")
    again = await anna.link(passkey)
    assert (again.status, again.code) == (409, "conflict")


@pytest.mark.parametrize("purpose", ["link", "step_up"])
async def test_without_a_session_there_is_nothing_to_link_or_step_up(stranger: Somebody, purpose: str) -> None:
    answer = await stranger.request("POST", "/api/auth/passkey/challenge", body={"purpose": purpose})
    assert (answer.status, answer.code) == (401, "not_signed_in")


async def test_a_stale_session_links_no_passkey(anna: Somebody) -> None:
    challenge = await anna.challenge("link")
    await anna.grow_stale()
    refused = await anna.request("POST", "/api/auth/passkey/challenge", body={"purpose": "link"})
    assert (refused.status, refused.code) == (403, "step_up_required")
    made = SoftPasskey().create(challenge["options"], anna.gateway.site)
    assert (await anna.answer(challenge, made)).code == "step_up_required", "nor with a challenge from before"


async def test_a_pending_session_links_no_passkey(anna: Somebody, enter: Enter) -> None:
    await anna.new_app()
    pending = await enter(anna.email)
    refused = await pending.request("POST", "/api/auth/passkey/challenge", body={"purpose": "link"})
    assert refused.code == "second_factor_required"


async def test_a_disabled_person_does_not_get_in(anna: Somebody, stranger: Somebody) -> None:
    passkey = await anna.new_passkey()
    await anna.change("UPDATE person SET status = 'disabled' WHERE person_id = %s")
    assert (await stranger.use(passkey)).code == "sign_in_failed"


async def test_another_sites_page_signs_nobody_in(stranger: Somebody) -> None:
    evil = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    for path in ("/api/auth/passkey/challenge", "/api/auth/passkey/verify"):
        answer = await stranger.request("POST", path, body={}, headers=dict(evil))
        assert (answer.status, answer.code) == (403, "cross_site_request")


RUBBISH: dict[str, Any] = {
    "a text": "credential",
    "a number": 5,
    "nothing": None,
    "an empty object": {},
    "no response": {"id": "a", "rawId": "a", "type": "public-key"},
    "numbers for texts": {"id": 1, "rawId": 2, "type": 3, "response": 4},
    "no base64": {"id": "é", "rawId": "é", "type": "public-key", "response": {"clientDataJSON": "é"}},
    "deep": {"id": [[[[[[]]]]]], "rawId": "", "type": "", "response": {}},
    "long": {"id": "a" * 35_000, "rawId": "a", "type": "public-key", "response": {"clientDataJSON": ""}},
}


@pytest.mark.parametrize("credential", RUBBISH.values(), ids=RUBBISH)
@pytest.mark.parametrize("purpose", ["sign_in", "link"])
async def test_rubbish_is_refused_calmly(anna: Somebody, purpose: str, credential: Any) -> None:
    answer = await anna.answer(await anna.challenge(purpose), credential)
    assert (answer.status, answer.code) == (401, "sign_in_failed")


@pytest.mark.parametrize("field", ["clientDataJSON", "authenticatorData", "signature", "attestationObject"])
@pytest.mark.parametrize("rubbish", ["", encoded(b"\xff" * 40), encoded(b"[" * 5_000), encoded(b"{}"), "%%%"])
async def test_rubbish_inside_a_credential_is_refused_calmly(anna: Somebody, field: str, rubbish: str) -> None:
    if field == "attestationObject":
        challenge = await anna.challenge("link")
        credential = SoftPasskey().create(challenge["options"], anna.gateway.site)
    else:
        passkey = await anna.new_passkey()
        challenge = await anna.challenge()
        credential = passkey.get(challenge["options"], anna.gateway.site)
    credential["response"][field] = rubbish
    answer = await anna.answer(challenge, credential)
    assert (answer.status, answer.code) == (401, "sign_in_failed")


async def test_a_body_beyond_all_measure_is_not_read(stranger: Somebody) -> None:
    answer = await stranger.request("POST", "/api/auth/passkey/verify", body=b"[" + b" " * 50_000 + b"]")
    assert (answer.status, answer.code) == (413, "request_too_large")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b'{"challenge_id": 5, "credential": {}}', b"\xff\xfe"])
async def test_what_is_no_answer_is_an_invalid_request(stranger: Somebody, body: bytes) -> None:
    answer = await stranger.request("POST", "/api/auth/passkey/verify", body=body)
    assert (answer.status, answer.code) == (400, "invalid_request")


async def test_answers_are_limited_for_each_address(stranger: Somebody) -> None:
    challenge = {"challenge_id": "5f0c2d53-6a0f-4f4e-8f0a-0d7a1c7f1b11"}
    await in_one_window(300, needed_seconds=20.0)
    codes: list[str] = []
    while "too_many_attempts" not in codes:
        codes.append((await stranger.answer(challenge, {})).code)
        assert len(codes) <= 300
    assert len(codes) > 120


async def test_a_failure_stands_in_the_record_of_whose_passkey_it_was(anna: Somebody, stranger: Somebody) -> None:
    passkey = await anna.new_passkey()
    await stranger.use(passkey, Lie(signature=b"0" * 70))
    assert (await anna.actions())[-1] == "sign_in.failed"
