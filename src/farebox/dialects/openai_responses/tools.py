"""Tools and the choice among them, both ways."""

from typing import Any

from farebox.dialects.canonical.conversation import CustomTool, FunctionTool, ServerTool, Tool, ToolChoice
from farebox.dialects.openai_responses.losses import Losses
from farebox.dialects.openai_responses.reading import (
    Unknowns,
    Wrong,
    list_of,
    object_of,
    optional_text_at,
    text_at,
)
from farebox.dialects.openai_responses.size import kind_of
from farebox.dialects.port import Inexpressible

_FUNCTION_FIELDS = ("type", "name", "description", "parameters", "strict")
_CUSTOM_FIELDS = ("type", "name", "description", "format")
_CHOICE_FIELDS = ("type", "name", "mode", "tools")


def read_tools(value: Any, unknown: Unknowns) -> tuple[Tool, ...]:
    """The tools of a request; those of a namespace stand one by one. Raises Wrong."""
    tools: list[Tool] = []
    for entry in list_of(value, "tools") if value is not None else ():
        tool = object_of(entry, "tools")
        if tool.get("type") == "namespace":
            namespace = text_at(tool, "name")
            known = ("type", "name", "tools", "description" if tool.get("description") == namespace else "")
            unknown.add_rest("tools.namespace_", tool, known)
            tools += [
                _read_tool(object_of(inner, "tools"), namespace, unknown)
                for inner in list_of(tool.get("tools"), "tools")
            ]
        else:
            tools.append(_read_tool(tool, "", unknown))
    return tuple(tools)


def _read_tool(tool: dict[str, Any], namespace: str, unknown: Unknowns) -> Tool:
    kind = text_at(tool, "type")
    if kind == "function":
        unknown.add_rest("tools.", tool, _FUNCTION_FIELDS)
        strict = tool.get("strict")
        if strict is not None and not isinstance(strict, bool):
            raise Wrong("strict", "true or false")
        return FunctionTool(
            name=text_at(tool, "name"),
            description=optional_text_at(tool, "description"),
            parameters=tool.get("parameters"),
            strict=strict,
            namespace=namespace,
        )
    if kind == "custom":
        unknown.add_rest("tools.", tool, _CUSTOM_FIELDS)
        description = optional_text_at(tool, "description")
        return CustomTool(text_at(tool, "name"), description, _read_format(tool.get("format")), namespace)
    return ServerTool("openai_responses", kind_of(kind), tool)


def _read_format(value: Any) -> Any:
    """A grammar as chat has it, in an object of its own; any other form as it is."""
    if not isinstance(value, dict) or value.get("type") != "grammar" or "grammar" in value:
        return value
    return {"type": "grammar", "grammar": {name: inner for name, inner in value.items() if name != "type"}}


def _format_value(value: Any) -> Any:
    grammar = value.get("grammar") if isinstance(value, dict) else None
    return {"type": "grammar", **grammar} if isinstance(grammar, dict) else value


def read_choice(value: Any, unknown: Unknowns) -> ToolChoice | None:
    """How a tool is chosen. Tools of the provider are named by their kind. Raises Wrong."""
    if value is None:
        return None
    if isinstance(value, str):
        if value not in ("auto", "none", "required"):
            raise Wrong("tool_choice", "`auto`, `none`, `required` or an object")
        return ToolChoice(value)  # type: ignore[arg-type]  # just looked at
    choice = object_of(value, "tool_choice")
    kind = text_at(choice, "type")
    unknown.add_rest("tool_choice.", choice, _CHOICE_FIELDS)
    if kind == "allowed_tools":
        names = tuple(_choice_name(object_of(tool, "tools")) for tool in list_of(choice.get("tools"), "tools"))
        return ToolChoice("allowed_required" if choice.get("mode") == "required" else "allowed_auto", names)
    return ToolChoice("named", (_choice_name(choice),), custom=kind == "custom")


def _choice_name(choice: dict[str, Any]) -> str:
    kind = text_at(choice, "type")
    return text_at(choice, "name") if kind in ("function", "custom") else kind_of(kind)


def tool_values(tools: tuple[Tool, ...], losses: Losses, *, is_origin: bool) -> list[dict[str, Any]]:
    """The tools of a request. `is_origin`: they were read from this dialect, where a function without a word on it is
    strict; elsewhere it is not. Tools of a namespace are gathered again where they stand together."""
    values: list[dict[str, Any]] = []
    for tool in tools:
        if isinstance(tool, ServerTool):
            if tool.origin == "openai_responses" and isinstance(tool.value, dict):
                values.append(tool.value)
            else:
                losses.add(f"server_tool:{tool.kind}")
            continue
        value = _custom_value(tool) if isinstance(tool, CustomTool) else _function_value(tool, losses, is_origin)
        if not tool.namespace:
            values.append(value)
        elif values and values[-1]["type"] == "namespace" and values[-1]["name"] == tool.namespace:
            values[-1]["tools"].append(value)
        else:
            # A description is required, and was not carried: the name stands for it.
            space = {"type": "namespace", "name": tool.namespace, "description": tool.namespace, "tools": [value]}
            values.append(space)
    return values


def _function_value(tool: FunctionTool, losses: Losses, is_origin: bool) -> dict[str, Any]:
    if tool.cache is not None:
        losses.add("cache_control")
    value: dict[str, Any] = {"type": "function", "name": tool.name, "parameters": tool.parameters}
    if tool.description:
        value["description"] = tool.description
    strict = tool.strict if tool.strict is not None or is_origin else False
    if strict is not None and not (strict and losses.lacks("tool_strict")):
        value["strict"] = strict
    return value


def _custom_value(tool: CustomTool) -> dict[str, Any]:
    value: dict[str, Any] = {"type": "custom", "name": tool.name}
    if tool.description:
        value["description"] = tool.description
    if tool.format is not None:
        value["format"] = _format_value(tool.format)
    return value


def choice_value(choice: ToolChoice, tools: tuple[Tool, ...]) -> Any:
    """How a tool is chosen. Raises Inexpressible when only a tool that is not carried will do."""
    # Of tools with one name the first is meant.
    known = {tool.kind if isinstance(tool, ServerTool) else tool.name: tool for tool in reversed(tools)}
    match choice.mode:
        case "auto" | "none" | "required":
            return choice.mode
        case "named":
            return _choice_of(choice.names[0] if choice.names else "", known, custom=choice.custom)
    return {
        "type": "allowed_tools",
        "mode": "required" if choice.mode == "allowed_required" else "auto",
        "tools": [_choice_of(name, known, custom=False) for name in choice.names],
    }


def _choice_of(name: str, known: dict[str, Tool], *, custom: bool) -> dict[str, Any]:
    tool = known.get(name)
    if isinstance(tool, ServerTool):
        if tool.origin != "openai_responses" or not isinstance(tool.value, dict):
            raise Inexpressible(f"server_tool:{tool.kind}", "tool_choice")
        return {key: tool.value[key] for key in ("type", "server_label") if key in tool.value}
    if tool is not None:
        custom = isinstance(tool, CustomTool)
    return {"type": "custom" if custom else "function", "name": name}
