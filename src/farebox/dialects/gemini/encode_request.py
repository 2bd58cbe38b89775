"""A canonical conversation as a `generateContent` request. Source: the types of the official package; Google's guides
on function calling, thinking, structured output and file input.

Gemini has one system instruction and it stands before everything. A system turn later in the conversation is sent as a
user's text in its place, and named: to move it up would change what it refers to, and to leave it out would lose it.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.canonical.conversation import Conversation, JsonSchema, Sampling, Turn
from farebox.dialects.gemini.encode_parts import PartWriter
from farebox.dialects.gemini.encode_tools import tool_config, tools
from farebox.dialects.gemini.schema import holds_to
from farebox.dialects.gemini.thinking import thinking_config
from farebox.dialects.port import Edits, Encoded, Inexpressible

MAX_STOP_SEQUENCES: Final = 5
_SAMPLING: Final = (
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("seed", "seed"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
)
_SEEDS: Final = range(-(2**31), 2**31)  # int32; what is outside is refused
_MODALITIES: Final = {"text": "TEXT", "image": "IMAGE"}
_TIERS: Final = {
    "auto": None,
    "default": "standard",
    "standard": "standard",
    "standard_only": "standard",
    "flex": "flex",
    "priority": "priority",
}
_SYSTEM: Final = ("system", "developer")
# What readers of requests name that is a feature, and not a field that they do not know.
_FEATURES: Final = frozenset(("prediction", "message_name", "user"))
_UNFIT: Final = re.compile(r"[^a-z0-9_.:-]")

_encode = msgspec.json.Encoder().encode


def encode_request(conversation: Conversation, edits: Edits, stream: bool) -> Encoded:
    """The body; whether it streams is said by the path. Raises Inexpressible for what Gemini cannot do and what would
    change the answer if it were left out, Problem for a schema nested too deeply."""
    if conversation.choices != 1:
        raise Inexpressible("n", "n")
    dropped = _left_out(conversation)
    leading = _leading_system_turns(conversation.turns)
    writer = PartWriter(conversation.turns, edits.model, dropped)
    body: dict[str, Any] = {}
    if leading:
        instruction = [part for turn in conversation.turns[:leading] for part in writer.parts(turn)]
        body["systemInstruction"] = {"parts": instruction}
    body["contents"] = _contents(conversation.turns[leading:], writer, dropped)
    if declared := tools(conversation.tools, dropped):
        body["tools"] = declared
    if choice := tool_config(conversation, dropped):
        body["toolConfig"] = choice
    body["generationConfig"] = _generation(conversation, edits, dropped)
    if (tier := _tier(conversation.service_tier, dropped)) is not None:
        body["serviceTier"] = tier
    try:
        encoded = _encode(body)
    except RecursionError as error:
        raise Problem("invalid_request", "The body is nested too deeply.") from error
    return Encoded(encoded, tuple(sorted({_UNFIT.sub("_", name[:80].lower()) for name in dropped})))


def _left_out(conversation: Conversation) -> set[str]:
    """What has no place in this dialect and does not change the answer."""
    absent = {
        "parallel_tool_calls": conversation.parallel_tool_calls is False,
        "verbosity": conversation.verbosity is not None,
        "metadata": bool(conversation.metadata),
        "user": conversation.user is not None,
        "cache_key": conversation.cache_key is not None,
        "cache_control": conversation.cache is not None,
        "logit_bias": bool(conversation.sampling.logit_bias),
        "message_name": any(turn.name for turn in conversation.turns),
    }
    names = {name if name in _FEATURES else f"field:{name}" for name in conversation.unknown}
    return names | {name for name, said in absent.items() if said}


def _leading_system_turns(turns: Sequence[Turn]) -> int:
    """How many turns become the system instruction: none when there would be nothing left to answer."""
    number = next((place for place, turn in enumerate(turns) if turn.role not in _SYSTEM), 0)
    return number if turns else 0


def _contents(turns: Sequence[Turn], writer: PartWriter, dropped: set[str]) -> list[dict[str, Any]]:
    contents = []
    for turn in turns:
        if turn.role in _SYSTEM:
            dropped.add("part:system")
        if parts := writer.parts(turn):  # content without parts is refused
            contents.append({"role": "model" if turn.role == "assistant" else "user", "parts": parts})
    return contents


def _generation(conversation: Conversation, edits: Edits, dropped: set[str]) -> dict[str, Any]:
    unsupported = edits.profile.unsupported
    config: dict[str, Any] = {"maxOutputTokens": edits.output_limit}
    config |= _sampling(conversation.sampling, unsupported, dropped)
    if conversation.answer_form is not None:
        config |= _answer_form(conversation.answer_form, dropped)
    if conversation.thinking is not None:
        thinking = thinking_config(conversation.thinking, edits.model, dropped)
        if thinking and not unsupported.isdisjoint(("reasoning_effort", "thinking_budget")):
            dropped.add("reasoning_effort")
        elif thinking:
            config["thinkingConfig"] = thinking
    if conversation.modalities:
        config["responseModalities"] = [_modality(name) for name in conversation.modalities]
    return config


def _sampling(sampling: Sampling, unsupported: frozenset[str], dropped: set[str]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for feature, name in _SAMPLING:
        value = getattr(sampling, feature)
        if value is None:
            continue
        if feature in unsupported or (feature == "seed" and value not in _SEEDS):
            dropped.add(feature)
        else:
            config[name] = value
    if sampling.logprobs and "logprobs" in unsupported:
        dropped.add("logprobs")
    elif sampling.logprobs:
        config["responseLogprobs"] = True
        if sampling.top_logprobs is not None:
            config["logprobs"] = sampling.top_logprobs
    if len(sampling.stop) > MAX_STOP_SEQUENCES:
        raise Inexpressible("stop", "stop")
    if sampling.stop:
        config["stopSequences"] = sampling.stop
    return config


def _answer_form(form: JsonSchema, dropped: set[str]) -> dict[str, Any]:
    """Any JSON schema may be sent; constraints outside the documented ones are not held to, and so are named. Its name
    is a label that only OpenAI wants."""
    if form.description:
        dropped.add("answer_form")
    if form.schema is None:
        return {"responseMimeType": "application/json"}
    if not holds_to(form.schema):
        dropped.add("answer_form")
    return {"responseMimeType": "application/json", "responseJsonSchema": form.schema}


def _modality(name: str) -> str:
    if name not in _MODALITIES:
        raise Inexpressible("modalities", "modalities")
    return _MODALITIES[name]


def _tier(name: str | None, dropped: set[str]) -> str | None:
    if name is not None and name not in _TIERS:
        dropped.add("service_tier")
    return _TIERS.get(name or "auto")
