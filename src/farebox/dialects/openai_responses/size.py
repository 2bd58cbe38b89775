"""How large a Responses request is: its instructions, its input items, its tools and the form of its answer."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.request import Fields, Size, value_of

_encode = msgspec.json.Encoder().encode

# Parts whose value is media: counted in bytes and by the catalog's ceiling, not as text. The first field given counts.
_MEDIA_PARTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "input_image": ("image", ("image_url", "file_id")),
    "input_file": ("file", ("file_data", "file_url", "file_id")),
    "input_audio": ("audio", ("input_audio",)),
    "computer_screenshot": ("image", ("image_url", "file_id")),
    "image_generation_call": ("image", ("result",)),
}
# Tools that the client runs; every other tool is run, and may be billed, by the provider.
_CLIENT_TOOLS = frozenset(
    {"function", "custom", "namespace", "local_shell", "apply_patch", "computer", "tool_search", "shell"}
)
_VERSION = re.compile(r"(_preview)?(_\d{4}_\d{2}_\d{2})?$")
_PLAIN_NAMES = {"code_interpreter": "code_execution", "computer_use": "computer"}


def kind_of(tool_type: str) -> str:
    """A tool's plain name without a version, as every dialect calls it: `web_search_preview_2025_03_11` is
    `web_search`, `code_interpreter` is `code_execution`."""
    name = _VERSION.sub("", tool_type)
    return _PLAIN_NAMES.get(name, name)


def size_of(fields: Fields) -> Size:
    """Measure a request. Raises Problem `invalid_request`."""
    try:
        return _measured(fields)
    except RecursionError as error:
        raise Problem("invalid_request", "The body is nested too deeply.") from error


def _measured(fields: Fields) -> Size:
    size = Size()
    kinds: set[str] = set()
    _add(size, value_of(fields, "instructions"))
    items = value_of(fields, "input")
    if isinstance(items, str):
        size.messages = 1
        size.add_text(items)
    elif isinstance(items, list) and items:
        _add_items(size, items, kinds)
    else:
        message = "`input` must be a text or a list of at least one item."
        raise Problem("invalid_request", message, param="input")
    tools = value_of(fields, "tools")
    if tools is not None:
        size.add_json(bytes(fields["tools"]))
        _add_tools(size, tools, kinds)
    size.server_tools = tuple(sorted(kinds))
    text = value_of(fields, "text")
    if isinstance(text, dict) and text.get("format") is not None:
        size.add_json(_encode(text["format"]))
    return size


def _add_items(size: Size, items: list[Any], kinds: set[str]) -> None:
    size.messages = len(items)
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise Problem("invalid_request", "Every input item must be an object.", param=f"input[{number}]")
        kind = item.get("type")
        if kind == "item_reference" or (kind is None and "role" not in item):
            message = (
                "Items are not stored here, so a reference to one has no meaning. "
                "Send `store: false` and every item of the conversation itself in `input`; "
                "the AI SDK does both with `providerOptions: {openai: {store: false}}`."
            )
            raise Problem("invalid_request", message, param=f"input[{number}]")
        _add(size, item)
        if "tools" in item:
            _add_tools(size, item["tools"], kinds)


def _add(size: Size, value: Any) -> None:
    """Count an item, a part, a text, or a list of them. What is not known is counted as JSON."""
    if isinstance(value, str):
        size.add_text(value)
    elif isinstance(value, list):
        for part in value:
            if isinstance(part, str | dict):
                _add(size, part)
            else:
                size.add_json(_encode(part))
    elif isinstance(value, dict):
        _add_object(size, value)
    elif value is not None:
        size.add_json(_encode(value))


def _add_object(size: Size, value: dict[str, Any]) -> None:
    kind = value.get("type")
    media = _MEDIA_PARTS.get(kind) if isinstance(kind, str) else None
    counted = None
    if media is not None:
        counted = next((name for name in media[1] if value.get(name) is not None), None)
        size.add_media(media[0], value[counted] if counted else "")
    for name, inner in value.items():
        if name == counted or inner is None:
            continue
        if isinstance(inner, str):
            size.add_text(inner)
        elif name in ("content", "output", "summary"):
            _add(size, inner)
        else:
            size.add_json(_encode(inner))


def _add_tools(size: Size, tools: Any, kinds: set[str]) -> None:
    if not isinstance(tools, list) or not tools:
        return
    size.has_tools = True
    for tool in tools:
        kind = tool.get("type") if isinstance(tool, dict) else None
        if isinstance(kind, str) and _runs_at_the_provider(kind_of(kind), tool):
            kinds.add(kind_of(kind))


def _runs_at_the_provider(kind: str, tool: dict[str, Any]) -> bool:
    if kind == "shell":
        place = tool.get("environment")
        return isinstance(place, dict) and place.get("type") != "local"
    return kind not in _CLIENT_TOOLS
