"""How large a Messages request is: its system prompt, its messages, its tools and the form of its answer."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.request import Fields, Size, value_of

# Top-level fields whose JSON the model reads, besides `system`, `messages` and `tools`.
_PROMPT_FIELDS = ("output_config", "output_format", "mcp_servers")
# Tools that the client runs, and one that the provider runs without a bill of its own.
CLIENT_TOOLS = frozenset({"bash", "browser_toolset", "computer", "computer_toolset", "custom", "memory", "text_editor"})
_FREE_TOOLS = frozenset({"tool_search"})
# Fields by which more is billed than the request shows: another model answers, at another price; servers are asked, and
# what they say is input; the conversation lies at the provider and is read again.
_BILLED_APART = {"fallbacks": "model_fallback", "mcp_servers": "mcp", "thread": "thread"}
_VERSION = re.compile(r"_\d{8}$")
_PLAIN_NAMES = {
    "mcp_toolset": "mcp",
    "tool_search_tool_bm25": "tool_search",
    "tool_search_tool_regex": "tool_search",
}

_encode = msgspec.json.Encoder().encode


def kind_of(tool_type: str) -> str:
    """A tool's plain name without a version: `web_search_20250305` is `web_search`."""
    name = _VERSION.sub("", tool_type)
    return _PLAIN_NAMES.get(name, name)


def size_of(fields: Fields) -> Size:
    """Measure a request. Raises Problem `invalid_request`."""
    try:
        return _measured(fields)
    except RecursionError as error:
        raise Problem("invalid_request", "The body is nested too deeply.") from error


def _measured(fields: Fields) -> Size:
    messages = value_of(fields, "messages")
    if not isinstance(messages, list) or not messages:
        raise Problem("invalid_request", "`messages` must be a list of at least one message.", param="messages")
    size = Size(messages=len(messages))
    kinds: set[str] = set()
    _add_content(size, value_of(fields, "system"), kinds)
    for number, message in enumerate(messages):
        if not isinstance(message, dict):
            raise Problem("invalid_request", "Every message must be an object.", param=f"messages.{number}")
        _add_content(size, message.get("content"), kinds)
    tools = value_of(fields, "tools")
    if tools is not None:
        size.add_json(bytes(fields["tools"]))
        size.has_tools = size.has_tools or bool(tools)
        for tool in tools if isinstance(tools, list) else ():
            _add_tool(tool, kinds)
    for name in _PROMPT_FIELDS:
        if name in fields and (value := bytes(fields[name])) != b"null":
            size.add_json(value)
    kinds.update(kind for name, kind in _BILLED_APART.items() if value_of(fields, name))
    if value_of(fields, "inference_geo") not in (None, "global"):
        kinds.add("inference_geo")
    size.server_tools = tuple(sorted(kinds))
    return size


def _add_tool(tool: Any, kinds: set[str]) -> None:
    kind = tool.get("type") if isinstance(tool, dict) else None
    if isinstance(kind, str) and (plain := kind_of(kind)) not in CLIENT_TOOLS | _FREE_TOOLS:
        kinds.add(plain)


def _add_content(size: Size, content: Any, kinds: set[str]) -> None:
    """Count a text or a list of blocks. What is not known is counted as JSON."""
    if isinstance(content, str):
        size.add_text(content)
    elif isinstance(content, list):
        for block in content:
            if isinstance(block, dict):
                _add_block(size, block, kinds)
            else:
                size.add_json(_encode(block))
    elif content is not None:
        size.add_json(_encode(content))


def _add_block(size: Size, block: Mapping[str, Any], kinds: set[str]) -> None:
    kind = block.get("type")
    if kind == "tool_addition":
        # A tool that is offered from here on, by reference or with its whole definition.
        tool = block.get("tool")
        _add_tool(tool.get("definition") if isinstance(tool, dict) else None, kinds)
        size.has_tools = True
    source = block.get("source") if kind in ("image", "document") else None
    if isinstance(source, dict):
        _add_source(size, "image" if kind == "image" else "file", source, kinds)
    for name, value in block.items():
        if name in ("type", "cache_control", "tool_use_id") or value is None or value is source:
            continue
        if isinstance(value, str):
            size.add_text(value)
        elif name == "content":
            _add_content(size, value, kinds)
        else:
            size.add_json(_encode(value))


def _add_source(size: Size, media: str, source: Mapping[str, Any], kinds: set[str]) -> None:
    kind = source.get("type")
    if kind == "text":
        _add_content(size, source.get("data"), kinds)
    elif kind == "content":
        _add_content(size, source.get("content"), kinds)
    else:
        held = next((source[name] for name in ("data", "url", "file_id") if isinstance(source.get(name), str)), source)
        size.add_media(media, held)
