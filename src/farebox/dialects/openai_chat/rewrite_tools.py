"""Flat tools and choices of the Responses API as chat's nested ones. Source: ToolParam of the official SDK."""

from typing import Any

from farebox.dialects.openai_chat.shape import Unreadable, list_at, object_at

_FUNCTION_FIELDS = ("name", "description", "parameters", "strict")
_SEARCHES = ("web_search", "web_search_preview")


def tools_of(tools: Any) -> dict[str, Any]:
    """`tools`, and `web_search_options` where a search is among them. Raises Unreadable."""
    if tools is None:
        return {}
    found: dict[str, Any] = {}
    entries = []
    for number, entry in enumerate(list_at(tools, "tools")):
        param = f"tools[{number}]"
        tool = object_at(entry, param)
        if tool.get("type") in _SEARCHES:
            found["web_search_options"] = _search_options(tool)
        else:
            entries.append(_tool(tool, param))
    return {**found, "tools": entries or None}


def _tool(tool: dict[str, Any], param: str) -> dict[str, Any]:
    kind = tool.get("type")
    if kind in ("function", "custom") and kind in tool:
        return tool
    if kind == "function":
        function = {name: tool[name] for name in _FUNCTION_FIELDS if tool.get(name) is not None}
        return {"type": "function", "function": function}
    if kind == "custom":
        custom = {name: tool[name] for name in ("name", "description") if tool.get(name) is not None}
        if tool.get("format") is not None:
            custom["format"] = _grammar(object_at(tool["format"], f"{param}.format"))
        return {"type": "custom", "custom": custom}
    raise Unreadable(f"{param}.type", "function, custom or web_search")


def _grammar(form: dict[str, Any]) -> dict[str, Any]:
    if form.get("type") != "grammar" or "grammar" in form:
        return form
    return {"type": "grammar", "grammar": {name: form[name] for name in ("syntax", "definition") if name in form}}


def _search_options(tool: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if tool.get("search_context_size") is not None:
        options["search_context_size"] = tool["search_context_size"]
    place = tool.get("user_location")
    if isinstance(place, dict):
        known = {name: value for name, value in place.items() if name != "type" and value is not None}
        options["user_location"] = {"type": "approximate", "approximate": known}
    return options


def choice_of(choice: Any) -> Any:
    """`tool_choice` as chat writes it. Raises Unreadable."""
    match choice:
        case {"type": "function" | "custom" as kind, "name": name}:
            return {"type": kind, kind: {"name": name}}
        case {"type": "allowed_tools", "mode": mode, "tools": list(tools)}:
            return {
                "type": "allowed_tools",
                "allowed_tools": {"mode": mode, "tools": [choice_of(tool) for tool in tools]},
            }
        case dict() if "function" in choice or "custom" in choice or "allowed_tools" in choice:
            return choice
        case None | str():
            return choice
        case _:
            raise Unreadable("tool_choice", "auto, none, required, or one of the function tools")
