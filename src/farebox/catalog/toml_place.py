"""A place in catalog.toml: every complaint names the file, the dotted path and the fix."""

import difflib
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple, TypeVar, cast

import msgspec

from farebox.base.errors import OperatorError
from farebox.catalog.terms import CLOSED_LISTS, MAX_NOTES_CHARS

Table = Mapping[str, object]
StructT = TypeVar("StructT", bound=msgspec.Struct)

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_FIELD_IN_MESSAGE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING = re.compile(r"missing required field `(\w+)`")
_SECRET = re.compile(
    r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{12,}|\bAIza[A-Za-z0-9_-]{16,}|\bAKIA[A-Z0-9]{12,}|\bAQ\.[A-Za-z0-9_-]{16,}"
    r"|\b(?:gsk|hf|ghp|r8)_[A-Za-z0-9]{12,}|\bxai-[A-Za-z0-9]{12,}|\b[Bb]earer\s+[A-Za-z0-9._~+/=-]{16,}"
)
_OPAQUE = re.compile(r"(?=.*[0-9])(?:[0-9a-f]{32,}|(?=.*[A-Z])(?=.*[a-z])[A-Za-z0-9_+=-]{32,})")

# What the type checker's own words do not tell an operator.
_CLOSED_LISTS = {
    "status": "live or disabled",
    "workload": "text, coding, image, video, audio, embedding or moderation",
    "auth": "bearer, x-api-key or x-goog-api-key",
    "video_dialect": "openai or veo",
    "dialects": "a list of openai_chat, openai_responses, anthropic_messages, gemini",
    "output_limit_field": "max_tokens or max_completion_tokens",
    "media_ceiling_tokens": "a table with any of image, audio, file",
    **{key: f"{', '.join(choices[:-1])} or {choices[-1]}" for key, choices in CLOSED_LISTS.items()},
    "key_scopes": 'a list of scopes: ["chat.completions", "usage.read"]',
    "notes": f"one line of at most {MAX_NOTES_CHARS} characters",
}


class Place(NamedTuple):
    """Where we are: the file's name and the dotted path of a table or key in it."""

    file: str
    path: str = ""

    def at(self, key: str | int) -> "Place":
        """The place of a key, or of an element of an array, inside this one."""
        if isinstance(key, int):
            return Place(self.file, f"{self.path}[{key}]")
        shown = key if _BARE_KEY.fullmatch(key) else f'"{key}"'
        return Place(self.file, f"{self.path}.{shown}" if self.path else shown)

    def error(self, message: str, fix: str) -> OperatorError:
        """The error to raise."""
        return OperatorError(f"{self.file}: {self.path}: {message}" if self.path else f"{self.file}: {message}", fix)


def table_at(parent: Table, key: str, place: Place) -> Table:
    """The table under a key, empty when absent. Raises OperatorError when it is something else."""
    found = parent.get(key, {})
    if not isinstance(found, dict):
        raise place.at(key).error("is not a table", f"Write it as a table: [{place.at(key).path}] or {key} = {{ … }}.")
    return cast(Table, found)


def check_keys(table: Table, known: tuple[str, ...], place: Place) -> None:
    """Raise OperatorError on the first key that is not known, with the nearest one that is."""
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            fix = f"Did you mean {near[0]}?" if near else f"Remove it; known here: {', '.join(known)}."
            raise place.at(key).error("unknown key", fix)


def check_texts(value: object, place: Place) -> None:
    """Raise OperatorError when any text looks like a key or holds a control character. It is never repeated."""
    for where, text in _texts(value, place):
        if not text.isprintable():
            raise where.error("contains a line break or control character", "Write it on one line of plain text.")
        if _SECRET.search(text) or _OPAQUE.fullmatch(text):
            raise where.error(
                "looks like a secret key, and secrets do not belong in this file",
                "Put the key into an environment variable, write its name as api_key_env, and replace the key if"
                " this file was shared.",
            )


def _texts(value: object, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, place.at(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, place.at(index))


def convert_table(table: Table, struct: type[StructT], place: Place) -> StructT:
    """The table as a typed struct. Raises OperatorError naming the key and what it should be."""
    plain = {key: float(value) if isinstance(value, Decimal) else value for key, value in table.items()}
    try:
        return msgspec.convert(plain, struct)
    except msgspec.ValidationError as error:
        raise _explain(str(error), place) from error


def missing_key(key: str, place: Place) -> OperatorError:
    """The error to raise for a key that a table has to have."""
    return place.error(f"{key} is missing", f"Add {key} = … to [{place.path}].")


def _explain(text: str, place: Place) -> OperatorError:
    missing = _MISSING.search(text)
    if missing:
        return missing_key(missing[1], place)
    match = _FIELD_IN_MESSAGE.match(text)
    assert match is not None
    # `model_id` inside is `model` in the file.
    field = (match["path"] or "").split(".")[0].split("[")[0].removesuffix("_id")
    what = match["what"].strip()
    wanted = _CLOSED_LISTS.get(field) or what.removeprefix("Expected ").split(", got ")[0].replace("`", "")
    return (place.at(field) if field else place).error(what[:1].lower() + what[1:], f"Write it as {wanted}.")
