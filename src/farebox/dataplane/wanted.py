"""What a request says of its route and its cost, in fields that no provider is sent, or in headers. Pure.

`provider` and `X-<Brand>-Provider`, `max_cost` and `X-<Brand>-Max-Cost-USD`, `session_id` and `x-session-id`. Where
both forms are given, both narrow.
"""

from functools import cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from farebox.base.brand import Brand
from farebox.base.errors import Problem
from farebox.catalog.policy import NO_RULE, Rule, combined
from farebox.dialects.request import Fields, Request, read_fields, value_of
from farebox.routing.wishes import read_max_cost, read_wishes

PROVIDER: Final = "provider"
MAX_COST: Final = "max_cost"
SESSION: Final = "session_id"
OWN_FIELDS: Final = (PROVIDER, MAX_COST, SESSION)
# A conversation's name; what is longer is a mistake.
MAX_SESSION_CHARS: Final = 256
_SESSION_HEADER: Final = b"x-session-id"
# Of the first turn: enough to tell conversations apart, and a long document in it need not be read for that.
_OPENING_BYTES: Final = 4_096
_TURNS: Final = ("messages", "input")
_OPENINGS: Final = ("system", "instructions")
_raw_list = msgspec.json.Decoder(list[msgspec.Raw])

Headers = list[tuple[bytes, bytes]]


class Wanted(NamedTuple):
    """What a request wants of its route. `max_cost_nanos`: the most that it may be held for. `affinity`: the same for
    all calls of a conversation, None where nothing tells."""

    rule: Rule = NO_RULE
    max_cost_nanos: int | None = None
    affinity: int | None = None


class _HeaderNames(NamedTuple):
    """As ASGI gives them."""

    provider: bytes
    max_cost: bytes


@cache
def _header_names(prefix: str) -> _HeaderNames:
    return _HeaderNames(f"x-{prefix}-provider".lower().encode(), f"x-{prefix}-max-cost-usd".lower().encode())


NOTHING_WANTED: Final = Wanted()


def wanted_of(brand: Brand, headers: Headers, fields: Fields) -> Wanted:
    """The wishes of a request, but for its conversation. Raises Problem `invalid_request`."""
    rules, costs = [], []
    if _says(fields, PROVIDER):
        rules.append(read_wishes(bytes(fields[PROVIDER]), param=PROVIDER))
    if _says(fields, MAX_COST):
        costs.append(read_max_cost(bytes(fields[MAX_COST]), param=MAX_COST))
    names = _header_names(brand.header_prefix)
    for name, value in headers:
        if name == names.provider:
            rules.append(read_wishes(value, param=brand.header("Provider")))
        elif name == names.max_cost:
            costs.append(read_max_cost(value, param=brand.header("Max-Cost-USD")))
    if not rules and not costs:
        return NOTHING_WANTED
    # The body's word on the order of routes is nearer to the call than a header that a proxy may add to all of them.
    return Wanted(combined(*reversed(rules)), min(costs, default=None))


def _says(fields: Fields, name: str) -> bool:
    """`null` is as good as absent."""
    return name in fields and bytes(fields[name]) != b"null"


def without_own(fields: Fields) -> Fields:
    """The fields that are the provider's business."""
    if any(name in fields for name in OWN_FIELDS):
        return {name: value for name, value in fields.items() if name not in OWN_FIELDS}
    return fields


def affinity_of(request: Request, headers: Headers, workspace_id: int) -> int | None:
    """A number that all calls of one conversation share: by the name that the client gives it, else by how it begins.
    Nothing of a prompt can be read from it."""
    name = _session(request.fields, headers)
    if name is None:
        opening = _opening(request.fields)
        if opening is None:
            return None
        name = opening
    digest = blake2b(name, digest_size=8, key=workspace_id.to_bytes(8, "big", signed=True))
    return int.from_bytes(digest.digest(), "big")


def _session(fields: Fields, headers: Headers) -> bytes | None:
    session = value_of(fields, SESSION)
    if session is not None and (not isinstance(session, str) or len(session) > MAX_SESSION_CHARS):
        raise Problem("invalid_request", f"`{SESSION}` must be text of at most {MAX_SESSION_CHARS} characters.")
    if session:
        return session.encode()
    found = next((value for name, value in headers if name == _SESSION_HEADER), None)
    if found:
        return found[:MAX_SESSION_CHARS]
    if "prompt_cache_key" in fields:
        return bytes(fields["prompt_cache_key"])
    user_id = _user_of(fields)
    return user_id.encode() if user_id else None


def _user_of(fields: Fields) -> str | None:
    """Claude Code names its session in `metadata.user_id`."""
    if "metadata" not in fields:
        return None
    metadata: Any = value_of(fields, "metadata")
    user_id = metadata.get("user_id") if isinstance(metadata, dict) else None
    return user_id if isinstance(user_id, str) else None


def _opening(fields: Fields) -> bytes | None:
    """The instructions and the first two turns: those stay while the conversation grows."""
    for name in _TURNS:
        raw = fields.get(name)
        if raw is None:
            continue
        try:
            turns = _raw_list.decode(raw)[:2]
        except msgspec.DecodeError:
            return bytes(raw)[:_OPENING_BYTES]
        # A first turn alone is the whole conversation; with two, the second may be the answer that came to it.
        first = turns[:1] if not _is_instruction(turns) else turns
        parts = [bytes(fields[field])[:_OPENING_BYTES] for field in _OPENINGS if field in fields]
        return b"\0".join([*parts, *(bytes(turn)[:_OPENING_BYTES] for turn in first)])
    return None


def _is_instruction(turns: list[msgspec.Raw]) -> bool:
    """Whether the first turn is the operator's of a chat, which many conversations share."""
    return bool(turns) and any(word in bytes(turns[0])[:64] for word in (b'"system"', b'"developer"'))


def take_out_own(brand: Brand, headers: Headers, body: bytes) -> tuple[bytes, Wanted]:
    """A JSON body as its workload reads it, and what it wants of its route. A form says it in headers.
    Raises Problem `invalid_request`."""
    fields: Fields = {}
    # A name may also be written with escapes.
    if b"\\u" in body or any(b'"%s"' % name.encode() in body for name in OWN_FIELDS):
        fields = read_fields(body)
    left = without_own(fields)
    return body if left is fields else msgspec.json.encode(left), wanted_of(brand, headers, fields)
