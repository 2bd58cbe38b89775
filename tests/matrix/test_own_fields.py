"""What a request says of its route and its cost is between the client and the gateway: no provider ever sees it."""

import json
from typing import Any

import pytest

from tests.dataplane.outcomes import see
from tests.gateway import Customer
from tests.matrix.conftest import Realm
from tests.matrix.realm import STREAMED, SURFACES, Surface, see_any
from tests.matrix.witness import Witness
from tests.workloads.forms import CONTENT_TYPE, File, form

OWN: dict[str, Any] = {"provider": {"zdr": True}, "max_cost": 9, "session_id": "talk-1"}
OWN_HEADERS = {"x-farebox-provider": '{"zdr": true}', "x-farebox-max-cost-usd": "9", "x-session-id": "talk-1"}
WORDS = (b"provider", b"zdr", b"max_cost", b"max-cost", b"session_id", b"session-id", b"talk-1")


def check_clean(witness: Witness) -> None:
    """The witness got something, and none of it."""
    assert witness.requests
    for request in witness.requests:
        assert not [word for word in WORDS if word in request.lower()], request
    witness.requests.clear()


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
async def test_own_fields_and_headers_never_reach_a_provider(
    realm: Realm, citizen: Customer, witness: Witness, surface: Surface
) -> None:
    kept: dict[str, Any] = {"model": f"{surface.model}-kept"}
    streams: list[dict[str, Any]] = [{}, {"stream": True}] if surface in STREAMED else [{}]
    for more in streams:
        for name, value in OWN.items():
            await surface.send(citizen, **kept, **more, **{name: value})
            check_clean(witness)
        await surface.send(citizen, **kept, **more, **OWN)
        check_clean(witness)
        await surface.send(citizen, **kept, **more, headers=OWN_HEADERS)
        check_clean(witness)
        # The name of a field may be written in escapes; it is the same name.
        raw = json.dumps({**surface.body, **kept, **more, "pro@vider": {"zdr": True}}).replace(
            "pro@vider", "pro\\u0076ider"
        )
        await see_any(citizen, surface.path, raw.encode())
        check_clean(witness)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_echo_of_a_request_has_none_of_them(realm: Realm, citizen: Customer, stream: bool) -> None:
    seen = await see(citizen.chat(model="talk", stream=stream, sandbox={"echo": True}, unheard_of=1, **OWN))
    text = seen.text if stream else seen.document["choices"][0]["message"]["content"]
    assert "unheard_of" in json.loads(text)["envelope"]["unknown"]
    assert not set(OWN) & set(json.loads(text)["envelope"]["unknown"])


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
async def test_an_escaped_name_is_heeded(realm: Realm, citizen: Customer, surface: Surface) -> None:
    raw = json.dumps({**surface.body, "pro@vider": {"zdr": True}}).replace("pro@vider", "pro\\u0076ider")
    assert (await see_any(citizen, surface.path, raw.encode())).status == 200
    assert await realm.asked(surface.model, "loose", "strict") == [0, 1]


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize(("path", "model"), [("/v1/images/edits", "draw"), ("/v1/videos", "film")])
async def test_a_form_that_says_it_in_a_field_is_refused_because_it_passes_as_it_is(
    realm: Realm, citizen: Customer, witness: Witness, path: str, model: str, name: str
) -> None:
    value = OWN[name] if isinstance(OWN[name], str) else json.dumps(OWN[name])
    parts = [("model", f"{model}-kept"), ("prompt", "a cat"), (name, value)]
    files = [File("image", b"\x89PNG\r\n\x1a\n0", "image/png")] if model == "draw" else []
    body = form(*parts, *files)
    found = await see_any(citizen, path, body, headers=CONTENT_TYPE)
    assert (found.status, found.error["param"]) == (400, name)
    assert witness.requests == [] and await citizen.call_ids() == []
    # In headers it is heeded, and stays here, too.
    headers = {**CONTENT_TYPE, **OWN_HEADERS}
    await see_any(citizen, path, form(*parts[:2], *files), headers=headers)
    check_clean(witness)
