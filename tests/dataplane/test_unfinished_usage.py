"""Messages tells usage at the start of a stream, when nothing is written yet: who leaves before its end pays for what
was delivered all the same."""

from typing import Any

import msgspec
import pytest

from farebox.dataplane.rules import Ending, Facts, Verdict, judge
from farebox.dialects.anthropic_messages.stream import MessagesFold
from farebox.dialects.port import StreamDecoder, StreamFold
from farebox.dialects.registry import UPSTREAMS
from farebox.dialects.usage import Reported
from tests.dialects.messages_transcripts import start, stop, text_block

_WORDS = "word " * 800
_BYTES = len(_WORDS)
_EVENTS = [start({"input_tokens": 2_500, "output_tokens": 1}), *text_block(0, _WORDS)]


def _folds() -> list[StreamFold | StreamDecoder]:
    return [MessagesFold(), UPSTREAMS["anthropic_messages"].new_decoder()]


def _verdict(ending: Ending, reported: Reported, delivered_bytes: int = _BYTES) -> Verdict:
    return judge(Facts(ending, reported, prompt_bytes=9_999, delivered_bytes=delivered_bytes, may_have_cost=True))


@pytest.mark.parametrize("fold", _folds(), ids=["relayed", "translated"])
@pytest.mark.parametrize("ending", [Ending.CLIENT_LEFT, Ending.LOST])
def test_who_leaves_before_the_last_count_pays_for_what_came(fold: Any, ending: Ending) -> None:
    for event in _EVENTS:
        fold.feed(event)
    verdict = _verdict(ending, fold.reported)
    assert verdict.usage is not None and verdict.cost_usage is not None
    assert (verdict.evidence, verdict.usage.input_tokens, verdict.usage.output_tokens) == ("C", 2_500, _BYTES // 4)
    assert (verdict.cost_usage.input_tokens, verdict.cost_usage.output_tokens) == (2_500, _BYTES // 2)


@pytest.mark.parametrize("fold", _folds(), ids=["relayed", "translated"])
def test_the_last_count_is_the_providers_word(fold: Any) -> None:
    for event in (*_EVENTS, *stop("end_turn", 700)):
        fold.feed(event)
    verdict = _verdict(Ending.CLIENT_LEFT, fold.reported)
    assert verdict.usage is not None
    assert (verdict.evidence, verdict.usage.output_tokens) == ("A", 700)


def test_an_answer_whose_end_tells_no_usage_is_estimated() -> None:
    fold = MessagesFold()
    end = msgspec.json.encode({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})
    for event in (*_EVENTS, b"event: message_delta\ndata: " + end + b"\n\n"):
        fold.feed(event)
    verdict = _verdict(Ending.ANSWERED, fold.reported)
    assert verdict.usage is not None
    assert (verdict.rule, verdict.usage.output_tokens) == ("usage_missing_estimated", _BYTES // 4)


def test_an_answer_that_broke_off_costs_what_came_of_it() -> None:
    fold = MessagesFold()
    for event in _EVENTS:
        fold.feed(event)
    verdict = _verdict(Ending.CUT, fold.reported)
    assert verdict.usage is None and verdict.cost_usage is not None
    assert verdict.cost_usage.output_tokens == _BYTES // 2


def test_who_leaves_before_the_first_word_pays_for_the_input() -> None:
    fold = MessagesFold()
    fold.feed(_EVENTS[0])
    verdict = _verdict(Ending.CLIENT_LEFT, fold.reported, 0)
    assert verdict.usage is not None
    assert (verdict.evidence, verdict.usage.input_tokens) == ("A", 2_500)
