"""What one request wants of its route: the `provider` object of a body, or the same object in a header; and the
document by which a policy of a workspace or a key is set. Pure.

The names are OpenRouter's, so that its clients work unchanged; `regions` and `resale_approved` go beyond them. A field
that is not known is refused, because a wish that nobody heeds is a broken promise. `null` is as good as absent.
"""

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any, Final, get_args

import msgspec

from farebox.base.errors import Problem
from farebox.base.money import MAX_AMOUNT_NANOS, NANOS_PER_USD
from farebox.catalog.model import Workload
from farebox.catalog.policy import MAX_NAMES, KeptAtMost, MaxPrice, Policy, Preference, Rule
from farebox.catalog.terms import REGIONS

# Five full lists of ordinary names fit; more is no wish but a load.
MAX_WISHES_BYTES: Final = 65_536
MAX_NAME_CHARS: Final = 200
# Longer than any amount that anybody means, so that no number takes long to read.
MAX_NUMBER_CHARS: Final = 40

_PICOS_PER_USD: Final = 10**12
_TOKENS_PER_PRICE: Final = 10**6
_MAX_PICOS: Final = 10**15
# JSON's own grammar of numbers without a minus; what stands in quotes must be one too.
_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
# More digits than a number of MAX_NUMBER_CHARS can have, whatever its exponent.
_EXACT: Final = Context(prec=MAX_NUMBER_CHARS + 40)
_SORTS: Final = ("price", "latency", "throughput")

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder()

Read = Callable[[bytes, str], Any]


def read_wishes(raw: bytes, *, param: str) -> Rule:
    """The rule that a `provider` object says; put together with a key's rule it only narrows. `param` names where it
    came from, for messages. Raises Problem(`invalid_request`) with `param` `<param>.<field>`."""
    if len(raw) > MAX_WISHES_BYTES:
        raise _refuse(param, f"is larger than {MAX_WISHES_BYTES} bytes")
    wished = _fields(raw, param, _READERS)
    order = wished.get("order", ())
    if order and not wished.get("allow_fallbacks", True):
        # Without fallbacks the list is not where to begin but all there is.
        wished["only"] = frozenset(order) & wished.get("only", frozenset(order))
    return _rule(wished)


def read_policy(raw: bytes, *, param: str) -> Rule:
    """The rule that a policy's document says: the fields of a `provider` object, and besides them `retention`,
    `workloads`, `models` and the sort `order`. Raises Problem(`invalid_request`) like `read_wishes`."""
    if len(raw) > MAX_WISHES_BYTES:
        raise _refuse(param, f"is larger than {MAX_WISHES_BYTES} bytes")
    return _rule(_fields(raw, param, _POLICY_READERS))


def _rule(wished: Mapping[str, Any]) -> Rule:
    policy = Policy(
        regions=wished.get("regions"),
        max_kept=_kept(wished),
        only_providers=wished.get("only"),
        ignored_providers=wished.get("ignore", frozenset()),
        resale_approved=wished.get("resale_approved", False),
        max_price=wished.get("max_price", MaxPrice()),
        workloads=wished.get("workloads"),
        models=wished.get("models"),
        allow_fallbacks=wished.get("allow_fallbacks", True),
        require_parameters=wished.get("require_parameters", False),
    )
    return Rule(policy=policy, preference=Preference(sort=wished.get("sort"), order=wished.get("order", ())))


def read_max_cost(raw: bytes, *, param: str = "max_cost") -> int:
    """The most that a call may cost, in nano-USD above zero: dollars as a JSON number or text, or a header's value.
    Raises Problem(`invalid_request`)."""
    nanos = read_dollars(raw, param=param)
    if nanos <= 0:
        raise _refuse(param, "is not above zero; write dollars, like 0.05")
    return nanos


def read_dollars(raw: bytes, *, param: str) -> int:
    """An amount in nano-USD: dollars as a JSON number or text; what is finer is cut off. Raises
    Problem(`invalid_request`)."""
    return _amount(raw, param, units_per_usd=NANOS_PER_USD, most=MAX_AMOUNT_NANOS)


def _fields(raw: bytes, param: str, readers: Mapping[str, Read]) -> dict[str, Any]:
    """Each known field by its reader; null ones are left out."""
    try:
        fields = _object.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _refuse(param, f"is not a JSON object; its fields are {', '.join(readers)}") from None
    wished = {}
    for name, value in fields.items():
        reader = readers.get(name)
        if reader is None:
            raise _refuse(f"{param}.{name[:40]}", f"is not known; known are {', '.join(readers)}")
        if bytes(value) != b"null":
            wished[name] = reader(bytes(value), f"{param}.{name}")
    return wished


def _kept(wished: Mapping[str, Any]) -> KeptAtMost:
    """The strictest of the three ways to say it."""
    said: KeptAtMost = wished.get("retention", "any")
    if wished.get("zdr", False) or said == "nothing":
        return "nothing"
    return "no_training" if wished.get("data_collection") == "deny" else said


def _flag(raw: bytes, param: str) -> bool:
    if raw not in (b"true", b"false"):
        raise _refuse(param, "is true or false")
    return raw == b"true"


def _choice(choices: tuple[str, ...]) -> Read:
    def read(raw: bytes, param: str) -> str:
        value = _value(raw)
        if not isinstance(value, str) or value not in choices:
            raise _refuse(param, f"is one of {', '.join(choices)}")
        return value

    return read


def _names(raw: bytes, param: str) -> tuple[str, ...]:
    """Ids in their order, each once."""
    values = _value(raw)
    if not isinstance(values, list) or len(values) > MAX_NAMES:
        raise _refuse(param, f"is a list of at most {MAX_NAMES} ids")
    for value in values:
        if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME_CHARS or "\0" in value:
            raise _refuse(param, f"is a list of ids, each a text of 1 to {MAX_NAME_CHARS} characters")
    return tuple(dict.fromkeys(values))


def _name_set(raw: bytes, param: str) -> frozenset[str]:
    return frozenset(_names(raw, param))


def _some_names(raw: bytes, param: str) -> frozenset[str]:
    names = _name_set(raw, param)
    if not names:
        raise _refuse(param, "names none, so none could serve; leave it out to allow all")
    return names


def _some_of(choices: tuple[str, ...]) -> Read:
    def read(raw: bytes, param: str) -> frozenset[str]:
        values = _value(raw)
        if not isinstance(values, list) or not 0 < len(values) <= MAX_NAMES or any(v not in choices for v in values):
            raise _refuse(param, f"is a list of one or more of {', '.join(choices)}")
        return frozenset(values)

    return read


def _regions(raw: bytes, param: str) -> frozenset[str]:
    """Regions are codes that people write in capitals as well."""
    values = _value(raw)
    if isinstance(values, list):
        raw = msgspec.json.encode([value.lower() if isinstance(value, str) else value for value in values])
    found: frozenset[str] = _some_of(REGIONS)(raw, param)
    return found


def _max_price(raw: bytes, param: str) -> MaxPrice:
    prices = _fields(raw, param, _PRICE_READERS)
    return MaxPrice(**{f"{name}_picos": picos for name, picos in prices.items()})


def _price(picos_per_unit: int) -> Read:
    """Dollars for whatever a price is quoted by, as pico-USD for each unit. What is finer than that is cut off, which
    changes nothing: prices are whole pico-USD, and one is below the cut number where it is below the uncut one."""

    def read(raw: bytes, param: str) -> int:
        return _amount(raw, param, units_per_usd=picos_per_unit, most=_MAX_PICOS)

    return read


def _amount(raw: bytes, param: str, *, units_per_usd: int, most: int) -> int:
    """Dollars, as a number or in quotes, in whole smaller units: read as decimal text, never through a float."""
    text = _unquoted(raw)
    if text is None or len(text) > MAX_NUMBER_CHARS or _NUMBER.fullmatch(text) is None:
        raise _refuse(param, "is not an amount of dollars; write a number or a text, like 0.50")
    units = _EXACT.multiply(Decimal(text), Decimal(units_per_usd))
    if units > most:
        raise _refuse(param, f"is above the largest amount that is read here, {most // units_per_usd:,} dollars")
    return int(units.to_integral_value(ROUND_FLOOR, _EXACT))


def _unquoted(raw: bytes) -> str | None:
    raw = raw.strip()
    if raw.startswith(b'"'):
        value = _value(raw)
        return value.strip() if isinstance(value, str) else None
    return raw.decode("ascii", "replace")


def _value(raw: bytes) -> Any:
    """The JSON, or None where it is none."""
    try:
        return _any.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _refuse(param: str, message: str) -> Problem:
    return Problem("invalid_request", f"{param} {message}.", param=param)


_PRICE_READERS: Final[Mapping[str, Read]] = {
    "prompt": _price(_PICOS_PER_USD // _TOKENS_PER_PRICE),
    "completion": _price(_PICOS_PER_USD // _TOKENS_PER_PRICE),
    "request": _price(_PICOS_PER_USD),
    "image": _price(_PICOS_PER_USD),
}
_READERS: Final[Mapping[str, Read]] = {
    "order": _names,
    "only": _some_names,
    "ignore": _name_set,
    "allow_fallbacks": _flag,
    "require_parameters": _flag,
    "data_collection": _choice(("allow", "deny")),
    "zdr": _flag,
    "sort": _choice(_SORTS),
    "max_price": _max_price,
    "regions": _regions,
    "resale_approved": _flag,
}
_POLICY_READERS: Final[Mapping[str, Read]] = {
    **_READERS,
    "sort": _choice((*_SORTS, "order")),
    "retention": _choice(get_args(KeptAtMost)),
    "workloads": _some_of(get_args(Workload)),
    "models": _some_names,
}
WISHES: Final = tuple(_READERS)
"""The fields of a `provider` object."""
POLICY_FIELDS: Final = tuple(_POLICY_READERS)
"""The fields of a policy's document."""
