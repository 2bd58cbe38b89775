"""The catalog of the tests: a model for each kind of provider, and pairs of routes for fallbacks.

An input token costs 1,000 nano-USD and an output token 5,000, everywhere.
"""

from tests.terms import TERMS

PRICE = """
cost  = { input = "0.50", cached_input = "0.05", output = "2.50" }
price = { input = "1.00", cached_input = "0.10", output = "5.00" }
"""
INPUT_NANOS, CACHED_NANOS, OUTPUT_NANOS = 1_000, 100, 5_000

_PROVIDER = """
[providers.{name}]
display_name = "{name}"
base_url     = "{base_url}"
{more}
"""
_MODEL = """
[models."{name}"]
display_name         = "{name}"
context_tokens       = 200_000
max_output_tokens    = 1_000
media_ceiling_tokens = {{ image = 1_000 }}
"""
_ROUTE = """
[routes."{provider}/{model}"]
provider       = "{provider}"
model          = "{model}"
upstream_model = "{upstream}"
priority       = {priority}
"""
_SANDBOX = 'api_key_env = "FAREBOX_TEST_NO_SUCH_KEY"\n'
_HASTY = "first_byte_timeout_seconds = 0.5\nidle_timeout_seconds = 0.5\ntotal_timeout_seconds = 2.5\n"

# Name: (where, what else its profile says). Each has a model of its own name.
PROVIDERS = {
    "plain": _SANDBOX,
    "second": _SANDBOX,
    "cancels": _SANDBOX + "cancel_stops_billing = true\n",
    "hasty": _SANDBOX + _HASTY,
    "mute": _SANDBOX + "stream_usage = false\n",
    "locked": _SANDBOX,
}
# Faults of the first of two routes; the model `pair-x` has routes to the upstream models `pair-x-1` and `pair-x-2`.
PAIRS = (
    *("status", "limited", "refused-key", "drop", "redirect", "garbage", "cut", "first-byte", "content-type"),
    *("oversize", "rejected", "late-cut", "both"),
)


def catalog_text(*, recorder: str, black_hole: str) -> str:
    """catalog.toml; the recorder answers for `records` and `records-new`."""
    text = [TERMS, *(_provider(name, more) for name, more in PROVIDERS.items())]
    text.append(_provider("records", "", recorder))
    text.append(_provider("records-new", 'output_limit_field = "max_completion_tokens"\n', recorder))
    text.append(_provider("closed", "", "http://127.0.0.1:9/v1"))
    text.append(_provider("hole", "connect_timeout_seconds = 0.3\n", black_hole))
    text += [_provider(f"spare{number}", _SANDBOX) for number in range(1, 6)]
    for name in (*PROVIDERS, "records", "records-new", "closed", "hole"):
        text += [_MODEL.format(name=name), _route(name, name, f"{name}-upstream", 100)]
    for pair in PAIRS:
        model = f"pair-{pair}"
        first = {"first-byte": "hasty", "refused-key": "locked"}.get(pair, "plain")
        text += [_MODEL.format(name=model), _route(first, model, f"{model}-1", 1)]
        text.append(_route("second", model, f"{model}-2", 2))
    for model, first in (("pair-closed", "closed"), ("pair-hole", "hole")):
        text += [_MODEL.format(name=model), _route(first, model, f"{model}-1", 1)]
        text.append(_route("second", model, f"{model}-2", 2))
    text.append(_MODEL.format(name="many"))
    text += [_route(f"spare{number}", "many", f"many-{number}", number) for number in range(1, 6)]
    return "".join(text)


def _provider(name: str, more: str, base_url: str = "https://provider.example/v1") -> str:
    return _PROVIDER.format(name=name, base_url=base_url, more=more)


def _route(provider: str, model: str, upstream: str, priority: int) -> str:
    return _ROUTE.format(provider=provider, model=model, upstream=upstream, priority=priority) + PRICE
