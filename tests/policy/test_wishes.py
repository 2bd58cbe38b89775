from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.catalog.model import Catalog
from farebox.catalog.policy import NO_RULE, Policy, Preference, Rule, combined
from farebox.routing.rules import standing
from farebox.routing.wishes import MAX_WISHES_BYTES, WISHES, read_max_cost, read_wishes
from tests.policy.rules_of_any_kind import MODELS, as_json, catalogs, rules, wishes


def _read(text: str) -> Rule:
    return read_wishes(text.encode(), param="provider")


def _refused(text: str | bytes) -> Problem:
    with pytest.raises(Problem) as caught:
        read_wishes(text if isinstance(text, bytes) else text.encode(), param="provider")
    assert caught.value.code == "invalid_request"
    return caught.value


def _allowed(catalog: Catalog, model_id: str, policy: Policy, scope: str | None) -> list[str]:
    return [route.route_id for route in standing(catalog, catalog.models[model_id], policy, scope).routes]


@given(catalogs(), rules, wishes)
def test_a_request_never_gains_a_route_by_what_it_wishes(catalog: Catalog, rule: Rule, wish: dict[str, Any]) -> None:
    asked = combined(rule, read_wishes(as_json(wish), param="provider")).policy
    for model_id in MODELS:
        for scope in (None, "chat.completions"):
            allowed = _allowed(catalog, model_id, rule.policy, scope)
            left = _allowed(catalog, model_id, asked, scope)
            assert set(left) <= set(allowed)


@given(rules, wishes)
def test_a_request_lifts_no_maximum_and_no_duty_of_its_key(rule: Rule, wish: dict[str, Any]) -> None:
    held, asked = rule.policy, combined(rule, read_wishes(as_json(wish), param="provider")).policy
    for name in ("prompt_picos", "completion_picos", "request_picos", "image_picos"):
        before, after = getattr(held.max_price, name), getattr(asked.max_price, name)
        assert before is None or after <= before
    assert asked.allow_fallbacks <= held.allow_fallbacks
    assert asked.require_parameters >= held.require_parameters
    assert asked.resale_approved >= held.resale_approved


@given(rules)
def test_a_request_without_a_wish_changes_nothing(rule: Rule) -> None:
    assert _read("{}") == NO_RULE
    assert combined(rule, _read("{}")) == rule


def test_every_field_is_read() -> None:
    rule = _read(
        """{"order": ["b", "a", "b"], "only": ["a", "b"], "ignore": ["c"], "allow_fallbacks": true,
            "require_parameters": true, "data_collection": "deny", "zdr": false, "sort": "price",
            "max_price": {"prompt": 1, "completion": "2.5", "request": 0.01, "image": "0.04"},
            "regions": ["sg", "us"], "resale_approved": true}"""
    )
    assert rule.preference == Preference(sort="price", order=("b", "a"))
    policy = rule.policy
    assert (policy.only_providers, policy.ignored_providers) == (frozenset("ab"), frozenset("c"))
    assert (policy.regions, policy.max_kept) == (frozenset({"sg", "us"}), "no_training")
    assert (policy.resale_approved, policy.require_parameters, policy.allow_fallbacks) == (True, True, True)
    price = policy.max_price
    assert (price.prompt_picos, price.completion_picos) == (1_000_000, 2_500_000)
    assert (price.request_picos, price.image_picos) == (10_000_000_000, 40_000_000_000)


def test_null_is_as_good_as_absent() -> None:
    assert _read("{" + ", ".join(f'"{name}": null' for name in WISHES) + "}") == NO_RULE


def test_no_retention_is_stricter_than_no_training() -> None:
    assert _read('{"zdr": true}').policy.max_kept == "nothing"
    assert _read('{"zdr": true, "data_collection": "deny"}').policy.max_kept == "nothing"
    assert _read('{"zdr": false, "data_collection": "allow"}').policy == Policy()


def test_an_order_without_fallbacks_is_all_there_is() -> None:
    assert _read('{"order": ["a", "b"]}').policy.only_providers is None
    policy = _read('{"order": ["a", "b"], "only": ["b", "c"], "allow_fallbacks": false}').policy
    assert (policy.only_providers, policy.allow_fallbacks) == (frozenset("b"), False)


@given(st.decimals(0, 1_000_000, places=6))
def test_a_price_is_read_to_the_last_pico_dollar(dollars: Decimal) -> None:
    wanted = int(dollars * 1_000_000)
    for form in (f"{dollars:f}", f'"{dollars:f}"', f"{dollars:e}".replace("e", "E")):
        assert _read(f'{{"max_price": {{"prompt": {form}}}}}').policy.max_price.prompt_picos == wanted


def test_what_is_finer_than_a_price_can_be_is_cut_off() -> None:
    # 0.1 + 0.2 in a client's floating point.
    assert _read('{"max_price": {"prompt": 0.30000000000000004}}').policy.max_price.prompt_picos == 300_000
    assert _read('{"max_price": {"prompt": 0.2999999999999999}}').policy.max_price.prompt_picos == 299_999


@pytest.mark.parametrize(
    ("text", "param", "told"),
    [
        ('{"quantizations": ["fp8"]}', "provider.quantizations", "known are order, only, ignore"),
        ('{"Zdr": true}', "provider.Zdr", "is not known"),
        ('{"zdr": 1}', "provider.zdr", "true or false"),
        ('{"allow_fallbacks": "false"}', "provider.allow_fallbacks", "true or false"),
        ('{"data_collection": "never"}', "provider.data_collection", "one of allow, deny"),
        ('{"sort": "order"}', "provider.sort", "one of price, latency, throughput"),
        ('{"sort": {"by": "price"}}', "provider.sort", "one of price"),
        ('{"only": "a"}', "provider.only", "a list of at most 200"),
        ('{"only": []}', "provider.only", "none could serve"),
        ('{"ignore": [7]}', "provider.ignore", "each a text"),
        ('{"order": [""]}', "provider.order", "each a text"),
        ('{"regions": []}', "provider.regions", "one or more of global, sg"),
        ('{"regions": ["mars"]}', "provider.regions", "one or more of global, sg"),
        ('{"regions": [["sg"]]}', "provider.regions", "one or more of global, sg"),
        ('{"max_price": 3}', "provider.max_price", "fields are prompt, completion, request, image"),
        ('{"max_price": {"audio": 3}}', "provider.max_price.audio", "known are prompt, completion"),
        ('{"max_price": {"prompt": -1}}', "provider.max_price.prompt", "not an amount of dollars"),
        ('{"max_price": {"prompt": "1_0"}}', "provider.max_price.prompt", "not an amount of dollars"),
        ('{"max_price": {"prompt": "NaN"}}', "provider.max_price.prompt", "not an amount of dollars"),
        ('{"max_price": {"prompt": true}}', "provider.max_price.prompt", "not an amount of dollars"),
        ('{"max_price": {"prompt": 1e999}}', "provider.max_price.prompt", "1,000,000,000 dollars"),
        ('{"max_price": {"request": 1001}}', "provider.max_price.request", "1,000 dollars"),
        ("[]", "provider", "not a JSON object"),
        ('{"zdr": tru}', "provider", "not a JSON object"),
        ("", "provider", "not a JSON object"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_name(text: str, param: str, told: str) -> None:
    problem = _refused(text)
    assert problem.param == param
    assert told in problem.message


def test_a_list_that_is_too_long_is_refused() -> None:
    names = [f"p{number}" for number in range(201)]
    for field in ("order", "only", "ignore", "regions"):
        assert _refused(as_json({field: names})).param == f"provider.{field}"


def test_no_size_and_no_depth_gets_through() -> None:
    assert "larger than" in _refused(b" " * MAX_WISHES_BYTES + b"{}").message
    assert "not a JSON object" in _refused(b'{"zdr":' + b"[" * 60_000).message


def test_the_header_is_named_when_the_header_is_wrong() -> None:
    with pytest.raises(Problem) as caught:
        read_wishes(b'{"zdr": 3}', param="X-Farebox-Provider")
    assert caught.value.param == "X-Farebox-Provider.zdr"


@given(st.binary(max_size=80) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for read in (lambda: read_wishes(raw, param="provider"), lambda: read_max_cost(raw)):
        try:
            read()
        except Problem as problem:
            assert problem.code == "invalid_request"


@pytest.mark.parametrize(
    ("raw", "nanos"), [(b"0.05", 50_000_000), (b'"0.05"', 50_000_000), (b" 2 ", 2_000_000_000), (b"1.9e-9", 1)]
)
def test_a_maximum_cost_is_dollars_as_number_or_text(raw: bytes, nanos: int) -> None:
    assert read_max_cost(raw) == nanos


@pytest.mark.parametrize("raw", [b"0", b"-1", b"1e-10", b"$1", b"ten", b"", b"null", b"true", b"1e30", b'"'])
def test_a_maximum_cost_that_allows_nothing_or_says_nothing_is_refused(raw: bytes) -> None:
    with pytest.raises(Problem) as caught:
        read_max_cost(raw, param="max_cost")
    assert (caught.value.code, caught.value.param) == ("invalid_request", "max_cost")
