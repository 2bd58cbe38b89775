"""The catalog of the folder: providers whose keys take few calls, and models with a route or two.

An input token costs a customer 1,000 nano-USD and an output token 5,000 at the first route of a model, twice as much at
the second.
"""

from typing import Any, Final

from tests.terms import TERMS

# By provider, one for each key that is stored, with its bounds.
CREDENTIALS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("paced", {"requests_per_minute": 60}),
    ("narrow", {"max_concurrent": 1}),
    ("keys", {"name": "key 0"}),
    ("keys", {"name": "key 1"}),
)
MODELS: Final = {
    "paced": ("paced",),
    "narrow": ("narrow",),
    "queue": ("narrow", "second"),
    "keys": ("keys",),
    "solo": ("first",),
    "pair": ("first", "second"),
    "foreign": ("foreign", "cancels"),
}
_MORE: Final = {"foreign": 'dialects = ["anthropic_messages"]\n', "cancels": "cancel_stops_billing = true\n"}


def bazaar_text(sandbox: str) -> str:
    """catalog.toml. The upstream model of a route is `MODEL-PROVIDER`."""
    providers = dict.fromkeys(name for names in MODELS.values() for name in names)
    text = [TERMS, *(_provider(name, sandbox) for name in providers)]
    for model, names in MODELS.items():
        text.append(_model(model))
        text += [_route(name, model, place) for place, name in enumerate(names, 1)]
    return "".join([*text, _FILM])


_FILM: Final = """
[models.film]
display_name      = "film"
workload          = "video"
max_video_seconds = 60

[routes."first/film"]
provider       = "first"
model          = "film"
upstream_model = "film-first"
price = { per_second_video = "0.10" }
cost  = { per_second_video = "0.05" }
budget_cap = { usd = "100", per = "month" }
"""


def _provider(name: str, base_url: str) -> str:
    more = _MORE.get(name, "")
    return (
        f'[providers.{name}]\ndisplay_name = "{name}"\nbase_url = "{base_url}"\n'
        f'api_key_env = "FAREBOX_TEST_NO_SUCH_KEY"\n{more}'
    )


def _model(name: str) -> str:
    return f'[models.{name}]\ndisplay_name = "{name}"\ncontext_tokens = 200_000\nmax_output_tokens = 1_000\n'


def _route(provider: str, model: str, place: int) -> str:
    return (
        f'[routes."{provider}/{model}"]\nprovider = "{provider}"\nmodel = "{model}"\n'
        f'upstream_model = "{model}-{provider}"\npriority = {place}\n'
        f'price = {{ input = "{place}", output = "{5 * place}" }}\n'
        f'cost = {{ input = "{place / 2}", output = "{2.5 * place}" }}\n'
    )
