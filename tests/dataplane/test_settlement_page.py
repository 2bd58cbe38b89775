"""docs/reference/settlement.md is the table of `dataplane/rules.py`, and of nothing else."""

import itertools
from pathlib import Path
from typing import NamedTuple

from farebox.base.usage import Usage
from farebox.dataplane.rules import JOB_RULES, Ending, Facts, judge
from farebox.dialects.usage import MALFORMED, MISSING, Reported

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settlement.md"


class Row(NamedTuple):
    charged: bool
    evidence: str
    counts: bool


def rows_of_the_page() -> dict[str, Row]:
    rows = {}
    for line in PAGE.read_text().splitlines():
        if line.startswith("| `"):
            rule, _, charged, evidence, counts, _ = (cell.strip() for cell in line.strip("|").split("|"))
            assert {charged, counts} <= {"yes", "no"}
            rows[rule.strip("`")] = Row(charged == "yes", evidence, counts == "yes")
    return rows


def rows_of_the_rules() -> dict[str, Row]:
    rows: dict[str, Row] = {}
    counted = (Reported(Usage(images=2), basis="counted"), Reported(Usage(input_tokens=1), basis="estimated"))
    reports = (Reported(Usage(input_tokens=3, output_tokens=2)), Reported(Usage()), MISSING, MALFORMED, *counted)
    for ending, reported, delivered, cost in itertools.product(Ending, reports, (0, 9), (True, False)):
        verdict = judge(Facts(ending, reported, 12, delivered, cost))
        row = Row(verdict.usage is not None, verdict.evidence, verdict.count_request)
        assert rows.setdefault(verdict.rule, row) == row, f"{verdict.rule} settles in two ways"
    return rows


# The sweeper's own rule: nothing went upstream, so there is nothing to judge.
NEVER_DISPATCHED = {"never_dispatched": Row(False, "D", False)}


def test_the_page_and_the_rules_say_the_same() -> None:
    jobs = {name: Row(*rule) for name, rule in JOB_RULES.items()}
    assert rows_of_the_page() == rows_of_the_rules() | NEVER_DISPATCHED | jobs


def test_nothing_is_charged_without_evidence() -> None:
    assert all(row.charged == (row.evidence in "ABC") for row in rows_of_the_page().values())
