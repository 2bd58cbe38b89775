"""Rates in catalog.toml: US dollars in the units of price lists, written exactly, to integer pico-USD per unit."""

from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final, NamedTuple

from farebox.catalog.model import Workload
from farebox.catalog.rules import Rates
from farebox.catalog.toml_place import Place, Table

PICOS_PER_USD: Final = 10**12
# A thousand dollars a unit: above any price there is, and a charge of it still fits a 64-bit amount.
MAX_UNIT_PICOS: Final = 1_000 * PICOS_PER_USD
# More decimals than any unit can hold; keeps exact arithmetic on hostile exponents small.
_MAX_DECIMALS: Final = 40


class TokenRate(NamedTuple):
    """A key in USD per million tokens. Where it is absent, the rate of another key holds."""

    field: str
    otherwise: str | None


class UnitRate(NamedTuple):
    """A key in USD for so many units of the field."""

    field: str
    units: int


# Each after the one it falls back to.
TOKEN_KEYS: Final = {
    "input": TokenRate("input_picos", None),
    "cached_input": TokenRate("cached_input_picos", "input"),
    "cache_write_5m": TokenRate("cache_write_5m_picos", "input"),
    "cache_write_1h": TokenRate("cache_write_1h_picos", "cache_write_5m"),
    "audio_input": TokenRate("audio_input_picos", "input"),
    "image_input": TokenRate("image_input_picos", "input"),
    "output": TokenRate("output_picos", None),
    "reasoning": TokenRate("reasoning_picos", "output"),
    "audio_output": TokenRate("audio_output_picos", "output"),
    "image_output": TokenRate("image_output_picos", "output"),
}
TOKENS_PER_PRICE: Final = 10**6
UNIT_KEYS: Final = {
    "per_image": UnitRate("image_picos", 1),
    "per_million_characters": UnitRate("character_picos", 10**6),
    "per_minute_audio": UnitRate("audio_millisecond_picos", 60_000),
    "per_second_audio": UnitRate("audio_millisecond_picos", 1_000),
    "per_second_video": UnitRate("video_millisecond_picos", 1_000),
    "per_thousand_searches": UnitRate("web_search_picos", 1_000),
    "per_request": UnitRate("request_picos", 1),
}
RATE_KEYS: Final = (*TOKEN_KEYS, *UNIT_KEYS)
# Sound and pictures cost what text does unless a price says otherwise.
TEXT_OF_FIELD: Final = {
    "audio_input_picos": "input_picos",
    "image_input_picos": "input_picos",
    "audio_output_picos": "output_picos",
    "image_output_picos": "output_picos",
}
_INPUT_ALONE: Final[frozenset[Workload]] = frozenset({"embedding", "moderation"})
_OF_TEXT: Final[frozenset[Workload]] = frozenset({"text", "coding"})


def read_rates(table: Table, place: Place, *, workload: Workload, base: Rates | None = None) -> Rates:
    """The rates that a table says. `base` has what the tier's plain price says of everything it leaves out: of units,
    and of tokens where it has none of their keys. Raises OperatorError."""
    of_tokens = any(key in TOKEN_KEYS for key in table)
    if of_tokens or base is None or workload in _OF_TEXT:
        _require_tokens(table, place, workload, of_tokens=of_tokens)
        picos = _token_picos(table, place)
    else:
        picos = {rate.field: getattr(base, rate.field) for rate in TOKEN_KEYS.values()}
    for key, rate in UNIT_KEYS.items():
        if key in table:
            picos[rate.field] = _unit_picos(table, key, rate, place)
        else:
            picos.setdefault(rate.field, 0 if base is None else getattr(base, rate.field))
    return Rates(**picos)


def _require_tokens(table: Table, place: Place, workload: Workload, *, of_tokens: bool) -> None:
    """A price by tokens has both ways, but where nothing comes out. A price by units has at least one of them."""
    if workload in _INPUT_ALONE:
        needed: tuple[str, ...] = ("input",)
    elif of_tokens or workload in _OF_TEXT:
        needed = ("input", "output")
    else:
        needed = ()
    for key in needed:
        if key not in table:
            raise place.error(f"{key} is missing", f'Add {key} = "…" in USD per million tokens; "0" when it is free.')
    if not needed and not any(key in UNIT_KEYS for key in table):
        raise place.error("has no rate", f'Add one, like per_image = "0.04"; known here: {", ".join(RATE_KEYS)}.')


def _token_picos(table: Table, place: Place) -> dict[str, int]:
    picos: dict[str, int] = {}
    for key, rate in TOKEN_KEYS.items():
        if key in table:
            picos[rate.field] = _picos(table[key], TOKENS_PER_PRICE, place.at(key))
        else:
            picos[rate.field] = 0 if rate.otherwise is None else picos[TOKEN_KEYS[rate.otherwise].field]
    return picos


def _unit_picos(table: Table, key: str, rate: UnitRate, place: Place) -> int:
    for other, its in UNIT_KEYS.items():
        if other != key and other in table and its.field == rate.field:
            raise place.at(key).error(f"stands beside {other}", f"Keep one of {key} and {other}.")
    return _picos(table[key], rate.units, place.at(key))


def _picos(value: object, units: int, place: Place) -> int:
    amount = _decimal(value, place)
    if amount < 0 or amount > Decimal(MAX_UNIT_PICOS * units) / PICOS_PER_USD:
        raise place.error("is outside what a price can be", "Write a positive amount of US dollars.")
    exponent = amount.as_tuple().exponent
    exact = isinstance(exponent, int) and exponent >= -_MAX_DECIMALS
    picos = Fraction(PICOS_PER_USD, units) * Fraction(amount) if exact else Fraction(1, 2)
    if picos.denominator == 1:
        return int(picos)
    decimals = len(str(PICOS_PER_USD // units)) - 1
    if 10**decimals * units == PICOS_PER_USD:
        raise place.error(f"has more than {decimals} decimal places", f"Round it to {decimals} decimal places.")
    raise place.error(
        f"is no whole number of pico-USD for each of its {units} units",
        "Write it as per_second_audio, rounded up to 9 decimal places.",
    )


def _decimal(value: object, place: Place) -> Decimal:
    fix = 'Write US dollars as text or a number: "0.80" or 0.80.'
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise place.error("is not an amount of dollars", fix)
    try:
        amount = Decimal(value.strip().removeprefix("$")) if isinstance(value, str) else Decimal(value)
    except InvalidOperation as error:
        raise place.error("is not an amount of dollars", fix) from error
    if not amount.is_finite():
        raise place.error("is not an amount of dollars", fix)
    return amount
