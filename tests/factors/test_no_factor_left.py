"""Whoever has taken their second factor away has given none: it counts for no role that they get afterwards."""

from collections.abc import Awaitable, Callable

import pytest

from tests.factors.people import Somebody


async def _without_app(anna: Somebody) -> None:
    await anna.new_app()
    assert (await anna.request("DELETE", "/api/me/totp")).status == 204


async def _without_passkey(anna: Somebody) -> None:
    passkey = await anna.new_passkey()
    assert (await anna.use(passkey, purpose="step_up")).status == 200
    (linked,) = (await anna.get("/api/me"))["passkeys"]
    assert (await anna.request("DELETE", f"/api/me/passkeys/{linked['passkey_id']}")).status == 204


@pytest.mark.parametrize("lose", [_without_app, _without_passkey], ids=["an app", "a passkey"])
async def test_a_factor_that_is_gone_opens_nothing_to_who_becomes_an_operator(
    anna: Somebody, lose: Callable[[Somebody], Awaitable[None]]
) -> None:
    await lose(anna)
    await anna.become("superadmin")
    refused = await anna.request("GET", "/api/operator/workspaces")
    assert (refused.status, refused.code) == (403, "second_factor_required")
    # Still signed in, so that they can set one up; then they are in.
    await anna.new_app()
    assert (await anna.request("GET", "/api/operator/workspaces")).status == 200


async def test_a_factor_that_is_left_still_counts(anna: Somebody) -> None:
    await anna.new_app()
    await anna.new_passkey()
    assert (await anna.request("DELETE", "/api/me/totp")).status == 204
    await anna.become("superadmin")
    assert (await anna.request("GET", "/api/operator/workspaces")).status == 200
