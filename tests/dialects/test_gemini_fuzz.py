"""Hostile providers: whatever comes, a stream is broken or read, and an answer is a problem or read."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.dialects.canonical.parts import Citation, Text
from farebox.dialects.canonical.reply import CitationAdded, ReplyFold
from farebox.dialects.gemini import UPSTREAM
from farebox.dialects.gemini.citations import MAX_CITATIONS, MAX_SEARCHES
from farebox.dialects.port import Broken
from tests.dialects.gemini_strategies import replies
from tests.dialects.gemini_writer import whole

FIELDS = [
    "candidates", "content", "parts", "text", "thought", "thoughtSignature", "functionCall", "name", "args",
    "id", "inlineData", "mimeType", "data", "executableCode", "finishReason", "groundingMetadata",
    "groundingChunks", "web", "uri", "title", "groundingSupports", "segment", "startIndex", "endIndex",
    "groundingChunkIndices", "citationMetadata", "citationSources", "logprobsResult", "chosenCandidates",
    "topCandidates", "token", "logProbability", "usageMetadata", "promptTokenCount", "promptTokensDetails",
    "promptFeedback", "blockReason", "responseId", "error",
]  # fmt: skip
numbers = st.integers() | st.floats(allow_nan=False)
leaves = st.none() | st.booleans() | numbers | st.text(max_size=5) | st.sampled_from(["STOP", "AUDIO", "image/png"])
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=30,
)


def feed(data: bytes) -> None:
    decoder, fold = UPSTREAM.new_decoder(), ReplyFold()
    with contextlib.suppress(Broken):
        for one in decoder.feed(b"data: " + data.replace(b"\n", b" ") + b"\n\n"):
            fold.feed(one)
    for one in decoder.close():
        fold.feed(one)
    with contextlib.suppress(Problem):
        UPSTREAM.decode_reply(data)


@given(st.binary(max_size=200))
def test_any_bytes_break_a_stream_or_are_read(data: bytes) -> None:
    feed(data)


@given(values)
def test_any_json_breaks_a_stream_or_is_read(value: Any) -> None:
    feed(json.dumps(value).encode())


@given(reply=replies(), draws=st.data())
def test_an_answer_with_one_wrong_value_breaks_a_stream_or_is_read(reply: Any, draws: st.DataObject) -> None:
    response = json.loads(whole(reply))
    place = response
    while isinstance(place, dict | list) and place:
        key = draws.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or draws.draw(st.booleans()):
            place[key] = draws.draw(values)
            break
        place = place[key]
    feed(json.dumps(response).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 200_000,
        b'{"candidates":' * 50_000,
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":' + b'{"a":' * 100_000,
        b'{"candidates":[{"groundingMetadata":{"groundingChunks":[' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"]}}]}",
        b'{"candidates":[{"content":{"parts":[{"executableCode":' + b"[" * 900 + b"]" * 900 + b"}]}}]}",
        b'{"usageMetadata":{"promptTokenCount":1e999}}',
        b'{"usageMetadata":{"promptTokenCount":' + b"9" * 5_000 + b"}}",
        b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":"\xff"}}}]}}]}',
        b'{"candidates":[{"content":{"parts":[{"text":"\\ud800"}]}}]}',
    ],
)
def test_deep_huge_and_broken_json_is_no_crash(data: bytes) -> None:
    feed(data)


def test_a_flood_of_sources_and_searches_is_kept_within_its_bound() -> None:
    decoder = UPSTREAM.new_decoder()
    found = []
    for number in range(3):
        chunks = [{"web": {"uri": f"https://x.test/{number}/{place}"}} for place in range(MAX_CITATIONS)]
        metadata = {
            "groundingChunks": chunks,
            "webSearchQueries": [f"{number} {place}" for place in range(MAX_SEARCHES)],
        }
        candidate = {"content": {"parts": [{"text": "a"}]}, "groundingMetadata": metadata}
        response = {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 1}}
        found += decoder.feed(b"data: " + json.dumps(response).encode() + b"\n\n")
    found += decoder.close()
    assert sum(isinstance(one, CitationAdded) for one in found) == MAX_CITATIONS
    assert decoder.reported.usage is not None and decoder.reported.usage.web_searches == MAX_SEARCHES


def test_a_text_too_long_to_keep_is_cited_as_a_whole() -> None:
    decoder, fold = UPSTREAM.new_decoder(), ReplyFold()
    events = decoder.feed(b'data: {"candidates":[{"content":{"parts":[{"text":"' + b"a" * 4_100_000 + b'"}]}}]}\n\n')
    support = {"segment": {"endIndex": 2}, "groundingChunkIndices": [0]}
    metadata = {"groundingChunks": [{"web": {"uri": "https://x.test"}}], "groundingSupports": [support]}
    last = {"candidates": [{"groundingMetadata": metadata, "finishReason": "STOP"}]}
    for one in (*events, *decoder.feed(b"data: " + json.dumps(last).encode() + b"\n\n"), *decoder.close()):
        fold.feed(one)
    (part,) = fold.reply().parts
    assert isinstance(part, Text) and part.citations == (Citation("https://x.test"),)
