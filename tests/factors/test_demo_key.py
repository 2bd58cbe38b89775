"""The key that a demo makes for itself."""

import base64
from collections.abc import Iterator

import msgspec
import pytest

from farebox.storage.home import Home
from farebox.wiring.demo import with_secrets_key
from farebox.wiring.settings import Settings, default_config_path
from tests.database import make_test_home, remove_test_home
from tests.factors.conftest import SECRETS_KEY


@pytest.fixture
def home() -> Iterator[Home]:
    made = make_test_home()
    yield made
    remove_test_home(made)


@pytest.fixture
def settings(home: Home) -> Settings:
    return Settings(config_path=str(default_config_path()), home_path=str(home.path))


def test_it_is_made_once_and_read_by_its_owner_alone(home: Home, settings: Settings) -> None:
    first = with_secrets_key(settings).secrets_key
    assert first is not None
    assert len(base64.b64decode(first)) == 32
    assert with_secrets_key(settings).secrets_key == first
    assert home.demo_secrets_key.stat().st_mode & 0o777 == 0o600


def test_a_key_of_the_environment_is_used_instead(home: Home, settings: Settings) -> None:
    given = msgspec.structs.replace(settings, secrets_key=SECRETS_KEY)
    assert with_secrets_key(given).secrets_key == SECRETS_KEY
    assert not home.demo_secrets_key.exists()
