"""What an answer's headers say about money. Pure."""

from farebox.base.brand import Brand
from farebox.base.money import format_usd
from farebox.records.advice import EmptyLimit, recommended_action

Pairs = list[tuple[bytes, bytes]]


def settled_headers(brand: Brand, *, charge_nanos: int, available_nanos: int, low_balance_nanos: int) -> Pairs:
    """The monitor headers of a call that was charged."""
    return [
        (brand.header("Cost-USD").encode(), format_usd(charge_nanos).encode()),
        *balance_headers(brand, available_nanos=available_nanos, low_balance_nanos=low_balance_nanos),
    ]


def balance_headers(
    brand: Brand,
    *,
    available_nanos: int,
    low_balance_nanos: int,
    refusal: str | None = None,
    empty_limit: EmptyLimit | None = None,
) -> Pairs:
    """The monitor headers that tell the balance; `refusal` is the error code that they go with, if any."""
    low = available_nanos <= low_balance_nanos
    action = recommended_action(
        available_nanos=available_nanos, low_balance_nanos=low_balance_nanos, refusal=refusal, empty_limit=empty_limit
    )
    return [
        (brand.header("Balance-After-USD").encode(), format_usd(available_nanos).encode()),
        (brand.header("Low-Balance").encode(), b"true" if low else b"false"),
        (brand.header("Recommended-Action").encode(), action.encode()),
    ]


def held_headers(brand: Brand, held_nanos: int) -> Pairs:
    """What a stream's headers can say before it is settled."""
    return [(brand.header("Held-USD").encode(), format_usd(held_nanos).encode())]
