"""Input items of the Responses API as chat messages. Items of one assistant's turn become one message, because results
of its calls must follow it. Source: ResponseInputItemParam of the official SDK."""

from typing import Any, Final

from farebox.dialects.openai_chat.shape import Unreadable, list_at, object_at, optional_text_at, text_at

_ROLES: Final = frozenset({"system", "developer", "user", "assistant"})


def messages_of(instructions: Any, given: Any) -> list[dict[str, Any]]:
    """The messages of a request. Raises Unreadable."""
    writer = _Messages()
    if instructions is not None:
        writer.add({"role": "system", "content": text_at(instructions, "instructions")})
    if isinstance(given, str):
        writer.add({"role": "user", "content": given})
    else:
        if not isinstance(given, list):
            raise Unreadable("input", "a string or a list of items")
        for number, item in enumerate(given):
            writer.read(object_at(item, f"input[{number}]"), f"input[{number}]")
    return writer.finish()


class _Messages:
    """Collects messages. `_media`: pictures and files of tool results, which follow the results in one message."""

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        self._assistant: dict[str, Any] | None = None
        self._media: list[dict[str, Any]] = []

    def add(self, message: dict[str, Any]) -> None:
        self._end_turn()
        self._messages.append(message)

    def finish(self) -> list[dict[str, Any]]:
        self._end_turn()
        return self._messages

    def read(self, item: dict[str, Any], param: str) -> None:
        kind = item.get("type", "message" if "role" in item else None)
        match kind:
            case "message":
                self._message(item, param)
            case "reasoning":
                self._reasoning(item, param)
            case "function_call":
                call = {"name": item.get("name"), "arguments": item.get("arguments")}
                self._call({"id": item.get("call_id"), "type": "function", "function": call})
            case "custom_tool_call":
                call = {"name": item.get("name"), "input": item.get("input")}
                self._call({"id": item.get("call_id"), "type": "custom", "custom": call})
            case "function_call_output" | "custom_tool_call_output":
                self._result(item, param)
            case _:
                raise Unreadable(f"{param}.type", "a message, a function call, its output, or reasoning")

    def _message(self, item: dict[str, Any], param: str) -> None:
        role = item.get("role")
        if role == "tool" or item.get("tool_calls"):
            # Some programs mix chat messages among the items.
            self._close_assistant()
            self._messages.append({name: value for name, value in item.items() if name != "type"})
            return
        if role not in _ROLES:
            raise Unreadable(f"{param}.role", "system, developer, user or assistant")
        content = _content(item.get("content"), f"{param}.content")
        if role == "assistant":
            turn = self._turn()
            if "content" in turn or "tool_calls" in turn:
                turn = self._new_turn()
            turn["content"] = content
        else:
            self.add({"role": role, "content": content})

    def _call(self, call: dict[str, Any]) -> None:
        self._turn().setdefault("tool_calls", []).append(call)

    def _reasoning(self, item: dict[str, Any], param: str) -> None:
        """Thoughts open a turn. Their seal stays sealed: it goes back to where it came from, or nowhere."""
        turn = self._turn()
        if "content" in turn or "tool_calls" in turn:
            turn = self._new_turn()
        pieces = [*list_at(item.get("content"), param), *list_at(item.get("summary"), param)]
        texts = [object_at(piece, param).get("text") for piece in pieces]
        text = "\n\n".join(text for text in texts if isinstance(text, str))
        sealed = optional_text_at(item.get("encrypted_content"), f"{param}.encrypted_content")
        if text:
            turn["reasoning_content"] = turn.get("reasoning_content", "") + text
        if sealed:
            details = turn.setdefault("reasoning_details", [])
            details.append({"type": "reasoning.encrypted", "data": sealed, "index": len(details)})

    def _result(self, item: dict[str, Any], param: str) -> None:
        call_id = text_at(item.get("call_id"), f"{param}.call_id")
        output = item.get("output")
        self._close_assistant()
        if not isinstance(output, str):
            parts = [_part(part, f"{param}.output[{n}]") for n, part in enumerate(list_at(output, f"{param}.output"))]
            media = [part for part in parts if part["type"] != "text"]
            output = [part for part in parts if part["type"] == "text"]
            if media:
                self._media += [{"type": "text", "text": f"Result of the tool call {call_id}:"}, *media]
        self._messages.append({"role": "tool", "tool_call_id": call_id, "content": output or ""})

    def _turn(self) -> dict[str, Any]:
        return self._new_turn() if self._assistant is None else self._assistant

    def _new_turn(self) -> dict[str, Any]:
        self._end_turn()
        self._assistant = {"role": "assistant"}
        return self._assistant

    def _close_assistant(self) -> None:
        if self._assistant is not None:
            self._assistant.setdefault("content", None if "tool_calls" in self._assistant else "")
            self._messages.append(self._assistant)
            self._assistant = None

    def _end_turn(self) -> None:
        self._close_assistant()
        if self._media:
            self._messages.append({"role": "user", "content": self._media})
            self._media = []


def _content(content: Any, param: str) -> Any:
    if isinstance(content, str):
        return content
    return [_part(part, f"{param}[{number}]") for number, part in enumerate(list_at(content, param))]


def _part(value: Any, param: str) -> dict[str, Any]:
    part = object_at(value, param)
    match part.get("type"):
        case "input_text" | "output_text" | "text":
            return _kept({"type": "text", "text": text_at(part.get("text"), f"{param}.text")}, part)
        case "refusal":
            return {"type": "refusal", "refusal": text_at(part.get("refusal"), f"{param}.refusal")}
        case "input_image":
            image = {"url": text_at(part.get("image_url"), f"{param}.image_url")}
            if part.get("detail") is not None:
                image["detail"] = text_at(part["detail"], f"{param}.detail")
            return _kept({"type": "image_url", "image_url": image}, part)
        case "input_file":
            if part.get("file_url") is not None:
                raise Unreadable(f"{param}.file_url", "absent; send `file_data`")
            file = {name: part[name] for name in ("file_data", "file_id", "filename") if part.get(name) is not None}
            return _kept({"type": "file", "file": file}, part)
        case "image_url" | "input_audio" | "file":
            return part
        case _:
            raise Unreadable(f"{param}.type", "input_text, output_text, input_image, input_file or input_audio")


def _kept(chat_part: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """With the marks that both forms have."""
    marks = {name: part[name] for name in ("cache_control", "prompt_cache_breakpoint") if part.get(name) is not None}
    return {**chat_part, **marks}
