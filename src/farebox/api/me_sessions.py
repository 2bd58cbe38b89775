"""/api/me/sessions: the browsers that somebody is signed in with. To end them asks for no fresh proof: who sees a
stranger's there must not be kept from ending it."""

from typing import Final

import msgspec
from litestar import delete, get
from litestar.params import FromPath

from farebox.access.account import Device, end_device, end_other_devices, list_devices
from farebox.access.depend import TheAccess, TheSession, TheVisit
from farebox.api.describe import SIGNED_IN, SIGNED_IN_ERRORS
from farebox.base.clock import rfc3339
from farebox.base.ids import show_short
from farebox.identity.people.model import Method, SessionState

_TAGS: Final = ["me"]


class DeviceShape(msgspec.Struct, frozen=True, kw_only=True):
    """An open session. `current`: the one that asks; `last_seen_at` is exact to a minute; `expires_at`: however busy it
    is."""

    session_id: str
    current: bool
    state: SessionState
    methods: list[Method]
    created_at: str
    last_seen_at: str
    expires_at: str
    address: str
    user_agent: str
    object: str = "session"


class DeviceList(msgspec.Struct, frozen=True, kw_only=True):
    """All open ones, the newest first."""

    data: list[DeviceShape]
    object: str = "list"


class EndedShape(msgspec.Struct, frozen=True, kw_only=True):
    """How many were ended."""

    ended: int


@get("/api/me/sessions", summary="One's own sessions", security=SIGNED_IN, responses=SIGNED_IN_ERRORS, tags=_TAGS)
async def show_devices(access: TheAccess, session: TheSession) -> DeviceList:
    """Each browser that is signed in, with whence it last signed in."""
    return DeviceList(data=[_device(found) for found in await list_devices(access, session)])


@delete(
    "/api/me/sessions/{session_id:str}",
    summary="End a session",
    security=SIGNED_IN,
    opt={"session": True},
    responses=SIGNED_IN_ERRORS.plus(not_found="You have no such session."),
    status_code=204,
    tags=_TAGS,
)
async def drop_device(access: TheAccess, session: TheSession, visit: TheVisit, session_id: FromPath[str]) -> None:
    """Its browser is signed out with its next request."""
    await end_device(access, session, session_id, visit=visit)


@delete(
    "/api/me/sessions",
    summary="End all sessions but this one",
    security=SIGNED_IN,
    opt={"session": True},
    responses=SIGNED_IN_ERRORS,
    status_code=200,
    tags=_TAGS,
)
async def drop_other_devices(access: TheAccess, session: TheSession, visit: TheVisit) -> EndedShape:
    """Their browsers are signed out with their next request."""
    return EndedShape(ended=await end_other_devices(access, session, visit=visit))


def _device(found: Device) -> DeviceShape:
    session = found.session
    return DeviceShape(
        session_id=show_short("session", session.session_id),
        current=found.is_this,
        state=session.state,
        methods=list(session.methods),
        created_at=rfc3339(session.created_at),
        last_seen_at=rfc3339(session.seen_at),
        expires_at=rfc3339(session.expires_at),
        address=session.address,
        user_agent=session.user_agent,
    )


ROUTES: Final = (show_devices, drop_device, drop_other_devices)
