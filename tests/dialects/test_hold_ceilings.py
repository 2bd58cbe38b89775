"""Hold ceilings for text cover the real input count. It is counted with real tokenizers, whose vocabularies come inside
their package; docs/reference/hold-ceilings.md shows the figures, and `FAREBOX_WRITE_PAGES=1` writes them there."""

import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import splintr
from hypothesis import given
from hypothesis import strategies as st

from farebox.catalog.model import Model
from farebox.dataplane.admit import input_ceiling_tokens
from farebox.dialects.port import Surface
from farebox.dialects.registry import CHAT, MESSAGES, RESPONSES
from tests.dialects.hold_corpus import CORPUS, tool_schemas

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "hold-ceilings.md"
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
# The vocabulary that the means are of, and others: byte-level and SentencePiece, from 32,000 to 262,000 entries.
MAIN: Final = "o200k_base"
OTHERS: Final = ("cl100k_base", "llama3", "qwen3", "gemma3", "deepseek_v3", "mistral_v3", "kimi_k2", "glm4", "llama2")
# A model as the catalog makes one that says nothing of its overheads; its context is no bound here.
MODEL: Final = Model(model_id="m", display_name="M", context_tokens=10**9, max_output_tokens=1)
TURNS: Final = (1, 2, 3, 5, 8, 13, 21, 34, 50)
# What OpenAI's cookbook says that a chat adds: three for each message beside its role and text, three for the reply.
PER_MESSAGE: Final = 3
PER_REPLY: Final = 3
# What tools add besides themselves: the largest number in the table of Anthropic's guide to tool use.
PER_TOOLS: Final = 530


class Call(NamedTuple):
    """One call's texts. The first turn is the system's where `system` is true."""

    texts: tuple[str, ...]
    system: bool = False
    tools: bool = False


class Figures(NamedTuple):
    """`ratios`: the ceiling by the real count, one for each call and surface."""

    ratios: tuple[float, ...]

    @property
    def under(self) -> float:
        """The share of calls whose ceiling is below the real count."""
        return sum(ratio < 1 for ratio in self.ratios) / len(self.ratios)

    @property
    def mean_over(self) -> float:
        """How much more than the real count is held, on average."""
        return sum(self.ratios) / len(self.ratios) - 1


@functools.cache
def tokenizer(name: str) -> Any:
    return splintr.Tokenizer.from_pretrained(name)


@functools.cache
def tokens(vocabulary: str, text: str) -> int:
    """Text never makes control tokens: providers encode it as ordinary."""
    return len(tokenizer(vocabulary).encode_ordinary(text))


def calls_of(passages: list[str]) -> Iterator[Call]:
    """Conversations of 1 to 50 turns: of whole passages, of scraps, and of all of them in one turn."""
    everything = "\n\n".join(passages)
    for count in TURNS:
        whole = tuple(passages[place % len(passages)] for place in range(count))
        yield Call(whole)
        yield Call(whole, system=True, tools=True)
        yield Call(tuple(text[: 1 + place % 7] for place, text in enumerate(whole)))
        yield Call(tuple(text[place % 11 :] + everything for place, text in enumerate(whole)), system=True)


def _role(call: Call, place: int) -> str:
    if call.system and place == 0 and len(call.texts) > 1:
        return "system"
    return "assistant" if place % 2 else "user"


def chat_body(call: Call) -> dict[str, Any]:
    messages = [{"role": _role(call, place), "content": text} for place, text in enumerate(call.texts)]
    tools = [{"type": "function", "function": tool} for tool in tool_schemas()]
    return {"model": "m", "messages": messages} | ({"tools": tools} if call.tools else {})


def responses_body(call: Call) -> dict[str, Any]:
    kinds = {"assistant": "output_text"}
    items = [
        {"role": _role(call, place), "content": [{"type": kinds.get(_role(call, place), "input_text"), "text": text}]}
        for place, text in enumerate(call.texts)
    ]
    tools = [{"type": "function", **tool} for tool in tool_schemas()]
    return {"model": "m", "input": items} | ({"tools": tools} if call.tools else {})


def messages_body(call: Call) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [
        {"role": _role(call, place), "content": text} for place, text in enumerate(call.texts)
    ]
    body: dict[str, Any] = {"model": "m", "max_tokens": 1}
    if messages[0]["role"] == "system":
        body["system"] = messages.pop(0)["content"]
    tools = [
        {"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]}
        for tool in tool_schemas()
    ]
    return {**body, "messages": messages} | ({"tools": tools} if call.tools else {})


SURFACES: Final[list[tuple[Surface, Any]]] = [
    (CHAT, chat_body),
    (RESPONSES, responses_body),
    (MESSAGES, messages_body),
]


def real_tokens(vocabulary: str, call: Call) -> int:
    """What the model reads: roles and texts with what a chat adds to them, and tools as their JSON."""
    count = PER_REPLY
    for place, text in enumerate(call.texts):
        count += PER_MESSAGE + tokens(vocabulary, _role(call, place)) + tokens(vocabulary, text)
    if call.tools:
        count += PER_TOOLS + tokens(vocabulary, json.dumps(tool_schemas(), ensure_ascii=False))
    return count


@functools.cache
def ceilings(kind: str) -> list[tuple[Call, tuple[int, ...]]]:
    """The calls of a kind, each with its ceiling by surface."""
    found = []
    for call in calls_of(CORPUS[kind]):
        bodies = [(surface, json.dumps(write(call), ensure_ascii=False).encode()) for surface, write in SURFACES]
        found.append(
            (call, tuple(input_ceiling_tokens(surface.read_request(body).size, MODEL) for surface, body in bodies))
        )
    return found


@functools.cache
def figures(kind: str, vocabulary: str) -> Figures:
    return Figures(
        tuple(
            ceiling / real_tokens(vocabulary, call) for call, of_surfaces in ceilings(kind) for ceiling in of_surfaces
        )
    )


@pytest.mark.parametrize("vocabulary", [MAIN, *OTHERS])
@pytest.mark.parametrize("kind", CORPUS)
def test_no_call_is_held_for_less_than_it_reads(kind: str, vocabulary: str) -> None:
    assert figures(kind, vocabulary).under == 0


@given(st.text(max_size=200))
def test_no_text_has_more_tokens_than_bytes(text: str) -> None:
    """The ceiling's premise. SentencePiece may put one token before the text: the overhead of a message covers it."""
    for vocabulary in (MAIN, *OTHERS):
        assert len(tokenizer(vocabulary).encode_ordinary(text)) <= len(text.encode()) + 1


def test_the_tokenizer_counts_what_openai_published() -> None:
    """Counts of OpenAI's cookbook: with the right vocabulary, nothing else gives them."""
    counts = {"antidisestablishmentarianism": (6, 6), "2 + 2 = 4": (7, 7), "お誕生日おめでとう": (9, 8)}
    for text, expected in counts.items():
        assert (tokens("cl100k_base", text), tokens("o200k_base", text)) == expected


def figures_table() -> str:
    """The page's table."""
    rows = []
    for kind, passages in CORPUS.items():
        text = "".join(passages)
        main, others = figures(kind, MAIN), [figures(kind, other) for other in OTHERS]
        rows.append((kind, len(text.encode()) / tokens(MAIN, text), main, min(min(one.ratios) for one in others)))
    every = [figures(kind, name) for kind in CORPUS for name in (MAIN, *OTHERS)]
    all_main = Figures(tuple(ratio for _, _, main, _ in rows for ratio in main.ratios))
    lines = ["| text | bytes per token | calls | under-held | mean over-hold | closest | closest, any vocabulary |"]
    lines.append("|---|---|---|---|---|---|---|")
    lines += [
        f"| {kind} | {density:.2f} | {len(main.ratios)} | {main.under:.1%} | {main.mean_over:+.0%} "
        f"| {min(main.ratios) - 1:+.0%} | {min(nearest, *main.ratios) - 1:+.0%} |"
        for kind, density, main, nearest in rows
    ]
    lines.append(
        f"| **all** | | {len(all_main.ratios)} | **{all_main.under:.1%}** | **{all_main.mean_over:+.0%}** "
        f"| {min(all_main.ratios) - 1:+.0%} | {min(min(one.ratios) for one in every) - 1:+.0%} |"
    )
    return "\n".join(lines) + "\n"


def test_the_page_shows_these_figures() -> None:
    before, _, rest = PAGE.read_text().partition(BEGIN)
    shown, _, after = rest.partition(END)
    table = figures_table()
    if os.environ.get("FAREBOX_WRITE_PAGES"):
        PAGE.write_text(f"{before}{BEGIN}{table}{END}{after}")
        shown = table
    assert shown == table
