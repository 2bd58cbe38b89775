"""What is committed works on every machine, and leaves nothing for later."""

import re

from tests.house.sources import ROOT, shown, texts

# Put together here, so that this file does not find itself.
_LATER = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
_MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|Users|work|mnt|workspace)/[\w.-]+")
_GENERATED = ("requirements.lock", "requirements-dev.lock")


def test_nothing_is_left_for_later() -> None:
    found = [
        shown(path, text[: match.start()].count("\n") + 1)
        for path, text in texts()
        for match in _LATER.finditer(text)
        if path.name not in _GENERATED
    ]
    assert not found


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    found = [
        f"{shown(path, text[: match.start()].count(chr(10)) + 1)} {match[0]}"
        for path, text in texts()
        for match in _MACHINE_PATH.finditer(text)
    ]
    assert not found
    assert not [shown(path) for path, text in texts() if str(ROOT) in text]


def test_the_command_of_the_ci_runs_all_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert script.read_text().rstrip().endswith("make test")
