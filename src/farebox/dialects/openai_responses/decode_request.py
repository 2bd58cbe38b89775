"""A Responses request in canonical form."""

from typing import Any

from farebox.base.errors import Problem
from farebox.dialects.canonical.conversation import Conversation, JsonSchema, Sampling, Thinking
from farebox.dialects.openai_responses.decode_input import read_input
from farebox.dialects.openai_responses.reading import Unknowns, Wrong, list_of, object_of, optional_text_at, text_at
from farebox.dialects.openai_responses.tools import read_choice, read_tools
from farebox.dialects.port import Inexpressible
from farebox.dialects.request import Request, text_of, value_of

# What is read here or in `request.py`, and what only says how an answer is sent.
_KNOWN = frozenset(
    {
        *("model", "input", "instructions", "stream", "stream_options", "max_output_tokens", "store", "background"),
        *("previous_response_id", "conversation", "prompt", "tools", "tool_choice", "parallel_tool_calls", "reasoning"),
        *("text", "temperature", "top_p", "top_logprobs", "include", "metadata", "user", "safety_identifier"),
        *("prompt_cache_key", "service_tier"),
    }
)
_LOGPROBS = "message.output_text.logprobs"
_INCLUDES = (_LOGPROBS, "reasoning.encrypted_content")


def decode_request(request: Request) -> Conversation:
    """Raises Problem `invalid_request`, and Inexpressible for a form of answer that is not known."""
    try:
        return _decode(request)
    except RecursionError as error:
        raise Problem("invalid_request", "The body is nested too deeply.") from error


def _decode(request: Request) -> Conversation:
    fields, unknown = request.fields, Unknowns()
    for name, raw in fields.items():
        if name not in _KNOWN and bytes(raw) != b"null" and (name, bytes(raw)) != ("truncation", b'"disabled"'):
            unknown.add("", name)
    values = {name: value_of(fields, name) for name in _KNOWN & fields.keys() if name != "input"}
    turns = read_input(value_of(fields, "input"), text_of(fields, "instructions"), unknown)
    try:
        text = object_of(values.get("text") or {}, "text")
        unknown.add_rest("text.", text, ("format", "verbosity"))
        return Conversation(
            origin="openai_responses",
            turns=turns,
            tools=read_tools(values.get("tools"), unknown),
            tool_choice=read_choice(values.get("tool_choice"), unknown),
            parallel_tool_calls=_switch(values, "parallel_tool_calls"),
            thinking=_thinking(values.get("reasoning"), unknown),
            answer_form=_answer_form(text.get("format"), unknown),
            sampling=_sampling(values, unknown),
            verbosity=optional_text_at(text, "verbosity") or None,
            metadata=_metadata(values.get("metadata")),
            user=_user(values, unknown),
            cache_key=optional_text_at(values, "prompt_cache_key") or None,
            service_tier=request.service_tier,
            unknown=unknown.names,
        )
    except Wrong as error:
        raise Problem("invalid_request", f"`{error.where}` must be {error.wanted}.", param=error.where) from error


def _switch(values: dict[str, Any], name: str) -> bool | None:
    value = values.get(name)
    if value is not None and not isinstance(value, bool):
        raise Wrong(name, "true or false")
    return value


def _thinking(value: Any, unknown: Unknowns) -> Thinking | None:
    if value is None:
        return None
    reasoning = object_of(value, "reasoning")
    unknown.add_rest("reasoning.", reasoning, ("effort", "summary", "generate_summary"))
    effort = optional_text_at(reasoning, "effort") or None
    summary = optional_text_at(reasoning, "summary") or optional_text_at(reasoning, "generate_summary") or None
    return Thinking(effort=effort, summary=summary) if effort or summary else None


def _answer_form(value: Any, unknown: Unknowns) -> JsonSchema | None:
    if value is None:
        return None
    form = object_of(value, "text.format")
    kind = text_at(form, "type")
    if kind == "text":
        return None
    if kind == "json_object":
        return JsonSchema()
    if kind != "json_schema":
        raise Inexpressible("answer_form", "text.format")
    unknown.add_rest("text.format.", form, ("type", "name", "schema", "description", "strict"))
    return JsonSchema(
        schema=object_of(form.get("schema"), "text.format.schema"),
        name=optional_text_at(form, "name"),
        description=optional_text_at(form, "description"),
        strict=_switch(form, "strict"),
    )


def _sampling(values: dict[str, Any], unknown: Unknowns) -> Sampling:
    include = list_of(values.get("include") or [], "include")
    if any(name not in _INCLUDES for name in include):
        unknown.add("", "include")
    top_logprobs = values.get("top_logprobs")
    if top_logprobs is not None and (not isinstance(top_logprobs, int) or isinstance(top_logprobs, bool)):
        raise Wrong("top_logprobs", "a whole number")
    return Sampling(
        temperature=_number(values, "temperature"),
        top_p=_number(values, "top_p"),
        logprobs=_LOGPROBS in include or bool(top_logprobs),
        top_logprobs=top_logprobs,
    )


def _number(values: dict[str, Any], name: str) -> float | None:
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not -1e18 < value < 1e18:
        raise Wrong(name, "a number")
    return float(value)


def _metadata(value: Any) -> tuple[tuple[str, str], ...]:
    metadata = object_of(value or {}, "metadata")
    if not all(isinstance(inner, str) for inner in metadata.values()):
        raise Wrong("metadata", "an object of strings")
    return tuple(metadata.items())


def _user(values: dict[str, Any], unknown: Unknowns) -> str | None:
    """`safety_identifier` replaces `user`."""
    new, old = optional_text_at(values, "safety_identifier"), optional_text_at(values, "user")
    if new and old and new != old:
        unknown.add("", "user")
    return new or old or None
