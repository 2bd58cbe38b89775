"""Bills, worked out by hand: what a provider reported, the classes that it becomes, and what is charged for it.

A row is one line of the table below. Prices are written as in catalog.toml, charges in nano-USD, with the sum beside
them in micro-USD ($1 per million tokens is one micro-USD a token). Where a dialect has a reader of reports, the report
stands as the provider sends it; what the data plane counts itself (characters, pictures, seconds) stands as it counts.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from farebox.base.usage import Usage
from farebox.catalog.model import Workload
from farebox.catalog.rules import RATE_OF_CLASS, Tier, charge_lines, charge_nanos, select_tier
from farebox.catalog.toml_file import parse_catalog
from farebox.dialects.anthropic_messages import usage as messages
from farebox.dialects.gemini import usage as gemini
from farebox.dialects.openai_chat import usage as chat
from farebox.dialects.openai_responses import usage as responses
from farebox.dialects.usage import Reported

CATALOG = """
[providers.p]
display_name = "P"
base_url = "https://p.example/v1"
[models.m]
display_name = "M"
workload = "{workload}"
context_tokens = 1_000_000
max_output_tokens = 64_000
image_output_ceiling_tokens = {{ any = 6_240 }}
audio_input_tokens_per_second = 20
[routes."p/m"]
margin_bps = 0
{cost}
"""


class Price(NamedTuple):
    """A price as catalog.toml says it."""

    cost: str
    workload: Workload = "text"

    def tiers(self) -> tuple[Tier, ...]:
        return parse_catalog(CATALOG.format(workload=self.workload, cost=self.cost)).prices["p/m"].tiers


CHAT = Price("cost = { input = 2, cached_input = 0.5, output = 8, audio_input = 40, audio_output = 80 }")
CLAUDE = Price("""
cost = { input = 3, cached_input = 0.3, cache_write_5m = 3.75, cache_write_1h = 6, output = 15, per_thousand_searches = 10 }
[[routes."p/m".cost_tiers]]
above_input_tokens = 200_000
input = 6
cached_input = 0.6
cache_write_5m = 7.5
cache_write_1h = 12
output = 22.5
""")  # noqa: E501
FLASH = Price(
    "cost = { input = 0.3, cached_input = 0.03, output = 2.5, audio_input = 1, image_output = 30, "
    "per_thousand_searches = 35 }"
)
GPT5 = Price("cost = { input = 1.25, cached_input = 0.125, output = 10, per_thousand_searches = 10 }")
REASONER = Price("cost = { input = 1, output = 2, reasoning = 3 }")
SMALL_EMBEDDING = Price("cost = { input = 0.02 }", "embedding")
GPT_IMAGE = Price("cost = { input = 5, image_input = 10, output = 40 }", "image")
DALL_E = Price(
    'cost = { per_image = 0.04 }\ncost_tiers = [{ variant = "1024x1024/hd", per_image = 0.08 }, '
    '{ variant = "1792x1024/hd", per_image = 0.12 }]',
    "image",
)
WHISPER = Price("cost = { per_minute_audio = 0.006 }", "audio")
TTS = Price("cost = { per_million_characters = 15 }", "audio")
MINI_TTS = Price("cost = { input = 0.6, output = 0, audio_output = 12 }", "audio")
TRANSCRIBE = Price("cost = { input = 1.25, audio_input = 3, output = 5 }", "audio")
SORA = Price(
    'cost = { per_second_video = 0.1 }\ncost_tiers = [{ variant = "1792x1024", per_second_video = 0.5 }]', "video"
)


def counted(usage: Any) -> Reported:
    """What the data plane counts itself."""
    return Reported(usage)


class Bill(NamedTuple):
    """One row of the table."""

    reader: Callable[[Any], Reported]
    report: Any
    usage: Usage
    price: Price
    nanos: int
    tier: str | None = None


BILLS = {
    # 70 x 2 + 30 x 0.5 + 20 x 8 = 140 + 15 + 160
    "chat: cached tokens are inside the prompt": Bill(
        chat.read_usage,
        {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 30},
        },
        Usage(input_tokens=70, cached_input_tokens=30, output_tokens=20),
        CHAT,
        315_000,
    ),
    # 10 x 1 + 5 x 2 + 15 x 3
    "chat: reasoning is inside the completion": Bill(
        chat.read_usage,
        {
            "prompt_tokens": 10,
            "completion_tokens": 20,
            "total_tokens": 30,
            "completion_tokens_details": {"reasoning_tokens": 15},
        },
        Usage(input_tokens=10, output_tokens=5, reasoning_tokens=15),
        REASONER,
        65_000,
    ),
    # 10 x 1 + 20 x 2 + 15 x 3: a vendor whose total says that it counts reasoning beside the completion
    "chat: reasoning beside the completion": Bill(
        chat.read_usage,
        {
            "prompt_tokens": 10,
            "completion_tokens": 20,
            "total_tokens": 45,
            "completion_tokens_details": {"reasoning_tokens": 15},
        },
        Usage(input_tokens=10, output_tokens=20, reasoning_tokens=15),
        REASONER,
        95_000,
    ),
    # 40 x 2 + 60 x 40 + 10 x 8 + 50 x 80 = 80 + 2400 + 80 + 4000
    "chat: sound is inside prompt and completion": Bill(
        chat.read_usage,
        {
            "prompt_tokens": 100,
            "completion_tokens": 60,
            "total_tokens": 160,
            "prompt_tokens_details": {"audio_tokens": 60},
            "completion_tokens_details": {"audio_tokens": 50},
        },
        Usage(input_tokens=40, audio_input_tokens=60, output_tokens=10, audio_output_tokens=50),
        CHAT,
        6_560_000,
    ),
    # 700 x 1.25 + 300 x 0.125 + 40 x 10 + 60 x 10 + 2 x 10,000 = 875 + 37.5 + 400 + 600 + 20000
    "responses: cached, reasoning and two searches": Bill(
        responses.read_usage,
        {
            "usage": {
                "input_tokens": 1_000,
                "input_tokens_details": {"cached_tokens": 300},
                "output_tokens": 100,
                "output_tokens_details": {"reasoning_tokens": 60},
                "total_tokens": 1_100,
            },
            "tool_usage": {"web_search": {"num_requests": 2}},
        },
        Usage(input_tokens=700, cached_input_tokens=300, output_tokens=40, reasoning_tokens=60, web_searches=2),
        GPT5,
        21_912_500,
    ),
    # 100 x 3 + 30 x 0.3 + 20 x 15 = 300 + 9 + 300
    "messages: cached tokens are beside the input": Bill(
        messages.read_usage,
        {"input_tokens": 100, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 0, "output_tokens": 20},
        Usage(input_tokens=100, cached_input_tokens=30, output_tokens=20),
        CLAUDE,
        609_000,
    ),
    # 10 x 3 + 100 x 3.75 + 200 x 6 + 20 x 15 = 30 + 375 + 1200 + 300
    "messages: five minutes and one hour of cache": Bill(
        messages.read_usage,
        {
            "input_tokens": 10,
            "cache_creation_input_tokens": 300,
            "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            "output_tokens": 20,
        },
        Usage(input_tokens=10, cache_write_5m_tokens=100, cache_write_1h_tokens=200, output_tokens=20),
        CLAUDE,
        1_905_000,
    ),
    # 10 x 3 + 20 x 15 + 3 x 10,000
    "messages: three searches": Bill(
        messages.read_usage,
        {"input_tokens": 10, "output_tokens": 20, "server_tool_use": {"web_search_requests": 3}},
        Usage(input_tokens=10, output_tokens=20, web_searches=3),
        CLAUDE,
        30_330_000,
    ),
    # 1 x 6 + 200,000 x 0.6 + 10 x 22.5 + 1 x 10,000: cached tokens reach the dearer tier, searches cost the same there
    "messages: a long prompt out of the cache": Bill(
        messages.read_usage,
        {
            "input_tokens": 1,
            "cache_read_input_tokens": 200_000,
            "output_tokens": 10,
            "server_tool_use": {"web_search_requests": 1},
        },
        Usage(input_tokens=1, cached_input_tokens=200_000, output_tokens=10, web_searches=1),
        CLAUDE,
        130_231_000,
    ),
    # 70 x 0.3 + 30 x 0.03 + 20 x 2.5 + 40 x 2.5 = 21 + 0.9 + 50 + 100
    "gemini: cached inside, thoughts beside": Bill(
        gemini.read_usage,
        {
            "promptTokenCount": 100,
            "cachedContentTokenCount": 30,
            "candidatesTokenCount": 20,
            "thoughtsTokenCount": 40,
            "totalTokenCount": 160,
        },
        Usage(input_tokens=70, cached_input_tokens=30, output_tokens=20, reasoning_tokens=40),
        FLASH,
        171_900,
    ),
    # 60 x 0.3 + 258 x 0.3 + 40 x 1 + 10 x 2.5 + 1290 x 30 = 18 + 77.4 + 40 + 25 + 38700
    "gemini: sound and pictures read, a picture made": Bill(
        gemini.read_usage,
        {
            "promptTokenCount": 358,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 60},
                {"modality": "IMAGE", "tokenCount": 258},
                {"modality": "AUDIO", "tokenCount": 40},
            ],
            "candidatesTokenCount": 1_300,
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1_290}],
            "totalTokenCount": 1_658,
        },
        Usage(
            input_tokens=60,
            image_input_tokens=258,
            audio_input_tokens=40,
            output_tokens=10,
            image_output_tokens=1_290,
        ),
        FLASH,
        38_860_400,
    ),
    # 1,000,001 x 0.02 = 20,000.02 micro-USD
    "embeddings": Bill(
        counted, Usage(input_tokens=1_000_001), Usage(input_tokens=1_000_001), SMALL_EMBEDDING, 20_000_020
    ),
    # 50 x 5 + 323 x 10 + 2 x 1056 x 40 = 250 + 3230 + 84480; pictures made by token cost nothing by the piece
    "pictures by token": Bill(
        counted,
        Usage(input_tokens=50, image_input_tokens=323, image_output_tokens=2_112, images=2),
        Usage(input_tokens=50, image_input_tokens=323, image_output_tokens=2_112, images=2),
        GPT_IMAGE,
        87_960_000,
    ),
    "pictures by the piece": Bill(counted, Usage(images=3), Usage(images=3), DALL_E, 120_000_000),
    "pictures of a variant": Bill(counted, Usage(images=3), Usage(images=3), DALL_E, 240_000_000, "1024x1024/hd"),
    "pictures of an unknown variant": Bill(counted, Usage(images=3), Usage(images=3), DALL_E, 360_000_000, "9x9/hd"),
    # 61.5 s x 0.1 millidollar
    "a minute and a half second of sound": Bill(
        counted, Usage(audio_milliseconds=61_500), Usage(audio_milliseconds=61_500), WHISPER, 6_150_000
    ),
    "letters to speak": Bill(counted, Usage(characters=4_096), Usage(characters=4_096), TTS, 61_440_000),
    # 20 x 0.6 + 1250 x 12
    "speech by token": Bill(
        counted,
        Usage(input_tokens=20, audio_output_tokens=1_250, characters=90),
        Usage(input_tokens=20, audio_output_tokens=1_250, characters=90),
        MINI_TTS,
        15_012_000,
    ),
    # 10 x 1.25 + 1000 x 3 + 200 x 5
    "transcription by token": Bill(
        counted,
        Usage(input_tokens=10, audio_input_tokens=1_000, output_tokens=200, audio_milliseconds=60_000),
        Usage(input_tokens=10, audio_input_tokens=1_000, output_tokens=200, audio_milliseconds=60_000),
        TRANSCRIBE,
        4_012_500,
    ),
    "eight seconds of film": Bill(
        counted, Usage(video_milliseconds=8_000), Usage(video_milliseconds=8_000), SORA, 800_000_000
    ),
    "eight seconds of a larger film": Bill(
        counted, Usage(video_milliseconds=8_000), Usage(video_milliseconds=8_000), SORA, 4_000_000_000, "1792x1024"
    ),
}


@pytest.mark.parametrize("bill", BILLS.values(), ids=BILLS.keys())
def test_what_was_reported_is_charged_as_worked_out_by_hand(bill: Bill) -> None:
    reported = bill.reader(bill.report)
    assert reported.usage == bill.usage
    assert charge_nanos(bill.price.tiers(), bill.usage, bill.tier) == bill.nanos


def test_every_class_of_use_is_in_the_table_with_a_price() -> None:
    priced = {
        line.unit
        for bill in BILLS.values()
        for line in charge_lines(select_tier(bill.price.tiers(), bill.usage, bill.tier), bill.usage)
    }
    assert priced == set(RATE_OF_CLASS) - {"requests"}


SAME_CONVERSATION = {
    "chat": chat.read_usage(
        {
            "prompt_tokens": 130,
            "completion_tokens": 60,
            "total_tokens": 190,
            "prompt_tokens_details": {"cached_tokens": 30},
            "completion_tokens_details": {"reasoning_tokens": 40},
        }
    ),
    "responses": responses.read_usage(
        {
            "usage": {
                "input_tokens": 130,
                "input_tokens_details": {"cached_tokens": 30},
                "output_tokens": 60,
                "output_tokens_details": {"reasoning_tokens": 40},
            }
        }
    ),
    "messages": messages.read_usage(
        {
            "input_tokens": 100,
            "cache_read_input_tokens": 30,
            "output_tokens": 60,
            "output_tokens_details": {"thinking_tokens": 40},
        }
    ),
    "gemini": gemini.read_usage(
        {
            "promptTokenCount": 130,
            "cachedContentTokenCount": 30,
            "candidatesTokenCount": 20,
            "thoughtsTokenCount": 40,
            "totalTokenCount": 190,
        }
    ),
}


@pytest.mark.parametrize("dialect", SAME_CONVERSATION)
def test_the_same_use_is_the_same_bill_whatever_dialect_reports_it(dialect: str) -> None:
    usage = SAME_CONVERSATION[dialect].usage
    assert usage == Usage(input_tokens=100, cached_input_tokens=30, output_tokens=20, reasoning_tokens=40)
    # 100 x 3 + 30 x 0.3 + 60 x 15
    assert charge_nanos(CLAUDE.tiers(), usage, None) == 1_209_000
