"""The workspace whose page it is, as the person who looks at it has it."""

from typing import Any, Final

import msgspec
from litestar import Response

from farebox.access.asking import Caller
from farebox.access.form import form_page
from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.base.ids import show_short
from farebox.console.show import counted
from farebox.identity.people.model import Session
from farebox.identity.roles import MAY, Role
from farebox.identity.team.roles import memberships_of
from farebox.storage.pool import connected
from farebox.web.pages import Templates

DONE: Final = {
    "created": "The workspace is yours. Make a key, and it can be used at once.",
    "saved": "Saved.",
    "revoked": "The key is revoked. Calls with it are refused from now on.",
    "invited": "The invitation is on its way.",
    "resent": "The invitation was sent once more; the former link is void.",
    "withdrawn": "It is withdrawn.",
    "removed": "Removed.",
    "transferred": "The workspace has another owner now.",
    "unlinked": "The wallet is unlinked.",
    "linked": "The wallet is linked.",
    "asked": "The request is with the operator.",
    "joined": "Welcome. You belong to this workspace now.",
}
"""What a page says after a form of it was taken, by the `done` of its address."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """`others`: the other workspaces of the same person, as id and name. `verbs`: what their role may do here."""

    workspace_id: str
    name: str
    role: Role
    is_active: bool
    verbs: frozenset[str]
    others: list[tuple[str, str]]

    @property
    def path(self) -> str:
        """Where its pages are."""
        return f"/console/{self.workspace_id}"

    def may(self, verb: str) -> bool:
        """Whether a page offers it."""
        return verb in self.verbs


def session_of(caller: Caller) -> Session:
    """Whoever looks at pages has signed in: an API key is no person. Raises Problem(`not_signed_in`)."""
    if caller.session is None:
        raise Problem("not_signed_in", "Pages are for people; sign in.", facts={"reason": "missing"})
    return caller.session


async def place_of(access: Access, caller: Caller) -> Place:
    """Raises Problem(`not_signed_in`), and (`not_found`) where somebody lost their place a moment ago."""
    session = session_of(caller)
    async with connected(access.pool) as connection:
        all_of_them = await memberships_of(connection, session.person_id)
    own = next((each for each in all_of_them if each.workspace_id == caller.workspace_id), None)
    if own is None:
        raise Problem("not_found", "You belong to no such workspace.", param="workspace_id")
    return Place(
        workspace_id=show_short("ws", own.workspace_id),
        name=own.workspace_name,
        role=own.role,
        is_active=own.is_active,
        verbs=frozenset(verb.value for verb in MAY[own.role]),
        others=[(show_short("ws", each.workspace_id), each.workspace_name) for each in all_of_them if each is not own],
    )


def show_page(templates: Templates, name: str, *, problem: Problem | None = None, **values: Any) -> Response[str]:
    """A page of the console. `problem`: why the form on it was not taken; what was typed is among `values`.

    Raises the problem itself where another page has to come first: signing in, or a fresh proof.
    """
    return form_page(
        templates,
        name,
        problem,
        short=show_short,
        counted=counted,
        **values,
    )


def done_of(done: str | None) -> str:
    """The sentence; '' for whatever else stands in an address."""
    return DONE.get(done or "", "")
