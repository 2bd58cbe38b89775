"""Money is integers: balances in nano-USD (1e-9), prices in pico-USD (1e-12) per unit.

Nano-USD because $0.02 per million tokens is 20 nano-USD a token, which micro-USD would round to nothing;
a signed 64-bit integer of it still holds 9.2 billion dollars. One rounding, up, per charge.
"""

import re
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow

# As people write it, and JSON. Decimal would also take `1_000`, digits of other scripts, and NaN.
_AMOUNT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

NANOS_PER_USD = 1_000_000_000
PICOS_PER_NANO = 1_000
# The largest amount one command may move: a hundred million dollars, far below the 64-bit edge.
MAX_AMOUNT_NANOS = 100_000_000 * NANOS_PER_USD

# The power of ten of the largest amount in dollars.
_MOST_ADJUSTED = 8
# Digits that are more than this are not rounded away, but refused: no amount has as many.
_EXACT = Context(prec=100, traps=[InvalidOperation, Inexact, Overflow])


class MoneyError(ValueError):
    """The text is not an amount of US dollars that nano-USD can hold exactly."""


def parse_usd(text: str) -> int:
    """`"10.50"` -> 10_500_000_000 nano-USD. Raises MoneyError on anything inexact, infinite or too large."""
    written = text.strip().removeprefix("$")
    if _AMOUNT.fullmatch(written) is None:
        raise MoneyError(f"{text[:60]!r} is not an amount of dollars; write it like 10 or 10.50")
    amount = Decimal(written)
    # Its size first: what is far outside is not even multiplied.
    if amount and amount.adjusted() > _MOST_ADJUSTED:
        raise _outside(text)
    try:
        nanos = _EXACT.multiply(amount, NANOS_PER_USD)
        whole = int(nanos.to_integral_exact(context=_EXACT))
    except DecimalException as error:
        raise MoneyError(f"{text[:60]!r} has more than nine decimal places") from error
    if abs(whole) > MAX_AMOUNT_NANOS:
        raise _outside(text)
    return whole


def _outside(text: str) -> MoneyError:
    return MoneyError(f"{text[:60]!r} is outside -100,000,000 … 100,000,000 dollars")


def format_usd(amount_nanos: int) -> str:
    """10_500_000_000 -> `"10.50"`: exact, at least two decimals, no needless zeros after them."""
    sign = "-" if amount_nanos < 0 else ""
    whole, fraction = divmod(abs(amount_nanos), NANOS_PER_USD)
    digits = f"{fraction:09d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{digits}"


def nanos_from_picos(amount_picos: int) -> int:
    """The one rounding of a charge: up, so that a used token is never free."""
    return -(-amount_picos // PICOS_PER_NANO)
