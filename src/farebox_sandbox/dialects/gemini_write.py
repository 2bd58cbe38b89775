"""Writing Gemini's generateContent: the JSON body, usage and errors."""

from typing import Any

import msgspec

from farebox_sandbox.ask import canonical_json
from farebox_sandbox.compose import Citation
from farebox_sandbox.dialects.base import reported
from farebox_sandbox.dialects.logprobs import TokenLogprob, average, logprobs_of
from farebox_sandbox.faults import Directives
from farebox_sandbox.reply import Reply, json_or_value
from farebox_sandbox.signatures import sign

DIALECT = "gemini"
MID_STREAM_STATUS = 503

_FINISH = {"length": "MAX_TOKENS", "refusal": "SAFETY"}

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
KEY_INVALID = "API_KEY_INVALID"


def error_body(status: int, message: str | None = None, code: str | None = None) -> bytes:
    """`{"error": {"code", "message", "status", "details"}}`; a code becomes the reason in the details."""
    text = message if message is not None else f"The sandbox was asked to answer {status}."
    usual = "INVALID_ARGUMENT" if status < 500 else "INTERNAL"
    error: dict[str, Any] = {"code": status, "message": text, "status": _STATUSES.get(status, usual)}
    if code is not None:
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        error["details"] = [{"@type": kind, "reason": code, "domain": "googleapis.com"}]
    return msgspec.json.encode({"error": error})


def error_event(directives: Directives) -> bytes:
    """What `error_mid_stream` sends."""
    message = directives.error_message or "The sandbox was asked to fail in the middle of a stream."
    return b"data: " + error_body(MID_STREAM_STATUS, message, directives.error_code) + b"\n\n"


def json_body(reply: Reply) -> bytes:
    """The GenerateContentResponse of a reply. An empty refusal is a blocked prompt, which has no candidates."""
    body: dict[str, Any] = {}
    if reply.directives.refusal == "":
        body["promptFeedback"] = {"blockReason": "SAFETY"}
    else:
        body["candidates"] = [_candidate(reply, index) for index in range(reply.ask.choices)]
    if not reply.directives.no_usage:
        body["usageMetadata"] = reported(reply, usage)
    if reply.directives.unknown_event:
        body["sandboxNote"] = {"note": "a field of an unknown name"}
    return msgspec.json.encode({**body, **names(reply)})


def names(reply: Reply) -> dict[str, Any]:
    """What every response says of itself."""
    told = {"modelVersion": reply.model, "responseId": reply.stem}
    return told if reply.service_tier is None else {**told, "serviceTier": reply.service_tier}


def _candidate(reply: Reply, index: int) -> dict[str, Any]:
    parts = thought_parts(reply) + text_parts(reply) + call_parts(reply, index)
    if reply.directives.unknown_event:
        parts.append({"sandboxNote": {"note": "a part of an unknown kind"}})
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, **ending(reply), "index": index}
    if reply.ask.logprobs is not None:
        tokens = logprobs_of(reply.answer.content or "", reply.ask.logprobs)
        candidate |= {"avgLogprobs": average(tokens), "logprobsResult": logprobs_result(tokens)}
    return candidate


def ending(reply: Reply) -> dict[str, Any]:
    """What the last chunk of a candidate says: why it ended, and its grounding."""
    told: dict[str, Any] = {}
    if not reply.directives.no_finish:
        told["finishReason"] = reply.directives.finish or _FINISH.get(reply.answer.finish, "STOP")
    if reply.answer.citations or reply.answer.searches:
        told["groundingMetadata"] = _grounding(reply.answer.citations, reply.answer.searches)
    return told


def thought_parts(reply: Reply) -> list[dict[str, Any]]:
    thinking = reply.ask.thinking
    if not reply.answer.reasoning or thinking is None or not thinking.shown:
        return []
    return [{"text": reply.answer.reasoning, "thought": True}]


def text_parts(reply: Reply) -> list[dict[str, Any]]:
    if reply.answer.content is None:
        return []
    part = {"text": reply.answer.content + reply.extra_text}
    return [{**part, **text_signature(reply)}]


def text_signature(reply: Reply) -> dict[str, Any]:
    """On the last text part of a model that thought, unless a function call carries one."""
    thought = reply.answer.reasoning_tokens and not reply.answer.tool_calls
    return {"thoughtSignature": sign(DIALECT, "text", "")} if thought else {}


def call_parts(reply: Reply, choice: int) -> list[dict[str, Any]]:
    """Function calls; the first of them is signed, whether thoughts are shown or not."""
    parts = []
    for position, call in enumerate(reply.answer.tool_calls):
        arguments = json_or_value(call.arguments)
        called = {"id": reply.tool_call_id("call_", position, choice), "name": call.name, "args": arguments}
        part: dict[str, Any] = {"functionCall": called}
        if position == 0:
            part["thoughtSignature"] = sign(DIALECT, "function_call", f"{call.name}\0{canonical_json(arguments)}")
        parts.append(part)
    return parts


def logprobs_result(tokens: list[TokenLogprob]) -> dict[str, Any]:
    return {
        "chosenCandidates": [{"token": one.token, "logProbability": one.logprob} for one in tokens],
        "topCandidates": [
            {"candidates": [{"token": token, "logProbability": logprob} for token, logprob in one.top]}
            for one in tokens
        ],
    }


def _grounding(citations: tuple[Citation, ...], searches: tuple[str, ...]) -> dict[str, Any]:
    """Segments are bytes of UTF-8, not characters."""
    told: dict[str, Any] = {
        "groundingChunks": [{"web": {"uri": one.url, "title": one.title}} for one in citations],
        "groundingSupports": [
            {
                "segment": {"startIndex": 0, "endIndex": len(one.text.encode()), "text": one.text},
                "groundingChunkIndices": [index],
            }
            for index, one in enumerate(citations)
        ],
    }
    return {**told, "webSearchQueries": list(searches)} if searches else told


def usage(reply: Reply) -> dict[str, Any]:
    return usage_at(reply, reply.completion_tokens - reply.reasoning_tokens, reply.reasoning_tokens)


def usage_at(reply: Reply, candidates_tokens: int, thoughts_tokens: int) -> dict[str, Any]:
    """Gemini's usage: cached tokens are part of the prompt, thoughts are beside the candidates."""
    told: dict[str, Any] = {
        "promptTokenCount": reply.prompt_tokens,
        "candidatesTokenCount": candidates_tokens,
        "totalTokenCount": reply.prompt_tokens + candidates_tokens + thoughts_tokens,
        "promptTokensDetails": _modalities(reply),
    }
    if reply.cached_tokens:
        told["cachedContentTokenCount"] = reply.cached_tokens
    if thoughts_tokens:
        told["thoughtsTokenCount"] = thoughts_tokens
    return told


def _modalities(reply: Reply) -> list[dict[str, Any]]:
    media = {kind.upper(): reply.media_tokens(kind) for kind in ("image", "document", "audio", "video")}
    counts = {"TEXT": reply.prompt_tokens - sum(media.values()), **media}
    return [{"modality": name, "tokenCount": count} for name, count in counts.items() if count]
