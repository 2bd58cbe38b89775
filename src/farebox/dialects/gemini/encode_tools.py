"""Tools and the choice among them, as Gemini takes them. Source: `Tool` and `ToolConfig` of the official types.

Parameters go as `parametersJsonSchema`, as the client wrote them. The older field `parameters` is a type of its own:
one unknown keyword (`additionalProperties`, `$schema`, `exclusiveMinimum`) and the whole request is refused.
"""

from collections.abc import Sequence
from typing import Any

from farebox.dialects.canonical.conversation import Conversation, CustomTool, FunctionTool, ServerTool, Tool
from farebox.dialects.namespaces import joined
from farebox.dialects.port import Inexpressible


def tools(declared: Sequence[Tool], dropped: set[str]) -> list[Any]:
    """`tools`: one entry with every function, then the provider's own. Raises Inexpressible."""
    functions, own = [], []
    for tool in declared:
        match tool:
            case FunctionTool():
                functions.append(_function(tool, dropped))
            case ServerTool(origin="gemini"):
                own.append(tool.value)
            case ServerTool():
                dropped.add(f"server_tool:{tool.kind}")
            case CustomTool():
                # Its call would come back as JSON, and the client waits for free text.
                raise Inexpressible("custom_tools", "tools")
    return [{"functionDeclarations": functions}, *own] if functions else own


def _function(tool: FunctionTool, dropped: set[str]) -> dict[str, Any]:
    if tool.strict:
        dropped.add("tool_strict")
    if tool.cache is not None:
        dropped.add("cache_control")
    function: dict[str, Any] = {"name": joined(tool.namespace, tool.name)}
    if tool.description:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parametersJsonSchema"] = tool.parameters
    return function


def tool_config(conversation: Conversation, dropped: set[str]) -> dict[str, Any]:
    """`toolConfig`; empty where nothing was said. Raises Inexpressible when a choice is forced that there is not.

    Without functions there is nothing to choose, and a configuration is refused.
    """
    choice = conversation.tool_choice
    if choice is None:
        return {}
    functions = {
        tool.name: joined(tool.namespace, tool.name) for tool in conversation.tools if isinstance(tool, FunctionTool)
    }
    names = [functions[name] for name in choice.names if name in functions]
    forced = choice.mode in ("required", "named", "allowed_required")
    if choice.custom or (forced and (not functions or (choice.names and not names))):
        raise Inexpressible("tool_choice", "tool_choice")
    if len(names) < len(choice.names):
        dropped.add("allowed_tools")
    match choice.mode:
        case _ if not functions:
            return {}
        case "auto":
            config: dict[str, Any] = {"mode": "AUTO"}
        case "none":
            config = {"mode": "NONE"}
        case "required":
            config = {"mode": "ANY"}
        case "named" | "allowed_required":
            config = {"mode": "ANY", "allowedFunctionNames": names}
        case "allowed_auto":
            # The only mode that takes names and leaves the model free to answer in text.
            config = {"mode": "VALIDATED", "allowedFunctionNames": names} if names else {"mode": "NONE"}
    return {"functionCallingConfig": config}
