"""Embeddings and moderations, with the official SDK as their client."""

import base64
import math
import struct
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from farebox_sandbox.workloads.moderations import CATEGORIES

from .conftest import Upstream
from .posting import post


async def test_a_vector_follows_from_text_and_model_and_has_length_one(openai_client: AsyncOpenAI) -> None:
    asked = [("sea", "m"), ("sea", "m"), ("land", "m"), ("sea", "other")]
    vectors = []
    for text, model in asked:
        answer = await openai_client.embeddings.create(model=model, input=text)
        vectors.append(tuple(answer.data[0].embedding))
    assert len(set(vectors)) == 3
    assert vectors[0] == vectors[1]
    assert {len(vector) for vector in vectors} == {1536}
    assert all(math.isclose(sum(one * one for one in vector), 1, abs_tol=1e-5) for vector in vectors)


async def test_base64_and_float_say_the_same_numbers(upstream: Upstream) -> None:
    floats = await post(upstream, "embeddings", {"model": "m", "input": "sea", "encoding_format": "float"})
    packed = await post(upstream, "embeddings", {"model": "m", "input": "sea", "encoding_format": "base64"})
    raw = base64.b64decode(packed["data"][0]["embedding"])
    assert struct.unpack("<1536f", raw) == tuple(floats["data"][0]["embedding"])


@pytest.mark.parametrize(
    ("given", "count", "tokens"),
    [("one two six", 1, 3), (["one two", "six"], 2, 3), ([5, 6, 7, 8], 1, 4), ([[5, 6], [7]], 2, 3)],
)
async def test_texts_and_tokens_are_counted_one_by_one(
    openai_client: AsyncOpenAI, given: Any, count: int, tokens: int
) -> None:
    answer = await openai_client.embeddings.create(model="x-large", input=given, dimensions=8)
    assert [one.index for one in answer.data] == list(range(count))
    assert {len(one.embedding) for one in answer.data} == {8}
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (tokens, tokens)


async def test_a_larger_model_has_longer_vectors(openai_client: AsyncOpenAI) -> None:
    answer = await openai_client.embeddings.create(model="text-embedding-3-large", input="sea")
    assert len(answer.data[0].embedding) == 3072


@pytest.mark.parametrize("given", ["", [], [""], ["a"] * 2049, [[]], [1, "a"], ["one"] * 2 + [3], "a " * 8193, [-1]])
async def test_inputs_that_no_model_takes_are_refused(openai_client: AsyncOpenAI, given: Any) -> None:
    with pytest.raises(openai.BadRequestError):
        await openai_client.embeddings.create(model="m", input=given)


async def test_the_usage_can_be_wrong_or_missing(upstream: Upstream) -> None:
    for directives, usage in (({"no_usage": True}, None), ({"usage": {"prompt_tokens": "x"}}, {"prompt_tokens": "x"})):
        answer = await post(upstream, "embeddings", {"model": "m", "input": "sea", "sandbox": directives})
        assert answer.get("usage") == usage


async def test_directives_in_any_text_of_the_input_hold_and_are_not_embedded(upstream: Upstream) -> None:
    plain = await post(upstream, "embeddings", {"model": "m", "input": ["sea", "land"]})
    marked = await post(
        upstream, "embeddings", {"model": "m", "input": ["sea", 'land [[sandbox {"extra_headers": {"x-seen": "1"}}]]']}
    )
    assert marked == plain
    failed = {"model": "m", "input": 'a [[sandbox {"status": 503, "error_message": "later"}]]'}
    assert (await post(upstream, "embeddings", failed, status=503))["error"]["message"] == "later"
    await post(upstream, "embeddings", {"model": "m", "input": "a [[sandbox {nothing}]]"}, status=400)


async def test_the_log_has_tokens_but_never_a_text(upstream: Upstream) -> None:
    await post(upstream, "embeddings", {"model": "m", "input": "secret sea"})
    (call,) = await upstream.calls()
    assert (call["path"], call["prompt_tokens"], call["completed"]) == ("/v1/embeddings", 3, True)
    assert call["bytes_received"] > 20
    assert "secret" not in str(call)


async def test_a_harmless_text_is_flagged_for_nothing(openai_client: AsyncOpenAI) -> None:
    answer = await openai_client.moderations.create(input="a walk by the sea")
    assert answer.model == "omni-moderation-latest"
    assert [result.flagged for result in answer.results] == [False]
    assert not any(answer.results[0].categories.model_dump().values())


async def test_a_category_is_flagged_by_its_name_in_the_text(upstream: Upstream) -> None:
    asked = {"model": "m", "input": ["calm", "full of Violence.", "self-harm"]}
    answer = await post(upstream, "moderations", asked)
    flagged = [[name for name, flag in result["categories"].items() if flag] for result in answer["results"]]
    assert flagged == [[], ["violence"], ["self-harm"]]
    assert [result["flagged"] for result in answer["results"]] == [False, True, True]
    assert all(set(result["category_scores"]) == set(CATEGORIES) for result in answer["results"])


async def test_text_and_image_parts_make_one_result(openai_client: AsyncOpenAI) -> None:
    parts: Any = [
        {"type": "text", "text": "graphic"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]
    answer = await openai_client.moderations.create(model="m", input=parts)
    (result,) = answer.results
    assert result.categories.violence_graphic
    assert result.category_applied_input_types.violence == ["text", "image"]
    assert result.category_applied_input_types.hate == ["text"]


@pytest.mark.parametrize("given", [[], ["a", {"type": "text", "text": "a"}], [{"type": "audio"}], 5])
async def test_moderation_inputs_of_another_kind_are_refused(upstream: Upstream, given: Any) -> None:
    await post(upstream, "moderations", {"model": "m", "input": given}, status=400)
