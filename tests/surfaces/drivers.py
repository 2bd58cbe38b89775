"""What a program does with each official SDK, in the same words for every surface.

async with Chat(customer) as chat:
    said = await chat.say("gemini", "Reply exactly: hi")
"""

import abc
import inspect
import json
from types import TracebackType
from typing import Any, NamedTuple, Self

import anthropic
import openai

from tests.gateway import Customer

TOOL = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
# The smallest PNG there is: one transparent pixel.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
FAULT = "[[sandbox {}]]"


def told(**directives: Any) -> str:
    """The sandbox's directives as a text that survives translation."""
    return FAULT.format(json.dumps(directives))


async def parsed(raw: Any) -> Any:
    """The typed answer; the two packages differ in whether it is awaited."""
    found = raw.parse()
    return await found if inspect.isawaitable(found) else found


class Call(NamedTuple):
    """A tool call as the client sees it."""

    name: str
    arguments: dict[str, Any]


class Failed(Exception):
    """A Responses stream that said that it failed, which its SDK hands over as an event."""


class Said(NamedTuple):
    """One answer. `history` is what to send before the next user turn, `document` the answer as the SDK has it."""

    text: str
    thought: str
    calls: list[Call]
    stop: str
    headers: dict[str, str]
    history: list[Any]
    document: dict[str, Any]


class Driver(abc.ABC):
    """A surface through its SDK. `history` of one surface is never given to another."""

    name = ""

    def __init__(self, customer: Customer) -> None:
        self.customer = customer

    async def __aenter__(self) -> Self:
        return self

    @abc.abstractmethod
    async def __aexit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        """Close the client."""

    @abc.abstractmethod
    def user(self, text: str, *, image: bool = False) -> list[Any]:
        """A user turn, with the pixel if asked."""

    @abc.abstractmethod
    def results(self, said: Said, result: str) -> list[Any]:
        """The turn that answers every tool call of an answer."""

    @abc.abstractmethod
    async def ask(
        self,
        model: str,
        history: list[Any],
        *,
        tools: bool = False,
        thinking: bool = False,
        schema: bool = False,
        stream: bool = False,
        limit: int = 4_096,
        extra: dict[str, Any] | None = None,
    ) -> Said:
        """Send a conversation; a streamed answer is folded by the SDK's own helper."""

    async def say(self, model: str, text: str, **wanted: Any) -> Said:
        """One user turn."""
        return await self.ask(model, self.user(text), **wanted)


class _OpenAI(Driver):
    """What the two surfaces of the openai package have in common."""

    def __init__(self, customer: Customer) -> None:
        super().__init__(customer)
        self.client = openai.AsyncOpenAI(base_url=customer.gateway.base_url, api_key=customer.key.secret, max_retries=0)

    async def __aexit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        await self.client.close()


class Chat(_OpenAI):
    """`/v1/chat/completions` by the openai package."""

    name = "chat"

    def user(self, text: str, *, image: bool = False) -> list[Any]:
        if not image:
            return [{"role": "user", "content": text}]
        pixel = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
        return [{"role": "user", "content": [{"type": "text", "text": text}, pixel]}]

    def results(self, said: Said, result: str) -> list[Any]:
        calls = said.history[-1]["tool_calls"]
        return [{"role": "tool", "tool_call_id": call["id"], "content": result} for call in calls]

    async def ask(
        self,
        model: str,
        history: list[Any],
        *,
        tools: bool = False,
        thinking: bool = False,
        schema: bool = False,
        stream: bool = False,
        limit: int = 4_096,
        extra: dict[str, Any] | None = None,
    ) -> Said:
        fields: dict[str, Any] = {"model": model, "messages": history, "max_completion_tokens": limit, **(extra or {})}
        if tools:
            fields["tools"] = [{"type": "function", "function": {"name": "weather", "parameters": TOOL}}]
        if thinking:
            fields["reasoning_effort"] = "medium"
        if schema:
            form = {"name": "place", "schema": TOOL, "strict": True}
            fields["response_format"] = {"type": "json_schema", "json_schema": form}
        if stream:
            fields["stream_options"] = {"include_usage": True}
            async with self.client.chat.completions.stream(**fields) as events:
                headers = dict(events._response.headers)
                try:
                    async for _ in events:
                        pass
                    completion: Any = await events.get_final_completion()
                except (openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError):
                    completion = events.current_completion_snapshot  # how this helper tells these two endings
        else:
            raw = await self.client.chat.completions.with_raw_response.create(**fields)
            completion, headers = await parsed(raw), dict(raw.headers)
        return self._said(completion, headers, history)

    def _said(self, completion: Any, headers: dict[str, str], history: list[Any]) -> Said:
        choice = completion.choices[0]
        message = choice.message.model_dump(exclude_none=True, warnings=False)
        message.pop("parsed", None)
        for call in message.get("tool_calls", ()):
            call["function"].pop("parsed_arguments", None)
            call.pop("index", None)
        calls = [
            Call(call["function"]["name"], json.loads(call["function"]["arguments"]))
            for call in message.get("tool_calls", ())
        ]
        thought = message.get("reasoning_content", "")
        text = message.get("content") or ""
        return Said(
            text,
            thought,
            calls,
            choice.finish_reason,
            headers,
            [*history, message],
            completion.model_dump(warnings=False),
        )


class Responses(_OpenAI):
    """`/v1/responses` by the openai package, stateless as Codex is."""

    name = "responses"

    def user(self, text: str, *, image: bool = False) -> list[Any]:
        if not image:
            return [{"role": "user", "content": text}]
        pixel = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
        return [{"role": "user", "content": [{"type": "input_text", "text": text}, pixel]}]

    def results(self, said: Said, result: str) -> list[Any]:
        calls = [item for item in said.history if item.get("type") == "function_call"]
        answered = {item["call_id"] for item in said.history if item.get("type") == "function_call_output"}
        return [
            {"type": "function_call_output", "call_id": call["call_id"], "output": result}
            for call in calls
            if call["call_id"] not in answered
        ]

    async def ask(
        self,
        model: str,
        history: list[Any],
        *,
        tools: bool = False,
        thinking: bool = False,
        schema: bool = False,
        stream: bool = False,
        limit: int = 4_096,
        extra: dict[str, Any] | None = None,
    ) -> Said:
        fields: dict[str, Any] = {"model": model, "input": history, "max_output_tokens": limit, "store": False}
        fields |= {"include": ["reasoning.encrypted_content"], **(extra or {})}
        if tools:
            fields["tools"] = [{"type": "function", "name": "weather", "parameters": TOOL, "strict": True}]
        if thinking:
            fields["reasoning"] = {"effort": "medium", "summary": "auto"}
        if schema:
            fields["text"] = {"format": {"type": "json_schema", "name": "place", "schema": TOOL, "strict": True}}
        if stream:
            async with self.client.responses.stream(**fields) as events:
                headers = dict(events._raw_stream.response.headers)
                response: Any = None
                async for event in events:
                    if event.type in ("response.completed", "response.incomplete"):
                        response = event.response
                    elif event.type == "response.failed":
                        raise Failed(str(event.response.error))
                if response is None:
                    raise EOFError("the stream ended without its last event, and nothing said so")
        else:
            raw = await self.client.responses.with_raw_response.create(**fields)
            response, headers = await parsed(raw), dict(raw.headers)
        return self._said(response, headers, history)

    def _said(self, response: Any, headers: dict[str, str], history: list[Any]) -> Said:
        items = [item.model_dump(exclude_none=True, warnings=False) for item in response.output]
        for item in items:
            item.pop("parsed_arguments", None)
            for part in item.get("content", ()) if isinstance(item.get("content"), list) else ():
                part.pop("parsed", None)
        calls = [Call(item["name"], json.loads(item["arguments"])) for item in items if item["type"] == "function_call"]
        thoughts = [item for item in items if item["type"] == "reasoning"]
        thought = "".join(part["text"] for item in thoughts for part in item.get("summary", ()))
        stop = response.incomplete_details.reason if response.incomplete_details else response.status
        return Said(
            response.output_text, thought, calls, stop, headers, [*history, *items], response.model_dump(warnings=False)
        )


class Messages(Driver):
    """`/v1/messages` by the anthropic package."""

    name = "messages"

    def __init__(self, customer: Customer) -> None:
        super().__init__(customer)
        self.client = anthropic.AsyncAnthropic(
            base_url=customer.gateway.url, api_key=customer.key.secret, max_retries=0
        )

    async def __aexit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        await self.client.close()

    def user(self, text: str, *, image: bool = False) -> list[Any]:
        if not image:
            return [{"role": "user", "content": text}]
        pixel = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
        return [{"role": "user", "content": [{"type": "text", "text": text}, pixel]}]

    def results(self, said: Said, result: str) -> list[Any]:
        calls = [block for block in said.history[-1]["content"] if block["type"] == "tool_use"]
        blocks = [{"type": "tool_result", "tool_use_id": call["id"], "content": result} for call in calls]
        return [{"role": "user", "content": blocks}]

    async def ask(
        self,
        model: str,
        history: list[Any],
        *,
        tools: bool = False,
        thinking: bool = False,
        schema: bool = False,
        stream: bool = False,
        limit: int = 4_096,
        extra: dict[str, Any] | None = None,
    ) -> Said:
        fields: dict[str, Any] = {"model": model, "messages": history, "max_tokens": limit, **(extra or {})}
        if tools:
            fields["tools"] = [{"name": "weather", "input_schema": TOOL}]
        if thinking:
            fields["thinking"] = {"type": "enabled", "budget_tokens": 1_024}
        if schema:
            fields["output_config"] = {"format": {"type": "json_schema", "schema": TOOL}}
        if stream:
            async with self.client.messages.stream(**fields) as events:
                async for _ in events:
                    pass
                message: Any = await events.get_final_message()
                headers = dict(events.response.headers)
        else:
            raw = await self.client.messages.with_raw_response.create(**fields)
            message, headers = await parsed(raw), dict(raw.headers)
        return self._said(message, headers, history)

    def _said(self, message: Any, headers: dict[str, str], history: list[Any]) -> Said:
        blocks = [block.model_dump(exclude_none=True, warnings=False) for block in message.content]
        for block in blocks:
            block.pop("parsed_output", None)
        text = "".join(block["text"] for block in blocks if block["type"] == "text")
        thought = "".join(block["thinking"] for block in blocks if block["type"] == "thinking")
        calls = [Call(block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
        turn = {"role": "assistant", "content": blocks}
        return Said(
            text, thought, calls, message.stop_reason, headers, [*history, turn], message.model_dump(warnings=False)
        )


DRIVERS: tuple[type[Driver], ...] = (Chat, Responses, Messages)
