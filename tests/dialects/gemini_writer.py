"""Canonical answers as Gemini would give them, whole or as a stream: the test side's own writer."""

import json
from typing import Any

from hypothesis import strategies as st

from farebox.base.usage import Usage
from farebox.dialects.canonical.parts import Audio, Citation, Image, Inline, Opaque, Part, Reasoning, Text, ToolCall
from farebox.dialects.canonical.reply import Finish, Reply

Json = dict[str, Any]
FINISHES = {
    Finish.END: "STOP",
    Finish.TOOL_CALLS: "STOP",
    Finish.LENGTH: "MAX_TOKENS",
    Finish.REFUSAL: "SAFETY",
    Finish.BROKEN_CALL: "MALFORMED_FUNCTION_CALL",
}


def whole(reply: Reply) -> bytes:
    """The answer of `generateContent`."""
    candidate: Json = {"content": {"role": "model", "parts": [_part(part) for part in reply.parts]}, "index": 0}
    for part in reply.parts:
        if isinstance(part, Text) and part.citations:
            candidate["groundingMetadata"] = _grounding(part)
    assert reply.finish is not None
    candidate["finishReason"] = FINISHES[reply.finish]
    return json.dumps(_response(candidate, reply), ensure_ascii=False).encode()


def streamed(draw: Any, reply: Reply) -> list[bytes]:
    """The events of `streamGenerateContent`: texts in pieces, reasons to stop and counts wherever Google puts them."""
    assert reply.finish is not None
    candidates: list[Json] = []
    for part in reply.parts:
        pieces = _pieces(draw, part)
        candidates += [{"content": {"role": "model", "parts": [piece]}} for piece in pieces]
        if isinstance(part, Text) and part.citations:
            candidates[-1]["groundingMetadata"] = _grounding(part)
    if draw(st.booleans()) or not candidates:
        candidates.append({"content": {"role": "model", "parts": [{"text": ""}]}})
    for candidate in candidates:
        if draw(st.integers(0, 5)) == 0:
            candidate["finishReason"] = "STOP"  # seen in the wild: the stream goes on
    candidates[-1]["finishReason"] = FINISHES[reply.finish]
    responses = [_response(candidate, reply, last=candidate is candidates[-1]) for candidate in candidates]
    return [b"data: " + json.dumps(one, ensure_ascii=False).encode() + b"\r\n\r\n" for one in responses]


def _response(candidate: Json, reply: Reply, *, last: bool = True) -> Json:
    response: Json = {"candidates": [candidate], "modelVersion": "gemini-3-flash", "responseId": "r1"}
    if reply.reported.usage is not None:
        usage = usage_metadata(reply.reported.usage)
        response["usageMetadata"] = usage if last else {"promptTokenCount": usage["promptTokenCount"]}
    return response


def _pieces(draw: Any, part: Part) -> list[Json]:
    written = _part(part)
    if "text" not in written or len(written["text"]) < 2:
        return [written]
    text, signature = written["text"], written.pop("thoughtSignature", None)
    cut = draw(st.integers(1, len(text) - 1))
    pieces = [{**written, "text": piece} for piece in (text[:cut], text[cut:])]
    if signature is not None:
        pieces = [*pieces, {**written, "text": "", "thoughtSignature": signature}]
    return pieces


def _part(part: Part) -> Json:
    match part:
        case Text():
            return {"text": part.text}
        case Reasoning():
            said: Json = {"text": part.text} if part.redacted else {"text": part.text, "thought": True}
            return {**said, "thoughtSignature": part.seal} if part.seal else said
        case ToolCall():
            call = {"id": part.call_id, "name": part.name, "args": json.loads(part.arguments)}
            return {"functionCall": call, **({"thoughtSignature": part.seal} if part.seal else {})}
        case Image(source=Inline() as source):
            return {"inlineData": {"mimeType": source.media_type, "data": source.data}}
        case Audio():
            return {"inlineData": {"mimeType": f"audio/{part.format}", "data": part.data}}
        case Opaque():
            return dict(part.value)
    raise AssertionError(f"Gemini gives no such part: {part}")


def _grounding(part: Text) -> Json:
    chunks = [{"web": {"uri": citation.url, "title": citation.title}} for citation in part.citations]
    supports = [
        {"segment": _segment(part.text, citation), "groundingChunkIndices": [place]}
        for place, citation in enumerate(part.citations)
        if citation.end is not None
    ]
    return {"groundingChunks": chunks, "groundingSupports": supports}


def _segment(text: str, citation: Citation) -> Json:
    covered = text[citation.start : citation.end]
    start = len(text[: citation.start].encode())
    segment = {"startIndex": start, "endIndex": start + len(covered.encode()), "text": covered}
    return segment if start else {name: value for name, value in segment.items() if name != "startIndex"}


def usage_metadata(usage: Usage) -> Json:
    """`usageMetadata`, with the details by modality."""
    prompt = usage.total_input_tokens
    output = usage.output_tokens + usage.audio_output_tokens + usage.image_output_tokens
    return {
        "promptTokenCount": prompt,
        "cachedContentTokenCount": usage.cached_input_tokens,
        "candidatesTokenCount": output,
        "thoughtsTokenCount": usage.reasoning_tokens,
        "totalTokenCount": prompt + output + usage.reasoning_tokens,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": usage.input_tokens + usage.cached_input_tokens},
            {"modality": "AUDIO", "tokenCount": usage.audio_input_tokens},
            {"modality": "IMAGE", "tokenCount": usage.image_input_tokens},
        ],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": usage.cached_input_tokens}],
        "candidatesTokensDetails": [
            {"modality": "TEXT", "tokenCount": usage.output_tokens},
            {"modality": "AUDIO", "tokenCount": usage.audio_output_tokens},
            {"modality": "IMAGE", "tokenCount": usage.image_output_tokens},
        ],
    }
