"""The record of events keeps the order in which things were done."""

from uuid import UUID

from farebox.base.ids import micros_of, uuid7, uuid7_floor
from farebox.identity.audit import Event, EventFilter, list_events, record
from farebox.storage.pool import Pool, connected

NOW = 1_790_000_000_000_000


def test_of_two_moments_of_a_millisecond_the_later_has_the_greater_id() -> None:
    ids = [uuid7(NOW + micros) for micros in range(2_000)]
    assert ids == sorted(ids) and len(set(ids)) == len(ids)
    assert [micros_of(found) for found in ids] == [NOW] * 1_000 + [NOW + 1_000] * 1_000
    assert uuid7_floor(NOW // 1_000) <= ids[0] and ids[999] < uuid7_floor(NOW // 1_000 + 1) <= ids[1_000]
    assert all((found.version, found.variant) == (7, UUID(int=0x8000 << 48).variant) for found in ids)
    assert not any(found.int & 0xF for found in ids)


def test_ids_of_one_moment_differ() -> None:
    assert len({uuid7(NOW) for _ in range(1_000)}) == 1_000


async def test_what_one_request_does_is_told_in_its_order(pool: Pool) -> None:
    actions = ["passkey.linked", "session.stepped_up"] * 10
    async with connected(pool) as connection:
        for micros, action in enumerate(actions):
            await record(connection, Event(action=action, actor="test", person_id=5), now_micros=NOW + micros)
        found = await list_events(connection, EventFilter(person_id=5), most=50)
    assert [event.action for event in reversed(found)] == actions


async def test_what_is_done_in_one_moment_is_told_in_its_order(pool: Pool) -> None:
    """A request that does several things asks once what time it is."""
    actions = ["person.created", "email.linked", "sign_in.succeeded"] * 7
    async with connected(pool) as connection:
        for action in actions:
            await record(connection, Event(action=action, actor="test", person_id=5), now_micros=NOW)
        found = await list_events(connection, EventFilter(person_id=5), most=50)
    assert [event.action for event in reversed(found)] == actions
    assert all((event.event_id.version, event.event_id.variant) == (7, found[0].event_id.variant) for event in found)
    assert {micros_of(event.event_id) for event in found} == {NOW}
