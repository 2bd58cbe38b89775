"""A Responses-shaped body that came to `/chat/completions` (Cursor sends such), rewritten into chat fields.

Recognised by `input` without `messages`. Fields that both have keep their name and bytes. Left out, because chat has
nothing like them and the answer is the same without: `reasoning.summary`, `truncation`, and `include` of encrypted
reasoning. What cannot be rewritten otherwise is refused by its name.
"""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.openai_chat.rewrite_input import messages_of
from farebox.dialects.openai_chat.rewrite_tools import choice_of, tools_of
from farebox.dialects.openai_chat.shape import Unreadable, list_at, object_at
from farebox.dialects.request import Fields, raw, value_of

# Refused unless null or false: they name something that lies at the provider, or run without the client.
_REFUSED: Final = ("previous_response_id", "conversation", "prompt", "background", "max_tool_calls")
_REWRITTEN: Final = frozenset(
    {
        *("input", "instructions", "tools", "tool_choice", "max_output_tokens", "text", "reasoning", "include"),
        *("truncation", "top_logprobs", *_REFUSED),
    }
)
_HARMLESS_INCLUDES: Final = frozenset({"reasoning.encrypted_content"})


def is_responses_shaped(fields: Mapping[str, msgspec.Raw]) -> bool:
    """Whether a body has `input` where chat has `messages`."""
    return "input" in fields and bytes(fields.get("messages", b"null")) == b"null"


def rewrite(fields: Fields) -> Fields:
    """The chat fields that say the same. Raises Problem `invalid_request`."""
    try:
        return _rewrite(fields)
    except Unreadable as error:
        message = f"`{error.param}` must be {error.wanted}: this body is read as one for the Responses API."
        raise Problem("invalid_request", message, param=error.param) from error
    except RecursionError as error:
        raise Problem("invalid_request", "The body is nested too deeply.") from error


def _rewrite(fields: Fields) -> Fields:
    for name in _REFUSED:
        if value_of(fields, name) not in (None, False):
            _refuse(name)
    chat = {name: value for name, value in fields.items() if name not in _REWRITTEN and name != "messages"}
    chat["messages"] = raw(messages_of(value_of(fields, "instructions"), value_of(fields, "input")))
    found = tools_of(value_of(fields, "tools"))
    found |= {"tool_choice": choice_of(value_of(fields, "tool_choice"))}
    found |= {"max_completion_tokens": value_of(fields, "max_output_tokens")}
    found |= _text_fields(value_of(fields, "text")) | _reasoning_fields(value_of(fields, "reasoning"))
    found |= _logprobs_fields(value_of(fields, "top_logprobs"))
    for name in list_at(value_of(fields, "include"), "include"):
        if not isinstance(name, str) or name not in _HARMLESS_INCLUDES:
            _refuse("include")
    return chat | {name: raw(value) for name, value in found.items() if value is not None}


def _refuse(param: str) -> NoReturn:
    message = f"`{param}` belongs to the Responses API and cannot be served here; use /v1/responses, or leave it out."
    raise Problem("invalid_request", message, param=param)


def _text_fields(text: Any) -> dict[str, Any]:
    if text is None:
        return {}
    text = object_at(text, "text")
    form = text.get("format")
    if form is None:
        return {"verbosity": text.get("verbosity")}
    form = object_at(form, "text.format")
    if form.get("type") == "json_schema" and "json_schema" not in form:
        form = {"type": "json_schema", "json_schema": {name: form[name] for name in form if name != "type"}}
    return {"verbosity": text.get("verbosity"), "response_format": form}


def _reasoning_fields(reasoning: Any) -> dict[str, Any]:
    return {} if reasoning is None else {"reasoning_effort": object_at(reasoning, "reasoning").get("effort")}


def _logprobs_fields(top_logprobs: Any) -> dict[str, Any]:
    """Responses gives log probabilities when a number of them is named; chat has a switch beside it."""
    return {"logprobs": True, "top_logprobs": top_logprobs} if top_logprobs else {}
