"""What was typed into a form: kept, so that a form that is refused comes back as it was sent."""

from collections.abc import Iterable, Mapping
from typing import Final

from farebox.access.depend import AnyRequest
from farebox.base.errors import Problem

# A form of ours has a dozen fields and a box for each model; more is none of ours.
MAX_FIELDS: Final = 2_000


class Typed:
    """The fields by name, also as attributes; one that was not sent is ''."""

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        values: dict[str, list[str]] = {}
        for name, value in fields:
            values.setdefault(name, []).append(value)
        self._values: Mapping[str, list[str]] = values

    def __getattr__(self, name: str) -> str:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.text(name)

    def __repr__(self) -> str:
        return f"Typed({sorted(self._values)})"

    def text(self, name: str) -> str:
        """The first value of that name, without the blanks around it."""
        return self._values.get(name, [""])[0].strip()

    def texts(self, name: str) -> list[str]:
        """All values of that name: the boxes that were ticked."""
        return [value.strip() for value in self._values.get(name, [])]

    def lines(self, name: str) -> list[str]:
        """What stands on the lines of a text, or between its commas, without what is empty."""
        parts = self.text(name).replace(",", "\n").splitlines()
        return [part.strip() for part in parts if part.strip()]


async def read_form(request: AnyRequest) -> Typed:
    """The form of a request. Raises Problem(`invalid_request`) for what is none."""
    if not (request.content_type and request.content_type[0] == "application/x-www-form-urlencoded"):
        raise Problem("invalid_request", "Send the form as a page of ours sends it.")
    fields = list((await request.form()).multi_items())
    if len(fields) > MAX_FIELDS or not all(isinstance(value, str) for _, value in fields):
        raise Problem("invalid_request", "Send the form as a page of ours sends it.")
    return Typed((name, value) for name, value in fields)
