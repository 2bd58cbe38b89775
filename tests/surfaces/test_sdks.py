"""Every surface on every upstream dialect through the official SDKs: what a program does all day works unchanged.

The sandbox signs its thoughts and checks the seals when they come back, so a lost or altered one is a 400 here.
"""

import json

import anthropic
import openai
import pytest

from tests.surfaces.drivers import PIXEL, Call, Driver, Failed, told
from tests.surfaces.shop import UPSTREAMS

pytestmark = pytest.mark.parametrize("model", UPSTREAMS)
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
_LENGTH = {"chat": "length", "responses": "max_output_tokens", "messages": "max_tokens"}
_END = {"chat": "stop", "responses": "completed", "messages": "end_turn"}
_CALLS = {"chat": "tool_calls", "responses": "completed", "messages": "tool_use"}


@STREAMED
async def test_text_comes_as_it_was_said(driver: Driver, model: str, stream: bool) -> None:
    said = await driver.say(model, 'Reply exactly: Grüße, 世界 🌍 \\ "quoted"', stream=stream)
    assert said.text == 'Grüße, 世界 🌍 \\ "quoted"'
    assert said.stop == _END[driver.name] and not said.calls


@STREAMED
async def test_tools_work_over_three_turns(driver: Driver, model: str, stream: bool) -> None:
    first = await driver.say(model, "use tool weather and use tool weather", tools=True, stream=stream)
    assert [call.name for call in first.calls] == ["weather", "weather"]
    assert all(isinstance(call.arguments["city"], str) for call in first.calls)
    assert first.stop == _CALLS[driver.name]
    history = [*first.history, *driver.results(first, "sunny, 20 °C")]
    second = await driver.ask(model, history, tools=True, stream=stream)
    assert "tool result of" in second.text, "the sandbox tells the length of what the tools answered"
    history = [*second.history, *driver.user("use tool weather")]
    third = await driver.ask(model, history, tools=True, stream=stream)
    assert third.calls == [Call("weather", first.calls[0].arguments)]
    history = [*third.history, *driver.results(third, "rain")]
    assert "4" in (await driver.ask(model, history, tools=True, stream=stream)).text


@STREAMED
async def test_thinking_comes_back_intact_in_the_next_turn(driver: Driver, model: str, stream: bool) -> None:
    first = await driver.say(model, "use tool weather", tools=True, thinking=True, stream=stream)
    assert first.thought or model == "openai_chat", "the thought, or a summary of it, is shown"
    assert len(first.calls) == 1
    looked = await driver.ask(
        model,
        [*first.history, *driver.results(first, told(echo=True) + "fog")],
        tools=True,
        thinking=True,
        stream=stream,
    )
    parts = [part for turn in json.loads(looked.text)["request"]["turns"] for part in turn["parts"]]
    sealed = [part for part in parts if part.get("signed")]
    assert sealed or model == "openai_chat", f"the provider did not get its thought back: {parts}"
    history = [*first.history, *driver.results(first, "fog")]
    second = await driver.ask(model, history, tools=True, thinking=True, stream=stream)
    assert "3" in second.text
    third = await driver.ask(
        model, [*second.history, *driver.user("Reply exactly: done")], thinking=True, stream=stream
    )
    assert third.text == "done"


@STREAMED
async def test_structured_output_follows_its_schema(driver: Driver, model: str, stream: bool) -> None:
    said = await driver.say(model, "Where?", schema=True, stream=stream)
    assert isinstance(json.loads(said.text)["city"], str)


async def test_an_image_arrives_byte_for_byte(driver: Driver, model: str) -> None:
    said = await driver.ask(model, driver.user(f"What is it? {told(echo=True)}", image=True))
    seen = json.loads(said.text)["request"]
    kinds = [part["kind"] for turn in seen["turns"] for part in turn["parts"]]
    assert "image" in kinds, seen
    assert len(PIXEL) > 0


@STREAMED
async def test_an_answer_that_was_too_long_says_so(driver: Driver, model: str, stream: bool) -> None:
    said = await driver.say(model, told(words=500) + "go on", stream=stream, limit=16)
    assert said.stop == _LENGTH[driver.name]


async def test_an_error_of_the_provider_is_told_in_the_clients_dialect(driver: Driver, model: str) -> None:
    with pytest.raises(Exception) as raised:
        await driver.say(model, told(status=400, error_message="that will not do") + "hello")
    error: object = raised.value
    assert getattr(error, "status_code") == 400  # noqa: B009 - the two packages have no common class
    assert "that will not do" in str(error)
    assert await driver.customer.balance() == "10.00"


async def test_a_stream_that_breaks_is_an_error_and_costs_nothing(driver: Driver, model: str) -> None:
    with pytest.raises(Exception, match=r".") as raised:
        await driver.say(model, told(words=50, error_mid_stream=5) + "go on", stream=True)
    assert isinstance(raised.value, (Failed, openai.APIError, anthropic.APIError)), raised.value
    await driver.customer.gateway.idle()
    assert await driver.customer.balance() == "10.00"


async def test_a_stream_that_is_cut_is_never_taken_for_whole(driver: Driver, model: str) -> None:
    with pytest.raises(Exception, match=r".") as raised:
        await driver.say(model, told(words=50, cut_at_byte=2_500) + "go on", stream=True)
    assert isinstance(raised.value, (Failed, openai.APIError, anthropic.APIError)), raised.value
    await driver.customer.gateway.idle()
    assert await driver.customer.balance() == "10.00"
