"""`[server] trusted_proxies`: networks that are meant, or a start that is refused."""

from pathlib import Path

import pytest

from farebox.base.errors import OperatorError
from farebox.wiring.settings import MAX_TRUSTED_PROXIES, load_settings, trusted_proxies_of


def _networks(tmp_path: Path, written: str) -> list[str]:
    config = tmp_path / "farebox.toml"
    config.write_text(f"[server]\ntrusted_proxies = {written}\n")
    return [str(network) for network in trusted_proxies_of(load_settings(config, {}))]


def test_proxies_are_networks_or_addresses_and_nobody_by_default(tmp_path: Path) -> None:
    assert _networks(tmp_path, '["10.0.0.0/8", "2001:db8::7"]') == ["10.0.0.0/8", "2001:db8::7/128"]
    assert _networks(tmp_path, "[]") == []
    (tmp_path / "farebox.toml").write_text("")
    assert trusted_proxies_of(load_settings(tmp_path / "farebox.toml", {})) == ()


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ('["10.0.0.1/8"]', "has bits beyond its prefix"),
        ('["the-proxy"]', "is no network"),
        ('["fe80::1%eth0"]', "is no network"),
        ('["0.0.0.0/0"]', "is everybody"),
        ('["::/0"]', "is everybody"),
        ("[10]", "expected text in quotes"),
        ('"10.0.0.0/8"', "expected a list"),
        (str([f"10.0.{number}.1" for number in range(MAX_TRUSTED_PROXIES + 1)]), "more than 100 networks"),
    ],
)
def test_what_would_believe_more_than_was_meant_stops_the_start(tmp_path: Path, written: str, why: str) -> None:
    with pytest.raises(OperatorError, match=why) as refusal:
        _networks(tmp_path, written)
    assert "server.trusted_proxies" in refusal.value.message
