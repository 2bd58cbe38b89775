"""From query parameters to what to list. Whatever cannot be meant is refused: a misspelt filter must not list all."""

from typing import Final, cast, get_args

from farebox.api.depend import AnyRequest
from farebox.base.clock import parse_rfc3339
from farebox.base.errors import Problem
from farebox.base.ids import IdError, read_short
from farebox.records.page import DEFAULT_PAGE, FIRST_PAGE, MAX_PAGE, Cursor, CursorError, read_cursor
from farebox.records.usage import CallStatus, UsageFilter

STATUSES: Final[tuple[str, ...]] = get_args(CallStatus)
FORMATS: Final = ("json", "csv", "jsonl")
MAX_VALUE_LETTERS: Final = 200


class Query:
    """The parameters of one request, each at most once. Raises Problem(`invalid_request`) with `param`.

    `long`: those whose reader has a bound of its own.
    """

    def __init__(self, request: AnyRequest, known: frozenset[str], *, long: frozenset[str] = frozenset()) -> None:
        self._values: dict[str, str] = {}
        for name, value in request.query_params.multi_items():
            if name not in known:
                raise _refuse(name, f"There is no parameter {name[:40]!r}; known are {', '.join(sorted(known))}.")
            if name in self._values:
                raise _refuse(name, f"The parameter {name} is given twice.")
            if (len(value) > MAX_VALUE_LETTERS and name not in long) or "\0" in value:
                raise _refuse(name, f"The parameter {name} is not of a form that could match.")
            self._values[name] = value

    def text(self, name: str) -> str | None:
        """The value; None when it is absent or empty."""
        return self._values.get(name) or None

    def choice(self, name: str, choices: tuple[str, ...]) -> str | None:
        """One of a closed list."""
        value = self.text(name)
        if value is not None and value not in choices:
            raise _refuse(name, f"The parameter {name} is one of {', '.join(choices)}.")
        return value

    def flag(self, name: str) -> bool | None:
        """true or false."""
        value = self.choice(name, ("true", "false"))
        return None if value is None else value == "true"

    def moment(self, name: str) -> int | None:
        """RFC 3339, in microseconds since 1970 UTC."""
        value = self.text(name)
        if value is None:
            return None
        try:
            # In a query a plus sign that was not encoded arrives as a blank.
            return parse_rfc3339(value.replace(" ", "+") if "T" in value.upper() else value)
        except (ValueError, OverflowError):
            raise _refuse(name, f"Write {name} like 2026-11-20T00:00:00Z.") from None

    def key(self, name: str) -> int | None:
        """A key's id."""
        value = self.text(name)
        try:
            return None if value is None else read_short("key", value)
        except IdError:
            raise _refuse(name, f"The parameter {name} is a key's id, key_…") from None

    def cursor(self) -> Cursor:
        """Where the page starts."""
        value = self.text("cursor")
        try:
            return FIRST_PAGE if value is None else read_cursor(value)
        except CursorError:
            raise _refuse("cursor", "Use the next_cursor of the page before, unchanged.") from None

    def limit(self, most: int | None) -> int | None:
        """How many lines; None when it is absent. `most` None: any number."""
        return self.number("limit", least=1, most=most)

    def number(self, name: str, *, least: int, most: int | None) -> int | None:
        """A whole number; None when it is absent. `most` None: any."""
        value = self.text(name)
        if value is None:
            return None
        number = int(value) if value.isascii() and value.isdigit() and len(value) < 16 else -1
        if number < least or (most is not None and number > most):
            upto = "" if most is None else f" to {most}"
            raise _refuse(name, f"The parameter {name} is a whole number from {least}{upto}.")
        return number

    def page(self) -> int:
        """The lines of one page."""
        return self.limit(MAX_PAGE) or DEFAULT_PAGE

    def usage_filter(self) -> UsageFilter:
        """What calls to list."""
        wanted = UsageFilter(
            model_id=self.text("model"),
            key_id=self.key("key"),
            status=cast("CallStatus | None", self.choice("status", STATUSES)),
            streamed=self.flag("streamed"),
            from_micros=self.moment("from"),
            to_micros=self.moment("to"),
        )
        if wanted.from_micros is not None and wanted.to_micros is not None and wanted.from_micros > wanted.to_micros:
            raise _refuse("from", "The parameter from is later than to.")
        return wanted


def _refuse(param: str, message: str) -> Problem:
    return Problem("invalid_request", message, param=param[:40])
