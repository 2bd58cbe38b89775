"""What a provider reports that a call used. Every dialect reads its own report into the same disjoint classes."""

from typing import Any, Literal

import msgspec

from farebox.base.usage import Usage

# Above any context window there is: a larger count is a mistake and would only drain a balance.
MAX_REPORTED_TOKENS = 20_000_000


# Whose word a usage is: the provider's own report, units that we counted and that are exact (pictures in the answer,
# characters of a text that was spoken), or a low estimate where a report is missing or malformed.
Basis = Literal["reported", "counted", "estimated"]


class Reported(msgspec.Struct, frozen=True, gc=False):
    """What a provider said it used: `usage` is None when it said nothing (`missing`) or nonsense (`malformed`), and
    nothing better than bytes is known. `basis` says whose word it is. `unfinished`: it was told before the answer's
    end, so its output is only a beginning."""

    usage: Usage | None
    malformed: bool = False
    basis: Basis = "reported"
    unfinished: bool = False


MISSING = Reported(None)
MALFORMED = Reported(None, malformed=True)


def openai_tier(service_tier: str | None) -> str | None:
    """A tier as OpenAI's answers name it: Anthropic calls the usual one `standard`, which their types do not know."""
    return "default" if service_tier == "standard" else service_tier


class Nonsense(ValueError):
    """A count that cannot be one: the whole report is malformed."""


def count(report: Any, name: str, default: int = 0) -> int:
    """The count of that name in a decoded report, `default` where it (or the report) is absent or null.
    Raises Nonsense."""
    value = report.get(name) if isinstance(report, dict) else None
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_REPORTED_TOKENS:
        raise Nonsense(name)
    return value
