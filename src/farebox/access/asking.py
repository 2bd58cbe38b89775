"""From a request to who asks: an API key, a signed-in person in one of their workspaces, or an operator.

Every handler names what it does with a verb of `identity/roles.py`; this is where that verb is looked up. A request
that changes something and is believed for its cookie must come from our own pages.
"""

import hmac
from collections.abc import Mapping
from typing import Final

import msgspec

from farebox.access.parts import Access, Headers
from farebox.base.addresses import client_address
from farebox.base.errors import Problem
from farebox.base.ids import IdError, read_short, show_short
from farebox.base.site import Site, is_cross_site
from farebox.catalog.policy import Policy, Rule
from farebox.identity.audit import Event
from farebox.identity.model import OPERATOR, SCOPES, KeyRecord
from farebox.identity.people.model import Session, SessionState, Visit
from farebox.identity.people.sessions import find_session, is_fresh
from farebox.identity.policies import UnreadableRule, read_rules
from farebox.identity.roles import (
    KEY_SCOPES,
    STEP_UP,
    PlatformRole,
    PlatformVerb,
    Role,
    Verb,
    may,
    platform_may,
    scopes_of,
)
from farebox.identity.team.model import Membership
from farebox.identity.team.roles import membership_in, memberships_of, platform_role_of
from farebox.storage.pool import connected

COOKIE: Final = "__Host-session"
"""Browsers send it back to this host alone, over https alone (or to this machine), and to no script."""
_BEARER: Final = "bearer "


class Asked(msgspec.Struct, frozen=True):
    """A request, as far as it matters who sent it. `headers`: names in lower case; of doubles the first counts.

    `is_page`: pages are for people, so a key or the operator's token counts for nothing there.
    """

    method: str
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    raw_headers: Headers
    peer: str | None
    is_page: bool = False

    @property
    def token(self) -> str:
        """The session's token, or ''."""
        return self.cookies.get(COOKIE, "")

    @property
    def bears_key(self) -> bool:
        """Whether it says which key it comes with: then its cookie is not looked at."""
        return not self.is_page and ("authorization" in self.headers or "x-api-key" in self.headers)


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks about a workspace. `key`: what they may look at, as an API key has it; of a person its `key_id` is 0,
    and `session` and `role` say who they are."""

    key: KeyRecord
    visit: Visit
    session: Session | None = None
    role: Role | None = None

    @property
    def workspace_id(self) -> int:
        """The one workspace that this is about."""
        return self.key.workspace_id

    @property
    def actor(self) -> str:
        """How records name them."""
        return show_short("key", self.key.key_id) if self.session is None else self.session.actor

    def event(self, action: str, *, subject: str = "", **detail: str | int | bool | None) -> Event:
        """A security event of the workspace by this caller."""
        person_id = None if self.session is None else self.session.person_id
        return Event(
            action=action,
            actor=self.actor,
            workspace_id=self.workspace_id,
            person_id=person_id,
            subject=subject,
            detail=detail,
            address=self.visit.address,
        )


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """Who works on the whole installation: a person with a platform role, or (`session` None) the operator's token."""

    visit: Visit
    role: PlatformRole = PlatformRole.SUPERADMIN
    session: Session | None = None

    @property
    def actor(self) -> str:
        """How records name them."""
        return OPERATOR if self.session is None else self.session.actor

    def event(
        self, action: str, *, workspace_id: int | None, subject: str = "", **detail: str | int | bool | None
    ) -> Event:
        """A security event by this operator; of a workspace its members can read it, too."""
        return Event(
            action=action,
            actor=self.actor,
            workspace_id=workspace_id,
            person_id=None if self.session is None else self.session.person_id,
            subject=subject,
            detail=detail,
            address=self.visit.address,
        )


def visit_of(access: Access, asked: Asked) -> Visit:
    """Whence the request came, as far as it can be believed."""
    forwarded = [value.decode("latin-1") for name, value in asked.raw_headers if name == b"x-forwarded-for"]
    address = client_address(asked.peer, forwarded, access.trusted_proxies)
    return Visit("" if address is None else str(address), asked.headers.get("user-agent", ""))


def require_site(access: Access) -> Site:
    """Raises Problem(`sign_in_unavailable`) where nobody can sign in."""
    if access.site is None:
        message = "Nobody can sign in here yet: the operator has not set the gateway's public address."
        raise Problem("sign_in_unavailable", message)
    return access.site


def refuse_cross_site(access: Access, asked: Asked) -> None:
    """Raises Problem(`cross_site_request`) for what may come from another site's page."""
    if is_cross_site(require_site(access), asked.method, asked.headers, has_cookie=bool(asked.token)):
        raise Problem("cross_site_request", "This request does not come from this gateway's own pages.")


async def open_session_of(access: Access, asked: Asked) -> Session | None:
    """The session of a request, `pending` or `active`; None: it has none. Raises Problem(`cross_site_request`)."""
    if not asked.token:
        return None
    refuse_cross_site(access, asked)
    async with connected(access.pool) as connection:
        return await find_session(connection, asked.token, times=access.times, now_micros=access.clock())


async def require_session(access: Access, asked: Asked, *, fresh: bool = False, pending: bool = False) -> Session:
    """A signed-in person. `fresh`: with a proof that is recent; `pending`: without the second factor, too.

    Raises Problem: not_signed_in, second_factor_required, step_up_required, cross_site_request.
    """
    session = await open_session_of(access, asked)
    if session is None:
        message = "This session has ended. Sign in again." if asked.token else "Nobody is signed in."
        raise Problem("not_signed_in", message, facts={"reason": "ended" if asked.token else "missing"})
    if session.state is SessionState.PENDING and not pending:
        raise Problem("second_factor_required", "The second factor is still missing.")
    if fresh:
        require_fresh(access, session)
    return session


def require_fresh(access: Access, session: Session) -> None:
    """Raises Problem(`step_up_required`) unless the newest proof is recent."""
    seconds = int(access.sign_in.step_up_seconds)
    if not is_fresh(session, step_up_seconds=seconds, now_micros=access.clock()):
        message = f"This needs a proof of who you are that is not older than {seconds // 60} minutes."
        raise Problem("step_up_required", message)


async def require_caller(access: Access, asked: Asked, verb: Verb, *, workspace_id: str | None = None) -> Caller:
    """Who asks, if they may do that in a workspace.

    A key does it in its own; a person in `workspace_id` (`ws_…`, of a page's address), else in the one that the header
    X-<Brand>-Workspace names, else in their only one. A workspace that one is no member of is refused as if there were
    none. Raises Problem.
    """
    visit = visit_of(access, asked)
    if asked.bears_key:
        key = await access.authenticate(asked.raw_headers, asked.peer)
        require_key_verb(key, verb)
        require_key_workspace(access, asked, key)
        return Caller(key=key, visit=visit)
    if not asked.token:
        raise Problem("missing_api_key", "The request has no API key, and nobody is signed in.")
    session = await require_session(access, asked)
    membership = await _membership(access, asked, session, workspace_id)
    if not may(membership.role, verb):
        message = f"A member with the role {membership.role} may not do this ({verb})."
        raise Problem("role_not_allowed", message, facts={"role": membership.role, "verb": verb})
    if verb in STEP_UP:
        require_fresh(access, session)
    key = await _as_key(access, membership)
    return Caller(key=key, visit=visit, session=session, role=membership.role)


def require_key_verb(key: KeyRecord, verb: Verb) -> None:
    """Raises Problem(`insufficient_scope`) unless an API key may do that."""
    scope = KEY_SCOPES.get(verb)
    if scope is None:
        message = f"No API key may do this ({verb}); a member of the workspace has to sign in."
        raise Problem("insufficient_scope", message, facts={"required_scope": None, "scopes": sorted(key.scopes)})
    if scope not in key.scopes:
        scopes = [known for known in SCOPES if known in key.scopes]
        message = f"This key lacks the scope `{scope}`; it has {', '.join(scopes) or 'none'}."
        raise Problem("insufficient_scope", message, facts={"required_scope": scope, "scopes": scopes})


def require_key_workspace(access: Access, asked: Asked, key: KeyRecord) -> None:
    """A key has one workspace; who names another one means something else than it would do. Raises Problem."""
    named = _named(access, asked)
    if named is not None and _number(named) != key.workspace_id:
        raise _no_workspace()


async def require_operator(access: Access, asked: Asked, verb: PlatformVerb) -> Operator:
    """Who works on the installation, if they may do that: the operator's token, or a signed-in person with a platform
    role and a second factor. Raises Problem."""
    visit = visit_of(access, asked)
    if asked.bears_key:
        _require_token(access.operator_token, asked.headers.get("authorization", ""))
        return Operator(visit=visit)
    if access.operator_token is None and not asked.token:
        raise Problem("not_found", "There is nothing at this address.")
    if not asked.token:
        raise Problem("missing_api_key", "Send the operator's token as `Authorization: Bearer …`, or sign in.")
    session = await require_session(access, asked)
    async with connected(access.pool) as connection:
        role = await platform_role_of(connection, session.person_id)
    if role is None:
        # As if there were nothing: who has no business here learns nothing.
        raise Problem("not_found", "There is nothing at this address.")
    if session.second_factor_at is None:
        raise Problem("second_factor_required", "Operators sign in with a second factor.")
    if not platform_may(role, verb):
        message = f"Somebody with the role {role} may not do this ({verb})."
        raise Problem("role_not_allowed", message, facts={"role": role, "verb": verb})
    if verb in STEP_UP:
        require_fresh(access, session)
    return Operator(visit=visit, role=role, session=session)


async def _membership(access: Access, asked: Asked, session: Session, workspace_id: str | None) -> Membership:
    named = workspace_id or _named(access, asked)
    async with connected(access.pool) as connection:
        if named is not None:
            found = await membership_in(connection, session.person_id, _number(named))
            if found is None:
                raise _no_workspace()
            return found
        own = await memberships_of(connection, session.person_id)
    if not own:
        raise Problem("workspace_required", "You belong to no workspace yet; make one, or accept an invitation.")
    if len(own) > 1:
        ids = [show_short("ws", each.workspace_id) for each in own[:20]]
        message = f"You belong to several workspaces; name one in the header {_header(access)}: {', '.join(ids)}."
        raise Problem("workspace_required", message, facts={"workspaces": ids})
    return own[0]


async def _as_key(access: Access, membership: Membership) -> KeyRecord:
    """What a member may look at, in the form of an API key without limits of its own."""
    async with connected(access.pool) as connection:
        try:
            rule = (await read_rules(connection, membership.workspace_id)).effective
        except UnreadableRule:
            rule = Rule(policy=Policy(models=frozenset()))
    return KeyRecord(
        workspace_id=membership.workspace_id,
        key_id=0,
        name=membership.role,
        visible_prefix="",
        scopes=scopes_of(membership.role, frozenset(SCOPES)),
        allowed_models=None,
        expires_at=None,
        active=True,
        workspace_active=membership.is_active,
        rule=rule,
    )


def _require_token(token: str | None, sent: str) -> None:
    if token is None:
        raise Problem("not_found", "There is nothing at this address.")
    if not sent:
        raise Problem("missing_api_key", "Send the operator's token as `Authorization: Bearer …`.")
    is_bearer = sent[: len(_BEARER)].lower() == _BEARER
    # Compared whole and in constant time, whatever was sent.
    if not (hmac.compare_digest(sent[len(_BEARER) :].strip().encode(), token.encode()) and is_bearer):
        raise Problem("invalid_api_key", "This is not the operator's token.", facts={"reason": "unknown"})


def _header(access: Access) -> str:
    return f"X-{access.brand.header_prefix}-Workspace"


def _named(access: Access, asked: Asked) -> str | None:
    return asked.headers.get(_header(access).lower())


def _number(workspace_id: str) -> int:
    try:
        return read_short("ws", workspace_id)
    except IdError:
        raise _no_workspace() from None


def _no_workspace() -> Problem:
    return Problem("not_found", "You belong to no such workspace.", param="workspace_id")
