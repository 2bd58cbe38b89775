"""/api/keys: the keys of a workspace, managed by its members, and by those keys that have the scope `keys.manage`.

A managing key gives no more than it has, and leaves alone what has more (identity/grants.py). A secret is in the answer
to the request that made it and nowhere else, so a request that makes one cannot be answered twice: it takes no
Idempotency-Key, and a key whose answer got lost is found in the list and rolled or revoked.
"""

from typing import Annotated, Any, Final

from litestar import Response, delete, get, patch, post
from litestar.params import FromPath, QueryParameter

from farebox.access import manage_keys
from farebox.access.depend import TheAccess, TheCaller
from farebox.access.managing import key_faults
from farebox.api.depend import AnyRequest
from farebox.api.describe import MANAGED, MEMBERS, MEMBERS_ERRORS, answers
from farebox.api.filters import Query
from farebox.api.key_bodies import KEY_CHANGE_BODY, NEW_KEY_BODY, ROLL_BODY
from farebox.api.key_shapes import (
    LABELS,
    MAX_BODY_BYTES,
    KeyList,
    KeyShape,
    NewKeyShape,
    cursor_of,
    key_shape,
    new_key_shape,
    place_of,
    read_key_change,
    read_new_key,
    read_overlap,
)
from farebox.base.errors import Problem
from farebox.identity.model import KeyStatus
from farebox.identity.roles import Verb
from farebox.identity.store import KeyFilter
from farebox.records.page import show_cursor

_PARAMETERS: Final = frozenset({"status", "cursor", "limit", *LABELS})
_STATUSES: Final = tuple(KeyStatus)
_TAGS: Final = ["keys"]
_ERRORS: Final = MEMBERS_ERRORS.plus(
    insufficient_scope="This key lacks the scope `keys.manage`; it has chat.completions.",
    not_found="This workspace has no such key.",
)

Text = str | None


@get(
    "/api/keys",
    summary="Keys, newest first",
    security=MEMBERS,
    opt={"verb": Verb.KEYS_READ},
    responses=answers(KeyList, "A page", errors=_ERRORS),
    tags=_TAGS,
)
async def list_keys(
    request: AnyRequest,
    access: TheAccess,
    caller: TheCaller,
    *,
    status: Annotated[Text, QueryParameter(description=f"One of {', '.join(_STATUSES)}")] = None,
    department: Annotated[Text, QueryParameter(description="Only keys with this label")] = None,
    project: Annotated[Text, QueryParameter(description="Only keys with this label")] = None,
    customer: Annotated[Text, QueryParameter(description="Only keys with this label")] = None,
    cursor: Annotated[Text, QueryParameter(description="`next_cursor` of the page before")] = None,
    limit: Annotated[Text, QueryParameter(description="Lines of a page, 1 to 500, default 50")] = None,
) -> Response[Any]:
    """All keys of the workspace, those that work no more too. Never a secret."""
    del status, department, project, customer, cursor, limit
    query = Query(request, _PARAMETERS)
    named = query.choice("status", _STATUSES)
    labels = {label: query.text(label) for label in LABELS}
    wanted = KeyFilter(status=None if named is None else KeyStatus(named), now_micros=access.clock(), **labels)
    after, size = place_of(query.cursor()), query.page()
    page = await manage_keys.list_keys(access, caller, wanted, after=after, most=size)
    next_cursor = None if page.next is None else show_cursor(cursor_of(page.next))
    data = [key_shape(view) for view in page.keys]
    return Response(KeyList(data=data, has_more=next_cursor is not None, next_cursor=next_cursor))


@get(
    "/api/keys/{key_id:str}",
    summary="One key",
    security=MEMBERS,
    opt={"verb": Verb.KEYS_READ},
    responses=_ERRORS,
    tags=_TAGS,
)
async def show_key(access: TheAccess, caller: TheCaller, key_id: FromPath[str]) -> KeyShape:
    """What the key may do and what it has used of its limits. 404 for keys of other workspaces."""
    return key_shape(await manage_keys.read_key(access, caller, key_id))


@post(
    "/api/keys",
    summary="Make a key",
    security=MEMBERS,
    opt={"verb": Verb.KEYS_MANAGE},
    responses=MANAGED,
    operation_class=NEW_KEY_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    tags=_TAGS,
)
async def make_key(request: AnyRequest, access: TheAccess, caller: TheCaller) -> NewKeyShape:
    """The answer has the secret, once. No Idempotency-Key is taken: if the answer gets lost, find the key in the list
    and roll or revoke it."""
    _refuse_idempotency(request)
    with key_faults():
        body = read_new_key(await request.body())
    return new_key_shape(await manage_keys.make_key(access, caller, body))


@patch(
    "/api/keys/{key_id:str}",
    summary="Change a key",
    security=MEMBERS,
    opt={"verb": Verb.KEYS_MANAGE},
    responses=MANAGED,
    operation_class=KEY_CHANGE_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    tags=_TAGS,
)
async def change_key(request: AnyRequest, access: TheAccess, caller: TheCaller, key_id: FromPath[str]) -> KeyShape:
    """Name, labels, scopes, models, addresses and expiry. Calls heed it within a second."""
    raw = await request.body()
    return key_shape(await manage_keys.change_key(access, caller, key_id, lambda: read_key_change(raw)))


@post(
    "/api/keys/{key_id:str}/roll",
    summary="Put a new key in the place of one",
    security=MEMBERS,
    opt={"verb": Verb.KEYS_MANAGE},
    responses=MANAGED,
    operation_class=ROLL_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    tags=_TAGS,
)
async def roll_key(request: AnyRequest, access: TheAccess, caller: TheCaller, key_id: FromPath[str]) -> NewKeyShape:
    """The new key may do what the former may, and both share limits, rate limits and policy. The former works on for
    the overlap, a day unless it is said. The answer has the new secret, once."""
    _refuse_idempotency(request)
    raw = await request.body()
    return new_key_shape(await manage_keys.roll_key(access, caller, key_id, lambda: read_overlap(raw)))


@delete(
    "/api/keys/{key_id:str}",
    summary="Revoke a key",
    security=MEMBERS,
    opt={"verb": Verb.KEYS_MANAGE},
    responses=MANAGED,
    status_code=200,
    tags=_TAGS,
)
async def revoke_key(access: TheAccess, caller: TheCaller, key_id: FromPath[str]) -> KeyShape:
    """It stops working within a second and stays in the list. Revoking a revoked key changes nothing."""
    return key_shape(await manage_keys.revoke_key(access, caller, key_id))


def _refuse_idempotency(request: AnyRequest) -> None:
    if "idempotency-key" in request.headers:
        message = (
            "No Idempotency-Key is taken here: a secret is shown once and not kept, so no second answer could have it. "
            "If an answer got lost, find the key with GET /api/keys, and roll or revoke it."
        )
        raise Problem("invalid_request", message, param="Idempotency-Key")
