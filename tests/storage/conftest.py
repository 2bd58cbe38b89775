import subprocess
from collections.abc import Iterator

import pytest

from farebox.storage.embedded import EmbeddedPostgres
from farebox.storage.home import Home
from tests.database import make_test_home, remove_test_home


@pytest.fixture(scope="package")
def initialized_home() -> Iterator[Home]:
    """A home whose database was created once and is stopped; `home` copies it, which is faster than creating it."""
    made = make_test_home()
    supervisor = EmbeddedPostgres(made, lambda line: None)
    supervisor.start()
    supervisor.stop()
    yield made
    remove_test_home(made)


@pytest.fixture
def new_home() -> Iterator[Home]:
    """A home of the test's own; nothing of it exists yet."""
    made = make_test_home()
    yield made
    remove_test_home(made)


@pytest.fixture
def home(initialized_home: Home, new_home: Home) -> Home:
    """A home of the test's own with an empty database that does not run."""
    subprocess.run(["cp", "-a", str(initialized_home.path), str(new_home.path)], check=True)
    return new_home


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
