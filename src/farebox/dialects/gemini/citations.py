"""Where an answer comes from: Google's grounding and its citations, as citations of the text.

Google counts segments in bytes of UTF-8, and the canonical form in characters. A segment belongs to the text that is
open when its metadata comes, which is the last of an answer; one that does not fit that text cites the whole of it.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from farebox.dialects.canonical.parts import Citation, Json

# More sources than a model gives; the rest of a hostile stream's are not kept.
MAX_CITATIONS: Final = 1_000
MAX_SEARCHES: Final = 1_000
# A longer text is cited as a whole.
MAX_CITED_CHARS: Final = 4_000_000


class Segment(NamedTuple):
    """A stretch of the text, in bytes. `text` is what Google says stands there, empty where it does not."""

    start: int
    end: int
    text: str


class Found(NamedTuple):
    """A source, and the stretch that it covers; None: the whole text. `raw`: a source without an address."""

    url: str
    title: str
    segment: Segment | None
    raw: Json = None


def grounded(metadata: Any) -> list[Found]:
    """The sources of `groundingMetadata`: those that a segment names, for it; the others for the whole text."""
    sources = [_source(chunk) for chunk in _list(metadata, "groundingChunks")]
    found, named = [], set()
    for support in _list(metadata, "groundingSupports"):
        segment = _segment(support.get("segment"))
        for place in _list(support, "groundingChunkIndices", int):
            if 0 <= place < len(sources):
                named.add(place)
                found.append(sources[place]._replace(segment=segment))
    return found + [source for place, source in enumerate(sources) if place not in named]


def quoted(metadata: Any) -> list[Found]:
    """The sources of `citationMetadata`, where the model recites. Google's two APIs name the list differently."""
    entries = _list(metadata, "citationSources") or _list(metadata, "citations")
    return [
        Found(_text(entry, "uri"), _text(entry, "title"), _segment(entry), None if entry.get("uri") else entry)
        for entry in entries
    ]


def searches(metadata: Any) -> list[str]:
    """What was searched for; an empty query is not billed."""
    return [query for query in _list(metadata, "webSearchQueries", str) if query]


def placed(found: Iterable[Found], text: str) -> list[Citation]:
    """Citations of a text."""
    kept = list(found)
    ends = [place for one in kept if one.segment for place in (one.segment.start, one.segment.end)]
    characters = _characters(text, ends)
    return [_citation(one, text, characters) for one in kept]


def _citation(found: Found, text: str, characters: dict[int, int]) -> Citation:
    start = end = None
    if found.segment is not None and {found.segment.start, found.segment.end} <= characters.keys():
        start, end = characters[found.segment.start], characters[found.segment.end]
        if start >= end or (found.segment.text and text[start:end] != found.segment.text):
            start = end = None
    origin = None if found.raw is None else "gemini"
    return Citation(found.url, found.title, start=start, end=end, origin=origin, raw=found.raw)  # type: ignore[arg-type]


def _characters(text: str, places: list[int]) -> dict[int, int]:
    """For places in bytes, those in characters. One pass over the text, however many places there are."""
    data = text.encode()
    found: dict[int, int] = {}
    done = characters = 0
    for place in sorted(set(places)):
        if not 0 <= place <= len(data):
            continue
        characters += len(data[done:place].decode(errors="ignore"))
        found[place] = characters
        done = place
    return found


def _source(chunk: dict[str, Any]) -> Found:
    for kind in ("web", "retrievedContext", "maps"):
        inner = chunk.get(kind)
        if isinstance(inner, dict) and _text(inner, "uri"):
            return Found(_text(inner, "uri"), _text(inner, "title"), None)
    return Found("", "", None, chunk)


def _segment(value: Any) -> Segment | None:
    """Zero is not written; a segment without an end is none."""
    if not isinstance(value, dict):
        return None
    start, end = value.get("startIndex") or 0, value.get("endIndex")
    if not isinstance(start, int) or not isinstance(end, int):
        return None
    return Segment(start, end, _text(value, "text"))


def _text(value: dict[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""


def _list(value: Any, name: str, kind: type = dict) -> list[Any]:
    """The entries of that kind in a list; none where there is no such list."""
    found = value.get(name) if isinstance(value, dict) else None
    return [entry for entry in found if isinstance(entry, kind)] if isinstance(found, list) else []
