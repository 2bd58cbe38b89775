"""Turns as chat messages, for a provider. A `tool` message takes text only, so pictures and files of a result follow in
a `user` message that names the call."""

from collections.abc import Sequence
from typing import Any

from farebox.dialects.canonical.conversation import Turn
from farebox.dialects.canonical.parts import (
    Audio,
    CacheMark,
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
from farebox.dialects.namespaces import joined
from farebox.dialects.openai_chat.calls import call_entry, extra_content, marked
from farebox.dialects.openai_chat.content import (
    audio_part,
    cache_control,
    file_part,
    image_part,
    text_of_document,
    text_of_search_result,
)
from farebox.dialects.openai_chat.reasoning import details_of
from farebox.dialects.port import Inexpressible, Profile

_MEDIA_FEATURES = {Image: "part:image", Document: "part:document", Audio: "part:audio"}
RESULT_FOLLOWS = "The result follows in the next message."


class MessageWriter:
    """Writes the messages of one request. `dropped` collects what chat, or this provider, cannot say."""

    def __init__(self, profile: Profile) -> None:
        self.dropped: set[str] = set()
        self.messages: list[dict[str, Any]] = []
        self._unsupported = profile.unsupported
        self._developer = "developer" if profile.developer_role else "system"
        self._call_names: dict[str, str] = {}

    def write(self, turn: Turn) -> None:
        """Add a turn. Raises Inexpressible."""
        match turn.role:
            case "tool":
                self._write_results(turn.parts)
            case "assistant":
                self._add(turn, "assistant", self._assistant(turn.parts))
            case "developer":
                self._add(turn, self._developer, {"content": self._content(turn)})
            case _:
                self._add(turn, turn.role, {"content": self._content(turn)})

    def takes(self, feature: str) -> bool:
        """Whether the provider takes a feature; if not it is named as dropped."""
        if feature in self._unsupported:
            self.dropped.add(feature)
            return False
        return True

    def _add(self, turn: Turn, role: str, fields: dict[str, Any]) -> None:
        message: dict[str, Any] = {"role": role, **fields}
        if turn.name and self.takes("message_name"):
            message["name"] = turn.name
        self.messages.append(message)

    # ── content ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _content(self, turn: Turn) -> str | list[dict[str, Any]]:
        text_only = turn.role != "user"
        entries = []
        for part in turn.parts:
            entry = self._entry(part)
            if entry is None:
                continue
            if text_only and isinstance(part, Image | Document | Audio) and entry["type"] != "text":
                raise Inexpressible(_MEDIA_FEATURES[type(part)], "messages")
            entries.append(entry)
        return _shortest(entries)

    def _entry(self, part: Part) -> dict[str, Any] | None:
        """A content part of a speaker, or None for one that has no place there."""
        match part:
            case Text():
                if part.citations:
                    self.dropped.add("citations")
                entry = {"type": "text", "text": part.text}
            case SearchResult():
                # Its text goes, but neither that it was found somewhere nor the wish to cite it.
                self.dropped.add("part:search_result")
                entry = {"type": "text", "text": text_of_search_result(part)}
            case Image():
                entry = self._image(part)
            case Document():
                entry = self._document(part)
            case Audio():
                self._require("part:audio")
                entry = audio_part(part)
            case Opaque(origin="openai_chat", value=dict() as value):
                return value
            case _:
                self._drop_part(part)
                return None
        return self._with_mark(entry, part.cache)

    def _image(self, part: Image) -> dict[str, Any]:
        self._require("part:image")
        entry = image_part(part)
        if part.detail and not self.takes("image_detail"):
            del entry["image_url"]["detail"]
        return entry

    def _document(self, part: Document) -> dict[str, Any]:
        if part.context:
            self.dropped.add("document_context")
        if part.cite:
            self.dropped.add("citations")
        if "part:document" in self._unsupported and (text := text_of_document(part)) is not None:
            return {"type": "text", "text": text}
        self._require("part:document")
        return file_part(part)

    def _require(self, feature: str) -> None:
        if feature in self._unsupported:
            raise Inexpressible(feature, "messages")

    def _with_mark(self, entry: dict[str, Any], mark: CacheMark | None) -> dict[str, Any]:
        if mark is not None and self.takes("cache_control"):
            return {**entry, "cache_control": cache_control(mark)}
        return entry

    def _drop_part(self, part: Part) -> None:
        kind = part.kind if isinstance(part, Opaque) else type(part).__name__.lower()
        self.dropped.add(f"part:{kind}")

    # ── the assistant ─────────────────────────────────────────────────────────────────────────────────────────────

    def _assistant(self, parts: Sequence[Part]) -> dict[str, Any]:
        spoken: list[dict[str, Any]] = []
        calls: list[dict[str, Any]] = []
        fields: dict[str, Any] = {}
        for part in parts:
            match part:
                case Text():
                    spoken += filter(None, [self._entry(part)])
                case Refusal():
                    spoken.append({"type": "refusal", "refusal": part.text})
                case ToolCall():
                    calls.append(self._call(part))
                case Reasoning():
                    pass
                case Opaque(origin="openai_chat", kind="audio"):
                    fields["audio"] = part.value
                case Opaque(origin="openai_chat", value={"type": str()}) if part.kind not in ("function", "custom"):
                    (calls if "id" in part.value else spoken).append(part.value)
                case _:
                    self._drop_part(part)
        return {**self._reasoning(parts), **_spoken(spoken, alone=not calls and not fields), **fields, **_calls(calls)}

    def _reasoning(self, parts: Sequence[Part]) -> dict[str, Any]:
        own = [part for part in parts if isinstance(part, Reasoning) and part.origin == "openai_chat"]
        if any(isinstance(part, Reasoning) and part.origin != "openai_chat" for part in parts):
            self.dropped.add("foreign_reasoning")
        if not own or not self.takes("reasoning"):
            return {}
        fields: dict[str, Any] = {}
        if text := "".join(part.text for part in own):
            fields["reasoning_content"] = text
        if len(own) > 1 or own[0].seal or own[0].summary or not own[0].text:
            fields["reasoning_details"] = [
                detail for number, part in enumerate(own) for detail in details_of(part, number)
            ]
        return fields

    def _call(self, call: ToolCall) -> dict[str, Any]:
        name = joined(call.namespace, call.name)
        self._call_names[call.call_id] = name
        entry = call_entry(call, name)
        if call.seal and call.origin in (None, "openai_chat"):
            entry["extra_content"] = extra_content(call.seal)
        elif call.seal:
            self.dropped.add("foreign_reasoning")
        return marked(entry, call) if call.cache is not None and self.takes("cache_control") else entry

    # ── tool results ──────────────────────────────────────────────────────────────────────────────────────────────

    def _write_results(self, parts: Sequence[Part]) -> None:
        media: list[dict[str, Any]] = []
        for part in parts:
            if not isinstance(part, ToolResult):
                self._drop_part(part)
                continue
            entries = [entry for held in part.content if (entry := self._entry(held)) is not None]
            texts = [entry for entry in entries if entry["type"] == "text"]
            shown = [entry for entry in entries if entry["type"] != "text"]
            if part.is_error:
                self.dropped.add("field:is_error")
            content = _shortest(texts) if texts else (RESULT_FOLLOWS if shown else "")
            message = {"role": "tool", "tool_call_id": part.call_id, "content": content}
            self.messages.append(self._with_mark(message, part.cache))
            if shown:
                media += [{"type": "text", "text": self._heading(part.call_id)}, *shown]
        if media:
            self.messages.append({"role": "user", "content": media})

    def _heading(self, call_id: str) -> str:
        name = self._call_names.get(call_id)
        return f"Result of the tool call {call_id} ({name}):" if name else f"Result of the tool call {call_id}:"


def _shortest(entries: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """A single plain text as a string, which every vendor takes."""
    if not entries:
        return ""
    if len(entries) == 1 and entries[0].keys() == {"type", "text"}:
        return str(entries[0]["text"])
    return entries


def _spoken(entries: list[dict[str, Any]], *, alone: bool) -> dict[str, Any]:
    """Content and refusal. Content is null beside tool calls, and empty where the assistant said nothing at all."""
    if not entries:
        return {"content": "" if alone else None}
    if len(entries) == 1 and entries[0]["type"] == "refusal":
        return {"content": None, "refusal": entries[0]["refusal"]}
    return {"content": _shortest(entries)}


def _calls(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"tool_calls": entries} if entries else {}
