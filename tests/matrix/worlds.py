"""The catalog of the fault matrix. Each combination of place, fallbacks, keys and address has a model and providers of
its own (a *world*), so that what one call leaves behind of rests and faults is never another's.

A token of route 1 costs the customer 1,000 nano-USD going in and 5,000 coming out, of route 2 twice and of route 3
three times as much, and the operator half: a charge tells which route answered.
"""

from typing import Literal, NamedTuple

from tests.terms import TERMS

INPUT_NANOS, OUTPUT_NANOS = 1_000, 5_000

Place = Literal["first", "second", "both", "last"]
Address = Literal["sandbox", "hasty", "closed", "hole"]
Does = Literal["fault", "plain fault", "answer"]

# What the routes of a model do, by where the fault is.
PLACES: dict[Place, tuple[Does, ...]] = {
    "first": ("fault", "answer"),
    "second": ("plain fault", "fault", "answer"),
    "both": ("fault", "fault"),
    "last": ("plain fault", "plain fault", "fault"),
}
ADDRESSES: tuple[Address, ...] = ("sandbox", "hasty", "closed", "hole")
HASTY = "first_byte_timeout_seconds = 0.5\nidle_timeout_seconds = 0.5\ntotal_timeout_seconds = 4.0"
NO_KEY = "FAREBOX_TEST_NO_SUCH_KEY"


class World(NamedTuple):
    """One model with its routes. `keys`: how many credentials each of its providers has."""

    place: Place
    fallbacks: bool
    keys: int
    address: Address

    @property
    def model(self) -> str:
        return f"{self.place}-{'any' if self.fallbacks else 'one'}-{self.keys}-{self.address}"

    @property
    def does(self) -> tuple[Does, ...]:
        return PLACES[self.place]

    def provider(self, number: int) -> str:
        """Of route 1, 2, 3."""
        return f"p{number}-{self.model}"

    def route(self, number: int) -> str:
        return f"{self.provider(number)}/{self.model}"

    def upstream(self, number: int) -> str:
        """The model as the provider knows it, by which the sandbox counts."""
        return f"{self.model}-{number}"

    @property
    def numbers(self) -> range:
        return range(1, len(self.does) + 1)


def worlds(address: Address) -> list[World]:
    """Every combination of one address."""
    return [
        World(place, fallbacks, keys, address) for place in PLACES for fallbacks in (True, False) for keys in (1, 2)
    ]


def catalog_text(*, sandbox: str, black_hole: str) -> str:
    """catalog.toml. A provider with one key is played by the sandbox without a stored one; the others need two."""
    addresses: dict[Address, str] = {
        "sandbox": sandbox,
        "hasty": sandbox,
        "closed": "http://127.0.0.1:9/v1",
        "hole": black_hole,
    }
    text = [TERMS]
    for address in ADDRESSES:
        for world in worlds(address):
            text.append(_model(world.model))
            for number, does in zip(world.numbers, world.does, strict=True):
                faulty: Address = address if does == "fault" else "sandbox"
                text.append(_provider(world.provider(number), addresses[faulty], faulty))
                text.append(_route(world, number))
    return "".join(text)


def _model(name: str) -> str:
    return f'[models."{name}"]\ndisplay_name = "{name}"\ncontext_tokens = 200_000\nmax_output_tokens = 1_000\n'


def _provider(name: str, base_url: str, address: Address) -> str:
    # Without a key of its own a provider at a wrong address would be played by the sandbox, which is at a good one.
    key = "" if address in ("closed", "hole") else f'api_key_env = "{NO_KEY}"\n'
    more = {"hasty": HASTY, "hole": "connect_timeout_seconds = 0.3"}.get(address, "")
    return f'[providers."{name}"]\ndisplay_name = "{name}"\nbase_url = "{base_url}"\n{key}{more}\n'


def _route(world: World, number: int) -> str:
    price = f'{{ input = "{number}", output = "{5 * number}" }}'
    cost = f'{{ input = "{number / 2}", output = "{5 * number / 2}" }}'
    return (
        f'[routes."{world.route(number)}"]\nprovider = "{world.provider(number)}"\nmodel = "{world.model}"\n'
        f'upstream_model = "{world.upstream(number)}"\npriority = {number}\nprice = {price}\ncost = {cost}\n'
    )


def price(number: int, input_tokens: int, output_tokens: int) -> int:
    """What route `number` charges for it, in nano-USD."""
    return number * (input_tokens * INPUT_NANOS + output_tokens * OUTPUT_NANOS)


def cost(number: int, input_tokens: int, output_tokens: int) -> int:
    """What route `number` costs the operator."""
    return price(number, input_tokens, output_tokens) // 2
