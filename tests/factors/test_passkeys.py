"""Passkeys: linked, used to sign in and to step up."""

from tests.factors.authenticator import SoftPasskey, decoded
from tests.factors.conftest import Enter
from tests.factors.people import Somebody


async def test_a_passkey_signs_in_without_anybody_saying_who_they_are(anna: Somebody, stranger: Somebody) -> None:
    passkey = await anna.new_passkey()
    answer = await stranger.use(passkey)
    assert answer.status == 200, answer.text
    assert answer.json["state"] == "active"
    assert (await stranger.get("/api/me"))["person_id"] == (await anna.get("/api/me"))["person_id"]


async def test_the_browser_is_asked_for_whatever_it_has_and_for_verification(stranger: Somebody) -> None:
    options = (await stranger.challenge())["options"]
    assert options["allowCredentials"] == []
    assert options["userVerification"] == "required"
    assert options["rpId"] == "localhost"


async def test_a_new_passkey_is_discoverable_and_names_nobody(anna: Somebody) -> None:
    options = (await anna.challenge("link"))["options"]
    chosen = options["authenticatorSelection"]
    assert (chosen["residentKey"], chosen["userVerification"]) == ("required", "required")
    assert options["rp"] == {"id": "localhost", "name": "Farebox"}
    assert options["attestation"] == "none"
    handle = decoded(options["user"]["id"])
    assert handle == anna.person_id.to_bytes(8)


async def test_a_device_that_has_a_passkey_is_told_to_make_no_other(anna: Somebody) -> None:
    passkey = await anna.new_passkey()
    options = (await anna.challenge("link"))["options"]
    assert [known["id"] for known in options["excludeCredentials"]] == [passkey.shown_id]
    assert options["excludeCredentials"][0]["transports"] == ["internal", "hybrid"]


async def test_a_passkey_is_called_after_the_browser_or_as_its_owner_says(anna: Somebody) -> None:
    await anna.new_passkey()
    assert (await anna.link(name="  Blue key ")).status == 200
    names = await anna.gateway.rows("SELECT name FROM passkey WHERE person_id = %s ORDER BY linked_at", anna.person_id)
    assert [name for (name,) in names] == ["Passkey", "Blue key"]


async def test_signing_in_with_a_passkey_is_a_second_factor(anna: Somebody, stranger: Somebody) -> None:
    passkey = await anna.new_passkey()
    await anna.become("superadmin")
    assert (await stranger.use(passkey)).status == 200
    assert (await stranger.request("GET", "/api/operator/routes")).status == 200


async def test_each_use_gives_the_session_a_new_token(anna: Somebody) -> None:
    passkey = await anna.new_passkey()
    former = anna.cookie
    assert (await anna.use(passkey, purpose="step_up")).status == 200
    assert anna.cookie != former
    anna.cookie, current = former, anna.cookie
    assert (await anna.request("GET", "/api/me")).status == 401
    anna.cookie = current
    assert (await anna.request("GET", "/api/me")).status == 200


async def test_a_passkey_steps_a_stale_session_up(anna: Somebody) -> None:
    passkey = await anna.new_passkey()
    await anna.grow_stale()
    assert not await anna.is_fresh()
    assert (await anna.use(passkey, purpose="step_up")).status == 200
    assert await anna.is_fresh()


async def test_a_step_up_asks_for_the_persons_own_passkeys(anna: Somebody) -> None:
    passkey = await anna.new_passkey()
    options = (await anna.challenge("step_up"))["options"]
    assert [allowed["id"] for allowed in options["allowCredentials"]] == [passkey.shown_id]


async def test_who_has_no_passkey_cannot_step_up_with_one(anna: Somebody) -> None:
    answer = await anna.request("POST", "/api/auth/passkey/challenge", body={"purpose": "step_up"})
    assert (answer.status, answer.code) == (409, "conflict")


async def test_a_passkey_is_the_second_factor_of_a_pending_session(anna: Somebody, enter: Enter) -> None:
    passkey = await anna.new_passkey()
    await anna.new_app()
    pending = await enter(anna.email)
    assert (await pending.request("GET", "/api/me")).code == "second_factor_required"
    assert (await pending.use(passkey, purpose="step_up")).json["state"] == "active"
    assert (await pending.request("GET", "/api/me")).status == 200


async def test_linking_and_using_stand_in_the_record(anna: Somebody) -> None:
    passkey = await anna.new_passkey()
    await anna.use(passkey, purpose="step_up")
    assert (await anna.actions())[-3:] == ["passkey.linked", "session.stepped_up", "session.stepped_up"]


async def test_the_owner_is_told_by_letter(anna: Somebody) -> None:
    before = (await anna.letters(anna.email))[0].letter_id
    await anna.new_passkey()
    letter = await anna.letter(anna.email, after=before)
    assert "passkey was added" in letter.body


async def test_there_are_twenty_passkeys_at_most(anna: Somebody) -> None:
    await anna.new_passkey()
    await anna.change(
        "INSERT INTO passkey (passkey_id, person_id, credential_id, public_key, sign_count, is_backed_up, name, "
        "linked_at) SELECT 1000000 + number, person_id, decode(md5(person_id::text || number::text), 'hex'), "
        "public_key, 0, false, 'many', 1 FROM passkey, generate_series(1, 19) AS number WHERE person_id = %s"
    )
    answer = await anna.request("POST", "/api/auth/passkey/challenge", body={"purpose": "link"})
    assert (answer.status, answer.code) == (409, "conflict")


async def test_an_unlinked_passkey_opens_nothing_and_may_be_linked_again(anna: Somebody, stranger: Somebody) -> None:
    passkey = await anna.new_passkey()
    assert (await anna.use(passkey, purpose="step_up")).status == 200
    (linked,) = (await anna.get("/api/me"))["passkeys"]
    assert (await anna.request("DELETE", f"/api/me/passkeys/{linked['passkey_id']}")).status == 204
    assert (await anna.actions())[-1] == "passkey.unlinked"
    assert (await stranger.use(passkey)).code == "sign_in_failed"
    assert (await anna.link(passkey)).status == 200
    assert (await stranger.use(passkey)).status == 200


async def test_a_counter_that_stays_zero_is_no_copy(anna: Somebody, stranger: Somebody) -> None:
    """Passkeys that are kept by a service have no counter."""
    passkey = SoftPasskey()
    passkey.count = 0
    assert (await anna.link(passkey)).status == 200
    for _ in range(2):
        passkey.count = -1
        assert (await stranger.use(passkey)).status == 200
