"""Gemini's answers, whole and streamed: the transcripts are written from the API reference, and the
official types check them."""

import json
import random
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.base.usage import Usage
from farebox.dialects.canonical.parts import Audio, Citation, Document, Image, Inline, Opaque, Reasoning, Text, ToolCall
from farebox.dialects.canonical.reply import Finish, Reply, ReplyEvent, ReplyFold, Unknown
from farebox.dialects.gemini import UPSTREAM
from farebox.dialects.port import Broken, StreamDecoder
from farebox.dialects.sse import EventSplitter
from tests.dialects.gemini_strategies import replies
from tests.dialects.gemini_writer import streamed, whole

Json = dict[str, Any]


def chunk(*parts: Json, finish: str | None = None, **fields: Any) -> Json:
    """One response with one candidate; `fields` stand in the candidate."""
    candidate: Json = {"content": {"role": "model", "parts": list(parts)}, "index": 0, **fields}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "responseId": "r1", "modelVersion": "gemini-3-flash"}


def event(response: Json) -> bytes:
    return b"data: " + json.dumps(response, ensure_ascii=False).encode() + b"\r\n\r\n"


def fed(stream: bytes, cut_by: random.Random | None = None) -> tuple[Reply, StreamDecoder, set[str]]:
    """The folded stream, its decoder, and the names of what was unknown in it."""
    decoder, fold, splitter = UPSTREAM.new_decoder(), ReplyFold(), EventSplitter(1 << 20)
    unknown: set[str] = set()

    def take(events: list[ReplyEvent]) -> None:
        for one in events:
            fold.feed(one)
            if isinstance(one, Unknown):
                unknown.add(one.name)

    while stream:
        size = len(stream) if cut_by is None else cut_by.randint(1, 40)
        for whole_event in splitter.feed(stream[:size]):
            take(decoder.feed(whole_event))
        stream = stream[size:]
    assert not splitter.rest and not decoder.done and not decoder.complete()
    take(decoder.close())
    return fold.reply(decoder.reported, decoder.service_tier), decoder, unknown


def stream_of(*responses: Json) -> bytes:
    for response in responses:
        types.GenerateContentResponse.model_validate_json(json.dumps(response))
    return b"".join(map(event, responses))


def read(response: Json) -> Reply:
    types.GenerateContentResponse.model_validate_json(json.dumps(response))
    return UPSTREAM.decode_reply(json.dumps(response).encode())


# A model that thinks in the open, speaks, and signs its answer with a text of no words.
THINKING = (
    chunk({"text": "Let me ", "thought": True}) | {"usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}},
    chunk({"text": "see.", "thought": True}),
    chunk({"text": "Grüße, "}, finish="STOP"),
    chunk({"text": "wörld"}),
    chunk({"text": "", "thoughtSignature": "c2ln"}, finish="STOP")
    | {
        "usageMetadata": {
            "promptTokenCount": 9,
            "candidatesTokenCount": 4,
            "thoughtsTokenCount": 5,
            "totalTokenCount": 18,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
        }
    },
)
THOUGHT = Reply(
    parts=(
        Reasoning("Let me see.", origin="gemini"),
        Text("Grüße, wörld"),
        Reasoning(seal="c2ln", redacted=True, origin="gemini"),
    ),
    finish=Finish.END,
)
# Two calls at once, of which the first is signed; then the counts.
CALLING = (
    chunk(
        {
            "functionCall": {"id": "q1", "name": "weather", "args": {"city": "Köln", "n": 1.0}},
            "thoughtSignature": "YQ==",
        },
        {"functionCall": {"id": "q2", "name": "time", "args": {}}},
    ),
    chunk({"text": ""}, finish="STOP") | {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2}},
)
CALLED = Reply(
    parts=(
        ToolCall("q1", "weather", '{"city":"Köln","n":1.0}', seal="YQ==", origin="gemini"),
        ToolCall("q2", "time", "{}"),
    ),
    finish=Finish.TOOL_CALLS,
)
# Code that Google ran, and a search whose sources it counts in bytes.
SEARCHED = (
    chunk({"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "YQ=="}),
    chunk({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}),
    chunk({"text": "Über Köln. Mehr"}),
    chunk(
        {"text": " nicht."},
        finish="STOP",
        groundingMetadata={
            "webSearchQueries": ["köln", "köln wetter", ""],
            "groundingChunks": [
                {"web": {"uri": "https://a.test", "title": "a.test"}},
                {"web": {"uri": "https://b.test", "title": "b.test"}},
            ],
            "groundingSupports": [
                {
                    "segment": {"endIndex": 12, "text": "Über Köln."},
                    "groundingChunkIndices": [0],
                    "confidenceScores": [0.9],
                }
            ],
        },
    )
    | {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 9, "toolUsePromptTokenCount": 50}},
)
FOUND = Reply(
    parts=(
        Opaque(
            "gemini",
            "executable_code",
            {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "YQ=="},
        ),
        Opaque(
            "gemini", "code_execution_result", {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}
        ),
        Text(
            "Über Köln. Mehr nicht.",
            (
                Citation("https://a.test", "a.test", start=0, end=10),
                Citation("https://b.test", "b.test"),
            ),
        ),
    ),
    finish=Finish.END,
)  # fmt: skip
TRANSCRIPTS = [
    (THINKING, THOUGHT, Usage(input_tokens=9, output_tokens=4, reasoning_tokens=5)),
    (CALLING, CALLED, Usage(input_tokens=3, output_tokens=2)),
    (SEARCHED, FOUND, Usage(input_tokens=53, output_tokens=9, web_searches=2)),
]


@pytest.mark.parametrize(("responses", "reply", "usage"), TRANSCRIPTS)
@given(seed=st.integers(0, 2**32))
def test_a_transcript_folds_to_its_answer_however_it_is_cut(
    responses: tuple[Json, ...], reply: Reply, usage: Usage, seed: int
) -> None:
    found, decoder, unknown = fed(stream_of(*responses), random.Random(seed))
    assert (found.parts, found.finish, found.reported.usage) == (reply.parts, reply.finish, usage)
    assert decoder.complete() and not unknown


@given(reply=replies(), draws=st.data(), seed=st.integers(0, 2**32))
def test_a_stream_folds_to_what_the_whole_answer_says(reply: Reply, draws: st.DataObject, seed: int) -> None:
    body = whole(reply)
    types.GenerateContentResponse.model_validate_json(body)
    assert UPSTREAM.decode_reply(body) == reply
    events = streamed(draws.draw, reply)
    found, decoder, unknown = fed(b"".join(events), random.Random(seed))
    assert found == reply and decoder.complete() and not unknown


def test_a_cut_stream_is_never_taken_for_whole() -> None:
    found, decoder, _ = fed(stream_of(chunk({"text": "a"}), chunk({"text": "b"}, finish="FINISH_REASON_UNSPECIFIED")))
    assert not decoder.complete() and found.parts == (Text("ab"),) and found.finish is None


def test_a_stream_whose_transfer_was_not_ended_is_not_whole() -> None:
    decoder = UPSTREAM.new_decoder()
    decoder.feed(event(chunk({"text": "a"}, finish="STOP")))
    assert not decoder.complete() and not decoder.done


def test_a_reason_to_stop_before_the_last_event_does_not_stop_the_stream() -> None:
    found, decoder, _ = fed(stream_of(chunk({"text": "a"}, finish="STOP"), chunk({"text": "b"}, finish="MAX_TOKENS")))
    assert found.parts == (Text("ab"),) and found.finish is Finish.LENGTH and decoder.complete()


FINISHES = {
    "STOP": Finish.END,
    "MAX_TOKENS": Finish.LENGTH,
    "CONTINUATION": Finish.LENGTH,
    "TOO_MANY_TOOL_CALLS": Finish.LENGTH,
    "SAFETY": Finish.REFUSAL,
    "RECITATION": Finish.REFUSAL,
    "LANGUAGE": Finish.REFUSAL,
    "BLOCKLIST": Finish.REFUSAL,
    "PROHIBITED_CONTENT": Finish.REFUSAL,
    "SPII": Finish.REFUSAL,
    "IMAGE_SAFETY": Finish.REFUSAL,
    "IMAGE_PROHIBITED_CONTENT": Finish.REFUSAL,
    "IMAGE_RECITATION": Finish.REFUSAL,
    "MODEL_ARMOR": Finish.REFUSAL,
    "ESCALATION": Finish.REFUSAL,
    "PUP_LIMITED_DISABLED": Finish.REFUSAL,
    "MALFORMED_FUNCTION_CALL": Finish.BROKEN_CALL,
    "UNEXPECTED_TOOL_CALL": Finish.BROKEN_CALL,
}
UNNAMED = {"OTHER", "IMAGE_OTHER", "NO_IMAGE", "MALFORMED_RESPONSE"}


@pytest.mark.parametrize(("reason", "finish"), FINISHES.items())
def test_every_reason_to_stop_has_its_meaning(reason: str, finish: Finish) -> None:
    assert read(chunk({"text": "a"}, finish=reason)).finish is finish


@pytest.mark.parametrize("reason", sorted(UNNAMED))
def test_a_reason_without_a_place_ends_the_answer_and_is_named(reason: str) -> None:
    found, _, unknown = fed(stream_of(chunk({"text": "a"}, finish=reason)))
    assert found.finish is Finish.END and unknown == {f"finish_reason:{reason.lower()}"}


def test_the_reasons_of_the_official_types_are_all_decided() -> None:
    decided = {*FINISHES, *UNNAMED, "FINISH_REASON_UNSPECIFIED", "MISSING_THOUGHT_SIGNATURE"}
    assert {reason.value for reason in types.FinishReason} == decided


def test_a_blocked_prompt_is_a_refusal_without_words() -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 7}}
    found, decoder, _ = fed(stream_of(blocked))
    assert found == read(blocked)
    assert found.parts == () and found.finish is Finish.REFUSAL and decoder.complete()
    assert found.reported.usage == Usage(input_tokens=7)


def test_an_answer_without_an_answer_is_the_providers_fault() -> None:
    for body in (
        b"{}",
        b'{"candidates": []}',
        b'{"usageMetadata": {"promptTokenCount": 1}}',
        b"[]",
        b"\xff",
        b"<html>",
    ):
        with pytest.raises(Problem) as problem:
            UPSTREAM.decode_reply(body)
        assert problem.value.code == "upstream_exception"


@pytest.mark.parametrize(
    "response",
    [
        {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}},
        chunk(finish="MISSING_THOUGHT_SIGNATURE"),
        chunk({"functionCall": {"name": "f", "args": [1]}}),
        chunk({"text": 5}),
    ],
)
def test_an_error_inside_a_stream_breaks_it(response: Json) -> None:
    decoder = UPSTREAM.new_decoder()
    decoder.feed(event(chunk({"text": "a"})))
    with pytest.raises(Broken):
        decoder.feed(event(response))


def test_comments_are_no_events() -> None:
    assert UPSTREAM.new_decoder().feed(b": ping\n\n") == []


def test_calls_without_an_id_get_one_that_no_other_call_has() -> None:
    call = {"functionCall": {"name": "f", "args": {"a": 1}}}
    twice = chunk(call, call, finish="STOP")
    ids = [part.call_id for part in read(twice).parts if isinstance(part, ToolCall)]
    streamed_parts = fed(stream_of(chunk(call), chunk(call, finish="STOP")))[0].parts
    assert ids == [part.call_id for part in streamed_parts if isinstance(part, ToolCall)]
    other = read({**twice, "responseId": "r2"}).parts
    assert len({*ids, *(part.call_id for part in other if isinstance(part, ToolCall))}) == 4


def test_a_signature_on_a_text_stays_behind_it_and_parts_with_one_are_never_merged() -> None:
    signed = {"text": "a", "thoughtSignature": "YQ=="}
    seal = Reasoning(seal="YQ==", redacted=True, origin="gemini")
    assert read(chunk(signed, {"text": "b"}, signed, finish="STOP")).parts == (Text("a"), seal, Text("ba"), seal)
    thought = {"text": "t", "thought": True, "thoughtSignature": "YQ=="}
    sealed = Reasoning("t", seal="YQ==", origin="gemini")
    assert read(chunk(thought, thought, finish="STOP")).parts == (sealed, sealed)
    only: list[Json] = [
        {"thoughtSignature": "YQ=="},
        {"text": "t", "thought": True},
        {"text": "", "thoughtSignature": "YQ=="},
    ]
    assert read(chunk(*only, finish="STOP")).parts == (seal, Reasoning("t", origin="gemini"), seal)


def test_media_that_a_model_makes_are_parts() -> None:
    def blob(kind: str) -> Json:
        return {"inlineData": {"mimeType": kind, "data": "AAAA"}}

    made = read(chunk(blob("image/png"), blob("audio/L16;rate=24000"), blob("application/pdf"), finish="STOP"))
    assert made.parts == (
        Image(Inline("image/png", "AAAA")),
        Audio("AAAA", "pcm16"),
        Document(Inline("application/pdf", "AAAA")),
    )


def test_what_has_no_place_is_named_once_each() -> None:
    draft = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": True}
    odd = chunk(draft, {"videoMetadata": {"fps": 1.0}}, urlContextMetadata={"urlMetadata": []}, finish="STOP")
    stream = stream_of(odd) + event(chunk({"holoGram9": {}}))
    _, _, unknown = fed(stream)
    assert unknown == {"part:thought_image", "field:url_context_metadata", "part:holo_gram9"}


def test_log_probabilities_become_token_objects_of_their_text() -> None:
    result = {
        "chosenCandidates": [{"token": "ü", "tokenId": 5, "logProbability": -0.5}, {"token": "\ufffd"}],
        "topCandidates": [{"candidates": [{"token": "u", "logProbability": -1.5}]}],
    }
    expected = [
        {
            "token": "ü",
            "logprob": -0.5,
            "bytes": [195, 188],
            "top_logprobs": [{"token": "u", "logprob": -1.5, "bytes": [117]}],
        },
        {"token": "\ufffd", "logprob": 0.0, "bytes": None, "top_logprobs": []},
    ]
    call = {"functionCall": {"name": "f"}}
    assert read(chunk({"text": "ü"}, call, finish="STOP", logprobsResult=result)).logprobs == expected
    found, _, unknown = fed(stream_of(chunk({"text": "ü"}, logprobsResult=result), chunk(finish="STOP")))
    assert found.logprobs == expected and not unknown


@pytest.mark.parametrize("result", [7, {"chosenCandidates": 7}, {"chosenCandidates": [7]}, {"chosenCandidates": []}])
def test_log_probabilities_that_have_no_text_or_no_sense_are_named(result: Any) -> None:
    assert fed(event(chunk(finish="STOP", logprobsResult=result)))[2] == {"logprobs"}


def test_recited_sources_are_citations_too() -> None:
    sources = [{"startIndex": 3, "endIndex": 6, "uri": "https://a.test"}, {"license": "mit"}]
    for name in ("citationSources", "citations"):
        found = fed(event(chunk({"text": "ähäh"}, finish="STOP", citationMetadata={name: sources})))[0]
        (text,) = found.parts
        assert isinstance(text, Text)
        assert text.citations == (
            Citation("https://a.test", start=2, end=4),
            Citation(origin="gemini", raw={"license": "mit"}),
        )


def test_segments_that_do_not_fit_cite_the_whole_text_and_sources_without_text_are_named() -> None:
    def grounding(segment: Any) -> Json:
        source = {"web": {"uri": "https://a.test", "title": "a"}}
        supports = [{"segment": segment, "groundingChunkIndices": [0, 9]}]
        return {"groundingMetadata": {"groundingChunks": [source], "groundingSupports": supports}}

    for segment in ({"endIndex": 99}, {"endIndex": 2, "text": "xy"}, {"startIndex": 1, "endIndex": 1}, {}, 7, None):
        found = fed(event(chunk({"text": "abc"}, finish="STOP", **grounding(segment))))[0]
        assert found.parts == (Text("abc", (Citation("https://a.test", "a"),)),)
    assert fed(event(chunk(finish="STOP", **grounding({}))))[2] == {"citations"}


def test_sources_that_are_told_again_are_told_once() -> None:
    metadata = {"groundingChunks": [{"maps": {"uri": "https://m.test", "title": "m"}}]}
    found = fed(stream_of(*[chunk({"text": "a"}, groundingMetadata=metadata, finish="STOP")] * 3))[0]
    assert found.parts == (Text("aaa", (Citation("https://m.test", "m"),)),)


def test_errors_are_read_for_their_message() -> None:
    error = {"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}
    assert UPSTREAM.read_error(json.dumps(error).encode()) == "no"
    assert UPSTREAM.read_error(json.dumps([error]).encode()) == "no"
    assert UPSTREAM.read_error(json.dumps({"error": {"message": "x" * 9_000}}).encode()) == "x" * 2_000
    for body in (b"", b"[]", b"{}", b'{"error": 5}', b'{"error": {"message": ""}}', b"\xff", b"[" * 100_000):
        assert UPSTREAM.read_error(body) is None
