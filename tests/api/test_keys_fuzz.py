"""The key API, asked by its own description for whatever it says it takes and for much that it does not: no answer is a
fault of ours, every answer is as described, and nothing is ever found of another workspace."""

import json
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farebox.api.limits import MAX_BODY_BYTES
from farebox.base.errors import CATALOGUE
from farebox.identity.model import SCOPES
from farebox.identity.store import show_key
from tests.api.json_schema import junk, problems, values_of
from tests.api.shop import Customer, Shop

_METHODS = ("get", "post", "put", "patch", "delete")
_RAW = (
    b"",
    b"{",
    b"nul",
    b"\xff\xfe{}",
    b"[" * 50_000,
    b'{"name":' * 20_000,
    b'{"name": 1e999999}',
    b'{"a": 1, "a": 2}',
)
_WRONG_IDS = ("usage", "key_", "key_0000000000000", "key_zzzzzzzzzzzzz", "%00", "é", "a/b", "...", "x" * 3_000)


async def _document(shop: Shop) -> dict[str, Any]:
    async with shop.client() as client:
        found = (await client.get("/api/openapi.json")).json()
    assert isinstance(found, dict)
    return found


def _operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, item[method])
        for path, item in sorted(document["paths"].items())
        if path.startswith("/api/keys")
        for method in _METHODS
        if method in item
    ]


def _body_schema(operation: dict[str, Any]) -> dict[str, Any] | None:
    if "requestBody" not in operation:
        return None
    found = operation["requestBody"]["content"]["application/json"]["schema"]
    assert isinstance(found, dict)
    return found


def _check(response: httpx.Response, operation: dict[str, Any], document: dict[str, Any]) -> None:
    """The status is one of those described, and the body as described for it."""
    status = str(response.status_code)
    assert response.status_code < 500, response.text
    assert status in operation["responses"], (status, response.text[:500])
    if response.headers["content-type"].startswith("text/csv"):
        return
    schema = operation["responses"][status]["content"]["application/json"]["schema"]
    body = response.json()
    assert not problems(body, schema, document), response.text[:2_000]
    if response.status_code >= 400:
        code = body["error"]["code"]
        assert CATALOGUE[code].status == response.status_code
        described = operation["responses"][status]["content"]["application/json"]["examples"].values()
        assert code in {example["value"]["error"]["code"] for example in described}


def _queries(operation: dict[str, Any]) -> st.SearchStrategy[dict[str, str]]:
    names = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
    values = st.text(max_size=30) | st.sampled_from(
        ["1", "0", "-1", "9" * 40, "active", "csv", "department", "é", "\0"]
    )
    return st.dictionaries(st.sampled_from([*names, "other"]), values, max_size=3)


def _bodies(schema: dict[str, Any] | None, document: dict[str, Any]) -> st.SearchStrategy[bytes]:
    said = junk if schema is None else values_of(schema, document) | values_of(schema, document) | junk
    return said.map(lambda value: json.dumps(value).encode()) | st.sampled_from(_RAW)


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.data_too_large])
@given(st.data())
async def test_whatever_is_asked_the_answer_is_as_described(shop: Shop, data: st.DataObject) -> None:
    document = await _document(shop)
    manager = await shop.customer(scopes=frozenset(SCOPES))
    # Not the manager itself: it would end its own power over keys, and all that follows were refusals.
    equal, other = await shop.key_of(manager, scopes=frozenset(SCOPES)), await shop.key_of(manager)
    stranger = await shop.customer()
    own, foreign = show_key(other.key.key_id), show_key(stranger.key.key_id)
    for _ in range(3):
        path, method, operation = data.draw(st.sampled_from(_operations(document)))
        key_id = data.draw(st.sampled_from([own, own, show_key(equal.key.key_id), foreign, *_WRONG_IDS]))
        is_there = "{key_id}" not in path or key_id not in (foreign, *_WRONG_IDS)
        body = data.draw(_bodies(_body_schema(operation), document))
        query = data.draw(_queries(operation))
        async with shop.client(headers=manager.headers) as client:
            response = await client.request(method, path.replace("{key_id}", key_id), content=body, params=query)
        if is_there or key_id == foreign:
            _check(response, operation, document)
        if not is_there and not (key_id == "usage" and method == "get"):
            # A body above every bound is refused before anything is looked up.
            refused = {404, 405, 413} if len(body) > MAX_BODY_BYTES else {404, 405}
            assert response.status_code in refused, response.text
            assert key_id != foreign or response.status_code in (404, 413)
    assert (await stranger.get("/api/limits"))["data"] == []
    assert (await stranger.get("/api/policy"))["key"]["retention"] == "any"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
async def test_a_foreign_id_is_not_found_however_right_the_rest_is(shop: Shop, data: st.DataObject) -> None:
    document = await _document(shop)
    manager = await shop.customer(scopes=frozenset(SCOPES))
    stranger = await shop.customer()
    foreign = show_key(stranger.key.key_id)
    named = [one for one in _operations(document) if "{key_id}" in one[0]]
    path, method, _ = data.draw(st.sampled_from(named))
    right: dict[str, Any] = {"/limits": {"day": {"requests": 1}}, "/policy": {"zdr": True}, "/roll": {}}
    body = next((one for end, one in right.items() if path.endswith(end)), {"name": "mine"})
    async with shop.client(headers=manager.headers) as client:
        found = await client.request(method, path.replace("{key_id}", foreign), json=body)
        nobody = await client.request(method, path.replace("{key_id}", show_key(7)), json=body)
    for response in (found, nobody):
        assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")
    told = [{**one.json()["error"], "request_id": ""} for one in (found, nobody)]
    assert told[0] == told[1]


async def test_the_examples_of_bodies_are_taken(shop: Shop) -> None:
    document = await _document(shop)
    manager = await shop.customer(scopes=frozenset(SCOPES))
    own = show_key((await shop.key_of(manager)).key.key_id)
    tried = 0
    for path, method, operation in _operations(document):
        schema = _body_schema(operation)
        if schema is None:
            continue
        [example] = schema["examples"]
        assert not problems(example, schema, document)
        expect = 201 if method == "post" else 200
        await _send(manager, method, path.replace("{key_id}", own), example, expect)
        own = show_key((await shop.key_of(manager)).key.key_id)
        tried += 1
    assert tried == 5


async def test_the_examples_of_errors_are_errors_as_they_are_answered(shop: Shop) -> None:
    document = await _document(shop)
    tried = 0
    for path, item in document["paths"].items():
        for operation in item.values():
            for status, response in operation["responses"].items():
                media = response.get("content", {}).get("application/json", {})
                for code, example in media.get("examples", {}).items():
                    assert set(example) == {"summary", "value"}
                    assert not problems(example["value"], media["schema"], document), path
                    assert example["value"]["error"]["code"] == code and CATALOGUE[code].status == int(status)
                    tried += 1
    assert tried > 50


async def _send(manager: Customer, method: str, path: str, body: Any, expect: int) -> None:
    await manager.send(method.upper(), path, body, expect=expect)


async def test_fields_that_are_not_described_are_refused_by_name(shop: Shop) -> None:
    document = await _document(shop)
    manager = await shop.customer(scopes=frozenset(SCOPES))
    own = show_key(manager.key.key_id)
    for path, method, operation in _operations(document):
        if _body_schema(operation) is None:
            continue
        found = await manager.send(method.upper(), path.replace("{key_id}", own), {"unheard_of": 1}, expect=400)
        assert "unheard_of" in found["error"]["param"] and "unheard_of" in found["error"]["message"]
