"""The tables of docs/reference/roles.md, made from identity/roles.py.

python -m tests.roles.tables     prints them
"""

from collections.abc import Iterable

from farebox.identity.roles import KEY_SCOPES, MAY, PLATFORM_MAY, STEP_UP, PlatformRole, PlatformVerb, Role, Verb

YES, NO = "yes", "–"


def members_table() -> str:
    """Role × verb; whether it wants a fresh proof; by which scope a key does it."""
    rows = [
        [
            f"`{verb}`",
            *(YES if verb in MAY[role] else NO for role in Role),
            YES if verb in STEP_UP else NO,
            f"`{KEY_SCOPES[verb]}`" if verb in KEY_SCOPES else NO,
        ]
        for verb in Verb
    ]
    return _table(["verb", *Role, "fresh proof", "API key"], rows)


def platform_table() -> str:
    """Platform role × verb."""
    rows = [
        [
            f"`{verb}`",
            *(YES if verb in PLATFORM_MAY[role] else NO for role in PlatformRole),
            YES if verb in STEP_UP else NO,
        ]
        for verb in PlatformVerb
    ]
    return _table(["verb", *PlatformRole, "fresh proof"], rows)


def _table(heads: Iterable[str], rows: Iterable[list[str]]) -> str:
    names = list(heads)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(members_table(), platform_table(), sep="\n\n")
