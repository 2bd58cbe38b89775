"""Settings about people: what is meant, or a start that is refused with the place and what to write instead."""

from pathlib import Path

import pytest

from farebox.base.errors import OperatorError
from farebox.wiring.people import MAX_CHAINS, rpc_urls_of, site_of
from farebox.wiring.settings import Settings, load_settings

_MAIL = '[mail]\nhost = "mail.example.com"\nsender = "Farebox <no-reply@example.com>"\n'


def _loaded(tmp_path: Path, text: str, **environment: str) -> Settings:
    config = tmp_path / "farebox.toml"
    config.write_text(text)
    return load_settings(config, environment)


def test_what_is_meant_is_read(tmp_path: Path) -> None:
    text = f'[server]\npublic_url = "https://ai.example.com"\n{_MAIL}security = "tls"\n'
    chains = '[chains.base]\nchain_id = 8453\nrpc_url_env = "RPC_BASE"\ntimeout_seconds = 2\n'
    settings = _loaded(tmp_path, text + chains, RPC_BASE=" https://rpc.example/key ")
    assert (settings.mail.host, settings.mail.security) == ("mail.example.com", "tls")
    assert [chain.chain_id for chain in settings.chains] == [8453]
    assert settings.rpc_urls == {8453: "https://rpc.example/key"}


@pytest.mark.parametrize(
    ("written", "place", "why"),
    [
        ('[server]\npublic_url = "http://ai.example.com"', "server.public_url", "is not https"),
        ('[server]\npublic_url = "https://ai.example.com/console"', "server.public_url", "is not an address"),
        ('[server]\npublic_url = "ai.example.com"', "server.public_url", "is not an address"),
        ('[mail]\nsender = "no-reply@example.com"', "mail.host", "is missing"),
        ('[mail]\nusername = "farebox"', "mail.host", "is missing"),
        ('[mail]\nhost = "mail.example.com"', "mail.sender", "is no sender"),
        (f'{_MAIL}security = "none"', "mail.security", "in the open"),
        (f'{_MAIL}security = "ssl"', "mail.security", "ssl"),
        ('[new_workspace]\nwelcome_credit_usd = "-1"', "new_workspace.welcome_credit_usd", "below zero"),
        ('[new_workspace]\nwelcome_credit_usd = "much"', "new_workspace.welcome_credit_usd", "much"),
        ("chains = 5", "chains", "is not a table"),
        ("[chains]\nbase = 5", "chains.base", "is not a table"),
        ('[chains.base]\nchain_id = 0\nrpc_url_env = "A"', "chains.base", "cannot be"),
        ('[chains.base]\nchain_id = 1\nrpc_url_env = ""', "chains.base", "cannot be"),
        ('[chains.base]\nchain_id = 1\nrpc_url_env = "A"\ntimeout_seconds = 0', "chains.base", "cannot be"),
        ('[chains.base]\nchain_id = "1"\nrpc_url_env = "A"', "chains.base", "int"),
        ('[chains.base]\nchain_id = 1\nrpc_url_env = "A"\nrpc_url = "https://x"', "chains.base", "rpc_url"),
        (
            '[chains.a]\nchain_id = 1\nrpc_url_env = "A"\n[chains.b]\nchain_id = 1\nrpc_url_env = "B"',
            "chains",
            "one chain_id twice",
        ),
        (
            "\n".join(f'[chains.c{n}]\nchain_id = {n + 1}\nrpc_url_env = "A"' for n in range(MAX_CHAINS + 1)),
            "chains",
            f"at most {MAX_CHAINS}",
        ),
    ],
)
def test_what_cannot_be_meant_stops_the_start(tmp_path: Path, written: str, place: str, why: str) -> None:
    with pytest.raises(OperatorError, match=why) as refusal:
        _loaded(tmp_path, written)
    assert place in refusal.value.message and refusal.value.fix


def test_letters_go_in_the_open_to_this_machine_alone(tmp_path: Path) -> None:
    for host in ("localhost", "127.0.0.1", "::1"):
        text = _MAIL.replace("mail.example.com", host, 1) + 'security = "none"'
        assert _loaded(tmp_path, text).mail.security == "none"


def test_an_address_with_a_key_in_it_is_not_repeated(tmp_path: Path) -> None:
    chains = '[chains.base]\nchain_id = 8453\nrpc_url_env = "RPC_BASE"\n'
    with pytest.raises(OperatorError, match="RPC_BASE is not a web address") as refusal:
        _loaded(tmp_path, chains, RPC_BASE="wss://rpc.example/secret-key")
    assert "secret-key" not in refusal.value.message + refusal.value.fix
    settings = _loaded(tmp_path, chains, RPC_BASE="https://rpc.example/secret-key")
    assert "secret-key" not in repr(settings)
    assert rpc_urls_of(settings.chains, {}) == {}


@pytest.mark.parametrize(
    ("public_url", "host", "port", "origin"),
    [
        ("https://ai.example.com", "0.0.0.0", 8080, "https://ai.example.com"),
        ("", "127.0.0.1", 8080, "http://localhost:8080"),
        ("", "localhost", 80, "http://localhost"),
        # Nobody said under which name the world comes, or which port it will be.
        ("", "0.0.0.0", 8080, None),
        ("", "10.0.0.7", 8080, None),
        ("", "127.0.0.1", 0, None),
    ],
)
def test_the_public_address_is_said_or_is_this_machines(
    public_url: str, host: str, port: int, origin: str | None
) -> None:
    site = site_of(public_url, host=host, port=port)
    assert (None if site is None else site.origin) == origin
