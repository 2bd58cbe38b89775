"""Forms that a browser sent, and how one is shown again when it was refused."""

from collections.abc import Mapping
from typing import Any, Final

from litestar import Request, Response

from farebox.access.pages import WHERE_TO
from farebox.base.errors import Problem
from farebox.web.pages import Templates

# A field of a form: the longest is a text about a request. What is longer is cut, and refused by whoever reads it.
MAX_FIELD_CHARS: Final = 10_000
_KEPT_CONTROLS: Final = "\n\t"


class Form:
    """The fields of a form; one that was not sent is empty."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        """Values are as they were typed; blanks around them and signs that nobody can type go."""
        self._fields = {name: [_clean(value) for value in values] for name, values in fields.items() if values}

    def __repr__(self) -> str:
        return f"Form({', '.join(sorted(self._fields))})"

    def text(self, name: str, default: str = "") -> str:
        """A field; of several of that name the last."""
        return self._fields.get(name, [default])[-1]

    def all(self, name: str) -> list[str]:
        """What was ticked under that name."""
        return [value for value in self._fields.get(name, []) if value]

    def is_ticked(self, name: str) -> bool:
        """Whether a box was ticked."""
        return bool(self.text(name))

    def typed(self, *names: str) -> dict[str, str]:
        """Fields to show again. Name no secret."""
        return {name: self.text(name) for name in names}


async def form_of(request: Request[Any, Any, Any]) -> Form:
    """The form in a request's body; files in it count as not sent. Raises Problem(`invalid_request`)."""
    try:
        sent = await request.form()
    except (LookupError, ValueError):  # parts in an encoding that there is not, or that they are not in
        raise Problem("invalid_request", "The form cannot be read.") from None
    return Form({name: [value for value in sent.getall(name) if isinstance(value, str)] for name in sent})


def refused(templates: Templates, name: str, problem: Problem, **values: Any) -> Response[str]:
    """The page with the form once more, and what it was refused for; the page's template gets it as `problem`.

    Raises the problem itself where another page has to come first: signing in, the second factor, a fresh proof.
    """
    if problem.code in WHERE_TO:
        raise problem
    page = templates.page(name, problem.entry.status, problem=problem, **values)
    if problem.retry_after_seconds is not None:
        page.headers["retry-after"] = str(problem.retry_after_seconds)
    return page


def form_page(templates: Templates, name: str, problem: Problem | None, **values: Any) -> Response[str]:
    """A page with a form: as it is first shown (`problem` None), or `refused`."""
    if problem is None:
        return templates.page(name, problem=None, **values)
    return refused(templates, name, problem, **values)


def _clean(value: str) -> str:
    shown = "".join(sign for sign in value[:MAX_FIELD_CHARS] if sign.isprintable() or sign in _KEPT_CONTROLS)
    return shown.strip()
