"""What is wrong with an installation is said in one line, with the fix in the next."""

import socket
from pathlib import Path

import pytest

from farebox.storage.home import Home
from tests.cli.programs import farebox, farebox_json, processes_of, refused
from tests.database import TestCluster


def test_a_taken_port_is_named_with_the_two_ways_to_choose_another(home: Home) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        message, fix = refused(farebox(home, "serve", "--port", str(port)))
        by_variable, _ = refused(farebox(home, "demo", "--json", PORT=str(port)))
    assert f"port {port}" in message and f"port {port}" in by_variable
    assert "--port" in fix and "PORT" in fix
    # It was found before anything was started.
    assert not home.path.exists()


def test_a_home_that_cannot_be_written_is_named(home: Home) -> None:
    in_the_way = home.path.parent / "file"
    in_the_way.write_text("")
    message, fix = refused(farebox(Home(in_the_way / "home"), "serve", "--port", "0"))
    assert str(in_the_way) in message
    assert "FAREBOX_HOME" in fix


def test_a_database_that_does_not_answer_is_named_without_its_password(home: Home) -> None:
    url = "postgresql://somebody:s3cret-w0rd@127.0.0.1:1/books"
    done = farebox(home, "serve", "--port", "0", DATABASE_URL=url)
    message, fix = refused(done)
    assert "127.0.0.1:1" in message
    assert "DATABASE_URL" in fix
    assert "s3cret" not in done.stderr + done.stdout


def test_an_external_database_without_the_schema_is_sent_to_migrate(home: Home, cluster: TestCluster) -> None:
    url = cluster.fresh_database(migrated=False)
    _, fix = refused(farebox(home, "serve", "--port", "0", DATABASE_URL=url))
    assert "farebox migrate" in fix
    assert len(farebox_json(home, "migrate", DATABASE_URL=url)["applied"]) >= 1
    assert farebox_json(home, "migrate", DATABASE_URL=url) == {"applied": []}
    assert farebox_json(home, "workspace", "list", DATABASE_URL=url) == []
    cluster.drop_database(url)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[brand]\nname = "A"\n\nport = = 1\n', "farebox.toml line 4: "),
        ("[bounds]\nmax_choices = 1\n", "bounds.max_choices: unknown key"),
        ("[server]\nprot = 1\n", "server.prot: unknown key"),
        ('[limits]\nmax_output_tokens = "4"\n', "expected a whole number, got text in quotes"),
        ("[server]\nport = 65536\n", "server.port: is 65536"),
        ("[bounds]\nmax_body_bytes = 0\n", "bounds.max_body_bytes: is 0"),
        ("[timeouts]\nidle_timeout_seconds = nan\n", "idle_timeout_seconds: is nan"),
        ('[[readiness]]\ncapability = "a"\ntitle = "A"\nstate = "soon"\n', "readiness[0].state: invalid value 'soon'"),
    ],
)
def test_a_fault_of_the_configuration_is_told_by_its_place(home: Home, tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "farebox.toml"
    config.write_text(text)
    message, fix = refused(farebox(home, "config", "check", "--config", str(config)))
    assert said in message
    assert len(fix) > len("fix: ")


def test_a_mistyped_setting_is_answered_with_the_right_one(home: Home, tmp_path: Path) -> None:
    config = tmp_path / "farebox.toml"
    config.write_text("[brand]\nkey_prefx = 'a_'\n")
    _, fix = refused(farebox(home, "config", "check", "--config", str(config)))
    assert "key_prefix" in fix
    config.write_text("[bounds]\nmax_choices = 1\n")
    _, fix = refused(farebox(home, "config", "check", "--config", str(config)))
    assert "limits.max_choices" in fix


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "FAREBOX_METRICS_TOKEN", "DATABASE_URL"])
@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_secret_that_is_set_to_nothing_stops_the_start(home: Home, name: str, command: str) -> None:
    message, fix = refused(farebox(home, command, "--port", "0", **{name: ""}))
    assert message == f"error: {name} is set, but empty"
    assert name in fix
    assert not processes_of(home)


def test_a_wrong_command_line_has_a_status_of_its_own(home: Home) -> None:
    assert farebox(home, "credit", "acme").returncode == 2
    assert farebox(home, "sevre").returncode == 2
