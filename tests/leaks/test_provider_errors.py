"""What providers say of the operator's account reaches no customer: whatever the status, the dialect and the place."""

from typing import Any

import pytest

from farebox.dialects.account import is_about_account, is_about_request, without_ids
from tests.gateway import Customer
from tests.leaks.fort import Fort
from tests.leaks.looking import Call, every_call, look, make, name_of

CALLS = pytest.mark.parametrize("call", every_call(), ids=name_of)
SAID = "zebra: the organization org-zebra0000 is out of quota; key sk-zebra-key-00-0c1d2e3f4a5b"
EXTRA = {"openai-organization": "zebra", "x-account": "zebra", "set-cookie": "zebra=1", "x-ratelimit-limit": "7351"}


FAULTS: dict[str, dict[str, Any]] = {
    **{str(status): {"status": status} for status in (401, 402, 403, 429, 503)},
    "in the middle": {"error_mid_stream": 1},
    "redirect": {"redirect": "https://zebra.example/"},
    "not JSON": {"status": 400, "garbage": True},
    "not the type": {"wrong_content_type": "application/x-other"},
    "well": {},
}


@CALLS
async def test_nothing_of_what_a_provider_says_of_its_faults_is_passed_on(
    fort: Fort, customer: Customer, call: Call
) -> None:
    for name, faults in FAULTS.items():
        await fort.fault(call.model, error_message=SAID, error_code="zebra", extra_headers=EXTRA, **faults)
        sight = await make(customer, call)
        assert not sight.hidden, (name, sight.text)
        assert (sight.status == 200 and "error" not in sight.error) or name != "well", sight.text
        await fort.forget()
    await _and_afterwards(customer)


async def _and_afterwards(customer: Customer) -> None:
    """Receipts, lists and exports tell no more than the answer did."""
    for call_id in await customer.call_ids():
        sight = await look(customer, "GET", f"/api/usage/{call_id}")
        assert sight.status == 200 and not sight.hidden, sight.text
    for path in ("/api/usage", "/api/usage?format=csv", "/api/usage?format=jsonl", "/api/balance", "/v1/videos"):
        sight = await look(customer, "GET", path)
        assert sight.status == 200 and not sight.hidden, sight.text


ACCOUNTS = (
    ("insufficient_quota", "zebra"),
    (None, "Your credit balance is too low to access the API. zebra"),
    (None, "API key not valid. Please pass a valid API key. zebra"),
)


@CALLS
async def test_an_account_that_is_refused_as_if_the_request_were_wrong_is_left_alone(
    fort: Fort, customer: Customer, call: Call
) -> None:
    for code, message in ACCOUNTS:
        faults = {"status": 400, "error_message": message} | ({} if code is None else {"error_code": code})
        await fort.gateway.set_faults(f"{call.model}-up", faults)
        sight = await make(customer, call)
        # The second route has an account in good order.
        assert sight.status == 200 and not sight.hidden, sight.text
        await fort.forget()


@CALLS
async def test_ids_of_the_account_are_taken_out_of_what_is_said_of_a_request(
    fort: Fort, customer: Customer, call: Call
) -> None:
    said = "No such voice for organization org-zebra0000, project proj_zebra0000, key sk-zebra-key-00-0c1d2e3f4a5b"
    await fort.fault(call.model, status=400, error_message=said)
    sight = await make(customer, call)
    assert "No such voice" in sight.text and "***" in sight.text
    assert not sight.hidden, sight.text


# ── the words by themselves ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"x","type":"insufficient_quota","code":null}}',
        b'{"error":{"message":"x","type":"invalid_request_error","code":"billing_hard_limit_reached"}}',
        b'{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to"}}',
        b'{"type":"error","error":{"type":"authentication_error","message":"x"}}',
        b'{"error":{"code":400,"message":"x","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}',
        b'[{"error":{"code":403,"message":"x","status":"PERMISSION_DENIED"}}]',
        b'{"error":"API key not valid."}',
        b'{"message":"x","code":"account_deactivated"}',
    ],
)
def test_a_refused_account_is_known_in_every_form(body: bytes) -> None:
    assert is_about_account(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"zebra",
        b"[]",
        b"null",
        b'{"error":null}',
        b'{"error":{"message":null,"code":7,"details":7}}',
        b'{"error":{"details":[7,{"reason":7}]}}',
        b"[" * 100_000,
        b'{"error":{"message":"Invalid value: `api key not valid`","type":"invalid_request_error","code":null}}',
        b'{"error":{"message":"`insufficient_quota` is no tool","type":"invalid_request_error","param":"tools"}}',
    ],
)
def test_what_a_customer_wrote_makes_no_account_look_refused(body: bytes) -> None:
    assert not is_about_account(body)


def test_json_without_the_ids_is_json_still() -> None:
    body = b'{"a":"org-abcdef12","b":["projects/1234567/x","AIzaSyAbcdefg"],"c":"sk-proj-abcdef***12","d":"organic"}'
    assert without_ids(body) == b'{"a":"***","b":["***/x","***"],"c":"***","d":"organic"}'


@pytest.mark.parametrize(
    ("body", "about_request"),
    [
        (
            b'{"error":{"code":403,"message":"You do not have permission to access the File x or it may not exist."}}',
            True,
        ),
        (b'{"error":{"code":403,"message":"flagged","metadata":{"reasons":["a"],"flagged_input":"b"}}}', True),
        (b'{"error":{"code":403,"message":"Your key may not","metadata":{"provider_name":"a"}}}', False),
        (b'{"error":{"code":403,"status":"PERMISSION_DENIED","message":"Caller has no access to this API"}}', False),
        (b'{"error":{"message":"Your key may not; you do not have permission to access the file"}}', False),
        (b"", False),
    ],
)
def test_a_403_about_one_request_is_known_by_its_own_words(body: bytes, about_request: bool) -> None:
    assert is_about_request(body) is about_request


@CALLS
async def test_what_one_request_says_makes_no_key_rest_for_others(fort: Fort, customer: Customer, call: Call) -> None:
    said = "You do not have permission to access the File zebra or it may not exist."
    await fort.fault(call.model, status=403, error_message=said)
    sight = await make(customer, call)
    assert "upstream_rejected" in sight.text and not sight.hidden, sight.text
    explained = await look(customer, "GET", f"/api/route/explain?model={call.model}")
    assert b'"remaining":2' in explained.body, explained.text
