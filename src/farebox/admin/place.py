"""What all operators' pages show: where one may go, and what a form has done."""

from typing import Any, Final

from litestar import Response
from litestar.response import Redirect

from farebox.access.asking import Operator
from farebox.access.form import form_page
from farebox.access.pages import see_other
from farebox.base.errors import Problem
from farebox.base.ids import show_short
from farebox.identity.roles import PlatformVerb, platform_may
from farebox.web.pages import Templates

PLACES: Final = (
    ("/admin/workspaces", "Workspaces", PlatformVerb.WORKSPACES_READ),
    ("/admin/requests", "Requests", PlatformVerb.REQUESTS_READ),
    ("/admin/events", "Events", PlatformVerb.AUDIT_READ),
    ("/admin/roles", "Roles", PlatformVerb.ROLES_READ),
)

DONE: Final = {
    "credited": "Booked. The balance below is what can be spent now.",
    "limits": "The limits are set. They hold for the next call.",
    "unchanged": "Nothing was different, so nothing was changed.",
    "frozen": "The workspace is frozen: its keys are refused from now on.",
    "unfrozen": "The workspace works again.",
    "accepted": "The request is accepted. Whoever asked can read what you said.",
    "declined": "The request is declined. Whoever asked can read what you said.",
    "granted": "The role is given.",
    "taken": "The role is taken.",
}
"""What a page says after a form was taken, by the `done` of its address."""


def show_page(
    templates: Templates, name: str, operator: Operator, *, problem: Problem | None = None, **values: Any
) -> Response[str]:
    """A page for an operator. `problem`: why the form on it was not taken; what was typed is among `values`.

    Raises the problem itself where another page has to come first: signing in, or a fresh proof.
    """
    return form_page(
        templates,
        name,
        problem,
        session=operator.session,
        role=operator.role,
        places=[(path, text) for path, text, verb in PLACES if platform_may(operator.role, verb)],
        may=lambda verb: platform_may(operator.role, PlatformVerb(verb)),
        short=show_short,
        **values,
    )


def done_of(done: str) -> str:
    """The sentence; '' for whatever else stands in an address."""
    return DONE.get(done, "")


def back_to(path: str, done: str) -> Redirect:
    """On to a page that says what was done."""
    return see_other(f"{path}?done={done}")
