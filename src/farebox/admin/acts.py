"""What operators do to a workspace. The forms themselves ask for a fresh proof of who it is, so that nothing that was
typed gets lost on the way to one."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.access import operate
from farebox.access.asking import Operator
from farebox.access.depend import AnyRequest, TheAccess, TheOperator
from farebox.access.form import Form, form_of
from farebox.access.look_up import read_workspace_sheet
from farebox.access.pages import TheTemplates
from farebox.access.parts import Access
from farebox.admin.limit_form import FIELDS, changes_of, form_of_limits
from farebox.admin.place import back_to, show_page
from farebox.base.errors import Problem
from farebox.base.ids import show_short, uuid7
from farebox.base.money import MoneyError, parse_usd
from farebox.identity.roles import PlatformVerb
from farebox.ledger.limits import LimitHolder
from farebox.web.pages import Templates

_SHEET: Final = "/admin/workspaces/{workspace_id}"
_PATH: Final = "/admin/workspaces/{workspace_id:str}"


@get(f"{_PATH}/credit", opt={"verb": PlatformVerb.CREDIT})
async def show_credit(
    access: TheAccess, operator: TheOperator, templates: TheTemplates, *, workspace_id: FromPath[str]
) -> Response[Any]:
    """The form. It carries the id of what it will do, so that it does it once."""
    typed = {"amount_usd": "", "reason": "", "command_id": str(uuid7(access.clock()))}
    return await _of(access, operator, templates, workspace_id, page="credit.html", typed=typed)


@post(f"{_PATH}/credit", opt={"verb": PlatformVerb.CREDIT, "back": f"{_SHEET}/credit"}, status_code=303)
async def credit(
    request: AnyRequest,
    access: TheAccess,
    operator: TheOperator,
    templates: TheTemplates,
    *,
    workspace_id: FromPath[str],
) -> Response[Any]:
    """Booked, by this form or by the same form before, and back to the sheet."""
    form = await form_of(request)
    try:
        await operate.credit_workspace(
            access,
            operator,
            operate.read_workspace_id(workspace_id),
            amount_nanos=_amount(form.text("amount_usd")),
            reason=form.text("reason"),
            command_id=_command_id(form),
        )
    except Problem as problem:
        typed = form.typed("amount_usd", "reason", "command_id")
        told = _once(problem)
        return await _of(access, operator, templates, workspace_id, page="credit.html", problem=told, typed=typed)
    return back_to(_SHEET.format(workspace_id=workspace_id), "credited")


@get(f"{_PATH}/limits", opt={"verb": PlatformVerb.LIMITS_CHANGE})
async def show_limits(
    access: TheAccess, operator: TheOperator, templates: TheTemplates, *, workspace_id: FromPath[str]
) -> Response[Any]:
    """The limits as they are, to be changed."""
    return await _of(access, operator, templates, workspace_id, page="limits.html", typed=None)


@post(f"{_PATH}/limits", opt={"verb": PlatformVerb.LIMITS_CHANGE, "back": f"{_SHEET}/limits"}, status_code=303)
async def set_limits(
    request: AnyRequest,
    access: TheAccess,
    operator: TheOperator,
    templates: TheTemplates,
    *,
    workspace_id: FromPath[str],
) -> Response[Any]:
    """What is different is set, and back to the sheet."""
    form = await form_of(request)
    number = operate.read_workspace_id(workspace_id)
    try:
        sheet = await read_workspace_sheet(access, operator, number)
        changes = changes_of(form, sheet.limits)
        if changes:
            await operate.limit_holder(access, operator, LimitHolder(number), changes)
    except Problem as problem:
        typed = form.typed(*FIELDS, "shown")
        return await _of(access, operator, templates, workspace_id, page="limits.html", problem=problem, typed=typed)
    return back_to(_SHEET.format(workspace_id=workspace_id), "limits" if changes else "unchanged")


@get(f"{_PATH}/freeze", opt={"verb": PlatformVerb.FREEZE})
async def show_freeze(
    access: TheAccess, operator: TheOperator, templates: TheTemplates, *, workspace_id: FromPath[str]
) -> Response[Any]:
    """What freezing does, or unfreezing a frozen one; asks why."""
    return await _of(access, operator, templates, workspace_id, page="freeze.html", typed={"reason": ""})


@post(f"{_PATH}/freeze", opt={"verb": PlatformVerb.FREEZE, "back": f"{_SHEET}/freeze"}, status_code=303)
async def freeze(
    request: AnyRequest,
    access: TheAccess,
    operator: TheOperator,
    templates: TheTemplates,
    *,
    workspace_id: FromPath[str],
) -> Response[Any]:
    """Frozen, and back to the sheet."""
    form = await form_of(request)
    number = operate.read_workspace_id(workspace_id)
    try:
        await operate.freeze_workspace(access, operator, number, reason=form.text("reason"))
    except Problem as problem:
        typed = form.typed("reason")
        return await _of(access, operator, templates, workspace_id, page="freeze.html", problem=problem, typed=typed)
    return back_to(_SHEET.format(workspace_id=workspace_id), "frozen")


@post(f"{_PATH}/unfreeze", opt={"verb": PlatformVerb.FREEZE, "back": f"{_SHEET}/freeze"}, status_code=303)
async def unfreeze(
    request: AnyRequest,
    access: TheAccess,
    operator: TheOperator,
    templates: TheTemplates,
    *,
    workspace_id: FromPath[str],
) -> Response[Any]:
    """At work again, and back to the sheet."""
    form = await form_of(request)
    number = operate.read_workspace_id(workspace_id)
    try:
        await operate.unfreeze_workspace(access, operator, number, reason=form.text("reason"))
    except Problem as problem:
        typed = form.typed("reason")
        return await _of(access, operator, templates, workspace_id, page="freeze.html", problem=problem, typed=typed)
    return back_to(_SHEET.format(workspace_id=workspace_id), "unfrozen")


async def _of(
    access: Access,
    operator: Operator,
    templates: Templates,
    workspace_id: str,
    *,
    page: str,
    typed: dict[str, str] | None,
    problem: Problem | None = None,
) -> Response[Any]:
    """A form about one workspace, with what has been typed. Raises Problem(`not_found`)."""
    sheet = await read_workspace_sheet(access, operator, operate.read_workspace_id(workspace_id))
    return show_page(
        templates,
        page,
        operator,
        problem=problem,
        here="/admin/workspaces",
        sheet=sheet,
        path=_SHEET.format(workspace_id=show_short("ws", sheet.workspace.workspace_id)),
        typed=form_of_limits(sheet.limits) if typed is None else typed,
        max_reason=operate.MAX_REASON_CHARS,
    )


def _amount(text: str) -> int:
    try:
        return parse_usd(text)
    except MoneyError:
        message = "Write an amount of dollars like 25 or 25.50, or -25 to take it back."
        raise Problem("invalid_request", message, param="amount_usd") from None


def _command_id(form: Form) -> UUID:
    try:
        return UUID(form.text("command_id"))
    except ValueError:
        raise Problem("invalid_request", "This form is not whole. Open it anew.") from None


def _once(problem: Problem) -> Problem:
    """In words for a form, which nobody gave an id."""
    if problem.code != "idempotency_conflict":
        return problem
    message = (
        "This form was sent before with another amount or reason, and that was booked. Look at the workspace first."
    )
    return Problem(problem.code, message)


ROUTES: tuple[HTTPRouteHandler, ...] = (
    show_credit,
    credit,
    show_limits,
    set_limits,
    show_freeze,
    freeze,
    unfreeze,
)
