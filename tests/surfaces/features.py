"""Everything that a request can ask for, in the words of each surface, and where the echo shows that it arrived.

A feature that a surface cannot say has no entry for it.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.surfaces.drivers import PIXEL, TOOL

Body = dict[str, Any]
Look = Callable[[dict[str, Any]], Any]

PDF = "JVBERi0xLjQKJSVFT0YK"  # base64 of "%PDF-1.4 … %%EOF"
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
ASK = {"role": "user", "content": "hello"}


class Feature(NamedTuple):
    """`say`: the body of each surface. `look`: what of the echoed request must be the same as with a provider of the
    surface's own dialect. `mapped`: the target may say it in its own way, so only that it is there is looked at."""

    name: str
    say: Mapping[str, Body]
    look: Look
    mapped: bool = False


def _chat(*messages: Body, **fields: Any) -> Body:
    return {"messages": list(messages) or [ASK], **fields}


def _responses(*items: Body, **fields: Any) -> Body:
    return {"input": list(items) or [ASK], "store": False, **fields}


def _messages(*messages: Body, **fields: Any) -> Body:
    return {"messages": list(messages) or [ASK], "max_tokens": 2_048, **fields}


def _user(*parts: Body) -> Body:
    return {"role": "user", "content": list(parts)}


def _at(name: str) -> Look:
    return lambda request: request.get(name)


def _sampling(name: str) -> Look:
    return lambda request: request["sampling"].get(name)


def _turns(request: dict[str, Any]) -> Any:
    """The turns without marks that are features of their own."""
    return [(turn["role"], [_bare(part) for part in turn["parts"]]) for turn in request["turns"]]


def _bare(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name not in ("cache", "detail", "citations", "signed")}


def _tools(request: dict[str, Any]) -> Any:
    """The tools without `strict`, which is a feature of its own: Responses is strict unless told otherwise."""
    return [{name: value for name, value in tool.items() if name != "strict"} for tool in request["tools"]]


def _kinds(kind: str, *names: str) -> Look:
    """All parts of a kind, or only those fields of them."""

    def look(request: dict[str, Any]) -> Any:
        parts = [part for turn in request["turns"] for part in turn["parts"] if part["kind"] == kind]
        return [{name: part.get(name) for name in names} for part in parts] if names else [_bare(p) for p in parts]

    return look


def _function(name: str = "weather", **more: Any) -> dict[str, Body]:
    """The same tool in three dialects, by surface."""
    described = {"name": name, "description": "Tells the weather."}
    return {
        "chat": {"type": "function", "function": {**described, "parameters": TOOL, **more}},
        "responses": {"type": "function", **described, "parameters": TOOL, **more},
        "messages": {**described, "input_schema": TOOL, **more},
    }


def _with_tools(**choice: Any) -> dict[str, Body]:
    """A body with two tools by surface; `choice` adds fields by surface."""
    one, two = _function(), _function("time")
    make = {"chat": _chat, "responses": _responses, "messages": _messages}
    return {
        name: make[name](tools=[one[name], two[name]], **choice.get(name, {}))
        for name in make
        if name in choice or not choice
    }


def _called(result: dict[str, Any]) -> dict[str, Body]:
    """A conversation in which a tool was called and answered; `result` has the answer's fields by surface."""
    arguments = '{"city":"Oslo"}'
    tools = _function()
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    item = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": arguments}
    block = {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"}}
    bodies: dict[str, Body] = {}
    if "chat" in result:
        turns: list[Body] = [ASK, {"role": "assistant", "content": None, "tool_calls": [call]}]
        answer = {"role": "tool", "tool_call_id": "call_1", **result["chat"]}
        bodies["chat"] = _chat(*turns, answer, tools=[tools["chat"]])
    if "responses" in result:
        answer = {"type": "function_call_output", "call_id": "call_1", **result["responses"]}
        bodies["responses"] = _responses(ASK, item, answer, tools=[tools["responses"]])
    if "messages" in result:
        answer = _user({"type": "tool_result", "tool_use_id": "call_1", **result["messages"]})
        bodies["messages"] = _messages(
            ASK, {"role": "assistant", "content": [block]}, answer, tools=[tools["messages"]]
        )
    return bodies


def _images_anywhere(request: dict[str, Any]) -> list[str]:
    """The pictures in tool results, or beside them where a dialect has none inside."""
    found = []
    for turn in request["turns"]:
        for part in turn["parts"]:
            inner = part.get("content", ()) if part["kind"] == "tool_result" else (part,)
            found += [one["sha256"] for one in inner if one["kind"] == "image"]
    return found


_PIXEL_URL = f"data:image/png;base64,{PIXEL}"
_IMAGE: dict[str, Body] = {
    "chat": {"type": "image_url", "image_url": {"url": _PIXEL_URL}},
    "responses": {"type": "input_image", "image_url": _PIXEL_URL, "detail": "auto"},
    "messages": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
}
_WEB = "https://pictures.example/cat.png"


def _parts(**by_surface: Body) -> dict[str, Body]:
    make = {"chat": _chat, "responses": _responses, "messages": _messages}
    return {name: make[name](_user(part)) for name, part in by_surface.items()}


def _fields(**by_surface: Body) -> dict[str, Body]:
    make = {"chat": _chat, "responses": _responses, "messages": _messages}
    return {name: make[name](**fields) for name, fields in by_surface.items()}


_SCHEMA = {"name": "place", "schema": TOOL, "strict": True}
_EPHEMERAL = {"type": "ephemeral"}
_TEXT_MARKED = {"type": "text", "text": "hello", "cache_control": _EPHEMERAL}

FEATURES: tuple[Feature, ...] = (
    Feature("text", {"chat": _chat(), "responses": _responses(), "messages": _messages()}, _turns),
    Feature(
        "system prompt",
        {
            "chat": _chat({"role": "system", "content": "Be brief."}, ASK),
            "responses": _responses(ASK, instructions="Be brief."),
            "messages": _messages(system="Be brief."),
        },
        _turns,
    ),
    Feature(
        "system prompt in parts",
        {
            "chat": _chat(
                {"role": "system", "content": [{"type": "text", "text": "Be"}, {"type": "text", "text": "brief."}]}, ASK
            ),
            "messages": _messages(system=[{"type": "text", "text": "Be"}, {"type": "text", "text": "brief."}]),
        },
        _turns,
    ),
    Feature(
        "system message mid-conversation",
        {
            "chat": _chat(ASK, {"role": "assistant", "content": "yes"}, {"role": "system", "content": "Slower."}, ASK),
            "responses": _responses(
                ASK, {"role": "assistant", "content": "yes"}, {"role": "system", "content": "Slower."}, ASK
            ),
            "messages": _messages(
                ASK, {"role": "assistant", "content": "yes"}, {"role": "system", "content": "Slower."}, ASK
            ),
        },
        _turns,
    ),
    Feature(
        "several turns",
        {
            "chat": _chat(ASK, {"role": "assistant", "content": "yes?"}, ASK),
            "responses": _responses(ASK, {"role": "assistant", "content": "yes?"}, ASK),
            "messages": _messages(ASK, {"role": "assistant", "content": "yes?"}, ASK),
        },
        _turns,
    ),
    Feature("image, base64", _parts(**_IMAGE), _kinds("image")),
    Feature(
        "image, URL",
        _parts(
            chat={"type": "image_url", "image_url": {"url": _WEB}},
            responses={"type": "input_image", "image_url": _WEB, "detail": "auto"},
            messages={"type": "image", "source": {"type": "url", "url": _WEB}},
        ),
        _kinds("image", "source", "sha256"),
    ),
    Feature(
        "image detail",
        _parts(
            chat={"type": "image_url", "image_url": {"url": _PIXEL_URL, "detail": "high"}},
            responses={"type": "input_image", "image_url": _PIXEL_URL, "detail": "high"},
        ),
        _kinds("image", "detail"),
    ),
    Feature(
        "PDF, base64",
        _parts(
            chat={"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"}},
            responses={
                "type": "input_file",
                "file_data": f"data:application/pdf;base64,{PDF}",
                "filename": "a.pdf",
            },
            messages={
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
            },
        ),
        _kinds("document", "source", "sha256", "media_type"),
    ),
    Feature(
        "PDF, URL",
        _parts(
            responses={"type": "input_file", "file_url": "https://papers.example/a.pdf"},
            messages={"type": "document", "source": {"type": "url", "url": "https://papers.example/a.pdf"}},
        ),
        _kinds("document", "source", "sha256"),
    ),
    Feature(
        "text file",
        _parts(
            chat={"type": "file", "file": {"file_data": "data:text/plain;base64,aGVsbG8=", "filename": "a.txt"}},
            responses={"type": "input_file", "file_data": "data:text/plain;base64,aGVsbG8=", "filename": "a.txt"},
            messages={"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hello"}},
        ),
        _kinds("document", "source", "sha256"),
    ),
    Feature(
        "file id of a provider",
        _parts(
            chat={"type": "file", "file": {"file_id": "file-1"}},
            responses={"type": "input_file", "file_id": "file-1"},
            messages={"type": "document", "source": {"type": "file", "file_id": "file-1"}},
        ),
        _kinds("document", "source", "sha256"),
    ),
    Feature(
        "audio",
        _parts(chat={"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}),
        _kinds("audio"),
    ),
    Feature(
        "search result with its source",
        _parts(
            messages={
                "type": "search_result",
                "source": "https://a.example",
                "title": "A",
                "content": [{"type": "text", "text": "found"}],
            }
        ),
        _turns,
    ),
    Feature("tools", _with_tools(), _tools),
    Feature(
        "strict tools",
        {
            "chat": _chat(tools=[_function(strict=True)["chat"]]),
            "responses": _responses(tools=[_function(strict=True)["responses"]]),
            "messages": _messages(tools=[_function(strict=True)["messages"]]),
        },
        lambda request: [tool.get("strict") for tool in request["tools"]],
    ),
    Feature(
        "custom tool (free text)",
        {
            "chat": _chat(tools=[{"type": "custom", "custom": {"name": "patch", "description": "Patches."}}]),
            "responses": _responses(tools=[{"type": "custom", "name": "patch", "description": "Patches."}]),
        },
        _tools,
    ),
    Feature(
        "tool choice: none",
        _with_tools(
            chat={"tool_choice": "none"}, responses={"tool_choice": "none"}, messages={"tool_choice": {"type": "none"}}
        ),
        _at("tool_choice"),
    ),
    Feature(
        "tool choice: required",
        _with_tools(
            chat={"tool_choice": "required"},
            responses={"tool_choice": "required"},
            messages={"tool_choice": {"type": "any"}},
        ),
        _at("tool_choice"),
    ),
    Feature(
        "tool choice: one by name",
        _with_tools(
            chat={"tool_choice": {"type": "function", "function": {"name": "time"}}},
            responses={"tool_choice": {"type": "function", "name": "time"}},
            messages={"tool_choice": {"type": "tool", "name": "time"}},
        ),
        _at("tool_choice"),
    ),
    Feature(
        "tool choice: a set of allowed tools",
        _with_tools(
            chat={
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "time"}}]},
                }
            },
            responses={
                "tool_choice": {
                    "type": "allowed_tools",
                    "mode": "auto",
                    "tools": [{"type": "function", "name": "time"}],
                }
            },
        ),
        _at("tool_choice"),
    ),
    Feature(
        "parallel tool calls switched off",
        _with_tools(
            chat={"parallel_tool_calls": False},
            responses={"parallel_tool_calls": False},
            messages={"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        ),
        lambda request: request.get("parallel_tool_calls") is False,
    ),
    Feature(
        "tool call and result",
        _called(
            {"chat": {"content": "sunny"}, "responses": {"output": "sunny"}, "messages": {"content": "sunny"}},
        ),
        _turns,
    ),
    Feature(
        "tool result with an image",
        _called(
            {
                "responses": {"output": [{"type": "input_text", "text": "map"}, _IMAGE["responses"]]},
                "messages": {"content": [{"type": "text", "text": "map"}, _IMAGE["messages"]]},
            }
        ),
        _images_anywhere,
    ),
    Feature(
        "tool result that is an error",
        _called({"messages": {"content": "no such city", "is_error": True}}),
        lambda request: [part.get("is_error") for turn in request["turns"] for part in turn["parts"]],
    ),
    Feature(
        "structured output, JSON schema",
        _fields(
            chat={"response_format": {"type": "json_schema", "json_schema": _SCHEMA}},
            responses={"text": {"format": {"type": "json_schema", **_SCHEMA}}},
            messages={"output_config": {"format": {"type": "json_schema", "schema": TOOL}}},
        ),
        lambda request: request.get("response_format", {}).get("schema_sha256"),
    ),
    Feature(
        "structured output, any JSON object",
        _fields(
            chat={"response_format": {"type": "json_object"}}, responses={"text": {"format": {"type": "json_object"}}}
        ),
        lambda request: request.get("response_format", {}).get("type"),
    ),
    Feature(
        "stop sequences",
        _fields(chat={"stop": ["\\n\\nEND"]}, messages={"stop_sequences": ["\\n\\nEND"]}),
        _at("stop"),
    ),
    Feature(
        "temperature",
        _fields(chat={"temperature": 0.5}, responses={"temperature": 0.5}, messages={"temperature": 0.5}),
        _sampling("temperature"),
    ),
    Feature(
        "top_p", _fields(chat={"top_p": 0.9}, responses={"top_p": 0.9}, messages={"top_p": 0.9}), _sampling("top_p")
    ),
    Feature("top_k", _fields(messages={"top_k": 5}), _sampling("top_k")),
    Feature("seed", _fields(chat={"seed": 7}), _sampling("seed")),
    Feature(
        "presence and frequency penalties",
        _fields(chat={"presence_penalty": 0.5, "frequency_penalty": 0.25}),
        lambda request: (
            request["sampling"].get("presence_penalty"),
            request["sampling"].get("frequency_penalty"),
        ),
    ),
    Feature("logit bias", _fields(chat={"logit_bias": {"50256": -100}}), _sampling("logit_bias")),
    Feature(
        "log probabilities",
        _fields(
            chat={"logprobs": True, "top_logprobs": 2},
            responses={"include": ["message.output_text.logprobs"], "top_logprobs": 2},
        ),
        lambda request: bool(request.get("logprobs")),
    ),
    Feature("several choices (n)", _fields(chat={"n": 2}), _at("choices")),
    Feature(
        "reasoning effort",
        _fields(
            chat={"reasoning_effort": "high"},
            responses={"reasoning": {"effort": "high"}},
            messages={"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        ),
        lambda request: bool(request.get("reasoning")),
        mapped=True,
    ),
    Feature(
        "thinking budget",
        _fields(messages={"thinking": {"type": "enabled", "budget_tokens": 1_024}}),
        lambda request: bool(request.get("reasoning")),
        mapped=True,
    ),
    Feature(
        "verbosity", _fields(chat={"verbosity": "low"}, responses={"text": {"verbosity": "low"}}), _at("verbosity")
    ),
    Feature(
        "metadata",
        _fields(chat={"metadata": {"team": "a"}}, responses={"metadata": {"team": "a"}}),
        _at("metadata"),
    ),
    Feature(
        "end user's id",
        _fields(chat={"user": "u-1"}, responses={"user": "u-1"}, messages={"metadata": {"user_id": "u-1"}}),
        _at("user"),
    ),
    Feature(
        "participant's name",
        {"chat": _chat({"role": "user", "name": "ann", "content": "hello"})},
        lambda request: [turn.get("name") for turn in request["turns"]],
    ),
    Feature(
        "prompt cache key",
        _fields(chat={"prompt_cache_key": "k"}, responses={"prompt_cache_key": "k"}),
        _at("cache_key"),
    ),
    Feature(
        "cache control",
        _parts(chat=_TEXT_MARKED, messages=_TEXT_MARKED),
        _kinds("text", "cache"),
    ),
    Feature(
        "an unknown field",
        _fields(chat={"brand_new": 1}, responses={"brand_new": 1}, messages={"brand_new": 1}),
        lambda request: request,
    ),
)
