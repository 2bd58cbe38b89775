"""People who are signed in already, for tests that are about something else: their rows are made as signing in makes
them, and their browsers bear the token.

    anna = await town.person("Anna")
    acme = await town.workspace(owner=anna, viewer=ben)
    await anna.browser.get("/api/members")
"""

import contextlib
import itertools
from typing import Any, Final

import msgspec

from farebox.base.ids import random_id, show_short
from farebox.identity.model import Kind
from farebox.identity.people.model import Method, Visit, show_person
from farebox.identity.people.sessions import SessionTimes, open_session
from farebox.identity.people.store import create_person
from farebox.identity.roles import PlatformRole, Role
from farebox.identity.store import create_workspace
from farebox.identity.team.members import add_member
from farebox.ledger.commands import OpenBook
from tests.gateway import RunningGateway
from tests.people.browser import Answer, Browser

_NUMBERS = itertools.count(1)
_TIMES: Final = SessionTimes(idle_seconds=604_800, absolute_seconds=2_592_000)
STALE_MICROS: Final = 24 * 3_600 * 1_000_000


class Resident(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is signed in by a browser."""

    person_id: int
    name: str
    email: str
    browser: Browser

    @property
    def shown(self) -> str:
        return show_person(self.person_id)

    async def in_workspace(self, workspace_id: int, method: str, path: str, body: Any = None) -> Answer:
        """A request about that workspace."""
        headers: dict[str, str | None] = {"x-farebox-workspace": show_short("ws", workspace_id)}
        return await self.browser.request(method, path, body=body, headers=headers)


class Town:
    """Makes people and workspaces."""

    def __init__(self, gateway: RunningGateway, stack: contextlib.AsyncExitStack) -> None:
        self.gateway = gateway
        self._stack = stack

    async def person(
        self, name: str = "", *, method: Method = Method.EMAIL, email: str = "", platform: PlatformRole | None = None
    ) -> Resident:
        """A new person with an address of their own. `method`: by what they signed in; a passkey is a second factor."""
        email = email or f"somebody{next(_NUMBERS)}@example.com"
        now_micros = self.gateway.clock()
        async with self.gateway.connect() as connection, connection.transaction():
            person = await create_person(connection, now_micros=now_micros, name=name)
            await connection.execute(
                "INSERT INTO person_email (email_id, person_id, email, linked_at) VALUES (%s, %s, %s, %s)",
                (random_id(), person.person_id, email, now_micros),
            )
            if platform is not None:
                await connection.execute(
                    "INSERT INTO platform_role (person_id, role, granted_at, granted_by) VALUES (%s, %s, %s, 'test')",
                    (person.person_id, platform, now_micros),
                )
        browser = await self._stack.enter_async_context(Browser(self.gateway))
        resident = Resident(person_id=person.person_id, name=name, email=email, browser=browser)
        await self.sign_in(resident, method=method)
        return resident

    async def sign_in(self, resident: Resident, *, method: Method = Method.EMAIL) -> None:
        """Give the browser a new session."""
        async with self.gateway.connect() as connection, connection.transaction():
            opened = await open_session(
                connection,
                resident.person_id,
                method=method,
                visit=Visit("192.0.2.1", "test"),
                times=_TIMES,
                now_micros=self.gateway.clock(),
            )
        resident.browser.cookie = opened.token

    async def grow_stale(self, resident: Resident) -> None:
        """As if the newest proof were a day old."""
        await self.run(
            "UPDATE person_session SET proved_at = proved_at - %s, second_factor_at = second_factor_at - %s"
            " WHERE person_id = %s",
            STALE_MICROS,
            STALE_MICROS,
            resident.person_id,
        )

    async def workspace(self, name: str = "Acme", **members: Resident) -> int:
        """A new workspace with a book, and these members by role."""
        async with self.gateway.connect() as connection:
            made = await create_workspace(connection, name, kind=Kind.CUSTOMER, now_micros=self.gateway.clock())
        await self.gateway.command(OpenBook, workspace_id=made.workspace_id)
        for role, resident in members.items():
            await self.join(made.workspace_id, resident, Role(role))
        return made.workspace_id

    async def join(self, workspace_id: int, resident: Resident, role: Role) -> None:
        """Make somebody a member without asking anybody."""
        async with self.gateway.connect() as connection:
            await add_member(
                connection,
                workspace_id,
                resident.person_id,
                role=role,
                added_by="test",
                now_micros=self.gateway.clock(),
            )

    async def roles(self, workspace_id: int) -> dict[int, Role]:
        """Who is what, by person id."""
        rows = await self.gateway.rows("SELECT person_id, role FROM member WHERE workspace_id = %s", workspace_id)
        return {row[0]: Role(row[1]) for row in rows}

    async def events(self, workspace_id: int) -> list[tuple[str, str, dict[str, Any]]]:
        """Action, actor and detail of each event of a workspace, the oldest first."""
        rows = await self.gateway.rows(
            "SELECT action, actor, detail FROM audit_event WHERE workspace_id = %s ORDER BY event_id", workspace_id
        )
        return [(row[0], row[1], row[2]) for row in rows]

    async def actions(self, workspace_id: int) -> list[str]:
        """What happened in a workspace, the oldest first."""
        return [action for action, _, _ in await self.events(workspace_id)]

    async def run(self, statement: str, *parameters: Any) -> None:
        """Change rows behind the gateway's back."""
        async with self.gateway.connect() as connection:
            await connection.execute(statement.encode(), parameters)
