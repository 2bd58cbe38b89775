"""What members are called on pages, instead of their ids."""

from farebox.access.asking import Caller
from farebox.access.parts import Access
from farebox.access.team import list_members
from farebox.identity.people.model import show_person
from farebox.identity.team.model import Member


def called(member: Member) -> str:
    """Name and address, as far as there are any."""
    if member.name and member.email:
        return f"{member.name} ({member.email})"
    return member.name or member.email or show_person(member.person_id)


async def names_of(access: Access, caller: Caller) -> dict[str, str]:
    """What the members of the caller's workspace are called, by `person_…`."""
    return {show_person(member.person_id): called(member) for member in await list_members(access, caller)}
