"""/api/me: the account of whoever is signed in: their name, their ways in, what happened to it."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Response, delete, get, patch
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.params import FromPath, QueryParameter

from farebox.access.account import Account, read_account, rename, unlink_email, unlink_passkey, unlink_wallet
from farebox.access.depend import TheAccess, TheSession, TheVisit
from farebox.api.bodies import fields_of, read_text, refuse
from farebox.api.depend import AnyRequest
from farebox.api.describe import SIGNED_IN, SIGNED_IN_ERRORS, answers, taking
from farebox.api.events import EventList, filtered_events
from farebox.api.filters import Query
from farebox.api.shapes import moment
from farebox.base.clock import rfc3339
from farebox.base.ids import show_short
from farebox.identity.audit import ACTIONS, EventFilter
from farebox.identity.people.ethereum import checksummed
from farebox.identity.people.model import MAX_NAME_CHARS, show_person
from farebox.identity.people.ways import LinkedPasskey, LinkedWallet
from farebox.identity.roles import PlatformRole, Role

# A name of MAX_NAME_CHARS, each written as an escape.
MAX_BODY_BYTES: Final = 4_000
_TAGS: Final = ["me"]
_PARAMETERS: Final = frozenset({"action", "cursor", "limit"})
_UNLINK: Final = SIGNED_IN_ERRORS.fresh()
_LAST: Final = "This is your last way to sign in. Link another one before you unlink it."

Text = str | None


class EmailShape(msgspec.Struct, frozen=True, kw_only=True):
    """An address that signs in."""

    email_id: str
    email: str
    linked_at: str


class WalletShape(msgspec.Struct, frozen=True, kw_only=True):
    """A wallet that signs in. `chain_id`: of a contract, which may be somebody else's on another chain; else null."""

    wallet_id: str
    address: str
    chain_id: int | None
    name: str
    linked_at: str
    last_used_at: str | None


class PasskeyShape(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey. `backed_up`: a service keeps it too, and not one device alone."""

    passkey_id: str
    name: str
    backed_up: bool
    linked_at: str
    last_used_at: str | None


class OwnWorkspaceShape(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace that one belongs to, and as what."""

    workspace_id: str
    name: str
    role: Role
    active: bool


class AccountShape(msgspec.Struct, frozen=True, kw_only=True):
    """An account. `recovery_codes_left`: those that were not used; 0 without an authenticator app."""

    person_id: str
    name: str
    created_at: str
    emails: list[EmailShape]
    wallets: list[WalletShape]
    passkeys: list[PasskeyShape]
    totp: bool
    recovery_codes_left: int
    workspaces: list[OwnWorkspaceShape]
    platform_role: PlatformRole | None
    object: str = "account"


@get("/api/me", summary="One's own account", security=SIGNED_IN, responses=SIGNED_IN_ERRORS, tags=_TAGS)
async def show_me(access: TheAccess, session: TheSession) -> AccountShape:
    """Name, ways to sign in, second factor, workspaces."""
    return _account(await read_account(access, session))


@patch(
    "/api/me",
    summary="Change one's name",
    security=SIGNED_IN,
    opt={"session": True},
    responses=answers(
        AccountShape,
        "The account as it is now",
        errors=SIGNED_IN_ERRORS.with_body().plus(invalid_request="name is a text of 0 to 100 printable characters."),
    ),
    operation_class=taking(
        "What to change",
        {"name": Schema(type=OpenAPIType.STRING, description="What others see; empty: nothing", max_length=100)},
        required=("name",),
        example={"name": "Anna"},
    ),
    request_max_body_size=MAX_BODY_BYTES,
    tags=_TAGS,
)
async def change_me(request: AnyRequest, access: TheAccess, session: TheSession, visit: TheVisit) -> Response[Any]:
    """Members of one's workspaces see it."""
    fields = fields_of(await request.body(), ("name",))
    if "name" not in fields:
        raise refuse("name", "is missing")
    await rename(access, session, read_text(fields["name"], "name", least=0, most=MAX_NAME_CHARS), visit=visit)
    return Response(_account(await read_account(access, session)))


@delete(
    "/api/me/emails/{email_id:str}",
    summary="Unlink an e-mail address",
    security=SIGNED_IN,
    opt={"fresh": True},
    responses=_UNLINK.plus(not_found="You have no such e-mail address.", conflict=_LAST),
    status_code=204,
    tags=_TAGS,
)
async def drop_email(access: TheAccess, session: TheSession, visit: TheVisit, email_id: FromPath[str]) -> None:
    """It signs in no more. All of one's addresses are told."""
    await unlink_email(access, session, email_id, visit=visit)


@delete(
    "/api/me/wallets/{wallet_id:str}",
    summary="Unlink a wallet",
    security=SIGNED_IN,
    opt={"fresh": True},
    responses=_UNLINK.plus(not_found="You have no such wallet.", conflict=_LAST),
    status_code=204,
    tags=_TAGS,
)
async def drop_wallet(access: TheAccess, session: TheSession, visit: TheVisit, wallet_id: FromPath[str]) -> None:
    """It signs in no more. All of one's addresses are told."""
    await unlink_wallet(access, session, wallet_id, visit=visit)


@delete(
    "/api/me/passkeys/{passkey_id:str}",
    summary="Unlink a passkey",
    security=SIGNED_IN,
    opt={"fresh": True},
    responses=_UNLINK.plus(not_found="You have no such passkey.", conflict=_LAST),
    status_code=204,
    tags=_TAGS,
)
async def drop_passkey(access: TheAccess, session: TheSession, visit: TheVisit, passkey_id: FromPath[str]) -> None:
    """It signs in no more. All of one's addresses are told. An operator keeps a second factor."""
    await unlink_passkey(access, session, passkey_id, visit=visit)


@get(
    "/api/me/events",
    summary="What happened to one's account, newest first",
    security=SIGNED_IN,
    responses=answers(EventList, "A page", errors=SIGNED_IN_ERRORS),
    tags=_TAGS,
)
async def show_own_events(
    request: AnyRequest,
    access: TheAccess,
    session: TheSession,
    *,
    action: Annotated[Text, QueryParameter(description="Only this action, like `sign_in.failed`")] = None,
    cursor: Annotated[Text, QueryParameter(description="`next_cursor` of the page before")] = None,
    limit: Annotated[Text, QueryParameter(description="Lines of a page, 1 to 500, default 50")] = None,
) -> Response[Any]:
    """Signing in and failing to, sessions, ways in and roles, and what one did oneself."""
    del action, cursor, limit
    query = Query(request, _PARAMETERS)
    action_asked = query.choice("action", tuple(ACTIONS))
    wanted = EventFilter(person_id=session.person_id, action=action_asked, for_person=True)
    return Response(await filtered_events(access, wanted, query))


def _account(account: Account) -> AccountShape:
    return AccountShape(
        person_id=show_person(account.person.person_id),
        name=account.person.name,
        created_at=rfc3339(account.person.created_at),
        emails=[
            EmailShape(
                email_id=show_short("email", found.email_id), email=found.email, linked_at=rfc3339(found.linked_at)
            )
            for found in account.emails
        ],
        wallets=[_wallet(found) for found in account.wallets],
        passkeys=[_passkey(found) for found in account.passkeys],
        totp=account.has_totp,
        recovery_codes_left=account.recovery_codes_left,
        workspaces=[
            OwnWorkspaceShape(
                workspace_id=show_short("ws", found.workspace_id),
                name=found.workspace_name,
                role=found.role,
                active=found.is_active,
            )
            for found in account.memberships
        ],
        platform_role=account.platform_role,
    )


def _wallet(found: LinkedWallet) -> WalletShape:
    return WalletShape(
        wallet_id=show_short("wallet", found.wallet_id),
        address=checksummed(found.address),
        chain_id=found.chain_id,
        name=found.name,
        linked_at=rfc3339(found.linked_at),
        last_used_at=moment(found.last_used_at),
    )


def _passkey(found: LinkedPasskey) -> PasskeyShape:
    return PasskeyShape(
        passkey_id=show_short("passkey", found.passkey_id),
        name=found.name,
        backed_up=found.is_backed_up,
        linked_at=rfc3339(found.linked_at),
        last_used_at=moment(found.last_used_at),
    )


ROUTES: Final = (show_me, change_me, drop_email, drop_wallet, drop_passkey, show_own_events)
