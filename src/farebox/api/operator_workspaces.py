"""/api/operator/workspaces: find a workspace, look at it, credit it, freeze it and let it work again."""

from typing import Annotated, Any, Final
from uuid import UUID, uuid5

import msgspec
from litestar import Response, get, post
from litestar.openapi.spec import OpenAPIFormat, OpenAPIType, Schema
from litestar.params import FromPath, HeaderParameter, QueryParameter

from farebox.access import look_up, operate
from farebox.access.depend import TheAccess, TheOperator
from farebox.api.bodies import fields_of, read_text, refuse, value_of
from farebox.api.depend import AnyRequest
from farebox.api.describe import PLATFORM, PLATFORM_ERRORS, answers, taking
from farebox.api.filters import Query
from farebox.api.operator_shapes import (
    CreditShape,
    SheetShape,
    StatusShape,
    WorkspaceList,
    sheet_shape,
    status_shape,
    workspace_list,
)
from farebox.base.ids import show_short, uuid7
from farebox.base.money import MoneyError, format_usd, parse_usd
from farebox.identity.model import Status
from farebox.identity.roles import PlatformVerb

MAX_BODY_BYTES: Final = 16_384
MAX_IDEMPOTENCY_KEY_CHARS: Final = 255
_PARAMETERS: Final = frozenset({"query", "status", "cursor", "limit"})
_STATUSES: Final = tuple(Status)
_TAGS: Final = ["operator"]
# Of ids that follow from a workspace and somebody's Idempotency-Key: made once, at random.
_KEYS: Final = UUID("0b1d6a0e-7f0c-4b5e-8f77-2f3f6f8d1c55")

_SHOWN: Final = PLATFORM_ERRORS.plus(not_found="There is no such workspace.")
_CHANGED: Final = _SHOWN.fresh().with_body()
_REASON: Final = Schema(
    type=OpenAPIType.STRING,
    min_length=operate.MIN_REASON_CHARS,
    max_length=operate.MAX_REASON_CHARS,
    description="Why; it stays in the record, where members of the workspace can read it",
)
_CREDIT_BODY: Final = taking(
    "An amount and a reason.",
    {
        "amount_usd": Schema(
            type=[OpenAPIType.STRING, OpenAPIType.NUMBER],
            description="Dollars, like `25.00`, at most 1,000,000; a negative amount takes back what is available",
        ),
        "reason": _REASON,
        "command_id": Schema(
            type=OpenAPIType.STRING,
            format=OpenAPIFormat.UUID,
            description="A UUID of yours: the same one credits once. Or send an `Idempotency-Key`",
        ),
    },
    required=("amount_usd", "reason"),
    example={"amount_usd": "25.00", "reason": "Goodwill for the outage of 3 March"},
)
_REASON_BODY: Final = taking("A reason.", {"reason": _REASON}, required=("reason",), example={"reason": "Chargeback"})

Text = str | None


@get(
    "/api/operator/workspaces",
    summary="Find workspaces, newest first",
    security=PLATFORM,
    opt={"verb": PlatformVerb.WORKSPACES_READ},
    responses=answers(WorkspaceList, "A page", errors=PLATFORM_ERRORS),
    tags=_TAGS,
)
async def find_workspaces(
    request: AnyRequest,
    access: TheAccess,
    operator: TheOperator,
    *,
    wanted: Annotated[
        Text,
        QueryParameter(
            name="query",
            description="A part of the name, `ws_…`, a part of a member's e-mail, a key's id or visible prefix, or a "
            "call's id; left out: all",
        ),
    ] = None,
    status: Annotated[Text, QueryParameter(description=f"One of {', '.join(_STATUSES)}")] = None,
    cursor: Annotated[Text, QueryParameter(description="`next_cursor` of the page before")] = None,
    limit: Annotated[Text, QueryParameter(description="Lines of a page, 1 to 500, default 50")] = None,
) -> Response[Any]:
    """With balance, members and when one of its keys was last used."""
    del wanted, status, cursor, limit
    asked = Query(request, _PARAMETERS)
    named = asked.choice("status", _STATUSES)
    found = await look_up.find_workspaces(
        access,
        operator,
        asked.text("query") or "",
        cursor=asked.text("cursor"),
        most=asked.page(),
        status=None if named is None else Status(named),
    )
    return Response(workspace_list(found))


@get(
    "/api/operator/workspaces/{workspace_id:str}",
    summary="One workspace",
    security=PLATFORM,
    opt={"verb": PlatformVerb.WORKSPACES_READ},
    responses=_SHOWN,
    tags=_TAGS,
)
async def show_workspace(access: TheAccess, operator: TheOperator, workspace_id: FromPath[str]) -> SheetShape:
    """Its balance, limits, members, keys (never a secret), latest events and waiting requests. `events` null: whoever
    asks may not read them."""
    number = operate.read_workspace_id(workspace_id)
    sheet = await look_up.read_workspace_sheet(access, operator, number)
    return sheet_shape(sheet, access.clock())


@post(
    "/api/operator/workspaces/{workspace_id:str}/credit",
    summary="Credit a workspace, or correct its balance",
    security=PLATFORM,
    opt={"verb": PlatformVerb.CREDIT},
    responses=answers(
        CreditShape,
        "Booked, now or by an earlier request with this id",
        errors=_CHANGED.plus(
            conflict="A balance never goes below zero: $3.00 can be taken back at most.",
            idempotency_conflict="This command id was used for another amount, another reason or by somebody else; "
            "nothing was booked.",
        ),
    ),
    operation_class=_CREDIT_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    status_code=200,
    tags=_TAGS,
)
async def credit_workspace(
    request: AnyRequest,
    access: TheAccess,
    operator: TheOperator,
    workspace_id: FromPath[str],
    *,
    idempotency_key: Annotated[
        Text, HeaderParameter(name="Idempotency-Key", description="A text of yours: the same one credits once")
    ] = None,
) -> Response[Any]:
    """Cash by hand, as a manual credit. A negative amount is a correction: at most what is available can be taken back.
    Without a `command_id` and an `Idempotency-Key` every request credits anew."""
    number = operate.read_workspace_id(workspace_id)
    fields = fields_of(await request.body(), ("amount_usd", "reason", "command_id"))
    for name in ("amount_usd", "reason"):
        if name not in fields:
            raise refuse(name, "is missing")
    done = await operate.credit_workspace(
        access,
        operator,
        number,
        amount_nanos=_amount(fields["amount_usd"]),
        reason=_reason(fields["reason"]),
        command_id=_command_id(fields, idempotency_key, number) or uuid7(access.clock()),
    )
    shape = CreditShape(
        workspace_id=show_short("ws", number),
        credited_usd=format_usd(done.amount_nanos),
        available_usd=format_usd(done.available_nanos),
        command_id=str(done.command_id),
        replayed=done.replayed,
    )
    return Response(shape)


@post(
    "/api/operator/workspaces/{workspace_id:str}/freeze",
    summary="Freeze a workspace",
    security=PLATFORM,
    opt={"verb": PlatformVerb.FREEZE},
    responses=answers(StatusShape, "Frozen", errors=_CHANGED),
    operation_class=_REASON_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    status_code=200,
    tags=_TAGS,
)
async def freeze_workspace(
    request: AnyRequest, access: TheAccess, operator: TheOperator, workspace_id: FromPath[str]
) -> Response[Any]:
    """Its keys are refused within a second. Its money stays, calls under way end as usual, and members can still sign
    in and read. Freezing a frozen one changes nothing."""
    number, reason = operate.read_workspace_id(workspace_id), _reason_of(await request.body())
    return Response(status_shape(await operate.freeze_workspace(access, operator, number, reason=reason)))


@post(
    "/api/operator/workspaces/{workspace_id:str}/unfreeze",
    summary="Let a frozen workspace work again",
    security=PLATFORM,
    opt={"verb": PlatformVerb.FREEZE},
    responses=answers(StatusShape, "At work", errors=_CHANGED),
    operation_class=_REASON_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    status_code=200,
    tags=_TAGS,
)
async def unfreeze_workspace(
    request: AnyRequest, access: TheAccess, operator: TheOperator, workspace_id: FromPath[str]
) -> Response[Any]:
    """Its keys work again within a second."""
    number, reason = operate.read_workspace_id(workspace_id), _reason_of(await request.body())
    return Response(status_shape(await operate.unfreeze_workspace(access, operator, number, reason=reason)))


def _amount(raw: bytes) -> int:
    """Dollars as JSON text or number, which may be below zero, as nano-USD: exactly, or refused."""
    value = value_of(raw, "amount_usd") if raw.startswith(b'"') else raw.decode()
    try:
        return parse_usd(value)
    except MoneyError as error:
        raise refuse("amount_usd", f"cannot be read: {error}") from None


def _reason_of(body: bytes) -> str:
    fields = fields_of(body, ("reason",))
    if "reason" not in fields:
        raise refuse("reason", "is missing")
    return _reason(fields["reason"])


def _reason(raw: bytes) -> str:
    return read_text(raw, "reason", least=operate.MIN_REASON_CHARS, most=operate.MAX_REASON_CHARS)


def _command_id(fields: dict[str, bytes], idempotency_key: str | None, workspace_id: int) -> UUID | None:
    if "command_id" in fields and idempotency_key is not None:
        raise refuse("command_id", "and an Idempotency-Key are the same thing; send one of them")
    if "command_id" in fields:
        value = value_of(fields["command_id"], "command_id")
        try:
            return msgspec.convert(value, UUID)
        except msgspec.ValidationError:
            raise refuse("command_id", "is a UUID") from None
    if idempotency_key is None:
        return None
    if not 0 < len(idempotency_key) <= MAX_IDEMPOTENCY_KEY_CHARS:
        raise refuse("Idempotency-Key", f"is a text of 1 to {MAX_IDEMPOTENCY_KEY_CHARS} characters")
    return uuid5(_KEYS, f"{workspace_id} {idempotency_key}")


ROUTES: Final = (find_workspaces, show_workspace, credit_workspace, freeze_workspace, unfreeze_workspace)
