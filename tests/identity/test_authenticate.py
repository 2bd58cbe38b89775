import msgspec
import pytest

from farebox.base.addresses import read_network
from farebox.base.errors import Problem
from farebox.identity.authenticate import authenticate, credential_of, require_scope
from farebox.identity.cache import KeyCache
from farebox.identity.keys import new_secret, read_secret
from farebox.identity.model import CreatedKey, KeyRecord
from farebox.storage.errors import DatabaseUnavailable

NOW = 1_800_000_000_000_000
SECRET = new_secret("fbx_")
KEY = KeyRecord(
    workspace_id=7,
    key_id=8,
    name="laptop",
    visible_prefix="fbx_abcdef",
    scopes=frozenset({"chat.completions", "models.read"}),
    allowed_models=None,
    expires_at=NOW + 1,
    active=True,
    workspace_active=True,
)

Headers = list[tuple[bytes, bytes]]


def _bearer(secret: str) -> Headers:
    return [(b"host", b"x"), (b"authorization", f"Bearer {secret}".encode())]


def _cache(record: KeyRecord | None) -> KeyCache:
    async def find(key_hash: bytes) -> KeyRecord | None:
        return record if key_hash == read_secret("fbx_", SECRET) else None

    return KeyCache(10, 10, find)


async def _problem(headers: Headers, cache: KeyCache, now_micros: int = NOW) -> Problem:
    with pytest.raises(Problem) as refusal:
        await authenticate(headers, cache, key_prefix="fbx_", now_micros=now_micros)
    return refusal.value


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([(b"authorization", b"Bearer k1")], "k1"),
        ([(b"authorization", b"bearer   k1 ")], "k1"),
        ([(b"x-api-key", b"k2")], "k2"),
        ([(b"x-api-key", b"k2"), (b"authorization", b"Bearer k1")], "k1"),
        ([(b"x-api-key", b"k2"), (b"authorization", b"Bearer ")], "k2"),
        ([(b"x-api-key", b"k2"), (b"authorization", b"Basic dTpw")], "k2"),
        ([(b"authorization", b"Bearer k\xff")], "k\xff"),
    ],
)
def test_a_key_is_taken_from_either_header(headers: Headers, found: str) -> None:
    assert credential_of(headers) == found


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ([], "no API key"),
        ([(b"authorization", b"Bearer")], "no API key"),
        ([(b"authorization", b"Bearer  ")], "no API key"),
        ([(b"x-api-key", b"")], "no API key"),
        ([(b"authorization", b"Basic dTpw")], "not `Bearer"),
    ],
)
def test_a_request_without_a_key_is_told_so(headers: Headers, said: str) -> None:
    with pytest.raises(Problem, match=said) as refusal:
        credential_of(headers)
    assert (refusal.value.code, refusal.value.entry.status) == ("missing_api_key", 401)


async def test_a_current_key_is_found_and_then_served_from_memory() -> None:
    cache = _cache(KEY)
    for headers in (_bearer(SECRET), [(b"x-api-key", SECRET.encode())]):
        assert await authenticate(headers, cache, key_prefix="fbx_", now_micros=NOW) == KEY
    assert len(cache) == 1


@pytest.mark.parametrize(
    ("reason", "said", "record"),
    [
        ("unknown", "No such key", None),
        ("revoked", "was revoked", msgspec.structs.replace(KEY, active=False)),
        ("revoked", "suspended", msgspec.structs.replace(KEY, workspace_active=False)),
        ("expired", "expired at 2027-01-15T08:00:00", msgspec.structs.replace(KEY, expires_at=NOW)),
    ],
)
async def test_a_key_that_does_not_work_says_why_without_being_repeated(
    reason: str, said: str, record: KeyRecord | None
) -> None:
    problem = await _problem(_bearer(SECRET), _cache(record))
    assert (problem.code, problem.entry.status, problem.facts) == ("invalid_api_key", 401, {"reason": reason})
    assert said in problem.message
    assert SECRET[4:10] not in problem.message


async def test_a_typing_error_is_known_without_the_database() -> None:
    async def find(key_hash: bytes) -> KeyRecord | None:
        raise AssertionError("nobody needs to be asked")

    problem = await _problem(_bearer(SECRET[:-1] + "u"), KeyCache(1, 1, find))
    assert (problem.code, problem.facts) == ("invalid_api_key", {"reason": "malformed"})
    assert SECRET[:12] not in problem.message


async def test_a_database_that_is_away_is_the_operators_fault_not_the_keys() -> None:
    async def find(key_hash: bytes) -> KeyRecord | None:
        raise DatabaseUnavailable("gone")

    problem = await _problem(_bearer(SECRET), KeyCache(1, 1, find))
    assert (problem.code, problem.retry_after_seconds) == ("database_unavailable", 1)


def test_a_scope_that_the_key_lacks_is_named() -> None:
    require_scope(KEY, "chat.completions")
    with pytest.raises(Problem, match="lacks the scope `images`; it has chat") as refusal:
        require_scope(KEY, "images")
    assert (refusal.value.code, refusal.value.entry.status) == ("insufficient_scope", 403)


def test_a_secret_is_in_no_repr() -> None:
    assert SECRET not in repr(CreatedKey(KEY, SECRET))


OFFICE = msgspec.structs.replace(KEY, ip_allow=(read_network("192.0.2.0/24"), read_network("2001:db8::/32")))
PROXIES = (read_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    ("peer", "forwarded"),
    [
        ("192.0.2.9", []),
        ("::ffff:192.0.2.9", []),
        ("2001:db8:1::1", []),
        ("192.0.2.9", [b"8.8.8.8"]),
        ("10.0.0.1", [b"192.0.2.9"]),
        ("10.0.0.1", [b"8.8.8.8", b"192.0.2.9, 10.0.0.2"]),
    ],
)
async def test_a_key_works_from_its_networks(peer: str, forwarded: list[bytes]) -> None:
    headers = _bearer(SECRET) + [(b"x-forwarded-for", value) for value in forwarded]
    found = await authenticate(headers, _cache(OFFICE), key_prefix="fbx_", now_micros=NOW, peer=peer, trusted=PROXIES)
    assert found == OFFICE


@pytest.mark.parametrize(
    ("peer", "forwarded"),
    [
        (None, []),
        (None, [b"192.0.2.9"]),
        ("/run/farebox.sock", [b"192.0.2.9"]),
        ("192.0.3.1", []),
        ("8.8.8.8", [b"192.0.2.9"]),
        ("10.0.0.1", []),
        ("10.0.0.1", [b"192.0.2.9, 8.8.8.8"]),
        ("10.0.0.1", [b"192.0.2.9", b"8.8.8.8"]),
        ("10.0.0.1", [b"192.0.2.9, \xff\xfe"]),
        ("10.0.0.1", [b"192.0.2.9, unknown"]),
    ],
)
async def test_a_key_works_from_nowhere_else_and_its_list_is_told_to_nobody(
    peer: str | None, forwarded: list[bytes]
) -> None:
    headers = _bearer(SECRET) + [(b"x-forwarded-for", value) for value in forwarded]
    with pytest.raises(Problem) as refusal:
        await authenticate(headers, _cache(OFFICE), key_prefix="fbx_", now_micros=NOW, peer=peer, trusted=PROXIES)
    assert (refusal.value.code, refusal.value.entry.status, refusal.value.facts) == ("address_not_allowed", 403, {})
    assert "192.0.2.0" not in refusal.value.message
    assert "2001:db8" not in refusal.value.message


async def test_a_key_without_a_list_works_from_anywhere() -> None:
    for peer in (None, "203.0.113.1", "garbage"):
        assert await authenticate(_bearer(SECRET), _cache(KEY), key_prefix="fbx_", now_micros=NOW, peer=peer) == KEY


async def test_a_key_that_works_no_more_says_so_wherever_it_is_used() -> None:
    gone = msgspec.structs.replace(OFFICE, active=False)
    assert (await _problem(_bearer(SECRET), _cache(gone))).code == "invalid_api_key"
