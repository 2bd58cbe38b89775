"""Recovery codes: ten, shown once, each good once."""

import hashlib

import pytest

from tests.factors.conftest import Enter
from tests.factors.people import Somebody
from tests.people.clocks import in_one_window


async def test_turning_an_app_on_gives_ten_codes(anna: Somebody) -> None:
    _, codes = await anna.new_app()
    assert len(set(codes)) == 10
    assert all(len(code) == 19 and [len(group) for group in code.split("-")] == [4, 4, 4, 4] for code in codes)


async def test_only_hashes_are_stored(anna: Somebody) -> None:
    _, codes = await anna.new_app()
    rows = await anna.gateway.rows("SELECT code_hash FROM recovery_code WHERE person_id = %s", anna.person_id)
    assert {row[0] for row in rows} == {hashlib.sha256(code.replace("-", "").encode()).digest() for code in codes}


async def test_a_recovery_code_is_good_once_and_tells_how_many_are_left(anna: Somebody, enter: Enter) -> None:
    _, codes = await anna.new_app()
    pending = await enter(anna.email)
    answer = await pending.give(codes[3])
    assert (answer.status, answer.json["state"], answer.json["recovery_codes_left"]) == (200, "active", 9)
    assert (await (await enter(anna.email)).give(codes[3])).code == "sign_in_failed"
    assert (await (await enter(anna.email)).give(codes[4])).json["recovery_codes_left"] == 8
    assert (await anna.actions()).count("recovery.used") == 2


@pytest.mark.parametrize("write", [str.upper, lambda code: code.replace("-", " "), lambda code: code.replace("-", "")])
async def test_it_may_be_written_in_any_way(anna: Somebody, enter: Enter, write: object) -> None:
    assert callable(write)
    _, codes = await anna.new_app()
    assert (await (await enter(anna.email)).give(write(codes[0]))).status == 200


async def test_letters_that_look_like_figures_are_read_as_such(anna: Somebody, enter: Enter) -> None:
    _, codes = await anna.new_app()
    code = next((code for code in codes if "0" in code or "1" in code), codes[0])
    assert (await (await enter(anna.email)).give(code.replace("0", "O").replace("1", "l"))).status == 200


async def test_another_persons_recovery_code_is_worth_nothing(anna: Somebody, enter: Enter) -> None:
    ben = await enter()
    _, codes = await ben.new_app()
    await anna.new_app()
    assert (await (await enter(anna.email)).give(codes[0])).code == "sign_in_failed"


async def test_new_codes_make_the_former_void(anna: Somebody, enter: Enter) -> None:
    _, former = await anna.new_app()
    renewed = (await anna.post("/api/me/recovery-codes"))["recovery_codes"]
    assert not set(former) & set(renewed)
    pending = await enter(anna.email)
    assert (await pending.give(former[0])).code == "sign_in_failed"
    assert (await pending.give(renewed[0])).status == 200
    assert "recovery.renewed" in await anna.actions()


async def test_new_codes_want_a_fresh_second_factor(anna: Somebody) -> None:
    await anna.new_app()
    await anna.grow_stale()
    assert (await anna.request("POST", "/api/me/recovery-codes")).code == "step_up_required"


async def test_who_has_no_app_has_no_recovery_codes(anna: Somebody) -> None:
    assert (await anna.request("POST", "/api/me/recovery-codes")).code == "not_found"


async def test_a_lost_telephone_is_replaced_by_a_recovery_code(anna: Somebody, enter: Enter) -> None:
    _, codes = await anna.new_app()
    again = await enter(anna.email)
    assert (await again.give(codes[0])).status == 200
    assert (await again.request("DELETE", "/api/me/totp")).status == 204
    app, _ = await again.new_app()
    assert (await (await enter(anna.email)).give(app.code())).status == 200


async def test_codes_are_void_with_the_app(anna: Somebody) -> None:
    await anna.new_app()
    await anna.request("DELETE", "/api/me/totp")
    assert not await anna.gateway.rows("SELECT 1 FROM recovery_code WHERE person_id = %s", anna.person_id)


async def test_guessing_recovery_codes_is_cut_off(anna: Somebody, enter: Enter) -> None:
    _, codes = await anna.new_app()
    pending = await enter(anna.email)
    await in_one_window(300)
    answers = [await pending.give("0000-0000-0000-0000") for _ in range(61)]
    assert answers[-1].code == "too_many_attempts"
    assert (await pending.give(codes[0])).code == "too_many_attempts"


async def test_who_has_somebodys_mailbox_cannot_keep_them_from_their_recovery_codes(
    anna: Somebody, enter: Enter
) -> None:
    app, codes = await anna.new_app()
    thief = await enter(anna.email)
    await in_one_window(300)
    for _ in range(6):
        await thief.give(app.wrong_code())
        await thief.give("0000-0000-0000-0000")
    owner = await enter(anna.email)
    assert (await owner.give(app.code())).code == "too_many_attempts"
    assert (await owner.give(codes[0])).status == 200
