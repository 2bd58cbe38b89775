"""What a provider would bill beyond what the hold covers is counted, or refused before anything is held or sent."""

from typing import Any

import msgspec
import pytest

from farebox.dialects.port import Edits, Profile
from farebox.dialects.registry import CHAT
from tests.gateway import Customer

_TEXT = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 20}


async def _refused(customer: Customer, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with customer.post(path, body) as response:
        document = await response.json()
        assert response.status == 400, document
    assert await customer.call_ids() == []
    found: dict[str, Any] = document["error"]
    assert found["code"] == "invalid_request"
    return found


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"tools": [{"type": "web_search"}, {"type": "browser_search"}]}, "server_tool:browser_search"),
        ({"search_parameters": {"mode": "on"}}, "server_tool:live_search"),
        ({"plugins": [{"id": "web"}]}, "server_tool:plugins"),
        ({"models": ["a/dearer-one"]}, "server_tool:model_fallback"),
    ],
)
async def test_chat_asks_for_nothing_that_has_no_price(customer: Customer, fields: dict[str, Any], name: str) -> None:
    error = await _refused(customer, "/v1/chat/completions", {"model": "openai_chat", **_TEXT, **fields})
    assert error["feature"] == name


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"mcp_servers": [{"type": "url", "url": "https://a.example", "name": "a"}]}, "server_tool:mcp"),
        ({"thread": {"type": "continue", "previous_message_id": "msg_1"}}, "server_tool:thread"),
        ({"inference_geo": "us"}, "server_tool:inference_geo"),
        ({"fallbacks": "default"}, "server_tool:model_fallback"),
    ],
)
async def test_messages_ask_for_nothing_that_has_no_price(
    customer: Customer, fields: dict[str, Any], name: str
) -> None:
    error = await _refused(customer, "/v1/messages", {"model": "anthropic_messages", **_TEXT, **fields})
    assert error["feature"] == name


async def test_fast_mode_is_a_tier_that_needs_a_price(customer: Customer) -> None:
    error = await _refused(customer, "/v1/messages", {"model": "anthropic_messages", **_TEXT, "speed": "fast"})
    assert error["param"] == "service_tier"


async def test_a_tool_that_is_refused_is_told_in_few_words(customer: Customer) -> None:
    tools = [{"type": "x" * 100_000}]
    error = await _refused(customer, "/v1/messages", {"model": "anthropic_messages", **_TEXT, "tools": tools})
    assert len(error["message"]) < 300


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"type": "document_url", "document_url": "https://a.example/b.pdf"}, "file"),
        ({"type": "audio_url", "audio_url": {"url": "https://a.example/b.wav"}}, "audio"),
        ({"image_url": {"url": "https://a.example/b.png"}}, "image"),
    ],
)
def test_what_lies_at_an_address_is_media_whatever_a_vendor_calls_it(part: dict[str, Any], kind: str) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": [part]}]}
    assert CHAT.read_request(msgspec.json.encode(body)).size.media == {kind: 1}


def test_pictures_that_a_model_made_are_counted_when_they_come_back() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}
    body = {"model": "m", "messages": [{"role": "assistant", "content": "Here.", "images": [picture] * 3}]}
    assert CHAT.read_request(msgspec.json.encode(body)).size.media == {"image": 3}


async def test_films_are_refused_where_their_price_is_not_known(customer: Customer) -> None:
    film = {"type": "video_url", "video_url": {"url": "https://a.example/b.mp4"}}
    body = {"model": "openai_chat", "messages": [{"role": "user", "content": [film]}]}
    assert "video" in (await _refused(customer, "/v1/chat/completions", body))["message"]


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("given", ["max_tokens", "max_completion_tokens"])
def test_the_output_limit_stands_where_the_provider_looks_for_it(field: str, given: str) -> None:
    body = msgspec.json.encode({"model": "m", "messages": _TEXT["messages"], given: 7})
    edits = Edits("upstream", 100, Profile(output_limit_field=field))
    sent = msgspec.json.decode(CHAT.native_body(CHAT.read_request(body), edits))
    assert {name: value for name, value in sent.items() if name.startswith("max_")} == {field: 7}
