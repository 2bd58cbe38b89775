"""A catalog for policies: at every surface the first route is at `loose`, which every wish forbids, and the second at
`strict`, which none does."""

from typing import Any, NamedTuple

from tests.dataplane.outcomes import Seen
from tests.gateway import Customer
from tests.matrix.worlds import NO_KEY

TERMS = """
[terms]
contract_review = "approved"
logging         = "metadata_only"
sla             = "none"
support_owner   = "operator"
key_scopes      = ["chat.completions", "responses", "messages", "embeddings", "images", "videos"]
budget_cap      = "none"
"""
_TEXT = "context_tokens = 200_000\nmax_output_tokens = 1_000"
# By model: what it can do, and its price, once for a provider that is cheap.
MODELS = {
    "talk": (_TEXT, 'input = "{0}", output = "{0}"'),
    "embed": ('workload = "embedding"\ncontext_tokens = 8_192', 'input = "{0}"'),
    "draw": ('workload = "image"\nmax_images = 4\nmedia_ceiling_tokens = { image = 10 }', 'per_image = "{0}"'),
    "film": ('workload = "video"\nmax_video_seconds = 60', 'per_second_video = "0.0{0}"'),
}
DIALECTS = 'dialects = ["openai_chat", "openai_responses", "anthropic_messages"]\n'
# Provider: its region, retention and resale, its priority and its price.
PROVIDERS = {"loose": ("us", "trains", "not_required", 1, 3), "strict": ("sg", "none", "approved", 2, 1)}


class Surface(NamedTuple):
    """An address and a small request to it."""

    name: str
    path: str
    body: dict[str, Any]

    @property
    def model(self) -> str:
        return str(self.body["model"])

    def send(self, customer: Customer, *, worker: int = 0, headers: dict[str, str] | None = None, **fields: Any) -> Any:
        """POST it, with further fields."""
        return see_any(customer, self.path, {**self.body, **fields}, headers=headers or {}, worker=worker)


async def see_any(
    customer: Customer, path: str, body: Any, *, headers: dict[str, str] | None = None, worker: int = 0
) -> Seen:
    """Send and read everything, whatever the dialect: events are left alone."""
    async with customer.post(path, body, headers=headers, worker=worker) as response:
        found = {name.lower(): value for name, value in response.headers.items()}
        return Seen(response.status, found, await response.read(), [], False)


_TURNS = [{"role": "user", "content": "Reply exactly: hi"}]
CHAT = Surface("chat", "/v1/chat/completions", {"model": "talk", "messages": _TURNS})
RESPONSES = Surface("responses", "/v1/responses", {"model": "talk", "input": "Reply exactly: hi"})
MESSAGES = Surface("messages", "/v1/messages", {"model": "talk", "max_tokens": 50, "messages": _TURNS})
EMBEDDINGS = Surface("embeddings", "/v1/embeddings", {"model": "embed", "input": "hi"})
IMAGES = Surface("images", "/v1/images/generations", {"model": "draw", "prompt": "a cat"})
VIDEOS = Surface("videos", "/v1/videos", {"model": "film", "prompt": "a cat", "seconds": "4"})
SURFACES = (CHAT, RESPONSES, MESSAGES, EMBEDDINGS, IMAGES, VIDEOS)
STREAMED = (CHAT, RESPONSES, MESSAGES)

# Each forbids `loose`.
WISHES: list[dict[str, Any]] = [
    {"regions": ["sg"]},
    {"regions": ["sg", "cn"]},
    {"zdr": True},
    {"data_collection": "deny"},
    {"only": ["strict"]},
    {"ignore": ["loose"]},
    {"resale_approved": True},
    {"order": ["strict"], "allow_fallbacks": False},
]
# The price of a film has no maximum: `max_cost` bounds it.
MAX_PRICES = {"talk": {"prompt": 2}, "embed": {"prompt": "1.5"}, "draw": {"image": 2}}


def realm_text(sandbox: str, witness: str) -> str:
    """catalog.toml. The model `NAME-kept` goes to the witness alone; `picky` first to a provider that drops some
    parameters, `easy` only then."""
    text = [TERMS]
    for name, (region, retention, resale, *_) in PROVIDERS.items():
        terms = f'terms = {{ region = "{region}", retention = "{retention}", resale = "{resale}" }}\n'
        text.append(_provider(name, sandbox, f'{terms}{DIALECTS}api_key_env = "{NO_KEY}"\n'))
    usual = 'terms = { region = "sg", retention = "none", resale = "approved" }\n'
    text.append(_provider("witness", witness, usual + DIALECTS))
    text.append(_provider("drops", sandbox, f'{usual}dialects = ["anthropic_messages"]\napi_key_env = "{NO_KEY}"\n'))
    for model, (does, price) in MODELS.items():
        text.append(_model(model, does) + _model(f"{model}-kept", does))
        text.append(_route("witness", f"{model}-kept", 1, price.format(1)))
        for name, (*_, priority, times) in PROVIDERS.items():
            text.append(_route(name, model, priority, price.format(times)))
    for model, first in (("picky", 1), ("easy", 3)):
        price = MODELS["talk"][1].format(1)
        text += [_model(model, _TEXT), _route("drops", model, first, price), _route("strict", model, 2, price)]
    return "".join(text)


def _provider(name: str, base_url: str, more: str) -> str:
    return f'[providers.{name}]\ndisplay_name = "{name}"\nbase_url = "{base_url}"\n{more}\n'


def _model(name: str, does: str) -> str:
    return f'[models.{name}]\ndisplay_name = "{name}"\n{does}\n'


def _route(provider: str, model: str, priority: int, price: str) -> str:
    return (
        f'[routes."{provider}/{model}"]\nprovider = "{provider}"\nmodel = "{model}"\n'
        f'upstream_model = "{model}-{provider}"\npriority = {priority}\n'
        f"price = {{ {price} }}\ncost = {{ {price} }}\n"
    )
