"""Everything of a request beside its messages, in canonical form."""

from typing import Any, Final, Literal

from farebox.dialects.anthropic_messages.blocks import read_cache
from farebox.dialects.anthropic_messages.seals import OWN
from farebox.dialects.anthropic_messages.shape import (
    Unknowns,
    Unreadable,
    list_at,
    object_at,
    optional_text_at,
    switch_at,
    text_at,
)
from farebox.dialects.anthropic_messages.size import kind_of
from farebox.dialects.canonical.conversation import (
    FunctionTool,
    JsonSchema,
    Sampling,
    ServerTool,
    Thinking,
    Tool,
    ToolChoice,
)

_TOOL_FIELDS: Final = ("type", "name", "description", "input_schema", "strict", "cache_control")
_MODES: Final[dict[str, Literal["auto", "required", "named", "none"]]] = {
    "auto": "auto",
    "any": "required",
    "tool": "named",
    "none": "none",
}
_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")


def read_tools(value: Any, unknown: Unknowns) -> tuple[Tool, ...]:
    """The tools of a request. Raises Unreadable."""
    if value is None:
        return ()
    return tuple(
        _tool(object_at(entry, f"tools.{number}"), f"tools.{number}", unknown)
        for number, entry in enumerate(list_at(value, "tools"))
    )


def _tool(tool: dict[str, Any], place: str, unknown: Unknowns) -> Tool:
    kind = optional_text_at(tool, "type", place)
    if kind not in ("", "custom"):
        return ServerTool(OWN, kind_of(kind), tool)
    unknown.add_rest("tools.", tool, _TOOL_FIELDS)
    schema = tool.get("input_schema")
    return FunctionTool(
        text_at(tool, "name", place),
        optional_text_at(tool, "description", place),
        object_at(schema, f"{place}.input_schema") if schema is not None else None,
        switch_at(tool, "strict", place),
        cache=read_cache(tool, place),
    )


def read_choice(value: Any) -> tuple[ToolChoice | None, bool | None]:
    """How a tool is chosen, and whether several may be called at once. Raises Unreadable."""
    if value is None:
        return None, None
    choice = object_at(value, "tool_choice")
    mode = _MODES.get(text_at(choice, "type", "tool_choice"))
    if mode is None:
        raise Unreadable("tool_choice.type", "auto, any, tool or none")
    names = (text_at(choice, "name", "tool_choice"),) if mode == "named" else ()
    alone = switch_at(choice, "disable_parallel_tool_use", "tool_choice")
    return ToolChoice(mode, names), None if alone is None else not alone


def read_thinking_config(value: Any, effort: str | None, unknown: Unknowns) -> Thinking | None:
    """How much to think. Raises Unreadable."""
    if value is None:
        return Thinking(effort=effort) if effort else None
    config = object_at(value, "thinking")
    kind = text_at(config, "type", "thinking")
    budget = config.get("budget_tokens")
    if budget is not None and (not isinstance(budget, int) or isinstance(budget, bool)):
        raise Unreadable("thinking.budget_tokens", "a whole number")
    if kind not in ("enabled", "adaptive", "disabled"):
        unknown.add("thinking.type")
    unknown.add_rest("thinking.", config, ("type", "budget_tokens", "display"))
    return Thinking(
        effort=effort,
        budget_tokens=budget if kind == "enabled" else None,
        adaptive=kind == "adaptive",
        disabled=kind == "disabled",
        summary=optional_text_at(config, "display", "thinking") or None,
    )


def read_output(config: Any, old_format: Any, unknown: Unknowns) -> tuple[str | None, JsonSchema | None]:
    """Effort and the answer's form, of `output_config` and of `output_format` that was before it. Raises Unreadable."""
    output = object_at(config, "output_config") if config is not None else {}
    effort = optional_text_at(output, "effort", "output_config") or None
    if effort is not None and effort not in _EFFORTS:
        raise Unreadable("output_config.effort", f"one of {', '.join(_EFFORTS)}")
    unknown.add_rest("output_config.", output, ("effort", "format"))
    place = "output_config.format" if output.get("format") is not None else "output_format"
    form = output.get("format") if output.get("format") is not None else old_format
    if form is None:
        return effort, None
    form = object_at(form, place)
    if form.get("type") != "json_schema":
        raise Unreadable(f"{place}.type", "json_schema")
    unknown.add_rest(f"{place}.", form, ("type", "schema"))
    return effort, JsonSchema(object_at(form.get("schema"), f"{place}.schema"))


def read_sampling(values: dict[str, Any]) -> Sampling:
    """How tokens are drawn. Raises Unreadable."""
    stop = list_at(values["stop_sequences"], "stop_sequences") if values.get("stop_sequences") is not None else []
    if not all(isinstance(one, str) for one in stop):
        raise Unreadable("stop_sequences", "a list of strings")
    top_k = values.get("top_k")
    if top_k is not None and (not isinstance(top_k, int) or isinstance(top_k, bool)):
        raise Unreadable("top_k", "a whole number")
    return Sampling(_number(values, "temperature"), _number(values, "top_p"), top_k, stop=tuple(stop))


def _number(values: dict[str, Any], name: str) -> float | None:
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not -1e9 < value < 1e9:
        raise Unreadable(name, "a number")
    return float(value)


def read_user(value: Any, unknown: Unknowns) -> str | None:
    """Who asks, of `metadata`. Raises Unreadable."""
    if value is None:
        return None
    metadata = object_at(value, "metadata")
    unknown.add_rest("metadata.", metadata, ("user_id",))
    return optional_text_at(metadata, "user_id", "metadata") or None
