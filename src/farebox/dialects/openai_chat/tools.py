"""Tools and the choice among them, both ways. Source: ChatCompletionToolUnionParam and
ChatCompletionToolChoiceOptionParam of the official SDK, and the `functions` they replaced."""

from collections.abc import Sequence
from typing import Any, Literal

from farebox.dialects.canonical.conversation import CustomTool, FunctionTool, ServerTool, Tool, ToolChoice
from farebox.dialects.openai_chat.content import cache_control, read_cache
from farebox.dialects.openai_chat.shape import Unreadable, list_at, object_at, optional_text_at, plain_name, text_at
from farebox.dialects.port import Inexpressible

WEB_SEARCH = "web_search"


def read_tools(tools: Any, functions: Any, web_search_options: Any) -> tuple[Tool, ...]:
    """All tools of a request, the old `functions` and the search options included. Raises Unreadable."""
    found = [_read_tool(tool, f"tools[{number}]") for number, tool in enumerate(list_at(tools, "tools"))]
    for number, function in enumerate(list_at(functions, "functions")):
        param = f"functions[{number}]"
        found.append(_read_function(object_at(function, param), param))
    if web_search_options is not None:
        found.append(ServerTool("openai_chat", WEB_SEARCH, object_at(web_search_options, "web_search_options")))
    return tuple(found)


def _read_tool(tool: Any, param: str) -> Tool:
    tool = object_at(tool, param)
    kind = text_at(tool.get("type", "function"), f"{param}.type")
    match kind:
        case "function":
            function = object_at(tool.get("function"), f"{param}.function")
            return _read_function(function, f"{param}.function", holder=tool)
        case "custom":
            custom = object_at(tool.get("custom"), f"{param}.custom")
            name = text_at(custom.get("name"), f"{param}.custom.name")
            description = optional_text_at(custom.get("description"), f"{param}.custom.description")
            return CustomTool(name, description, custom.get("format"))
        case _:
            return ServerTool("openai_chat", plain_name(kind), tool)


def _read_function(function: dict[str, Any], param: str, holder: dict[str, Any] | None = None) -> FunctionTool:
    strict = function.get("strict")
    return FunctionTool(
        name=text_at(function.get("name"), f"{param}.name"),
        description=optional_text_at(function.get("description"), f"{param}.description"),
        parameters=function.get("parameters"),
        strict=strict if isinstance(strict, bool) else None,
        cache=read_cache(holder if holder is not None else function),
    )


def read_choice(tool_choice: Any, function_call: Any) -> ToolChoice | None:
    """`tool_choice` in each of its forms, or the `function_call` that it replaced. Raises Unreadable."""
    if tool_choice is None:
        if isinstance(function_call, dict):
            return ToolChoice("named", (text_at(function_call.get("name"), "function_call.name"),))
        return None if function_call is None else _read_mode(function_call, "function_call")
    if not isinstance(tool_choice, dict):
        return _read_mode(tool_choice, "tool_choice")
    match tool_choice:
        case {"type": "function" | "custom" as kind}:
            return ToolChoice("named", (_name_in(tool_choice, kind, "tool_choice"),), custom=kind == "custom")
        case {"type": "allowed_tools", "allowed_tools": {"mode": "auto" | "required" as mode, "tools": list(tools)}}:
            allowed: Literal["allowed_auto", "allowed_required"]
            allowed = "allowed_auto" if mode == "auto" else "allowed_required"
            return ToolChoice(allowed, tuple(_allowed_name(tool) for tool in tools))
        case _:
            raise Unreadable("tool_choice", "a known choice of tools")


def _read_mode(value: Any, param: str) -> ToolChoice:
    match value:
        case "auto" | "none" | "required":
            return ToolChoice(value)
        case "any":
            return ToolChoice("required")
        case _:
            raise Unreadable(param, "a known choice of tools")


def _allowed_name(tool: Any) -> str:
    param = "tool_choice.allowed_tools.tools"
    kind = object_at(tool, param).get("type")
    return _name_in(tool, "custom" if kind == "custom" else "function", param)


def _name_in(holder: dict[str, Any], kind: str, param: str) -> str:
    inner = holder.get(kind)
    return text_at(inner.get("name") if isinstance(inner, dict) else holder.get("name"), f"{param}.{kind}.name")


# ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────


def function_entry(tool: FunctionTool, *, name: str, marks: bool, strict: bool) -> dict[str, Any]:
    """A function tool. `marks`: with its cache mark; `strict`: with the switch for strict schemas."""
    function: dict[str, Any] = {"name": name}
    if tool.description:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if strict and tool.strict is not None:
        function["strict"] = tool.strict
    entry: dict[str, Any] = {"type": "function", "function": function}
    if marks and tool.cache is not None:
        entry["cache_control"] = cache_control(tool.cache)
    return entry


def custom_entry(tool: CustomTool, *, name: str) -> dict[str, Any]:
    """A free-text tool."""
    custom: dict[str, Any] = {"name": name}
    if tool.description:
        custom["description"] = tool.description
    if tool.format is not None:
        custom["format"] = tool.format
    return {"type": "custom", "custom": custom}


def choice_entry(choice: ToolChoice, tools: Sequence[Tool], *, names: dict[str, str]) -> Any:
    """`tool_choice` as chat writes it. `names`: how a tool is called there where that differs. Raises Inexpressible
    when a tool is forced that is not among `tools`."""
    custom = {tool.name for tool in tools if isinstance(tool, CustomTool)}
    known = custom | {tool.name for tool in tools if isinstance(tool, FunctionTool)}
    match choice.mode:
        case "auto" | "none" | "required":
            return choice.mode
        case "named":
            if choice.names[0] not in known:
                raise Inexpressible("tool_choice", "tool_choice")
            return _named(choice.names[0], custom=choice.custom, names=names)
        case "allowed_auto" | "allowed_required":
            allowed = [_named(name, custom=name in custom, names=names) for name in choice.names if name in known]
            mode = choice.mode.removeprefix("allowed_")
            if not allowed and mode == "required":
                raise Inexpressible("tool_choice", "tool_choice")
            return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": allowed}}


def _named(name: str, *, custom: bool, names: dict[str, str]) -> dict[str, Any]:
    kind = "custom" if custom else "function"
    return {"type": kind, kind: {"name": names.get(name, name)}}
