import pytest

from farebox.base.usage import Usage
from farebox.dataplane.rules import JOB_RULES, Ending, Facts, judge
from farebox.dialects.usage import Reported
from farebox.records.meanings import EVIDENCE, RULES


@pytest.mark.parametrize("ending", list(Ending))
@pytest.mark.parametrize(
    "reported",
    [
        Reported(Usage()),
        Reported(None),
        Reported(None, malformed=True),
        Reported(Usage(images=1), basis="counted"),
        Reported(Usage(characters=1), malformed=True, basis="estimated"),
    ],
)
@pytest.mark.parametrize("delivered_bytes", [0, 100])
def test_every_rule_of_settlement_has_a_meaning_for_customers(
    ending: Ending, reported: Reported, delivered_bytes: int
) -> None:
    verdict = judge(Facts(ending, reported, 100, delivered_bytes, may_have_cost=True))
    assert RULES[verdict.rule]
    assert EVIDENCE[verdict.evidence]


@pytest.mark.parametrize("rule", JOB_RULES)
def test_every_rule_of_jobs_has_a_meaning_for_customers(rule: str) -> None:
    assert RULES[rule]
    assert EVIDENCE[JOB_RULES[rule].evidence]
