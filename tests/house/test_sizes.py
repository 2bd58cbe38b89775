"""Budgets that keep files and functions readable."""

import ast
from pathlib import Path

import pytest

from tests.house.sources import functions, python_files, shown, tree_of

MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 500
MAX_POSITIONAL = 4
FORBIDDEN_NAMES = ("utils.py", "service.py", "helpers.py", "misc.py", "common.py")


def test_no_function_is_longer_than_its_budget() -> None:
    found = [
        f"{shown(path, node.lineno)} {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for path in python_files()
        for node in functions(path)
        if node.end_lineno is not None and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert not found, f"at most {MAX_FUNCTION_LINES} lines: {found}"


def test_no_file_is_longer_than_its_budget() -> None:
    lengths = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    assert not {name: count for name, count in lengths.items() if count > MAX_FILE_LINES}


def test_no_function_takes_more_positional_parameters_than_a_reader_can_keep_apart() -> None:
    found = [
        f"{shown(path, node.lineno)} {node.name} takes {_positional(node)}"
        for path in python_files()
        for node in functions(path)
        if _positional(node) > MAX_POSITIONAL and not _called_by_a_framework(node)
    ]
    assert not found, f"at most {MAX_POSITIONAL} positional parameters: {found}"


def _positional(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def _called_by_a_framework(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Litestar and typer pass every parameter by name."""
    names = {ast.unparse(decorator).split("(")[0] for decorator in node.decorator_list}
    return bool(names & {"get", "post", "put", "delete", "command"})


@pytest.mark.parametrize("path", python_files(), ids=shown)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(tree_of(path)), f"{shown(path)} has no docstring"
    assert path.name not in FORBIDDEN_NAMES
