"""Who asks in the fuzz, and the ids of what is there for them."""

from typing import Any, Final

import msgspec

from farebox.base.ids import show_short
from farebox.identity.people.model import Method
from farebox.identity.roles import PlatformRole, Role
from tests.gateway import Customer, RunningGateway
from tests.people.browser import COOKIE
from tests.people.town import Resident, Town

# Nobody's: made up for the tests.
OPERATOR_TOKEN: Final = "operator-" + "f" * 32


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """`headers`: what they come with; `ids`: of what their addresses can name, by the names of parameters. `scheme`: as
    what they come; `is_operator`: to the whole installation."""

    name: str
    scheme: str = ""
    is_operator: bool = False
    headers: dict[str, str] = {}
    ids: dict[str, str] = {}

    def is_at_home(self, operation: dict[str, Any]) -> bool:
        """Whether it may be done by such as them: there much is asked, elsewhere once."""
        schemes = {name for one in operation.get("security", []) for name in one}
        return self.scheme in schemes and ("operator" in schemes) == self.is_operator


async def nobody(town: Town) -> Asker:
    """Comes with nothing."""
    return Asker(name="nobody", ids=await _ids(town, await town.gateway.new_customer()))


async def stranger(town: Town) -> Asker:
    """Comes from our own pages, with a cookie that was never given out."""
    headers = {"cookie": f"{COOKIE}={'x' * 43}", "origin": town.gateway.site, "sec-fetch-site": "same-origin"}
    return Asker(name="stranger", headers=headers, ids=await _ids(town, await town.gateway.new_customer()))


async def key(town: Town) -> Asker:
    """An API key with all scopes."""
    customer = await town.gateway.new_customer()
    return Asker(name="key", scheme="key", headers=customer.headers, ids=await _ids(town, customer))


async def owner(town: Town) -> Asker:
    """The owner of a workspace, signed in just now."""
    customer = await town.gateway.new_customer()
    anna = await town.person("Anna")
    await town.join(customer.workspace_id, anna, Role.OWNER)
    return Asker(name="owner", scheme="session", headers=_browser(town.gateway, anna), ids=await _ids(town, customer))


async def token(town: Town) -> Asker:
    """The operator's token."""
    headers = {"authorization": f"Bearer {OPERATOR_TOKEN}"}
    return Asker(
        name="token",
        scheme="operator",
        is_operator=True,
        headers=headers,
        ids=await _ids(town, await town.gateway.new_customer()),
    )


async def superadmin(town: Town) -> Asker:
    """A person who may do everything to the installation, and belongs to no workspace."""
    anna = await town.person("Anna", method=Method.PASSKEY, platform=PlatformRole.SUPERADMIN)
    ids = await _ids(town, await town.gateway.new_customer())
    return Asker(name="superadmin", scheme="session", is_operator=True, headers=_browser(town.gateway, anna), ids=ids)


ASKERS: Final = (nobody, stranger, key, owner, token, superadmin)


def _browser(gateway: RunningGateway, somebody: Resident) -> dict[str, str]:
    return {
        "cookie": f"{COOKIE}={somebody.browser.cookie}",
        "origin": gateway.site,
        "sec-fetch-site": "same-origin",
    }


async def _ids(town: Town, customer: Customer) -> dict[str, str]:
    """A key, a member, an invitation and so on of a workspace; what is not here is made up."""
    other = await customer.new_key()
    anna, ben = await town.person("Anna"), await town.person("Ben")
    await town.join(customer.workspace_id, anna, Role.ADMIN)
    await town.join(customer.workspace_id, ben, Role.VIEWER)
    invitation = await anna.browser.post("/api/invitations", {"email": f"zoe.{ben.email}", "role": "viewer"})
    async with customer.chat() as response:
        call_id = response.headers["x-farebox-call-id"]
    return {
        "key_id": show_short("key", other.record.key_id),
        "person_id": ben.shown,
        "workspace_id": show_short("ws", customer.workspace_id),
        "call_id": call_id,
        "invitation_id": invitation["invitation_id"],
    }


def described_codes(response: dict[str, Any]) -> set[str]:
    """The codes that a description names for a status."""
    media = response.get("content", {}).get("application/json", {})
    return {example["value"]["error"]["code"] for example in media.get("examples", {}).values()}
