"""docs/reference/roles.md says what the code does, and the roles are what the product means by them."""

from farebox.identity.roles import MAY, PLATFORM_MAY, Role, Verb, outranks
from tests.house.sources import ROOT
from tests.roles.crowd import ANY_KEY, MANAGERS_SEE
from tests.roles.routes import every_route
from tests.roles.tables import members_table, platform_table

PAGE = (ROOT / "docs" / "reference" / "roles.md").read_text(encoding="utf-8")


def test_the_page_has_the_tables_of_the_code() -> None:
    assert members_table() in PAGE
    assert platform_table() in PAGE


def test_the_page_names_what_any_key_may_ask() -> None:
    for door in ANY_KEY | MANAGERS_SEE:
        assert f"`{door}`" in PAGE
        assert door in {str(route) for route in every_route()}


def test_every_role_can_do_what_a_lesser_one_can() -> None:
    assert MAY[Role.VIEWER] < MAY[Role.DEVELOPER] < MAY[Role.ADMIN] < MAY[Role.OWNER]
    assert MAY[Role.VIEWER] < MAY[Role.BILLING] < MAY[Role.ADMIN]
    # Whoever makes keys does not see to the money, and the other way round.
    assert not MAY[Role.DEVELOPER] & {Verb.BILLING_MANAGE} and not MAY[Role.BILLING] & {Verb.KEYS_MANAGE}


def test_every_verb_is_somebodys() -> None:
    assert frozenset().union(*MAY.values()) == frozenset(Verb)
    used = {route.verb for route in every_route()}
    assert frozenset(Verb) | frozenset().union(*PLATFORM_MAY.values()) == used - {None}


def test_nobody_gives_or_takes_the_owners_role() -> None:
    assert not [role for role in Role if outranks(role, Role.OWNER)]
    assert [role for role in Role if outranks(role, Role.ADMIN)] == [Role.OWNER, Role.ADMIN]
