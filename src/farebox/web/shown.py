"""How pages write moments and amounts."""

from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

from farebox.base.money import format_usd

_MICROS: Final = 1_000_000
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def moment(micros: int | None, otherwise: str = "never") -> Markup:
    """A moment (microseconds since 1970 UTC) as people and programs read it; `otherwise` where there was none."""
    if micros is None:
        return Markup("{}").format(otherwise)
    when = datetime.fromtimestamp(micros // _MICROS, UTC)
    shown = f"{when.day} {_MONTHS[when.month - 1]} {when.year}, {when:%H:%M} UTC"
    return Markup('<time datetime="{}">{}</time>').format(f"{when:%Y-%m-%dT%H:%M:%SZ}", shown)


def dollars(nanos: int) -> str:
    """An amount in nano-USD: "$1.25", "-$0.000001"."""
    sign = "-" if nanos < 0 else ""
    return f"{sign}${format_usd(abs(nanos))}"


FILTERS: Final = {"moment": moment, "dollars": dollars}
"""By their names in templates."""
