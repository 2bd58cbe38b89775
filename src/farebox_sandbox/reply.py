"""One reply, before it becomes a JSON body or a stream; and the JSON body."""

from typing import Any, NamedTuple

import msgspec

from farebox_sandbox.faults import Directives
from farebox_sandbox.text import Answer
from farebox_sandbox.usage import reported_usage

FINGERPRINT = "fp_sandbox"


class Reply(NamedTuple):
    """`created` in Unix seconds. `include_usage`: the stream was asked to end with a usage chunk."""

    id: str
    created: int
    model: str
    answer: Answer
    choices: int
    prompt_tokens: int
    include_usage: bool
    directives: Directives

    @property
    def usage(self) -> Any:
        return reported_usage(self.prompt_tokens, self.answer, choices=self.choices, directives=self.directives)

    @property
    def finish_reason(self) -> str | None:
        return None if self.directives.no_finish else self.answer.finish_reason

    def tool_call_id(self, choice: int, position: int) -> str:
        return f"call_{self.id.rpartition('-')[2]}_{choice}_{position}"


def json_body(reply: Reply) -> bytes:
    """The `chat.completion` object of a reply."""
    completion: dict[str, Any] = {
        "id": reply.id,
        "object": "chat.completion",
        "created": reply.created,
        "model": reply.model,
        "system_fingerprint": FINGERPRINT,
        "choices": [_choice(reply, index) for index in range(reply.choices)],
    }
    if reply.directives.service_tier is not None:
        completion["service_tier"] = reply.directives.service_tier
    if not reply.directives.no_usage:
        completion["usage"] = reply.usage
    return msgspec.json.encode(completion)


def _choice(reply: Reply, index: int) -> dict[str, Any]:
    answer = reply.answer
    content = answer.content
    if reply.directives.oversize_bytes and index == 0:
        content = (content or "") + "x" * reply.directives.oversize_bytes
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.tool_calls:
        message["tool_calls"] = [
            {
                "id": reply.tool_call_id(index, position),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for position, call in enumerate(answer.tool_calls)
        ]
    return {"index": index, "message": message, "logprobs": None, "finish_reason": reply.finish_reason}
