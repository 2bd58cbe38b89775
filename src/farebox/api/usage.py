"""GET /api/usage and /api/usage/{call}: a workspace's calls as pages, exports and receipts.

The scope `usage.read` shows the calls of the whole workspace, whichever key made them; `?key=` narrows the list.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from farebox.api.depend import AnyRequest, TheKey, TheParts
from farebox.api.describe import MEMBERS, MEMBERS_ERRORS, answers
from farebox.api.filters import FORMATS, STATUSES, Query
from farebox.api.parts import Parts
from farebox.api.receipt_shapes import ReceiptShape, receipt_shape
from farebox.api.shapes import UsageList, UsageShape, usage_shape
from farebox.base.errors import Problem
from farebox.base.ids import IdError, read_call
from farebox.identity.authenticate import require_scope
from farebox.identity.roles import Verb
from farebox.ledger.reading import Connection
from farebox.records.page import Cursor, show_cursor
from farebox.records.receipt import read_receipt
from farebox.records.usage import UsageFilter, read_usage, stream_usage
from farebox.storage.pool import connected
from farebox.web.csv_text import Cell, csv_lines

SCOPE: Final = "usage.read"
PARAMETERS: Final = frozenset({"model", "key", "status", "streamed", "from", "to", "cursor", "limit", "format"})
CSV_COLUMNS: Final = UsageShape.__struct_fields__

Text = str | None


@get(
    "/api/usage",
    summary="Calls, newest first",
    security=MEMBERS,
    opt={"verb": Verb.USAGE_READ},
    responses=answers(UsageList, "A page of calls"),
)
async def list_usage(
    request: AnyRequest,
    parts: TheParts,
    key: TheKey,
    *,
    model: Annotated[Text, QueryParameter(description="Only this model id")] = None,
    key_filter: Annotated[Text, QueryParameter(name="key", description="Only calls of this key id, `key_…`")] = None,
    status: Annotated[Text, QueryParameter(description=f"One of {', '.join(STATUSES)}")] = None,
    streamed: Annotated[Text, QueryParameter(description="`true` or `false`")] = None,
    from_moment: Annotated[Text, QueryParameter(name="from", description="Started at or after, RFC 3339")] = None,
    to_moment: Annotated[Text, QueryParameter(name="to", description="Started before, RFC 3339")] = None,
    cursor: Annotated[Text, QueryParameter(description="`next_cursor` of the page before")] = None,
    limit: Annotated[
        Text, QueryParameter(description="Lines of a page, 1 to 500, default 50; of an export any")
    ] = None,
    format_name: Annotated[
        Text, QueryParameter(name="format", description=f"One of {', '.join(FORMATS)}; csv and jsonl export everything")
    ] = None,
) -> Response[Any]:
    """Calls that ended, that run, and whose outcome is pending. `format=csv` and `format=jsonl` stream all of them."""
    # The declared parameters make the schema; they are read here, so that a misspelt one is refused.
    del model, key_filter, status, streamed, from_moment, to_moment, cursor, limit, format_name
    require_scope(key, SCOPE)
    query = Query(request, PARAMETERS)
    form = query.choice("format", FORMATS) or "json"
    wanted, start = query.usage_filter(), query.cursor()
    if form != "json":
        return _export(_shapes(parts, key.workspace_id, wanted, start=start, most=query.limit(None)), form)
    page_size = query.page()
    async with connected(parts.pool) as connection:
        page = await read_usage(connection, key.workspace_id, wanted, cursor=start, page=page_size)
    next_cursor = None if page.next_cursor is None else show_cursor(page.next_cursor)
    data = [usage_shape(item) for item in page.items]
    return Response(UsageList(data=data, has_more=next_cursor is not None, next_cursor=next_cursor))


@get(
    "/api/usage/{call_id:str}",
    summary="The receipt of one call",
    security=MEMBERS,
    opt={"verb": Verb.USAGE_READ},
    responses=MEMBERS_ERRORS,
)
async def show_receipt(parts: TheParts, key: TheKey, call_id: FromPath[str]) -> ReceiptShape:
    """Everything that the charge of a call follows from. 404 for calls of other workspaces."""
    require_scope(key, SCOPE)
    try:
        wanted = read_call(call_id)
    except IdError:
        raise _no_call() from None
    async with connected(parts.pool) as connection:
        receipt = await read_receipt(connection, key.workspace_id, wanted)
    if receipt is None:
        raise _no_call()
    return receipt_shape(receipt)


def _no_call() -> Problem:
    return Problem("not_found", "This workspace has no such call.", param="call_id")


Shapes = AsyncIterator[list[UsageShape]]


async def _shapes(parts: Parts, workspace_id: int, wanted: UsageFilter, *, start: Cursor, most: int | None) -> Shapes:
    def connect() -> AbstractAsyncContextManager[Connection]:
        return connected(parts.pool)

    async for items in stream_usage(connect, workspace_id, wanted, cursor=start, most=most):
        yield [usage_shape(item) for item in items]


def _export(pages: Shapes, form: str) -> Response[Any]:
    """A database that goes away in the middle breaks the transfer off, so that half an export never looks whole."""
    lines, media_type = (_csv(pages), "text/csv") if form == "csv" else (_jsonl(pages), "application/jsonl")
    headers = {"content-disposition": f'attachment; filename="usage.{form}"'}
    return Stream(lines, media_type=media_type, headers=headers)


async def _csv(pages: Shapes) -> AsyncIterator[bytes]:
    yield csv_lines([CSV_COLUMNS]).encode()
    async for page in pages:
        yield csv_lines(_cells(shape) for shape in page).encode()


def _cells(shape: UsageShape) -> list[Cell]:
    """The columns of a line; `units` as JSON, empty where there is none."""
    units = msgspec.json.encode(shape.units).decode() if shape.units else None
    return [units if name == "units" else getattr(shape, name) for name in CSV_COLUMNS]


async def _jsonl(pages: Shapes) -> AsyncIterator[bytes]:
    encoder = msgspec.json.Encoder()
    async for page in pages:
        yield encoder.encode_lines(page)
