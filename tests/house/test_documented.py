"""Every setting, variable and error code is explained on its page, and the pages explain nothing else."""

import ast
import re

import msgspec
import pytest

from farebox.base.brand import Brand
from farebox.base.errors import CATALOGUE
from farebox.base.limits import (
    Bounds,
    Chain,
    Mail,
    NewWorkspace,
    RateLimits,
    Recovery,
    RequestLimits,
    Routing,
    SignIn,
    Timeouts,
    Upstream,
    VideoJobs,
    Webhooks,
)
from farebox.wiring.settings import ENVIRONMENT, READINESS_STATES, ReadinessItem, Server
from tests.house.sources import ROOT, python_files, shown, tree_of

SETTINGS_PAGE = ROOT / "docs" / "reference" / "settings.md"
ERRORS_PAGE = ROOT / "docs" / "reference" / "errors.md"
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "brand": Brand,
    "limits": RequestLimits,
    "bounds": Bounds,
    "timeouts": Timeouts,
    "recovery": Recovery,
    "videos": VideoJobs,
    "webhooks": Webhooks,
    "upstream": Upstream,
    "routing": Routing,
    "rate_limits": RateLimits,
    "new_workspace": NewWorkspace,
    "sign_in": SignIn,
    "mail": Mail,
    "chains.…": Chain,
    "server": Server,
    "readiness": ReadinessItem,
}
# Variables of other programs that we only set or pass on, and a switch of the tests.
_NOT_OURS = {"PROMETHEUS_MULTIPROC_DIR"}
_ROW = re.compile(r"^\| `([^`]+)` \| ([^|]*) \|", re.MULTILINE)


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_explained_with_its_default(section: str) -> None:
    struct = SECTIONS[section]
    rows = dict(_ROW.findall(_section(SETTINGS_PAGE.read_text(), f"[{section}]")))
    assert list(rows) == list(struct.__struct_fields__)
    defaults = {field.name: field for field in msgspec.structs.fields(struct)}
    for name, shown_default in rows.items():
        assert shown_default.strip() == _default(defaults[name]), name


def test_every_state_of_readiness_is_explained() -> None:
    page = SETTINGS_PAGE.read_text()
    assert not [state for state in READINESS_STATES if f"`{state}`" not in page]


def test_every_variable_of_the_environment_is_explained() -> None:
    rows = dict(_ROW.findall(_section(SETTINGS_PAGE.read_text(), "Environment")))
    assert set(rows) == set(ENVIRONMENT)


def test_no_module_reads_a_variable_that_is_not_listed() -> None:
    found = {
        f"{shown(path)} {name}"
        for path in python_files()
        for node in ast.walk(tree_of(path))
        for name in _variables(node)
        if name not in ENVIRONMENT and name not in _NOT_OURS
    }
    assert not found


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_error_code_has_its_section(code: str) -> None:
    entry = CATALOGUE[code]
    text = _section(ERRORS_PAGE.read_text(), code)
    assert f"| {entry.status} | {entry.fault} | {'yes' if entry.retryable else 'no'} |" in text
    assert entry.advice in text
    # The anchor that answers carry is the one that the heading gets.
    assert entry.anchor(code) == f"docs/reference/errors.md#{code.replace('_', '-')}"


def test_the_error_page_has_no_other_codes() -> None:
    headings = re.findall(r"^## <a id=\"[^\"]+\"></a>(\w+)$", ERRORS_PAGE.read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(CATALOGUE)


def _section(page: str, heading: str) -> str:
    parts = re.split(r"^## (?:<a id=\"[^\"]+\"></a>)?(.+)$", page, flags=re.MULTILINE)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    return sections.get(heading) or sections.get(f"[{heading}]", "")


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default
    if value is None:
        return "none"
    if value == () or value == "":
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{msgspec.json.encode(value).decode()}`"
    return f"`{value:,}`" if isinstance(value, int) else f"`{value}`"


def _variables(node: ast.AST) -> list[str]:
    """Names that are read from the environment: `environ["X"]`, `environ.get("X")`, `getenv("X")`, `envvar="X"`."""
    if isinstance(node, ast.keyword) and node.arg == "envvar" and isinstance(node.value, ast.Constant):
        return [str(node.value.value)]
    if (
        isinstance(node, ast.Subscript)
        and "environ" in ast.unparse(node.value)
        and isinstance(node.slice, ast.Constant)
    ):
        return [str(node.slice.value)]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = ast.unparse(node.func)
        if re.search(r"environ(ment)?\.(get|pop)$|getenv$", called):
            return [str(node.args[0].value)]
    return []
