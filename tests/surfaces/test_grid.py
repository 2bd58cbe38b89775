"""The published grid: what of a request reaches which provider, measured through real HTTP by what the sandbox got.

A cell is `yes` (it arrived), `mapped` (in the target's own way), `dropped` (named in the header), `refused` (a 400
that says why). Anything else would be a loss in silence and fails here. `FAREBOX_WRITE_DOCS=1` writes the page anew.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from farebox_sandbox.process import serve_sandbox
from tests.database import TestCluster
from tests.gateway import Customer, RunningGateway, serve_gateway
from tests.surfaces.features import FEATURES, Feature
from tests.surfaces.shop import CATALOG, UPSTREAMS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "dialects.md"
SURFACES = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
OWN = {"chat": "openai_chat", "responses": "openai_responses", "messages": "anthropic_messages"}
UNKNOWN_FIELD = "an unknown field"
BEGIN, END = "<!-- the grid begins: written by tests/surfaces/test_grid.py -->", "<!-- the grid ends -->"


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
    if dropped:
        return Cell("dropped", dropped)
    found = feature.look(_echoed(surface, document))
    assert found == expected, f"{feature.name} from {surface} was lost on its way to {upstream} without a word"
    return Cell("mapped" if feature.mapped else "yes")


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
    grid = "\n\n".join(_table(surface, cells) for surface in SURFACES)
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    wanted = f"{before}{BEGIN}\n\n{grid}\n\n{END}{after}"
    if os.environ.get("FAREBOX_WRITE_DOCS"):
        PAGE.write_text(wanted)
    assert PAGE.read_text() == wanted, "docs/reference/dialects.md is not true: run this test with FAREBOX_WRITE_DOCS=1"
