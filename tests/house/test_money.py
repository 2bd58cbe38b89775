"""No float ever touches money."""

import ast
from pathlib import Path

import pytest

from tests.house.sources import ROOT, python_files, shown, tree_of

FAREBOX = ROOT / "src" / "farebox"
_MONEY_ROOMS = (FAREBOX / "ledger",)
_MONEY_FILES = (FAREBOX / "catalog" / "rules.py", FAREBOX / "base" / "money.py")
_MONEY_NAMES = ("_nanos", "_picos", "_usd")
# Waiting times of the batcher, and the metric of how long it took, are seconds.
_NOT_MONEY = ("_seconds", "_SECONDS")

MONEY_MODULES = tuple(
    path for path in python_files() if path in _MONEY_FILES or any(room in path.parents for room in _MONEY_ROOMS)
)


@pytest.mark.parametrize("path", MONEY_MODULES, ids=shown)
def test_modules_of_money_know_no_float(path: Path) -> None:
    assert not [f"{shown(path, line)} {what}" for line, what in _floats(tree_of(path))]


def test_there_are_modules_of_money() -> None:
    assert {path.name for path in MONEY_MODULES} >= {"rules.py", "money.py", "draft.py"}


def test_nothing_named_like_money_is_a_float_anywhere() -> None:
    found = [
        f"{shown(path, node.lineno)} {node.target.id}"
        for path in python_files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id.lower().endswith(_MONEY_NAMES)
        and "float" in ast.unparse(node.annotation)
    ]
    found += [
        f"{shown(path, argument.lineno)} {argument.arg}"
        for path in python_files()
        for argument in ast.walk(tree_of(path))
        if isinstance(argument, ast.arg)
        and argument.arg.lower().endswith(_MONEY_NAMES)
        and argument.annotation is not None
        and "float" in ast.unparse(argument.annotation)
    ]
    assert not found


def test_nothing_named_like_money_is_divided_with_a_remainder_lost_to_a_float() -> None:
    found = [
        shown(path, node.lineno)
        for path in python_files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and _names_money(node)
        if not _is_exact(node)
    ]
    assert not found


def _is_exact(node: ast.BinOp) -> bool:
    """Decimals and fractions divide without a float; input is read by them."""
    return isinstance(node.left, ast.Call) and ast.unparse(node.left.func) in ("Decimal", "Fraction")


def _names_money(tree: ast.AST) -> bool:
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    names += [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return any(name.lower().endswith(_MONEY_NAMES) for name in names)


def _floats(tree: ast.Module) -> list[tuple[int, str]]:
    seconds = {id(inner) for node in ast.walk(tree) if _is_about_time(node) for inner in ast.walk(node)}
    found = []
    for node in ast.walk(tree):
        if id(node) in seconds:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            found.append((node.lineno, f"the literal {node.value}"))
        elif isinstance(node, ast.Name) and node.id == "float":
            found.append((node.lineno, "the name float"))
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            found.append((node.lineno, "a true division"))
    return found


def _is_about_time(node: ast.AST) -> bool:
    """An assignment or parameter whose name ends in seconds, or the deadline that is made of them."""
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) and target.id.endswith(_NOT_MONEY) for target in node.targets)
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.target, ast.Name) and node.target.id.endswith(_NOT_MONEY)
    return isinstance(node, ast.arg) and (node.arg == "deadline" or node.arg.endswith(_NOT_MONEY))
