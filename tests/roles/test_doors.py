"""What each door does, written down once more: the walk goes by what handlers say of themselves, and would believe one
that says too little. Whoever adds a door, or changes who may pass, changes doors.txt knowingly.

python -m tests.roles.test_doors     prints it
"""

from pathlib import Path
from typing import Final

from tests.roles.routes import Route, every_route

DOORS: Final = Path(__file__).with_name("doors.txt")


def _does(route: Route) -> str:
    """Its verb; of one without a workspace who it is for."""
    if route.verb is not None:
        does = str(route.verb)
    elif route.is_open:
        return "anybody"
    else:
        does = "who is signed in, or about to be" if route.opt.get("pending") else "who is signed in"
    return f"{does}, freshly" if route.is_fresh else does


def written() -> str:
    """Doors by what they do, both in alphabetical order."""
    by_verb: dict[str, list[str]] = {}
    for route in every_route():
        by_verb.setdefault(_does(route), []).append(str(route))
    parts = ["\n".join([f"{does}:", *(f"    {door}" for door in sorted(by_verb[does]))]) for does in sorted(by_verb)]
    return "\n\n".join(parts) + "\n"


def test_every_door_does_what_is_written_of_it() -> None:
    assert written() == DOORS.read_text(encoding="utf-8")


if __name__ == "__main__":
    print(written(), end="")
