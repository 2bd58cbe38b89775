"""Bodies of requests as real clients of Messages send them, written by hand."""

from typing import Any, Final

import msgspec

_HOUR = {"type": "ephemeral", "ttl": "1h"}


def _tool(number: int) -> dict[str, Any]:
    properties = {"path": {"type": "string"}, "depth": {"type": "integer", "minimum": 0}}
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": properties}
    return {"name": f"Tool{number}", "description": f"Does thing {number} — carefully.", "input_schema": schema}


# A coding agent's request in the middle of its work: three system blocks of which the first says who pays, many tools,
# and a system message between the turns.
CLAUDE_CODE: Final[dict[str, Any]] = {
    "model": "claude-sonnet-4-6",
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Mend the test."}]},
        {"role": "system", "content": "The plan mode is on."},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "", "signature": "EqQBCkYIBxgCKkD+/9=="},
                {"type": "tool_use", "id": "toolu_01", "name": "Tool1", "input": {"path": "/a", "depth": 2}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_01",
                    "content": [{"type": "text", "text": "1\tdef f():"}],
                    "cache_control": _HOUR,
                }
            ],
        },
    ],
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.197; cc_entrypoint=cli;"},
        {"type": "text", "text": "You are a coding agent.", "cache_control": _HOUR},
        {"type": "text", "text": "Be exact. Ünïcode → stays.", "cache_control": _HOUR},
    ],
    "tools": [_tool(number) for number in range(25)],
    "metadata": {"user_id": '{"device_id":"d1","account_uuid":"","session_id":"s1"}'},
    "max_tokens": 32000,
    "thinking": {"type": "adaptive"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "output_config": {"effort": "high"},
    "diagnostics": {"previous_message_id": None},
    "stream": True,
}
CLAUDE_CODE_BODY: Final = msgspec.json.encode(CLAUDE_CODE)
