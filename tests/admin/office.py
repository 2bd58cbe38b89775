"""What operators do in tests, by their browsers."""

import re
from typing import Any, Final

import msgspec

from farebox.base.ids import show_short
from farebox.identity.people.model import Method
from farebox.identity.roles import PlatformRole
from tests.gateway import Customer, RunningGateway
from tests.people.browser import Answer
from tests.people.town import Resident, Town

# Nobody's: made up for the tests.
OPERATOR_TOKEN: Final = "operator-" + "o" * 32
_HIDDEN: Final = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


def ws(customer: Customer) -> str:
    """`ws_…`"""
    return show_short("ws", customer.workspace_id)


def hidden(page: str) -> dict[str, str]:
    """What the forms of a page carry."""
    return dict(_HIDDEN.findall(page))


class Office:
    """Operators, and what stands of them in the database."""

    def __init__(self, gateway: RunningGateway, town: Town) -> None:
        self.gateway = gateway
        self.town = town

    async def operator(self, role: PlatformRole, *, method: Method = Method.PASSKEY) -> Resident:
        """Somebody with a role, signed in; by a passkey that is a second factor, too."""
        return await self.town.person(role.capitalize(), method=method, platform=role)

    async def api(self, who: Resident, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """A request to /api/operator by a session."""
        sent: dict[str, str | None] = {name.replace("_", "-"): value for name, value in headers.items()}
        return await who.browser.request(method, f"/api/operator{path}", body=body, headers=sent)

    async def by_token(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """A request to /api/operator with the operator's token."""
        headers = {"authorization": f"Bearer {OPERATOR_TOKEN}"}
        url = f"{self.gateway.url}/api/operator{path}"
        async with self.gateway.session.request(method, url, json=body, headers=headers) as response:
            raw = await response.read()
            return response.status, msgspec.json.decode(raw) if raw else None

    async def form(self, who: Resident, path: str, **fields: str) -> Answer:
        """Send the form of a page: what it carries, and what is typed."""
        page = await who.browser.request("GET", path)
        assert page.status == 200, (page.status, page.text)
        return await who.browser.request("POST", path, form={**hidden(page.text), **fields})

    async def events(self, workspace_id: int) -> list[tuple[str, str, dict[str, Any]]]:
        """Action, actor and detail, the oldest first."""
        return await self.town.events(workspace_id)

    async def events_of(self, person_id: int) -> list[tuple[str, str, dict[str, Any]]]:
        """Action, actor and detail of events about a person, the oldest first."""
        rows = await self.gateway.rows(
            "SELECT action, actor, detail FROM audit_event WHERE person_id = %s ORDER BY event_id", person_id
        )
        return [(row[0], row[1], row[2]) for row in rows]
