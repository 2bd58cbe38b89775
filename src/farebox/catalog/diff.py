"""What an apply would change, field by field. Pure."""

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

import msgspec

from farebox.base.clock import rfc3339
from farebox.catalog.checklist import Checklist, checklist_lines, checklist_summary
from farebox.catalog.rows import KINDS, Body, Kind, Rows

Action = Literal["added", "changed", "removed"]
_MARKS: Final = {"added": "+", "changed": "~", "removed": "-"}


class FieldChange(NamedTuple):
    """One field, its values as JSON text; None where the field did not exist."""

    path: str
    old: str | None
    new: str | None


class RowChange(NamedTuple):
    """One row. `fields` is filled for changed rows only."""

    kind: Kind
    id: str
    action: Action
    fields: tuple[FieldChange, ...]


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of an apply. `apply_id` is None when nothing was written: a dry run, or no change. `checklist`
    is that of the whole file, whatever changed."""

    changes: tuple[RowChange, ...]
    warnings: tuple[str, ...]
    checklist: Checklist
    effective_at_micros: int
    apply_id: int | None


def compare_rows(old: Rows, new: Rows) -> tuple[RowChange, ...]:
    """Every difference, providers first, then by id."""
    found = []
    for kind, row_id in sorted(old.keys() | new.keys(), key=lambda key: (KINDS.index(key[0]), key[1])):
        before, after = old.get((kind, row_id)), new.get((kind, row_id))
        if before == after:
            continue
        if before is None or after is None:
            found.append(RowChange(kind, row_id, "added" if before is None else "removed", ()))
        else:
            found.append(RowChange(kind, row_id, "changed", _field_changes(before, after)))
    return tuple(found)


def _field_changes(before: Body, after: Body) -> tuple[FieldChange, ...]:
    old, new = dict(_leaves(before)), dict(_leaves(after))
    paths = dict.fromkeys([*old, *new])
    return tuple(FieldChange(path, old.get(path), new.get(path)) for path in paths if old.get(path) != new.get(path))


def _leaves(body: Body) -> Iterator[tuple[str, str]]:
    return _walk(msgspec.to_builtins(body, str_keys=True), "")


def _walk(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _walk(inner, f"{path}[{_label(inner, index)}]")
    else:
        yield path, msgspec.json.encode(value).decode()


def _label(element: object, index: int) -> str:
    """A tier is known by what it applies to, so that a new one in the middle is not a change of all after it."""
    if isinstance(element, dict) and "service_tier" in element:
        return f"{element['service_tier']} above {element['above_input_tokens']}"
    return str(index)


def diff_lines(diff: Diff) -> list[str]:
    """The diff for people: one line a row, one line a changed field, warnings, a summary, and what can go live."""
    lines = []
    for change in diff.changes:
        lines.append(f"{_MARKS[change.action]} {change.kind} {change.id}")
        lines += [f"    {field.path}: {field.old or 'unset'} -> {field.new or 'unset'}" for field in change.fields]
    lines += [f"! {warning}" for warning in (*diff.warnings, *checklist_lines(diff.checklist))]
    counts = [f"{sum(change.action == action for change in diff.changes)} {action}" for action in _MARKS]
    summary = f"{', '.join(counts)}; effective {rfc3339(diff.effective_at_micros)}"
    return [*lines, summary if diff.changes else "nothing to change", checklist_summary(diff.checklist)]
