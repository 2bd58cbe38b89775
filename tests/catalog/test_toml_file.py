"""catalog.toml: exact prices, resolved defaults, and errors that name the place and the fix."""

from pathlib import Path

import pytest

from farebox.base.errors import OperatorError
from farebox.catalog.rules import Rates, Tier
from farebox.catalog.toml_file import parse_catalog, read_catalog_file
from tests.catalog.catalogs import COST, MODEL, PROVIDER, ROUTE, small_catalog
from tests.terms import TERMS

DEPLOYMENTS = Path(__file__).parents[2] / "deployments"


def rates(input_picos: int, output_picos: int, **others: int) -> Rates:
    return Rates(
        **{
            "input_picos": input_picos,
            "cached_input_picos": input_picos,
            "cache_write_5m_picos": input_picos,
            "cache_write_1h_picos": input_picos,
            "output_picos": output_picos,
            "reasoning_picos": output_picos,
            "request_picos": 0,
            **others,
        }
    )


def test_dollars_per_million_tokens_become_picos_per_token_exactly() -> None:
    price = (
        'price = { input = "0.80", cached_input = 0.000001, output = 4, cache_write_5m = "$1.1", per_request = 0.01 }'
    )
    terms = small_catalog(price=price).prices["acme/tiny"]
    assert terms.tiers == (
        Tier(
            "default",
            0,
            rates(
                800_000,
                4_000_000,
                cached_input_picos=1,
                cache_write_5m_picos=1_100_000,
                cache_write_1h_picos=1_100_000,  # unset: as dear as the shorter write
                request_picos=10_000_000_000,
            ),
        ),
    )
    assert terms.cost_tiers == (Tier("default", 0, rates(1_000_000, 5_000_000)),)
    assert terms.margin_bps is None


def test_a_margin_raises_every_class_of_every_cost_tier_and_rounds_up() -> None:
    tail = """
    [[routes."acme/tiny".cost_tiers]]
    above_input_tokens = 4_000
    input = "0.000003"
    output = "0.000001"
    [[routes."acme/tiny".cost_tiers]]
    service_tier = "priority"
    input = "2"
    output = "10"
    per_request = "0.5"
    """
    terms = small_catalog(price="margin_bps = 2500", tail=tail).prices["acme/tiny"]
    assert terms.margin_bps == 2500
    assert terms.tiers == (
        Tier("default", 0, rates(1_250_000, 6_250_000)),
        Tier("default", 4_000, rates(4, 2)),
        Tier("priority", 0, rates(2_500_000, 12_500_000, request_picos=625_000_000_000)),
    )


def test_the_nearest_of_route_model_and_file_makes_the_price() -> None:
    def input_price(*, file: str, model: str, route: str) -> int:
        text = f"{file}\n{PROVIDER}{MODEL}{model}\n{ROUTE}{COST}{route}\n"
        return parse_catalog(text).prices["acme/tiny"].tiers[0].rates.input_picos

    assert input_price(file="margin_bps = 1000", model="", route="") == 1_100_000
    assert input_price(file="margin_bps = 1000", model="margin_bps = 2000", route="") == 1_200_000
    assert input_price(file="margin_bps = 1000", model="price = { input = 9, output = 9 }", route="") == 9_000_000
    assert input_price(file="", model="price = { input = 9, output = 9 }", route="margin_bps = 0") == 1_000_000


def test_a_route_without_a_price_or_cost_is_kept_unsold_and_said() -> None:
    unpriced = parse_catalog(f"{TERMS}{PROVIDER}{MODEL}{ROUTE}{COST}")
    assert unpriced.prices == {}
    assert unpriced.warnings == (
        'routes."acme/tiny": no price or margin_bps, so its price is unknown and calls on it are refused',
    )
    uncosted = parse_catalog(f"margin_bps = 1000\n{TERMS}{PROVIDER}{MODEL}{ROUTE}")
    assert uncosted.prices == {}
    assert "no cost" in uncosted.warnings[0]


def test_a_price_below_cost_is_a_warning_for_each_class_and_tier() -> None:
    assert small_catalog(price="price = { input = 1, output = 5 }").warnings == ()
    file = small_catalog(
        price="price = { input = 1, output = 4 }",
        tail='[[routes."acme/tiny".cost_tiers]]\nabove_input_tokens = 4000\ninput = 2\noutput = 4',
    )
    assert file.warnings == (
        'routes."acme/tiny": the price of output (default, above 0 input tokens) is 4000000 picos, '
        "below its cost of 5000000",
        'routes."acme/tiny": the price of reasoning (default, above 0 input tokens) is 4000000 picos, '
        "below its cost of 5000000",
        *(
            f'routes."acme/tiny": the price of {name} (default, above 4000 input tokens) is 1000000 picos, '
            "below its cost of 2000000"
            for name in ("input", "cached_input", "cache_write_5m", "cache_write_1h")
        ),
    )


def test_defaults_and_names_are_filled_in() -> None:
    file = small_catalog()
    assert file.providers["acme"].base_url == "https://api.acme.example/v1"
    route = file.routes["acme/tiny"]
    assert (route.provider_id, route.model_id, route.upstream_model) == ("acme", "tiny", "tiny")
    other = small_catalog(
        tail='[routes."acme/tiny-eu"]\nmodel = "tiny"\nupstream_model = "tiny-v2"\nregion = "eu"\npriority = 5'
    ).routes["acme/tiny-eu"]
    assert (other.model_id, other.upstream_model, other.terms.region, other.priority) == ("tiny", "tiny-v2", "eu", 5)


def test_prose_about_keys_is_not_a_key() -> None:
    text = f'{PROVIDER}status_reason = "Bearer authentication is being replaced; sk-keys follow"\n'
    assert parse_catalog(text).providers["acme"].status == "live"


def test_timeouts_may_be_fractions_of_a_second() -> None:
    provider = parse_catalog(f"{PROVIDER}idle_timeout_seconds = 2.5\ntotal_timeout_seconds = 600").providers["acme"]
    assert (provider.idle_timeout_seconds, provider.total_timeout_seconds) == (2.5, 600.0)
    with pytest.raises(OperatorError, match=r"providers\.acme\.idle_timeout_seconds"):
        parse_catalog(f"{PROVIDER}idle_timeout_seconds = 0")


def test_a_date_of_creation_is_a_moment() -> None:
    text = f"{PROVIDER}{MODEL}created = 1970-01-02\n"
    assert parse_catalog(text).models["tiny"].created == 86_400


FAULTS = {
    "syntax": ("a = \n", "", "at line 1", "Mend the line"),
    "unknown top key": ("margins = 3", "", "margins: unknown key", "margin_bps"),
    "unknown far key": ("zebra = 3", "", "zebra: unknown key", "known here: margin_bps"),
    "array for table": ("routes = [1]", None, "routes: is not a table", "[routes]"),
    "margin of text": ('margin_bps = "2500"', "", "margin_bps: is not a whole number", "2500"),
    "margin below nothing": ("margin_bps = -10000", "", "margin_bps: is not a whole number", "2500"),
}


@pytest.mark.parametrize(("head", "tail", "message", "fix"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_at_the_top_names_the_place_and_the_fix(head: str, tail: str | None, message: str, fix: str) -> None:
    with pytest.raises(OperatorError) as caught:
        parse_catalog(head, file="test.toml") if tail is None else small_catalog(head=head, tail=tail)
    assert caught.value.message.startswith("test.toml: ")
    assert message in caught.value.message
    assert fix in caught.value.fix


ROUTE_FAULTS = {
    "misspelt key": ("margin_bsp = 1", 'routes."acme/tiny".margin_bsp: unknown key', "margin_bps"),
    "two ways to a price": ("margin_bps = 1\nprice = { input = 1, output = 1 }", "price: stands beside", "Keep one"),
    "misspelt class": ("price = { inputs = 1, output = 1 }", "price.inputs: unknown key", "Did you mean input?"),
    "no output": ("price = { input = 1 }", "price: output is missing", "USD per million"),
    "too fine": ('price = { input = "0.0000001", output = 1 }', "price.input: has more than 6", "Round"),
    "absurdly fine": ('price = { input = "1e-999999999", output = 1 }', "price.input: has more than 6", "Round"),
    "almost exact": (
        f'price = {{ input = "0.1{"0" * 30}1", output = 1 }}',
        "price.input: has more than 6",
        "Round",
    ),
    "too fine a fee": ('price = { input = 1, output = 1, per_request = "1e-13" }', "more than 12", "Round"),
    "negative": ("price = { input = -1, output = 1 }", "price.input: is outside", "positive"),
    "enormous": ('price = { input = "1e999999", output = 1 }', "price.input: is outside", "positive"),
    "not a number": ("price = { input = nan, output = 1 }", "price.input: is not an amount", "0.80"),
    "infinite": ("price = { input = 1, output = inf }", "price.output: is not an amount", "0.80"),
    "a word": ('price = { input = "cheap", output = 1 }', "price.input: is not an amount", "0.80"),
    "a truth": ("price = { input = true, output = 1 }", "price.input: is not an amount", "0.80"),
    "price is a number": ("price = 3", 'routes."acme/tiny".price: is not a table', "{ … }"),
    "tiers without price": ("price_tiers = []", "price_tiers: has no price", "Add price"),
    "tiers not a list": ("cost_tiers = 3", "cost_tiers: is not a list", "[["),
    "tier not a table": ("cost_tiers = [3]", "cost_tiers[0]: is not a table", "above_input_tokens"),
    "tier twice": ("cost_tiers = [{ input = 1, output = 1 }]", "describes default above 0", "Remove"),
    "standard is default": (
        'cost_tiers = [{ service_tier = "standard", input = 1, output = 1 }]',
        "describes default above 0",
        "Remove",
    ),
    "tier without base": (
        'cost_tiers = [{ service_tier = "flex", above_input_tokens = 5, input = 1, output = 1 }]',
        "has no flex tier for short input",
        "above_input_tokens",
    ),
    "negative threshold": (
        "cost_tiers = [{ above_input_tokens = -5, input = 1, output = 1 }]",
        "cost_tiers[0].above_input_tokens: is not a whole number",
        "200000",
    ),
    "unknown provider": ('provider = "acne"', "there is no provider 'acne'", "acme"),
    "unknown model": ('model = "tinny"', "there is no model 'tinny'", "tiny"),
    "model is a number": ("model = 3", 'routes."acme/tiny".model: expected `str`', "str"),
    "unknown status": ('status = "off"', 'routes."acme/tiny".status: invalid enum', "live or disabled"),
    "disabled without reason": ('status = "disabled"', "is disabled without a reason", "status_reason"),
    "negative priority": ("priority = -1", 'routes."acme/tiny".priority: expected `int` >= 0', "int >= 0"),
    "a line break": ('region = "e\\nu"', 'routes."acme/tiny".region: contains a line break', "plain text"),
}


@pytest.mark.parametrize(("line", "message", "fix"), ROUTE_FAULTS.values(), ids=ROUTE_FAULTS.keys())
def test_a_fault_in_a_route_names_the_place_and_the_fix(line: str, message: str, fix: str) -> None:
    with pytest.raises(OperatorError) as caught:
        small_catalog(price=line)
    assert caught.value.message.startswith('test.toml: routes."acme/tiny"')
    assert message in caught.value.message
    assert fix in caught.value.fix


def test_a_listed_price_needs_a_cost() -> None:
    with pytest.raises(OperatorError, match="has a price but no cost") as caught:
        parse_catalog(f"{PROVIDER}{MODEL}{ROUTE}price = {{ input = 1, output = 1 }}")
    assert "zeros when it is free" in caught.value.fix


def test_a_missing_field_is_named() -> None:
    with pytest.raises(OperatorError, match=r"models.tiny: context_tokens is missing") as caught:
        parse_catalog('[models.tiny]\ndisplay_name = "Tiny"\nmax_output_tokens = 5')
    assert caught.value.fix == "Add context_tokens = … to [models.tiny]."


@pytest.mark.parametrize("name", ["a b", "", "-x", "x@1", "ü"])
def test_an_id_is_plain(name: str) -> None:
    with pytest.raises(OperatorError, match="is not an id"):
        parse_catalog(f'[models."{name}"]\ndisplay_name = "x"')


@pytest.mark.parametrize(
    "url",
    [
        "http://api.acme.example/v1",
        "http://127.0.0.1.acme.example",
        "http://localhost.acme.example",
        "https://user:word@api.acme.example",
        "https://api.acme.example?key=1",
        "https://api.acme.example/#x",
        "https://",
        "https://[::1",
        "https://acme:99999",
        "ftp://127.0.0.1/",
        "api.acme.example",
    ],
)
def test_an_upstream_address_is_https_and_plain(url: str) -> None:
    with pytest.raises(OperatorError, match=r"providers\.acme\.base_url"):
        parse_catalog(PROVIDER.replace("https://api.acme.example/v1/", url))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9100/v1", "http://[::1]:80", "http://localhost/x"])
def test_plain_http_is_for_loopback(url: str) -> None:
    assert parse_catalog(PROVIDER.replace("https://api.acme.example/v1/", url)).providers["acme"].base_url == url


@pytest.mark.parametrize(
    "secret",
    [
        "sk-ant-api03-" + "x1" * 20,
        "sk-proj-" + "Ab1" * 12,
        "AIza" + "Sy0" * 11,
        "AKIA" + "ABCD1234" * 2,
        "gsk_" + "a1" * 16,
        "Bearer " + "abc123" * 3,
        "0123456789abcdef" * 2,
        "Zx9" * 14,
    ],
)
@pytest.mark.parametrize("field", ["api_key_env", "status_reason", "api_key"])
def test_a_secret_in_the_file_is_refused_and_never_repeated(secret: str, field: str) -> None:
    text = PROVIDER.replace('api_key_env = "ACME_API_KEY"', f'{field} = "{secret}"')
    with pytest.raises(OperatorError, match="looks like a secret key") as caught:
        parse_catalog(text)
    assert secret not in caught.value.message + caught.value.fix
    assert "api_key_env" in caught.value.fix


def test_the_name_of_a_variable_is_asked_for_without_repeating_what_was_written() -> None:
    with pytest.raises(OperatorError, match=r"api_key_env: is not the name") as caught:
        parse_catalog(PROVIDER.replace("ACME_API_KEY", "hunter2"))
    assert "hunter2" not in caught.value.message + caught.value.fix


def test_an_unreadable_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="cannot read"):
        read_catalog_file(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b"# \xff")
    with pytest.raises(OperatorError, match="not UTF-8"):
        read_catalog_file(tmp_path / "latin.toml")


@pytest.mark.parametrize("deployment", sorted(path.parent.name for path in DEPLOYMENTS.glob("*/catalog.toml")))
def test_the_catalog_of_every_deployment_is_valid_and_sells_above_cost(deployment: str) -> None:
    file = read_catalog_file(DEPLOYMENTS / deployment / "catalog.toml")
    assert file.warnings == ()
    assert set(file.prices) == set(file.routes)


def test_tokeo_offers_what_its_page_says() -> None:
    file = read_catalog_file(DEPLOYMENTS / "tokeo" / "catalog.toml")
    assert list(file.models) == [
        "claude-haiku-4-5",
        "claude-sonnet-4-6",
        "gemini-2.5-flash",
        "gemini-2.5-pro",
        "gpt-4.1-mini",
        "gpt-4.1",
    ]
    shown = {key: (found.status, found.status_reason) for key, found in file.providers.items()}
    assert shown == {
        "anthropic": ("live", "Live for MVP testing"),
        "google": ("live", "Live for MVP testing"),
        "openai": ("disabled", "Unavailable until upstream funding is ready"),
    }
