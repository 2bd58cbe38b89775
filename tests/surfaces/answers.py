"""Everything that an answer can bring, and how it looks to the client of each surface."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.surfaces.drivers import told

View = dict[str, Any]


class Answer(NamedTuple):
    """`ask`: the user's text. `fields`: what the surface's request has besides; a surface without an entry cannot ask.
    `look`: what of the answer must be the same as from a provider of the surface's own dialect. `untold`: dialects
    whose providers have no such thing."""

    name: str
    ask: str
    look: Callable[[View], Any]
    fields: Mapping[str, dict[str, Any]] = {"chat": {}, "responses": {}, "messages": {}}
    tools: bool = False
    thinking: bool = False
    limit: int = 4_096
    untold: tuple[str, ...] = ()


def view_of(surface: str, document: dict[str, Any]) -> View:
    """An answer in the same words for every surface."""
    return {"chat": _chat, "responses": _responses, "messages": _messages}[surface](document)


def _chat(document: dict[str, Any]) -> View:
    choice = document["choices"][0]
    message, usage = choice["message"], document["usage"]
    return {
        "text": message.get("content") or "",
        "refusal": message.get("refusal") or "",
        "thought": message.get("reasoning_content") or "",
        "calls": [call["function"]["name"] for call in message.get("tool_calls") or ()],
        "citations": [one["url_citation"]["url"] for one in message.get("annotations") or ()],
        "logprobs": len(((choice.get("logprobs") or {}).get("content")) or ()),
        "finish": {"length": "length", "tool_calls": "calls", "content_filter": "refusal"}.get(
            choice["finish_reason"], "refusal" if message.get("refusal") else "end"
        ),
        "cached": (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0,
        "written": (usage.get("prompt_tokens_details") or {}).get("cache_write_tokens") or 0,
    }


def _responses(document: dict[str, Any]) -> View:
    items, usage = document["output"], document["usage"]
    parts = [part for item in items if item["type"] == "message" for part in item["content"]]
    texts = [part for part in parts if part["type"] == "output_text"]
    refused = [part["refusal"] for part in parts if part["type"] == "refusal"]
    calls = [item["name"] for item in items if item["type"] == "function_call"]
    why = (document.get("incomplete_details") or {}).get("reason")
    whole = "calls" if calls else "refusal" if refused else "end"
    return {
        "text": "".join(part["text"] for part in texts),
        "refusal": "".join(refused),
        "thought": "".join(one["text"] for item in items if item["type"] == "reasoning" for one in item["summary"]),
        "calls": calls,
        "citations": [one["url"] for part in texts for one in part["annotations"]],
        "logprobs": sum(len(part.get("logprobs") or ()) for part in texts),
        "finish": {"max_output_tokens": "length", "content_filter": "refusal", None: whole}[why],
        "cached": usage["input_tokens_details"]["cached_tokens"],
        "written": usage["input_tokens_details"].get("cache_write_tokens") or 0,
    }


def _messages(document: dict[str, Any]) -> View:
    blocks, usage = document["content"], document["usage"]
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    reason = document["stop_reason"]
    return {
        "text": text,
        "refusal": text if reason == "refusal" else "",
        "thought": "".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        "calls": [block["name"] for block in blocks if block["type"] == "tool_use"],
        "citations": [one["url"] for block in blocks for one in block.get("citations") or () if one.get("url")],
        "logprobs": 0,
        "finish": {"max_tokens": "length", "tool_use": "calls", "refusal": "refusal"}.get(reason, "end"),
        "cached": usage["cache_read_input_tokens"] or 0,
        "written": usage["cache_creation_input_tokens"] or 0,
    }


def _at(*names: str) -> Callable[[View], Any]:
    return lambda view: [view[name] for name in names]


ANSWERS: tuple[Answer, ...] = (
    Answer("text", "Reply exactly: hello there", _at("text", "finish")),
    Answer("a tool call", "use tool weather", _at("calls", "finish"), tools=True),
    Answer("several tool calls", "use tool weather use tool weather", _at("calls", "finish"), tools=True),
    Answer("text before a tool call", told(preamble="I look.") + "use tool weather", _at("text", "calls"), tools=True),
    Answer("thoughts", "Reply exactly: hi", lambda view: bool(view["thought"]), thinking=True),
    Answer("an end at the output limit", told(words=90) + "go on", _at("finish"), limit=16),
    Answer(
        "a refusal",
        told(refusal="I will not.") + "hello",
        # Chat and Responses have a place for the words; elsewhere they are text, or there are none.
        lambda view: view["finish"] == "refusal",
    ),
    Answer("web citations", told(citations=2) + "hello", lambda view: len(view["citations"])),
    Answer(
        "log probabilities",
        "Reply exactly: one two",
        _at("logprobs"),
        {
            "chat": {"logprobs": True, "top_logprobs": 2},
            "responses": {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
        },
    ),
    Answer("cached input in the usage", told(cached_tokens=5) + "hello", _at("cached")),
    Answer("cache writes in the usage", told(cache_write_tokens=4) + "hello", _at("written"), untold=("gemini",)),
)
# Chat has no kinds: what vendors add beside `choices` belongs to the envelope, and that is ours in translation.
UNKNOWN = Answer(
    "something of an unknown kind",
    told(unknown_event=True) + "Reply exactly: hi",
    _at("text"),
    untold=("openai_chat",),
)
