"""The keys of a workspace: all of them with what they used, and one of them."""

from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from farebox.access.asking import Caller
from farebox.access.depend import AnyRequest, TheAccess, TheCaller
from farebox.access.key_views import KeyView
from farebox.access.manage_keys import KeyFilter, list_keys, read_key
from farebox.access.pages import TheTemplates
from farebox.access.parts import Access
from farebox.base.clock import day_of
from farebox.base.errors import Problem
from farebox.base.ids import IdError, read_short, show_short
from farebox.console.key_form import LABELS, SCOPE_WORDS
from farebox.console.names import names_of
from farebox.console.place import done_of, place_of, show_page
from farebox.console.show import limit_lines, rate_lines, scopes_said
from farebox.identity.model import KeyCursor, KeyStatus
from farebox.identity.roles import Verb
from farebox.records.key_usage import KeyUsage, Label, LabelUsage, read_key_usage, read_label_usage
from farebox.routing.shown import rule_view
from farebox.storage.pool import connected

# Lines of one page of keys, and of one table of labels: what people can look through.
PAGE: Final = 50
MAX_LABELS: Final = 100
_MAX_BIGINT: Final = (1 << 63) - 1


class KeyLine(msgspec.Struct, frozen=True):
    """A key and what it used; zeros where it used nothing."""

    key: KeyView
    used: KeyUsage


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """How the list is narrowed; '': not at all. `by`: the label that totals are shown by."""

    status: str = ""
    department: str = ""
    project: str = ""
    customer: str = ""
    by: str = "department"
    after: str = ""

    @property
    def narrowed(self) -> bool:
        """Whether keys are left out."""
        return bool(self.status or self.department or self.project or self.customer)


@get("/console/{workspace:str}/keys", opt={"verb": Verb.KEYS_READ})
async def show_keys(
    request: AnyRequest, access: TheAccess, caller: TheCaller, templates: TheTemplates, *, workspace: FromPath[str]
) -> Response[Any]:
    """All keys, newest first, with what they used, and the totals by label."""
    del workspace
    place, wishes = await place_of(access, caller), _wishes(request)
    status = None if not wishes.status else KeyStatus(wishes.status)
    labels = {label: getattr(wishes, label) or None for label in LABELS}
    wanted = KeyFilter(status=status, now_micros=access.clock(), **labels)
    found = await list_keys(access, caller, wanted, after=_place_in_list(wishes.after), most=PAGE)
    totals, has_more_labels = await _totals(access, caller, wishes)
    return show_page(
        templates,
        "keys.html",
        place=place,
        session=caller.session,
        here="/keys",
        wishes=wishes,
        status_options=[("", "any"), *((str(one), str(one)) for one in KeyStatus)],
        labels=LABELS,
        scopes_said=scopes_said,
        lines=await _lines(access, caller, found.keys),
        older=None if found.next is None else f"{found.next.created_at}.{show_short('key', found.next.key_id)}",
        totals=totals,
        has_more_labels=has_more_labels,
    )


@get("/console/{workspace:str}/keys/{key_id:str}", opt={"verb": Verb.KEYS_READ})
async def show_key(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    key_id: FromPath[str],
    done: FromQuery[str | None] = None,
) -> Response[Any]:
    """What one key may do, and what it used."""
    del workspace
    place = await place_of(access, caller)
    key = await read_key(access, caller, key_id)
    (line,) = await _lines(access, caller, [key])
    return show_page(
        templates,
        "key.html",
        place=place,
        session=caller.session,
        here="/keys",
        done=done_of(done),
        key=key,
        used=line.used,
        limits=limit_lines(key.limits),
        rates=rate_lines(key.holding.rates),
        names=await names_of(access, caller),
        rule=None if key.holding.rule is None else rule_view(key.holding.rule),
        scope_words=SCOPE_WORDS,
    )


async def _lines(access: Access, caller: Caller, keys: list[KeyView]) -> list[KeyLine]:
    ids = [key.record.key_id for key in keys]
    async with connected(access.pool) as connection:
        today = day_of(access.clock())
        found = await read_key_usage(connection, caller.workspace_id, today_day=today, key_ids=ids)
    used = {one.key_id: one for one in found}
    unused = KeyUsage(key_id=0, name="", visible_prefix="")
    return [KeyLine(key, used.get(key.record.key_id, unused)) for key in keys]


async def _totals(access: Access, caller: Caller, wishes: Wishes) -> tuple[list[LabelUsage], bool]:
    """The dearest labels, and whether there are more."""
    label: Label = "project" if wishes.by == "project" else "customer" if wishes.by == "customer" else "department"
    async with connected(access.pool) as connection:
        today = day_of(access.clock())
        found = await read_label_usage(connection, caller.workspace_id, label, today_day=today, most=MAX_LABELS + 1)
    return found[:MAX_LABELS], len(found) > MAX_LABELS


def _wishes(request: AnyRequest) -> Wishes:
    """What an address asks for. Raises Problem(`invalid_request`) for what cannot be meant."""
    names = Wishes.__struct_fields__
    said = {name: value.strip() for name in names if (value := request.query_params.get(name))}
    if said.get("status", KeyStatus.ACTIVE) not in tuple(KeyStatus) or said.get("by", LABELS[0]) not in LABELS:
        raise Problem("invalid_request", "There is no such list of keys.")
    if any("\0" in value for value in said.values()):
        raise Problem("invalid_request", "No key has such a label.")
    return Wishes(**said)


def _place_in_list(text: str) -> KeyCursor | None:
    if not text:
        return None
    moment, _, key_id = text.partition(".")
    try:
        if not (moment.isascii() and moment.isdigit() and int(moment[:20]) <= _MAX_BIGINT):
            raise IdError("no moment")
        return KeyCursor(int(moment[:20]), read_short("key", key_id))
    except IdError:
        raise Problem("invalid_request", "There is no such page of the list.") from None


ROUTES: tuple[HTTPRouteHandler, ...] = (show_keys, show_key)
