"""A conversation stays where it was answered, so that the provider's cache is warm; a new one goes where the order
says."""

from typing import Any

import pytest

from tests.gateway import Customer
from tests.matrix.conftest import Market


def by_session_field(name: str) -> dict[str, Any]:
    return {"session_id": name}


def by_session_header(name: str) -> dict[str, Any]:
    return {"session_id": "", "headers": {"x-session-id": name}}


def by_cache_key(name: str) -> dict[str, Any]:
    return {"session_id": "", "prompt_cache_key": name}


def by_opening(name: str) -> dict[str, Any]:
    return {"session_id": "", "message": f"Reply exactly: {name}"}


NAMED = pytest.mark.parametrize("named", [by_session_field, by_session_header, by_cache_key, by_opening])


async def sticky(market: Market, customer: Customer, **fields: Any) -> tuple[str, bool]:
    """The provider that answered, and whether the receipt says that the conversation was there before."""
    receipt = await market.receipt(customer, "trio", **fields)
    assert receipt.routing is not None
    return receipt.attempts[-1].provider, receipt.routing.sticky


@NAMED
@pytest.mark.parametrize("stream", [False, True])
async def test_a_conversation_stays_where_it_was_answered(
    market: Market, customer: Customer, named: Any, stream: bool
) -> None:
    cheap = {"provider": {"sort": "price"}}
    assert await sticky(market, customer, **named("a"), **cheap, stream=stream) == ("cheap", False)
    # The operator's order says otherwise, and so does every new conversation.
    assert await sticky(market, customer, **named("a"), stream=stream) == ("cheap", True)
    assert await sticky(market, customer, **named("b"), stream=stream) == ("dear", False)
    # The price says otherwise for this one.
    assert await sticky(market, customer, **named("b"), **cheap, stream=stream) == ("dear", True)
    assert await sticky(market, customer, **named("a"), stream=stream) == ("cheap", True)


async def test_after_a_fault_a_conversation_moves_and_stays(market: Market, customer: Customer) -> None:
    talk = by_session_field("moving")
    assert await sticky(market, customer, **talk) == ("dear", False)
    await market.fault("trio", "dear", status=500, times=1)
    assert await market.path(customer, "trio", **talk) == ["dear", "=middle"]
    for _ in range(3):
        assert await sticky(market, customer, **talk) == ("middle", True)
    assert await sticky(market, customer) == ("dear", False)


async def test_a_conversation_that_began_while_a_route_was_cooling_stays_where_it_began(
    market: Market, customer: Customer
) -> None:
    await market.fault("pair", "dear", status=429, retry_after_seconds=10, times=1)
    await market.path(customer, "pair")
    talk = by_session_field("began elsewhere")
    assert await market.path(customer, "pair", **talk) == ["=middle"]
    market.pass_seconds(11)
    assert await market.path(customer, "pair", **talk) == ["=middle"]
    assert await market.path(customer, "pair") == ["=dear"]


async def test_a_conversation_without_fallbacks_is_remembered_too(market: Market, customer: Customer) -> None:
    talk, alone = by_session_field("alone"), {"allow_fallbacks": False}
    assert await sticky(market, customer, **talk, provider={**alone, "sort": "price"}) == ("cheap", False)
    assert await sticky(market, customer, **talk, provider=alone) == ("cheap", True)


async def test_who_lists_providers_is_asked_in_that_order(market: Market, customer: Customer) -> None:
    talk = by_session_field("listed")
    assert await sticky(market, customer, **talk) == ("dear", False)
    assert await sticky(market, customer, **talk, provider={"order": ["middle"]}) == ("middle", False)


async def test_a_policy_is_stronger_than_a_conversation(market: Market, customer: Customer) -> None:
    talk = by_session_field("forbidden")
    assert await sticky(market, customer, **talk) == ("dear", False)
    assert await sticky(market, customer, **talk, provider={"ignore": ["dear"]}) == ("middle", False)
    assert await sticky(market, customer, **talk, provider={"max_price": {"prompt": 1}}) == ("cheap", False)


async def test_a_conversation_of_another_workspace_under_the_same_name_is_another(
    market: Market, customer: Customer
) -> None:
    talk, other = by_session_field("same"), await market.gateway.new_customer()
    assert await sticky(market, customer, **talk, provider={"sort": "price"}) == ("cheap", False)
    assert await sticky(market, other, **talk) == ("dear", False)


async def test_a_conversation_that_was_quiet_for_long_begins_anew(market: Market, customer: Customer) -> None:
    talk = by_session_field("quiet")
    assert await sticky(market, customer, **talk, provider={"sort": "price"}) == ("cheap", False)
    market.pass_seconds(market.gateway.settings.routing.sticky_seconds + 1)
    assert await sticky(market, customer, **talk) == ("dear", False)


async def test_an_answer_that_breaks_off_does_not_make_a_conversation_stay(market: Market, customer: Customer) -> None:
    talk = by_session_field("broken off")
    await market.fault("trio", "dear", words=5, error_mid_stream=2, times=1)
    assert await market.path(customer, "trio", **talk, stream=True) == ["dear"]
    assert await sticky(market, customer, **talk) == ("dear", False)
