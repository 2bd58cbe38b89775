"""Citations of texts, both ways.

Anthropic's are kept as they came, for Anthropic only; one of a web page is portable too. Those of other origins are not
written: each kind needs what only Anthropic can make, such as the `encrypted_index` of a search result.
"""

from typing import Any

from farebox.dialects.anthropic_messages.seals import OWN
from farebox.dialects.anthropic_messages.shape import list_at, object_at
from farebox.dialects.canonical.parts import Citation

_WEB = "web_search_result_location"


def read_citations(value: Any, place: str) -> tuple[Citation, ...]:
    """The citations of a text block. Raises Unreadable."""
    if value is None:
        return ()
    return tuple(
        read_citation(object_at(entry, f"{place}.citations.{number}"))
        for number, entry in enumerate(list_at(value, f"{place}.citations"))
    )


def read_citation(entry: dict[str, Any]) -> Citation:
    """One citation, whatever its kind."""
    quote = _text(entry, "cited_text")
    if entry.get("type") != _WEB:
        return Citation(quote=quote, origin=OWN, raw=entry)
    return Citation(url=_text(entry, "url"), title=_text(entry, "title"), quote=quote, origin=OWN, raw=entry)


def _text(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def own_citations(citations: tuple[Citation, ...]) -> list[dict[str, Any]]:
    """Those that this dialect can say."""
    return [one.raw for one in citations if one.origin == OWN and isinstance(one.raw, dict)]
