"""Tool calls in messages, both ways: function and custom ones, and Gemini's thought signature on them.

Source: ChatCompletionMessageToolCallUnion of the official SDK; `extra_content.google.thought_signature` is Google's
convention for its OpenAI-compatible endpoint.
"""

from typing import Any

import msgspec

from farebox.dialects.canonical.parts import DialectName, Opaque, ToolCall
from farebox.dialects.envelope import Sealed, seal, unseal
from farebox.dialects.openai_chat.content import cache_control, read_cache
from farebox.dialects.openai_chat.shape import object_at, optional_text_at, plain_name, text_at

_encode = msgspec.json.Encoder().encode


def read_call(call: Any, param: str, *, fallback_id: str, trusted: bool) -> ToolCall | Opaque:
    """One entry of `tool_calls`; a kind that is not known is opaque. `fallback_id` stands in for an id that was left
    out; `trusted` as in `read_reasoning`. Raises Unreadable."""
    call = object_at(call, param)
    kind = call.get("type") or ("custom" if "custom" in call else "function")
    if kind not in ("function", "custom"):
        return Opaque("openai_chat", plain_name(text_at(kind, f"{param}.type")), call)
    custom = kind == "custom"
    inner = object_at(call.get(kind), f"{param}.{kind}")
    signature = signature_of(call)
    origin: DialectName | None = "openai_chat" if signature else None
    if trusted and signature and (opened := unseal(signature)) is not None:
        origin, signature = opened[0], opened[1].seal
    return ToolCall(
        call_id=optional_text_at(call.get("id"), f"{param}.id") or fallback_id,
        name=text_at(inner.get("name"), f"{param}.{kind}.name"),
        arguments=arguments_of(inner.get("input" if custom else "arguments"), f"{param}.{kind}"),
        custom=custom,
        seal=signature,
        origin=origin,
        cache=read_cache(call),
    )


def arguments_of(value: Any, param: str) -> str:
    """Arguments as the model wrote them; some programs hand over the object instead. Raises Unreadable."""
    if isinstance(value, dict):
        return _encode(value).decode()
    return optional_text_at(value, f"{param}.arguments")


def signature_of(holder: dict[str, Any]) -> str:
    """The thought signature on a call; empty where there is none."""
    extra = holder.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) else ""


def call_entry(call: ToolCall, name: str) -> dict[str, Any]:
    """An entry of `tool_calls` without its seal."""
    if call.custom:
        return {"id": call.call_id, "type": "custom", "custom": {"name": name, "input": call.arguments}}
    return {"id": call.call_id, "type": "function", "function": {"name": name, "arguments": call.arguments}}


def extra_content(signature: str) -> dict[str, Any]:
    """A thought signature in Google's place for it."""
    return {"google": {"thought_signature": signature}}


def client_signature(origin: DialectName | None, signature: str) -> str:
    """A seal as a client gets it: in an envelope unless it is chat's own."""
    return signature if origin in (None, "openai_chat") else seal(origin, Sealed(signature))


def marked(entry: dict[str, Any], call: ToolCall) -> dict[str, Any]:
    """The entry with the call's cache mark, if it has one."""
    return entry if call.cache is None else {**entry, "cache_control": cache_control(call.cache)}
