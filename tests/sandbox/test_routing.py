"""Paths with names in them."""

import pytest

from farebox_sandbox.exchange import Exchange
from farebox_sandbox.routing import Router


async def first(_: Exchange) -> None:
    """Handlers are told apart by what they are."""


async def second(_: Exchange) -> None:
    """See `first`."""


ROUTER = Router(
    {("GET", "/v1/videos/{id}"): first, ("GET", "/v1/videos/{id}/content"): second, ("POST", "/m/{model}:run"): first},
    {("GET", "/v1/videos/all"): second},
)


@pytest.mark.parametrize(
    ("path", "handler", "parameters"),
    [
        ("/v1/videos/a.b-c", first, {"id": "a.b-c"}),
        ("/v1/videos/x/content", second, {"id": "x"}),
        ("/v1/videos/all", second, {}),
    ],
)
def test_a_path_finds_its_handler_and_the_values_of_its_names(
    path: str, handler: object, parameters: dict[str, str]
) -> None:
    found = ROUTER.find("GET", path)
    assert found is not None
    assert (found.handler, found.parameters, found.remembered) == (handler, parameters, path != "/v1/videos/all")


def test_a_name_can_be_a_part_of_a_segment() -> None:
    found = ROUTER.find("POST", "/m/gem:ini:run")
    assert found is not None
    assert found.parameters == {"model": "gem:ini"}


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/videos/x"), ("GET", "/v1/videos/"), ("GET", "/v1/videos/a/b")]
)
def test_no_other_path_is_found(method: str, path: str) -> None:
    assert ROUTER.find(method, path) is None
