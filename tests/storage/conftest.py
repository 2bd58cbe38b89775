from collections.abc import Iterator

import pytest

from farebox.storage.embedded import EmbeddedPostgres
from farebox.storage.home import Home
from tests.database import make_test_home, remove_test_home


@pytest.fixture
def home() -> Iterator[Home]:
    """A home of the test's own; nothing of it exists yet."""
    made = make_test_home()
    yield made
    remove_test_home(made)


@pytest.fixture
def reports() -> list[str]:
    """What the operator was told."""
    return []


@pytest.fixture
def postgres(home: Home, reports: list[str]) -> Iterator[EmbeddedPostgres]:
    """A supervisor that has started nothing yet."""
    supervisor = EmbeddedPostgres(home, reports.append)
    yield supervisor
    supervisor.stop()
