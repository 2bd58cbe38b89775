"""Everybody who may stand at a door, and what the one table of identity/roles.py lets each of them do."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final

import msgspec

from farebox.base.ids import random_id, show_short
from farebox.identity.model import SCOPES
from farebox.identity.people.model import Method
from farebox.identity.roles import KEY_SCOPES, MAY, PLATFORM_MAY, PlatformRole, PlatformVerb, Role, Verb
from tests.gateway import Customer
from tests.people.browser import Answer, Browser
from tests.people.town import Resident, Town
from tests.roles.routes import Route

OPERATOR_TOKEN: Final = "walk-around-operator-token-0123456789abcdef"


KEYS: Final[dict[str, tuple[str, ...]]] = {
    "key with everything": SCOPES,
    "key for calls": ("chat.completions", "models.read"),
    "key that reads usage": ("usage.read",),
    "key that manages keys": ("keys.manage",),
}
SUPERADMIN: Final = "superadmin with a second factor"
VISITORS: Final = (
    *(str(role) for role in Role),
    *KEYS,
    *(f"{role} {has} a second factor" for role in PlatformRole for has in ("with", "without")),
    "operator's token",
)
STRANGERS: Final = (
    "nobody",
    "ended session",
    "pending session",
    "signed-in stranger",
    "removed member",
    "owner of another workspace",
    "unknown key",
)


# What a program needs in order to call at all: any key may ask, whatever its scopes.
ANY_KEY: Final = frozenset({"GET /api/balance", "POST /api/estimate", "GET /api/route/explain", "GET /api/routes"})
# Whoever manages keys sees what each of them used, and nothing else of the usage.
MANAGERS_SEE: Final = frozenset({"GET /api/keys/usage"})


class Outcome(StrEnum):
    """What a door does, told by its answer."""

    ALLOWED = "allowed"
    NO_KEY = "missing_api_key"
    BAD_KEY = "invalid_api_key"
    NO_SCOPE = "insufficient_scope"
    NOT_SIGNED_IN = "not_signed_in"
    SECOND_FACTOR = "second_factor_required"
    STEP_UP = "step_up_required"
    ROLE = "role_not_allowed"
    NO_WORKSPACE = "no such workspace"
    NOTHING_HERE = "nothing here"
    CROSS_SITE = "cross_site_request"


_NO_WORKSPACE: Final = "You belong to no such workspace."
_NOTHING_HERE: Final = "There is nothing at this address."
# Pages send who may not look to where that can be mended.
_SENT_TO: Final = {
    "/sign-in": Outcome.NOT_SIGNED_IN,
    "/sign-in/second-factor": Outcome.SECOND_FACTOR,
    "/step-up": Outcome.STEP_UP,
}


def outcome_of(route: Route, answer: Answer) -> Outcome:
    """What an answer says of who asked; whatever else it says, they were let in."""
    assert answer.status < 500 or answer.status == 503, f"{route}: {answer.status} {answer.text[:300]}"
    if route.is_page:
        return _of_page(answer)
    if answer.status not in (401, 403, 404):
        return Outcome.ALLOWED
    error = answer.json["error"]
    if answer.status == 404:
        return _of_message(error["message"])
    code = error["code"]
    return Outcome(code) if code in list(Outcome) else Outcome.ALLOWED


def _of_page(answer: Answer) -> Outcome:
    if answer.status == 303 and "?next=" in answer.location:
        return _SENT_TO.get(answer.location.partition("?")[0], Outcome.ALLOWED)
    if answer.status == 404:
        return _of_message(answer.text)
    if answer.status in (401, 403):
        shown = (outcome for outcome in Outcome if f"<code>{outcome}</code>" in answer.text)
        return next(shown, Outcome.ALLOWED)  # a wrong code of a sign-in: whoever gave it might
    return Outcome.ALLOWED


def _of_message(text: str) -> Outcome:
    if _NO_WORKSPACE in text:
        return Outcome.NO_WORKSPACE
    return Outcome.NOTHING_HERE if _NOTHING_HERE in text else Outcome.ALLOWED


class Visitor(msgspec.Struct, kw_only=True):
    """Somebody at the doors. `expects`: what each door must do; `renew`: makes them what they are once more, after a
    door that let them in has changed them."""

    name: str
    browser: Browser
    expects: Callable[[Route], Outcome]
    headers: dict[str, str | None] = {}
    renew: Callable[[], Awaitable[None]] | None = None

    def __str__(self) -> str:
        return self.name


class Crowd(msgspec.Struct, kw_only=True):
    """Who is there. `own_id`: the workspace of the members; `foreign_id`: of somebody else; both have keys."""

    town: Town
    own: Customer
    foreign: Customer
    target: Customer
    members: dict[Role, Resident]
    visitors: dict[str, Visitor]


async def gather_crowd(town: Town) -> Crowd:
    """People, keys and operators. All ask about `own`; STRANGERS have no business there."""
    own, foreign, target = [await town.gateway.new_customer(name=name) for name in ("Own", "Foreign", "Target")]
    members = {role: await town.person(role) for role in Role}
    for role, resident in members.items():
        await town.join(own.workspace_id, resident, role)
    visitors = [_member(town, own.workspace_id, resident, role) for role, resident in members.items()]
    visitors += [await _key(town, own, name) for name in KEYS]
    visitors += [await _operator(town, role, has_factor=has) for role in PlatformRole for has in (True, False)]
    visitors.append(await _bearer(town, "operator's token", OPERATOR_TOKEN, _expect_token))
    visitors += await _strangers(town, own, foreign)
    by_name = {visitor.name: visitor for visitor in visitors}
    assert list(by_name) == [*VISITORS, *STRANGERS]
    return Crowd(town=town, own=own, foreign=foreign, target=target, members=members, visitors=by_name)


async def _strangers(town: Town, own: Customer, foreign: Customer) -> list[Visitor]:
    stranger, outsider = await town.person("stranger"), await town.person("outsider", method=Method.PASSKEY)
    await town.join(foreign.workspace_id, outsider, Role.OWNER)
    pending = await town.person("pending")
    await town.join(own.workspace_id, pending, Role.ADMIN)
    await town.run(
        "INSERT INTO totp_secret (person_id, sealed, created_at, confirmed_at) VALUES (%s, '\\x00', 1, 1)",
        pending.person_id,
    )
    await town.sign_in(pending)
    removed = await town.person("removed")
    ended = await town.person("ended")
    await town.run("UPDATE person_session SET state = 'ended', ended_at = 1 WHERE person_id = %s", ended.person_id)
    nobody = await town.person("nobody")
    nobody.browser.cookie = ""
    return [
        Visitor(name="nobody", browser=nobody.browser, expects=_expect_nobody),
        Visitor(name="ended session", browser=ended.browser, expects=_expect_ended),
        Visitor(name="pending session", browser=pending.browser, expects=_expect_pending),
        _person(town, "signed-in stranger", stranger, _expect_outsider),
        _person(town, "removed member", removed, _expect_outsider),
        _person(town, "owner of another workspace", outsider, _expect_outsider),
        await _bearer(town, "unknown key", "fbx_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH", _expect_bad_key),
    ]


# ── who they are ──────────────────────────────────────────────────────────────────────────────────────────────────


def _person(town: Town, name: str, resident: Resident, expects: Callable[[Route], Outcome]) -> Visitor:
    async def renew() -> None:
        await town.sign_in(resident)

    return Visitor(name=name, browser=resident.browser, expects=expects, renew=renew)


def _member(town: Town, workspace_id: int, resident: Resident, role: Role) -> Visitor:
    async def renew() -> None:
        await town.join(workspace_id, resident, role)
        await town.sign_in(resident)

    def expects(route: Route) -> Outcome:
        if isinstance(route.verb, PlatformVerb):
            return Outcome.NOTHING_HERE
        if isinstance(route.verb, Verb) and route.verb not in MAY[role]:
            return Outcome.ROLE
        return Outcome.ALLOWED

    return Visitor(name=str(role), browser=resident.browser, expects=expects, renew=renew)


async def _key(town: Town, customer: Customer, name: str) -> Visitor:
    scopes = KEYS[name]

    def expects(route: Route) -> Outcome:
        if isinstance(route.verb, PlatformVerb):
            return Outcome.BAD_KEY
        if route.is_for_people:
            return Outcome.NOT_SIGNED_IN
        if isinstance(route.verb, Verb):
            # A key is good for what its scopes say, and for what is no person's alone.
            does = KEY_SCOPES.get(route.verb) in scopes or str(route) in ANY_KEY
            sees = str(route) in MANAGERS_SEE and KEY_SCOPES[Verb.KEYS_READ] in scopes
            return Outcome.ALLOWED if does or sees else Outcome.NO_SCOPE
        return Outcome.ALLOWED

    key = await customer.new_key(scopes=frozenset(scopes))
    return await _bearer(town, name, key.secret, expects)


async def _operator(town: Town, role: PlatformRole, *, has_factor: bool) -> Visitor:
    method = Method.PASSKEY if has_factor else Method.EMAIL
    resident = await town.person(role, method=method, platform=role)

    async def renew() -> None:
        await town.sign_in(resident, method=method)

    def expects(route: Route) -> Outcome:
        if isinstance(route.verb, PlatformVerb):
            if not has_factor:
                return Outcome.SECOND_FACTOR
            return Outcome.ALLOWED if route.verb in PLATFORM_MAY[role] else Outcome.ROLE
        return Outcome.NO_WORKSPACE if isinstance(route.verb, Verb) else Outcome.ALLOWED

    name = f"{role} {'with' if has_factor else 'without'} a second factor"
    return Visitor(name=name, browser=resident.browser, expects=expects, renew=renew)


async def _bearer(town: Town, name: str, secret: str, expects: Callable[[Route], Outcome]) -> Visitor:
    resident = await town.person(name)
    resident.browser.cookie = ""
    headers: dict[str, str | None] = {"authorization": f"Bearer {secret}"}

    def expected(route: Route) -> Outcome:
        # Pages are for people: there a key counts for nothing.
        return expects(route) if not route.is_page or route.is_open else Outcome.NOT_SIGNED_IN

    return Visitor(name=name, browser=resident.browser, headers=headers, expects=expected)


# ── what they expect ──────────────────────────────────────────────────────────────────────────────────────────────


def _expect_nobody(route: Route) -> Outcome:
    if route.is_open:
        return Outcome.ALLOWED
    if route.is_page or route.is_for_people:
        return Outcome.NOT_SIGNED_IN
    return Outcome.NO_KEY


def _expect_ended(route: Route) -> Outcome:
    return Outcome.ALLOWED if route.is_open else Outcome.NOT_SIGNED_IN


def _expect_pending(route: Route) -> Outcome:
    if route.is_open or (route.is_for_people and route.opt.get("pending")):
        return Outcome.ALLOWED
    return Outcome.SECOND_FACTOR


def _expect_outsider(route: Route) -> Outcome:
    if isinstance(route.verb, PlatformVerb):
        return Outcome.NOTHING_HERE
    return Outcome.NO_WORKSPACE if isinstance(route.verb, Verb) else Outcome.ALLOWED


def _expect_token(route: Route) -> Outcome:
    if route.is_for_people:
        return Outcome.NOT_SIGNED_IN
    return Outcome.BAD_KEY if isinstance(route.verb, Verb) else Outcome.ALLOWED


def _expect_bad_key(route: Route) -> Outcome:
    if route.is_for_people:
        return Outcome.NOT_SIGNED_IN
    return Outcome.ALLOWED if route.is_open else Outcome.BAD_KEY


def no_such_id(kind: str) -> str:
    """An id that is nothing's."""
    return show_short(kind, random_id())
