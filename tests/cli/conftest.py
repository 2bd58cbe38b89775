from collections.abc import Iterator

import pytest

from farebox.storage.home import Home
from tests.database import make_test_home, remove_test_home


@pytest.fixture
def home() -> Iterator[Home]:
    """A home that does not exist yet."""
    made = make_test_home()
    yield made
    remove_test_home(made)


@pytest.fixture(scope="module")
def shared_home() -> Iterator[Home]:
    """One home for the tests of a module."""
    made = make_test_home()
    yield made
    remove_test_home(made)
