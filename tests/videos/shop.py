"""A catalog of films. A second costs 0.10, a second of the wide size 0.30; the operator pays half of either. A size
without a price of its own counts as the dearest."""

from farebox.base.money import parse_usd
from tests.terms import TERMS

# What the customer pays for a second of film, in nano-USD.
SECOND, WIDE_SECOND = parse_usd("0.10"), parse_usd("0.30")
WIDE = "1792x1024"

_PROVIDER = """
[providers.{name}]
display_name  = "{name}"
base_url      = "{base_url}"
api_key_env   = "FAREBOX_TEST_NO_SUCH_KEY"
video_dialect = "{dialect}"
{more}
"""
_MODEL = """
[models."{model}"]
display_name      = "{model}"
workload          = "video"
max_video_seconds = 60
"""
_ROUTE = """
[routes."{provider}/{model}"]
provider       = "{provider}"
model          = "{model}"
upstream_model = "{upstream}"
priority       = {priority}
cost  = {{ per_second_video = "{cost}" }}
price = {{ per_second_video = "{price}" }}
cost_tiers = [
    {{ variant = "720x1280", per_second_video = "{cost}" }},
    {{ variant = "1280x720", per_second_video = "{cost}" }},
    {{ variant = "1792x1024", per_second_video = "0.15" }},
]
price_tiers = [
    {{ variant = "720x1280", per_second_video = "{price}" }},
    {{ variant = "1280x720", per_second_video = "{price}" }},
    {{ variant = "1792x1024", per_second_video = "0.30" }},
]
"""


def catalog_text(*, price: str = "0.10", hasty_seconds: float = 1.0) -> str:
    """catalog.toml. `film` is OpenAI's form, `veo` is Google's; `spare` has a second route, `hasty` waits briefly."""
    hasty = f"first_byte_timeout_seconds = {hasty_seconds}"
    text = [
        TERMS,
        _provider("open"),
        _provider("google", dialect="veo", more='auth = "x-goog-api-key"'),
        _provider("second"),
        _provider("hasty", more=hasty),
        '[models.talk]\ndisplay_name = "talk"\ncontext_tokens = 8_000\nmax_output_tokens = 100\n'
        '[routes."open/talk"]\nprice = { input = "1", output = "5" }\ncost = { input = "1", output = "5" }\n',
    ]
    routes = {"film": ["open"], "veo": ["google"], "spare": ["open", "second"], "hasty": ["hasty", "second"]}
    for model, providers in routes.items():
        text.append(_MODEL.format(model=model))
        for place, provider in enumerate(providers):
            upstream = f"{model}-up" if place == 0 else f"{model}-up-2"
            text.append(
                _ROUTE.format(
                    provider=provider, model=model, upstream=upstream, priority=place + 1, price=price, cost="0.05"
                )
            )
    return "".join(text)


def _provider(name: str, *, dialect: str = "openai", more: str = "") -> str:
    return _PROVIDER.format(name=name, base_url=f"https://{name}.example/v1", dialect=dialect, more=more)
