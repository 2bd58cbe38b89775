"""The parts of a turn as Gemini takes them.

A function's result names the function and the call's id, so calls are looked up by id. Signatures go back on the part
that they came on: on a call or a thought of its own, or on a text without words, as a stream ends with one.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from farebox.dialects.canonical.conversation import Turn
from farebox.dialects.canonical.parts import (
    Audio,
    Document,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    SearchResult,
    Text,
    ToolCall,
    ToolResult,
)
from farebox.dialects.gemini.media import media
from farebox.dialects.gemini.thinking import takes_levels
from farebox.dialects.namespaces import joined
from farebox.dialects.port import Inexpressible

# What Google's guide to thought signatures gives for calls that another model made: without one, models from generation
# 3 on refuse the first call of a turn.
PLACEHOLDER_SIGNATURE: Final = "skip_thought_signature_validator"
# What may stand inside a function's response, from generation 3 on. Else, and where one of them may not, so that they
# keep their order, all go beside it.
_INSIDE_RESPONSES: Final = frozenset(("image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"))
_RESERVED: Final = frozenset(("output", "error"))

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_Json = dict[str, Any]


class PartWriter:
    """Writes the parts of a conversation's turns, and names what cannot be written."""

    def __init__(self, turns: Sequence[Turn], model: str, dropped: set[str]) -> None:
        self._dropped = dropped
        self._recent = takes_levels(model)
        self._names = {
            part.call_id: joined(part.namespace, part.name)
            for turn in turns
            for part in turn.parts
            if isinstance(part, ToolCall)
        }

    def parts(self, turn: Turn) -> list[_Json]:
        """The parts of one turn. Raises Inexpressible."""
        written: list[_Json] = []
        for part in turn.parts:
            if getattr(part, "cache", None) is not None:
                self._dropped.add("cache_control")
            written += self._part(part)
        if turn.role == "assistant":
            # A text without words says nothing, and content of nothing else is refused; it may carry a signature.
            written = [part for part in written if part.get("text") != "" or "thoughtSignature" in part]
            if self._recent:
                _sign_first_call(written)
        return written

    def _part(self, part: Part) -> list[_Json]:
        match part:
            case Text():
                if part.citations:
                    self._dropped.add("citations")
                return [{"text": part.text}]
            case Image() | Document() | Audio():
                return [self._media(part)]
            case ToolCall():
                return [self._call(part)]
            case ToolResult():
                return self._result(part)
            case Reasoning():
                return self._reasoning(part)
            case Refusal():
                self._dropped.add("part:refusal")
                return [{"text": part.text}]
            case SearchResult():
                return [{"text": self._search_result(part)}]
            case Opaque(origin="gemini"):
                return [part.value]
            case Opaque():
                self._dropped.add(f"part:{part.kind}")
                return []

    def _media(self, part: Image | Document | Audio) -> _Json:
        if isinstance(part, Image) and part.detail not in ("", "auto"):
            self._dropped.add("image_detail")
        if isinstance(part, Document):
            if part.filename:
                self._dropped.add("filename")
            if part.context:
                self._dropped.add("document_context")
            if part.cite:
                self._dropped.add("citations")
        return media(part)

    def _search_result(self, part: SearchResult) -> str:
        self._dropped.add("part:search_result")
        if part.cite:
            self._dropped.add("citations")
        return "\n".join((part.title, part.source, *part.texts))

    def _call(self, call: ToolCall) -> _Json:
        name = joined(call.namespace, call.name)
        written: _Json = {"functionCall": {"id": call.call_id, "name": name, "args": self._arguments(call)}}
        if call.seal and call.origin == "gemini":
            written["thoughtSignature"] = call.seal
        elif call.seal:
            self._dropped.add("foreign_reasoning")
        return written

    def _arguments(self, call: ToolCall) -> Any:
        if call.custom:
            self._dropped.add("custom_tools")
            return {"input": call.arguments}
        if not call.arguments.strip():
            return {}
        if _fields_of(call.arguments) is None:
            # A model can write arguments that are no object, or be cut off; Gemini takes nothing else.
            self._dropped.add("tool_arguments")
            return {"arguments": call.arguments}
        return msgspec.Raw(call.arguments)

    def _result(self, result: ToolResult) -> list[_Json]:
        if result.call_id not in self._names:
            raise Inexpressible("tool_result_without_call", "messages")
        if result.custom:
            self._dropped.add("custom_tools")
        texts: list[str] = []
        seen: list[_Json] = []
        for part in result.content:
            if part.cache is not None:
                self._dropped.add("cache_control")
            if isinstance(part, Text):
                texts.append(part.text)
            elif isinstance(part, SearchResult):
                texts.append(self._search_result(part))
            else:
                seen.append(self._media(part))
        response: _Json = {"id": result.call_id, "name": self._names[result.call_id]}
        response["response"] = _response(texts, result.is_error)
        if seen and self._recent and all(_fits_inside(one) for one in seen):
            response["parts"], seen = seen, []
        return [{"functionResponse": response}, *seen]

    def _reasoning(self, part: Reasoning) -> list[_Json]:
        if part.origin != "gemini":
            self._dropped.add("foreign_reasoning")
            return []
        # A surface that knows only summaries has the thoughts there.
        text = part.text or "\n\n".join(part.summary)
        if part.text and part.summary:
            self._dropped.add("reasoning_summary")
        written: _Json = {"text": "" if part.redacted else text}
        if not part.redacted:
            written["thought"] = True
        if part.seal:
            written["thoughtSignature"] = part.seal
        return [written]


def _sign_first_call(parts: list[_Json]) -> None:
    """Of parallel calls only the first is signed."""
    for part in parts:
        if "functionCall" in part:
            part.setdefault("thoughtSignature", PLACEHOLDER_SIGNATURE)
            return


def _fits_inside(part: _Json) -> bool:
    return part.get("inlineData", {}).get("mimeType") in _INSIDE_RESPONSES


def _response(texts: list[str], is_error: bool) -> Any:
    """A result as the object that Gemini wants: one that is an object already as it is, any other as its `output`."""
    if is_error:
        return {"error": texts[0] if len(texts) == 1 else texts}
    if len(texts) != 1:
        return {"output": texts}
    fields = _fields_of(texts[0])
    if fields is None or not _RESERVED.isdisjoint(fields):
        return {"output": texts[0]}
    return msgspec.Raw(texts[0])


def _fields_of(text: str) -> dict[str, msgspec.Raw] | None:
    """The fields of a text that is one JSON object, None for any other."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        return _object.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
