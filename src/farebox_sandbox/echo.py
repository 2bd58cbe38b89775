"""The `echo` directive: the request as a JSON document that is the same whatever dialect the request came in.

Contents are told by length and SHA-256, so a document is small and shows nothing. `request` is what the dialects have
in common; `envelope` is what belongs to one of them. README.md says how each field is made equal.
"""

import hashlib
from typing import Any

from farebox_sandbox.ask import Ask, Media, Part, Tool, canonical_json, canonical_text, given
from farebox_sandbox.describe import media_bytes

_AUDIO_TYPES = {"audio/mp3": "audio/mpeg", "audio/x-wav": "audio/wav", "audio/wave": "audio/wav"}


def echo_of(ask: Ask) -> str:
    """The document as JSON text."""
    numbers = _call_numbers(ask)
    request = {
        "turns": _turns(ask, numbers),
        "tools": [_tool(tool) for tool in ask.tools],
        **given(
            tool_choice=_tool_choice(ask),
            parallel_tool_calls=ask.parallel_tool_calls,
            token_limit=ask.token_limit,
            response_format=_form(ask),
            reasoning=_thinking(ask),
            logprobs=ask.logprobs,
            user=ask.user,
            cache_key=ask.cache_key,
            service_tier=ask.service_tier,
            verbosity=ask.verbosity,
        ),
        "choices": ask.choices,
        "sampling": ask.sampling,
        "stop": ask.stop,
        "metadata": ask.metadata,
        "modalities": ask.modalities,
    }
    if ask.cache:
        request["cache"] = ask.cache
    envelope = {
        "dialect": ask.dialect,
        "model": ask.model,
        "stream": ask.stream,
        "unknown": ask.unknown,
        "headers": ask.headers,
    }
    return canonical_json({"request": request, "envelope": envelope})


def _turns(ask: Ask, numbers: dict[str, int]) -> list[dict[str, Any]]:
    """Neighbours of one role and name are one turn: some dialects have no boundary between them."""
    told: list[dict[str, Any]] = []
    for turn in ask.turns:
        parts = [_part(part, numbers) for part in turn.parts]
        if told and told[-1]["role"] == turn.role and told[-1].get("name", "") == turn.name:
            told[-1]["parts"] += parts
        else:
            told.append({"role": turn.role, **({"name": turn.name} if turn.name else {}), "parts": parts})
    return told


def _call_numbers(ask: Ask) -> dict[str, int]:
    """Tool calls by id, numbered from 0: ids differ between dialects, their order does not."""
    ids = [part.call_id for turn in ask.turns for part in turn.parts if part.kind == "tool_call"]
    return {call_id: number for number, call_id in enumerate(ids)}


def _part(part: Part, numbers: dict[str, int]) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": part.kind}
    match part.kind:
        case "tool_call":
            told |= {"name": part.name, "arguments_sha256": sha256(canonical_text(part.arguments).encode())}
        case "tool_result":
            content = [_result_part(one, numbers) for one in part.content]
            told |= {"answers": numbers.get(part.call_id), "is_error": part.is_error, "content": content}
        case _ if part.media is not None:
            told |= _media(part.media)
        case _:
            told |= _text(part.text)
    extras = {
        "filename": part.filename,
        "detail": "" if part.detail == "auto" else part.detail,
        "context": part.context,
        "cite": part.cite,
        "citations": part.citations,
        "redacted": part.redacted,
        "signed": bool(part.signature),
        "cache": part.cache,
    }
    return told | {name: value for name, value in extras.items() if value}


def _result_part(part: Part, numbers: dict[str, int]) -> dict[str, Any]:
    """JSON in a tool's result is told in canonical form: Gemini takes it as a value, the others as text."""
    if part.kind == "text":
        return _part(Part(kind="text", text=canonical_text(part.text), cache=part.cache), numbers)
    return _part(part, numbers)


def _text(text: str) -> dict[str, Any]:
    return {"characters": len(text), "sha256": sha256(text.encode("utf-8", "surrogatepass"))}


def _media(media: Media) -> dict[str, Any]:
    """Plain text in a document is the same as its base64."""
    content = media_bytes(media)
    source = "inline" if media.source == "text" else media.source
    told: dict[str, Any] = {"source": source, "sha256": sha256(content)}
    if source == "inline":
        told |= {"media_type": _AUDIO_TYPES.get(media.media_type, media.media_type), "bytes": len(content)}
    return told


def _tool(tool: Tool) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": tool.kind, "name": tool.name}
    if tool.kind in ("function", "custom"):
        told |= {"description": _text(tool.description), "schema_sha256": _schema(tool.parameters)}
    return told | given(strict=tool.strict, cache=tool.cache or None)


def _schema(schema: Any) -> str | None:
    return None if schema is None else sha256(canonical_json(schema).encode())


def _tool_choice(ask: Ask) -> dict[str, Any] | None:
    choice = ask.tool_choice
    return None if choice is None else {"mode": choice.mode, "names": choice.names}


def _form(ask: Ask) -> dict[str, Any] | None:
    form = ask.form
    if form is None:
        return None
    if form.schema is None:
        return {"type": "json_object"}
    return {"type": "json_schema", "schema_sha256": _schema(form.schema)} | given(
        name=form.name or None, strict=form.strict
    )


def _thinking(ask: Ask) -> dict[str, Any] | None:
    thinking = ask.thinking
    if thinking is None:
        return None
    return given(
        effort=thinking.effort,
        budget_tokens=thinking.budget_tokens,
        mode=thinking.mode or None,
        summary=thinking.summary,
        sealed=thinking.sealed or None,
    )


def sha256(content: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(content).hexdigest()
