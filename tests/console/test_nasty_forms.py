"""Whatever is typed into the customers' forms, none of them falls over, and nothing that was typed becomes markup."""

import importlib.resources
import re
from typing import Any

import pytest

from farebox.base.ids import show_short
from tests.console.html_page import Page
from tests.people.town import Resident, Town
from tests.roles.routes import Route, every_route

_FORMS = [route for route in every_route() if route.shell == "console" and not route.is_safe]
_NAMES = re.compile(r'(?:field|area|choice|checkbox|checks)\(\s*"(\w+)"|name="(\w+)"|"(challenge|next|token|email)":')
_MARKUP = "\"'><script>alert(1)</script>"
NASTY = (
    "",
    "\x00",
    "a\x00b\r\nset-cookie: x=y",
    _MARKUP,
    "\u202e\ufeff\ud7ff\U0001f600",
    "9" * 400,
    "-1",
    "1e999",
    "NaN",
    "x" * 9_999,
    "' OR '1'='1",
    "{{ 7 * 7 }}",
)


def _field_names() -> list[str]:
    """Of every field on any of the customers' pages."""
    folder = importlib.resources.files("farebox.console").joinpath("pages")
    found = {name for file in folder.iterdir() for names in _NAMES.findall(file.read_text()) for name in names if name}
    assert {"email", "code", "name"} <= found
    return sorted(found)


def _path(route: Route, workspace_id: int, thing: str) -> str:
    path = route.path.replace("{workspace:str}", show_short("ws", workspace_id))
    return re.sub(r"\{\w+:str\}", thing, path)


def _parts(more: str, kind: str, value: bytes) -> bytes:
    """A form in several parts: every field there is."""
    heads = [f'--x\r\ncontent-disposition: form-data; name="{name}"{more}\r\n' for name in _field_names()]
    parts = [f"{head}content-type: {kind}\r\n\r\n".encode() + value + b"\r\n" for head in heads]
    return b"".join(parts) + b"--x--\r\n"


async def _anna(town: Town) -> tuple[Resident, int]:
    anna = await town.person("Anna")
    return anna, await town.workspace(owner=anna)


async def _send(resident: Resident, path: str, **how: Any) -> None:
    token = resident.browser.cookie
    answer = await resident.browser.request("POST", path, **how)
    assert answer.status < 500, f"{path}: {answer.status} {Page(answer).said[:300]}"
    assert "<script>alert" not in answer.text, path
    assert "set-cookie: x=y" not in str(answer.headers).lower(), path
    resident.browser.cookie = resident.browser.cookie or token


@pytest.mark.parametrize("route", _FORMS, ids=str)
async def test_no_form_falls_over(town: Town, route: Route) -> None:
    anna, workspace_id = await _anna(town)
    for nasty in NASTY:
        if route.path == "/sign-out":
            await town.sign_in(anna)
        for path in sorted({_path(route, workspace_id, thing) for thing in ("key_0000000000001", "%00", "x")}):
            await _send(anna, path, form=dict.fromkeys(_field_names(), nasty))


@pytest.mark.parametrize("route", _FORMS, ids=str)
async def test_what_is_no_form_is_refused(town: Town, route: Route) -> None:
    anna, workspace_id = await _anna(town)
    path = _path(route, workspace_id, "x")
    for kind, body in (
        ("application/x-www-form-urlencoded", b"%zz=%ff&\xff\xfe=&=&&&name=%00"),
        ("application/x-www-form-urlencoded", b"name=1&" * 5_000),
        ("application/x-www-form-urlencoded", b"name=" + b"x" * 70_000),
        ("application/json", b'{"name": "x"}'),
        ("multipart/form-data", b"--x\r\n"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\ncontent-disposition: form-data; name=name; filename=f\r\n\r\n1\r\n",
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\ncontent-disposition: form-data; name="name"\r\n\r\n1\r\n--x--\r\n',
        ),
        ("multipart/form-data; boundary=x", _parts('; filename="f"', "text/plain", b"1")),
        ("multipart/form-data; boundary=x", _parts("", "text/plain; charset=no-such", b"1")),
        ("multipart/form-data; boundary=x", _parts("", "text/plain", b"\xff")),
        ("text/plain", b"name=x"),
    ):
        if route.path == "/sign-out":
            await town.sign_in(anna)
        await _send(anna, path, body=body, headers={"content-type": kind})
