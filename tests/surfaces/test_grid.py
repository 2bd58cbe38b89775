"""The published grid: what of a request reaches which provider, measured through real HTTP by what the sandbox got.

A cell is `yes` (it arrived), `mapped` (in the target's own way), `dropped` (named in the header), `refused` (a 400
that says why). Anything else would be a loss in silence and fails here. `FAREBOX_WRITE_DOCS=1` writes the page anew.
"""

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import anthropic
import msgspec
import openai
import pytest

from farebox_sandbox.process import serve_sandbox
from tests.database import TestCluster
from tests.gateway import Customer, RunningGateway, serve_gateway
from tests.surfaces.answers import ANSWERS, UNKNOWN, Answer, view_of
from tests.surfaces.drivers import DRIVERS, Driver, Said
from tests.surfaces.features import FEATURES, Feature
from tests.surfaces.shop import CATALOG, UPSTREAMS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "dialects.md"
SURFACES = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
OWN = {"chat": "openai_chat", "responses": "openai_responses", "messages": "anthropic_messages"}
UNKNOWN_FIELD = "an unknown field"
# A message never ends in a seal of another dialect's provider: that is lost of the answer, nothing of the request.
OF_THE_ANSWER = "foreign_reasoning"
GRID, BACK = "the grid", "the grid of answers"


class Cell(NamedTuple):
    """What happened to a feature on its way. `names`: what the header or the refusal said."""

    outcome: str
    names: str = ""

    def shown(self) -> str:
        return f"{self.outcome}: `{self.names}`" if self.names else self.outcome


@pytest.fixture(scope="module")
async def echoing(cluster: TestCluster) -> AsyncIterator[RunningGateway]:
    """A gateway whose providers answer with what they got."""
    async with serve_sandbox() as sandbox, serve_gateway(cluster, sandbox=sandbox, catalog=CATALOG) as gateway:
        url = sandbox.base_url.removesuffix("/v1") + "/sandbox/faults"
        async with gateway.session.put(url, json={"echo": True}) as response:
            assert response.status == 200
        yield gateway


async def _send(customer: Customer, surface: str, upstream: str, body: dict[str, Any]) -> tuple[int, str, Any]:
    async with customer.post(SURFACES[surface], {"model": upstream, **body}) as response:
        document = await response.json()
        return response.status, response.headers.get("x-farebox-dropped", ""), document


def _echoed(surface: str, document: Any) -> dict[str, Any]:
    """The request as the provider saw it."""
    if surface == "chat":
        text = document["choices"][0]["message"]["content"]
    elif surface == "responses":
        messages = [item for item in document["output"] if item["type"] == "message"]
        text = messages[-1]["content"][-1]["text"]
    else:
        text = "".join(block.get("text", "") for block in document["content"] if block["type"] == "text")
    request: dict[str, Any] = msgspec.json.decode(text)["request"]
    return request


async def _cell(customer: Customer, feature: Feature, surface: str, upstream: str) -> Cell:
    body = feature.say[surface]
    status, _, own = await _send(customer, surface, OWN[surface], body)
    # Of an unknown field the provider's own refusal shows that it arrived.
    known = feature.name != UNKNOWN_FIELD
    assert status == 200 or not known, (feature.name, surface, own)
    expected = feature.look(_echoed(surface, own)) if known else None
    assert expected or not known, f"{feature.name} is not seen even without translation"
    if upstream == OWN[surface]:
        return Cell("yes")
    status, dropped, document = await _send(customer, surface, upstream, body)
    if status == 400:
        error = document["error"]
        assert error.get("feature"), (feature.name, surface, upstream, document)
        return Cell("refused", error["feature"])
    assert status == 200, (feature.name, surface, upstream, document)
    if dropped not in ("", OF_THE_ANSWER):
        return Cell("dropped", dropped)
    found = feature.look(_echoed(surface, document))
    assert found == expected, f"{feature.name} from {surface} was lost on its way to {upstream} without a word"
    return Cell("mapped" if feature.mapped else "yes")


async def _answer_cell(driver: Driver, answer: Answer, upstream: str, own: Any, *, stream: bool) -> Cell:
    if upstream in answer.untold:
        return Cell("not told")
    said = await _ask(driver, answer, upstream, stream=stream)
    dropped = said.headers.get("x-farebox-dropped", "")
    found = answer.look(view_of(driver.name, said.document))
    if found == own and answer is not UNKNOWN:
        return Cell("yes")  # other things may have been dropped beside it
    if stream and not dropped:
        dropped = await _comment(driver, answer, upstream)
    native = upstream == OWN[driver.name]
    assert dropped or native, f"{answer.name} of {upstream} does not reach {driver.name} ({found} for {own}), unsaid"
    return Cell("dropped", dropped) if dropped else Cell("yes")


async def _ask(driver: Driver, answer: Answer, upstream: str, *, stream: bool) -> Said:
    return await driver.ask(
        upstream,
        driver.user(answer.ask),
        tools=answer.tools,
        thinking=answer.thinking,
        stream=stream,
        limit=answer.limit,
        extra=dict(answer.fields[driver.name]),
    )


async def _comment(driver: Driver, answer: Answer, upstream: str) -> str:
    """What a stream says before its end of what was lost on its way; SDKs skip it, so it is read raw."""
    turn = [{"role": "user", "content": answer.ask}]
    own: dict[str, Any] = {"input": turn} if driver.name == "responses" else {"messages": turn, "max_tokens": 900}
    body = {"model": upstream, "stream": True, **own, **answer.fields[driver.name]}
    async with driver.customer.post(SURFACES[driver.name], body) as response:
        text = await response.text()
    found = re.search(r"^: x-farebox-dropped: (.+)$", text, re.MULTILINE)
    return found[1] if found else ""


def _answer_table(surface: str, cells: dict[tuple[str, str, str], Cell]) -> str:
    lines = [f"### from `{SURFACES[surface]}`", "", f"| | {' | '.join(UPSTREAMS)} |", "|---|" + "---|" * len(UPSTREAMS)]
    for answer in (*ANSWERS, UNKNOWN):
        if surface in answer.fields:
            shown = [cells[answer.name, surface, upstream].shown() for upstream in UPSTREAMS]
            lines.append(f"| {answer.name} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _table(surface: str, cells: dict[tuple[str, str, str], Cell]) -> str:
    lines = [f"### `{SURFACES[surface]}`", "", f"| | {' | '.join(UPSTREAMS)} |", "|---|" + "---|" * len(UPSTREAMS)]
    for feature in FEATURES:
        if surface in feature.say:
            shown = [cells[feature.name, surface, upstream].shown() for upstream in UPSTREAMS]
            lines.append(f"| {feature.name} | {' | '.join(shown)} |")
    return "\n".join(lines)


async def test_nothing_is_lost_in_silence_and_the_published_grid_is_true(echoing: RunningGateway) -> None:
    customer = await echoing.new_customer(balance_usd="1000")
    cells = {}
    faults = []
    for feature in FEATURES:
        for surface in feature.say:
            for upstream in UPSTREAMS:
                try:
                    cells[feature.name, surface, upstream] = await _cell(customer, feature, surface, upstream)
                except (AssertionError, msgspec.DecodeError, KeyError, IndexError) as error:
                    faults.append(f"{feature.name}, {surface} to {upstream}: {error!r}"[:600])
                    cells[feature.name, surface, upstream] = Cell("LOST")
    assert not faults, "\n".join(faults)
    _compare(GRID, "\n\n".join(_table(surface, cells) for surface in SURFACES))


# The SDK's accumulator warns of the item of an unknown kind that one line asks for.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
async def test_answers_come_back_whole_and_the_published_grid_is_true(gateway: RunningGateway) -> None:
    cells = {}
    faults = []
    for kind in DRIVERS:
        async with kind(await gateway.new_customer(balance_usd="1000")) as driver:
            for answer in (*ANSWERS, UNKNOWN):
                if driver.name not in answer.fields:
                    continue
                own = answer.look(
                    view_of(driver.name, (await _ask(driver, answer, OWN[driver.name], stream=False)).document)
                )
                if not own or own == [0]:
                    faults.append(f"{answer.name} is not seen on {driver.name} even without translation")
                for upstream in UPSTREAMS:
                    both = []
                    for stream in (False, True):
                        try:
                            both.append(await _answer_cell(driver, answer, upstream, own, stream=stream))
                        except (AssertionError, openai.APIError, anthropic.APIError, KeyError, ValueError) as error:
                            faults.append(f"{answer.name}, {upstream} to {driver.name}, {stream=}: {error!r}"[:500])
                            both.append(Cell("LOST"))
                    cells[answer.name, driver.name, upstream] = both[0]
                    if both[0] != both[1] and answer is not UNKNOWN:
                        faults.append(
                            f"{answer.name}, {upstream} to {driver.name}: whole {both[0]}, streamed {both[1]}"
                        )
    assert not faults, "\n".join(faults)
    _compare(BACK, "\n\n".join(_answer_table(surface, cells) for surface in SURFACES))


def _compare(name: str, grid: str) -> None:
    begin, end = f"<!-- {name} begins: written by tests/surfaces/test_grid.py -->", f"<!-- {name} ends -->"
    page = PAGE.read_text()
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    wanted = f"{before}{begin}\n\n{grid}\n\n{end}{after}"
    if os.environ.get("FAREBOX_WRITE_DOCS"):
        PAGE.write_text(wanted)
    assert PAGE.read_text() == wanted, "docs/reference/dialects.md is not true: run this test with FAREBOX_WRITE_DOCS=1"
