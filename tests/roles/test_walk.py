"""A walk to every door of the JSON API, the console and the operators' pages, by everybody.

What must happen follows from the one table in identity/roles.py and from what each handler says that it does. Who is
refused is refused by the right code and changes nothing; for them the ids in addresses are real, so that a door which
forgot to look would do harm that is seen.
"""

import re
from typing import Any, Final

import pytest

from farebox.base.ids import show_short
from farebox.identity.people.model import show_person
from farebox.identity.roles import STEP_UP, PlatformVerb, Role, Verb
from tests.people.browser import Answer
from tests.people.town import Resident, Town
from tests.roles.crowd import KEYS, STRANGERS, SUPERADMIN, VISITORS, Crowd, Outcome, Visitor, no_such_id, outcome_of
from tests.roles.routes import Route, every_route

ROUTES: Final = every_route()
_PARAMETER: Final = re.compile(r"\{(\w+)(?::\w+)?\}")
# What counts and what nobody may change by asking in vain. Sessions: without the moment they were last seen.
_TABLES: Final = (
    "workspace", "member", "invitation", "unopened_workspace", "platform_role", "holding_wallet", "review_request",
    "person", "person_email", "person_wallet", "passkey", "totp_secret", "recovery_code", "audit_event",
    "email_challenge", "wallet_challenge", "passkey_challenge", "demo_letter", "routing_rule", "rate_limit",
    "ledger_account", "ledger_limit", "ledger_entry", "ledger_command", "call", "provider_pool", "catalog_row",
)  # fmt: skip
_WITHOUT: Final = {"api_key": "last_used_at", "person_session": "seen_at"}
_KINDS: Final = {"person_id": "person", "key_id": "key", "invitation_id": "invitation", "request_id": "request"}


class Ids:
    """What stands in an address: of a workspace and what is in it, or of nothing."""

    def __init__(self, workspace: str, **real: str) -> None:
        self._workspace = workspace
        self._real = real

    def path_of(self, route: Route) -> str:
        """The address. What it names in the workspace is there where it must not be touched, and else is nothing's."""
        return _PARAMETER.sub(lambda found: self._value(found[1]), route.path)

    def _value(self, name: str) -> str:
        if name in ("workspace", "workspace_id"):
            return self._workspace
        return self._real.get(name) or no_such_id(_KINDS.get(name, "thing"))


async def _ask(visitor: Visitor, route: Route, ids: Ids, workspace: str, **headers: str | None) -> Answer:
    sent: dict[str, str | None] = {"x-farebox-workspace": workspace, **visitor.headers, **headers}
    body: Any = None if route.is_safe or route.is_page else {}
    form = {"none": "none"} if route.is_page and not route.is_safe else None
    return await visitor.browser.request(route.method, ids.path_of(route), body=body, form=form, headers=sent)


async def _snapshot(town: Town) -> dict[str, Any]:
    """A checksum of each table's rows."""
    columns = {**dict.fromkeys(_TABLES, ""), **_WITHOUT}
    parts = " UNION ALL ".join(
        f"SELECT '{table}', coalesce(md5(string_agg(row::text, ',' ORDER BY row::text)), '') "
        f"FROM (SELECT to_jsonb(t) - '{without}' AS row FROM {table} t) rows"
        for table, without in columns.items()
    )
    return dict(await town.gateway.rows(parts))


async def _real_ids(crowd: Crowd, workspace_id: int, key_id: int, resident: Resident) -> Ids:
    """Ids of what is in a workspace: a key, a member, an invitation, a request."""
    invitation_id, request_id = workspace_id ^ 1 | 1, workspace_id ^ 2 | 1
    await crowd.town.run(
        "INSERT INTO invitation (workspace_id, invitation_id, email, role, token_hash, invited_by, created_at,"
        " expires_at) VALUES (%s, %s, 'somebody@example.com', 'viewer', sha256(%s::text::bytea), 'operator', 1,"
        " 9000000000000000) ON CONFLICT DO NOTHING",
        workspace_id,
        invitation_id,
        str(workspace_id),
    )
    await crowd.town.run(
        "INSERT INTO review_request (request_id, workspace_id, kind, title, detail, created_at, created_by)"
        " VALUES (%s, %s, 'purchase', 'More', '{}', 1, 'test') ON CONFLICT DO NOTHING",
        request_id,
        workspace_id,
    )
    return Ids(
        show_short("ws", workspace_id),
        key_id=show_short("key", key_id),
        person_id=show_person(resident.person_id),
        invitation_id=show_short("invitation", invitation_id),
        request_id=show_short("request", request_id),
    )


async def _ids_of_own(crowd: Crowd) -> Ids:
    viewer = crowd.members[Role.VIEWER]
    return await _real_ids(crowd, crowd.own.workspace_id, crowd.own.key.record.key_id, viewer)


async def _changes(crowd: Crowd, before: dict[str, Any]) -> list[str]:
    after = await _snapshot(crowd.town)
    return [f"{table} changed" for table in after if after[table] != before[table]]


async def _walk(crowd: Crowd, visitor: Visitor, ids: Ids, *, workspace: str) -> list[str]:
    """Ask at every door; what was not as it must be."""
    wrong = []
    before = await _snapshot(crowd.town)
    for route in (route for route in ROUTES if visitor.expects(route) is not Outcome.ALLOWED):
        found = outcome_of(route, await _ask(visitor, route, ids, workspace))
        if found is not _as_shown(route, visitor.expects(route)):
            wrong.append(f"{visitor} at {route}: {found}, and not {visitor.expects(route)}")
    wrong += [f"{visitor} was refused: {change}" for change in await _changes(crowd, before)]
    return wrong


def _as_shown(route: Route, expected: Outcome) -> Outcome:
    """A page sends whoever has no key to the sign-in, like everybody who has not signed in."""
    return Outcome.NOT_SIGNED_IN if route.is_page and expected is Outcome.NO_KEY else expected


async def _enter(crowd: Crowd, visitor: Visitor) -> list[str]:
    """Ask at the doors that must open, for what is there and for what is not; what stayed shut."""
    wrong = []
    for route in ROUTES:
        if visitor.expects(route) is not Outcome.ALLOWED:
            continue
        target = crowd.target if isinstance(route.verb, PlatformVerb) else crowd.own
        workspace = show_short("ws", target.workspace_id)
        # Once more, because the door before may have signed them out or let them leave.
        await _renew(visitor)
        answer = await _ask(visitor, route, Ids(workspace), workspace)
        found = outcome_of(route, answer)
        # Of one's own memberships one may ask for any, also for one that one has not.
        if found is not Outcome.ALLOWED and not (route.is_for_people and found is Outcome.NO_WORKSPACE):
            wrong.append(f"{visitor} at {route}: {found}, and not allowed ({answer.status})")
    return wrong


async def _renew(visitor: Visitor) -> None:
    if visitor.renew is not None:
        await visitor.renew()


@pytest.mark.parametrize("name", VISITORS)
async def test_everybody_is_let_in_where_they_may_and_refused_where_they_may_not(crowd: Crowd, name: str) -> None:
    own, ids = show_short("ws", crowd.own.workspace_id), await _ids_of_own(crowd)
    visitor = crowd.visitors[name]
    await _renew(visitor)
    wrong = await _walk(crowd, visitor, ids, workspace=own)
    wrong += await _enter(crowd, visitor)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", STRANGERS)
async def test_who_has_no_business_in_a_workspace_finds_every_door_shut(crowd: Crowd, name: str) -> None:
    own, ids = show_short("ws", crowd.own.workspace_id), await _ids_of_own(crowd)
    wrong = await _walk(crowd, crowd.visitors[name], ids, workspace=own)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", [*Role, *KEYS])
async def test_the_id_of_a_foreign_workspace_is_that_of_none(crowd: Crowd, name: str) -> None:
    """For members and keys of another workspace alike, whatever they may do in their own."""
    visitor, theirs = crowd.visitors[name], show_short("ws", crowd.foreign.workspace_id)
    ids = await _real_ids(crowd, crowd.foreign.workspace_id, crowd.foreign.key.record.key_id, crowd.members[Role.OWNER])
    await _renew(visitor)
    wrong = []
    before = await _snapshot(crowd.town)
    for route in ROUTES:
        if isinstance(route.verb, Verb):
            expected = visitor.expects(route)
            # Members are refused for the workspace, whatever their role; a key maybe for what it may do nowhere.
            refused = {Outcome.NO_WORKSPACE} if name in list(Role) else {Outcome.NO_WORKSPACE, expected}
            found = outcome_of(route, await _ask(visitor, route, ids, theirs))
            if found is Outcome.ALLOWED or found not in refused:
                wrong.append(f"{visitor} at {route} of a foreign workspace: {found}")
    wrong += await _changes(crowd, before)
    assert not wrong, "\n".join(wrong)


async def test_ids_of_what_is_in_a_foreign_workspace_lead_nowhere(crowd: Crowd) -> None:
    """The owner, in their own workspace, with ids of keys, members and invitations of another."""
    own = show_short("ws", crowd.own.workspace_id)
    foreign = crowd.foreign
    outsider = await crowd.town.person("foreign member")
    await crowd.town.join(foreign.workspace_id, outsider, Role.DEVELOPER)
    theirs = await _real_ids(crowd, foreign.workspace_id, foreign.key.record.key_id, outsider)
    ids = Ids(own, **theirs._real)
    owner = crowd.visitors[Role.OWNER]
    await _renew(owner)
    wrong = []
    for route in ROUTES:
        named = {name for name in _PARAMETER.findall(route.path) if name in theirs._real}
        if not isinstance(route.verb, Verb) or not named:
            continue
        before = await _snapshot(crowd.town)
        answer = await _ask(owner, route, ids, own)
        # Pages answer an unknown id with a page; those that read the form first may refuse that.
        if answer.status not in (400, 404) and not (route.is_page and not route.is_safe):
            wrong.append(f"{route}: {answer.status}")
        wrong += [f"{route}: {change}" for change in await _changes(crowd, before)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", [Role.OWNER, SUPERADMIN])
async def test_what_is_delicate_wants_a_fresh_proof_at_every_door(crowd: Crowd, name: str) -> None:
    own, ids = show_short("ws", crowd.own.workspace_id), await _ids_of_own(crowd)
    visitor = crowd.visitors[name]
    await _renew(visitor)
    await crowd.town.run("UPDATE person_session SET proved_at = proved_at - 86400000000")
    wrong = []
    before = await _snapshot(crowd.town)
    for route in ROUTES:
        if visitor.expects(route) is Outcome.ALLOWED and (route.is_fresh or route.verb in STEP_UP):
            found = outcome_of(route, await _ask(visitor, route, ids, own))
            if found is not Outcome.STEP_UP:
                wrong.append(f"{visitor} at {route}: {found}")
    wrong += await _changes(crowd, before)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "https://evil.example", "sec-fetch-site": None},
        {"origin": "null", "sec-fetch-site": None},
        {"origin": None, "sec-fetch-site": "same-site"},
        {"origin": None, "sec-fetch-site": None},
    ],
    ids=["another site", "origin alone", "no origin to tell", "a neighbour's page", "nothing said"],
)
async def test_no_door_believes_a_cookie_from_another_sites_page(crowd: Crowd, headers: dict[str, str | None]) -> None:
    """What changes something, signing in and out among it."""
    own, ids = show_short("ws", crowd.own.workspace_id), await _ids_of_own(crowd)
    owner, superadmin = crowd.visitors[Role.OWNER], crowd.visitors[SUPERADMIN]
    await _renew(owner)
    await _renew(superadmin)
    wrong = []
    before = await _snapshot(crowd.town)
    for route in ROUTES:
        if not route.is_safe:
            visitor = superadmin if isinstance(route.verb, PlatformVerb) else owner
            found = outcome_of(route, await _ask(visitor, route, ids, own, **headers))
            if found is not Outcome.CROSS_SITE:
                wrong.append(f"{route}: {found}")
    wrong += await _changes(crowd, before)
    assert not wrong, "\n".join(wrong)


async def test_signing_in_is_not_started_by_another_sites_page(crowd: Crowd) -> None:
    """Without a cookie, too: nobody is signed in as somebody else by a link."""
    nobody = crowd.visitors["nobody"]
    cross = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    own = show_short("ws", crowd.own.workspace_id)
    wrong = []
    for route in ROUTES:
        if not route.is_safe and route.is_open:
            found = outcome_of(route, await _ask(nobody, route, Ids(own), own, **cross))
            if found is not Outcome.CROSS_SITE:
                wrong.append(f"{route}: {found}")
    assert not wrong, "\n".join(wrong)


async def test_the_description_of_the_api_and_the_walk_know_the_same_doors(crowd: Crowd) -> None:
    document = await crowd.visitors["nobody"].browser.get("/api/openapi.json")
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    walked = {(route.method, re.sub(r":\w+\}", "}", route.path)) for route in ROUTES if not route.is_page}
    walked = {(method, path) for method, path in walked if method != "HEAD"}
    assert described <= walked
    # What is not described is not for customers: health and figures.
    assert {path for _, path in walked - described} <= {"/healthz", "/readyz", "/metrics"}
