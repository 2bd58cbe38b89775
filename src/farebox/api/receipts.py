"""GET /api/receipts: every movement of the workspace's money, each with the balance after it."""

from typing import Annotated

from litestar import get
from litestar.params import QueryParameter

from farebox.api.depend import AnyRequest, TheKey, TheParts
from farebox.api.describe import MEMBERS, MEMBERS_ERRORS
from farebox.api.filters import Query
from farebox.api.shapes import PostingList, posting_shape
from farebox.api.usage import SCOPE, Text
from farebox.identity.authenticate import require_scope
from farebox.identity.roles import Verb
from farebox.records.page import show_cursor
from farebox.records.postings import read_posting_page
from farebox.storage.pool import connected

PARAMETERS = frozenset({"cursor", "limit"})


@get(
    "/api/receipts",
    summary="Movements of the balance, newest first",
    security=MEMBERS,
    opt={"verb": Verb.USAGE_READ},
    responses=MEMBERS_ERRORS,
)
async def list_postings(
    request: AnyRequest,
    parts: TheParts,
    key: TheKey,
    *,
    cursor: Annotated[Text, QueryParameter(description="`next_cursor` of the page before")] = None,
    limit: Annotated[Text, QueryParameter(description="Lines of a page, 1 to 500, default 50")] = None,
) -> PostingList:
    """Credits, promotional grants and their expiry, corrections, and the charge of each call."""
    # The declared parameters make the schema; they are read here, so that a misspelt one is refused.
    del cursor, limit
    require_scope(key, SCOPE)
    query = Query(request, PARAMETERS)
    start, page_size = query.cursor(), query.page()
    async with connected(parts.pool) as connection:
        page = await read_posting_page(
            connection, key.workspace_id, cursor=start, page=page_size, now_micros=parts.clock()
        )
    next_cursor = None if page.next_cursor is None else show_cursor(page.next_cursor)
    data = [posting_shape(item) for item in page.items]
    return PostingList(data=data, has_more=next_cursor is not None, next_cursor=next_cursor)
