"""What a tool answered, in parts that no dialect knows: the model reads it wherever the request goes."""

from typing import Any

import msgspec
import pytest

from farebox.dialects.port import Edits, Inexpressible, Profile
from farebox.dialects.registry import RESPONSES, UPSTREAMS

_EDITS = Edits("a-model", 100, Profile())


def _sent(upstream: str, output: list[dict[str, Any]]) -> bytes:
    body = {
        "model": "m",
        "input": [
            {"role": "user", "content": "hi"},
            {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": output},
        ],
    }
    conversation = RESPONSES.decode_request(RESPONSES.read_request(msgspec.json.encode(body)))
    return UPSTREAMS[upstream].encode_request(conversation, _EDITS, False).body  # type: ignore[index]  # one of them


@pytest.mark.parametrize("upstream", UPSTREAMS)
@pytest.mark.parametrize("part", [{"type": "weather", "sky": "Rainbow"}, {"type": "refusal", "refusal": "Rainbow"}])
def test_a_tools_answer_of_an_unknown_kind_is_read_as_text(upstream: str, part: dict[str, Any]) -> None:
    assert b"Rainbow" in _sent(upstream, [part])


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_sound_of_a_tool_is_refused_by_name(upstream: str) -> None:
    with pytest.raises(Inexpressible) as caught:
        _sent(upstream, [{"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}}])
    assert caught.value.feature == "part:audio"
