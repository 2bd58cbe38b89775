"""A small market for what routes and keys are remembered for: three providers at three prices, one with two keys.

The operator's order is `dear`, `middle`, `cheap`; by price it is the other way round.
"""

from tests.matrix.worlds import NO_KEY
from tests.terms import TERMS

# By provider: its priority, and how many times the price of `cheap` it asks.
OFFERS = {"dear": (1, 3), "middle": (2, 2), "cheap": (3, 1)}
MODELS = {"trio": ("dear", "middle", "cheap"), "pair": ("dear", "middle"), "solo": ("dear",), "keys": ("two",)}
_PRICE = 'price = {{ input = "{0}", output = "{1}" }}\ncost = {{ input = "{0}", output = "{1}" }}\n'


def market_text(sandbox: str) -> str:
    """catalog.toml. The upstream model of a route is `MODEL-PROVIDER`. At `loss`, a prompt costs the operator a hundred
    times what the customer pays."""
    text = [TERMS, *(_provider(name, sandbox) for name in (*OFFERS, "two"))]
    for model, providers in MODELS.items():
        text.append(_model(model))
        for provider in providers:
            priority, times = OFFERS.get(provider, (1, 1))
            text.append(_route(provider, model, priority) + _PRICE.format(times, 5 * times))
    text.append(_model("loss"))
    for provider, (priority, _) in OFFERS.items():
        price = 'price = { input = "1", output = "1" }\ncost = { input = "100", output = "100" }\n'
        text.append(_route(provider, "loss", priority) + price)
    return "".join(text)


def upstream(model: str, provider: str) -> str:
    """By which the sandbox knows the route."""
    return f"{model}-{provider}"


def _provider(name: str, base_url: str) -> str:
    return f'[providers.{name}]\ndisplay_name = "{name}"\nbase_url = "{base_url}"\napi_key_env = "{NO_KEY}"\n'


def _model(name: str) -> str:
    return f'[models.{name}]\ndisplay_name = "{name}"\ncontext_tokens = 200_000\nmax_output_tokens = 1_000\n'


def _route(provider: str, model: str, priority: int) -> str:
    return (
        f'[routes."{provider}/{model}"]\nprovider = "{provider}"\nmodel = "{model}"\n'
        f'upstream_model = "{upstream(model, provider)}"\npriority = {priority}\n'
    )
