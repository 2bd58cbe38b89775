"""A page as a browser without JavaScript has it: its text, its links, its forms with what is filled in."""

import html.parser
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urljoin

from tests.people.browser import Answer, Browser

_VOID: Final = frozenset({"input", "meta", "link", "br", "img", "hr"})


class Form:
    """A form: where it goes, and its fields as they are filled in, in order."""

    def __init__(self, method: str, action: str) -> None:
        self.method = method
        self.action = action
        self.fields: list[tuple[str, str]] = []
        self.names: set[str] = set()  # also of boxes that are not ticked

    def filled(self, typed: Mapping[str, str | Sequence[str]]) -> list[tuple[str, str]]:
        """The fields, with some typed anew; a list is what is ticked. A name that the form has not fails the test."""
        unknown = set(typed) - self.names
        assert not unknown, f"{self.action} has no field {unknown}"
        kept = [(name, value) for name, value in self.fields if name not in typed]
        for name, value in typed.items():
            values = [value] if isinstance(value, str) else value
            kept.extend((name, one) for one in values)
        return kept


class Page(html.parser.HTMLParser):
    """One page, parsed."""

    def __init__(self, answer: Answer, path: str) -> None:
        super().__init__()
        self.answer = answer
        self.path = path
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.ids: dict[str, str] = {}
        self.rows: list[list[str]] = []
        self.text = ""
        self._open: list[tuple[str, str]] = []
        self._select = ""
        self.feed(answer.text)

    @property
    def status(self) -> int:
        return self.answer.status

    def form(self, action: str) -> Form:
        """The form that goes to an address ending so."""
        found = [form for form in self.forms if form.action.endswith(action)]
        assert len(found) == 1, f"{len(found)} forms to {action}: {[form.action for form in self.forms]}"
        return found[0]

    def cells(self, heading: str) -> list[str]:
        """The cells of the row that begins with that."""
        found = [row for row in self.rows if row and row[0] == heading]
        assert len(found) == 1, self.rows
        return found[0]

    def has_link(self, ending: str) -> bool:
        """Whether a link leads to an address that ends so."""
        return any(link.endswith(ending) for link in self.links)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in _VOID:
            self._open.append((tag, given.get("id", "")))
        if tag == "a":
            self.links.append(given["href"])
        elif tag == "form":
            self.forms.append(Form(given["method"], urljoin(self.path, given["action"])))
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        else:
            self._field(tag, given, ticked={name for name, _ in attrs})

    def _field(self, tag: str, given: Mapping[str, str], *, ticked: set[str]) -> None:
        if tag in ("input", "select", "textarea") and given.get("name"):
            self.forms[-1].names.add(given["name"])
        if tag == "input" and given.get("name"):
            is_box = given.get("type") in ("checkbox", "radio")
            if not is_box or "checked" in ticked:
                self.forms[-1].fields.append((given["name"], given.get("value", "")))
        elif tag == "select":
            self._select = given["name"]
        elif tag == "textarea":
            self.forms[-1].fields.append((given["name"], ""))
        elif tag == "option" and "selected" in ticked:
            self.forms[-1].fields.append((self._select, given["value"]))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self._open]
        if "textarea" in tags:
            name, value = self.forms[-1].fields[-1]
            self.forms[-1].fields[-1] = (name, value + data.removeprefix("\n"))
        if "td" in tags or ("th" in tags and "tr" in tags):
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {data.strip()}".strip()
        for _, name in self._open:
            if name:
                self.ids[name] = f"{self.ids.get(name, '')} {data.strip()}".strip()
        self.text = f"{self.text} {data.strip()}".strip()


class Person:
    """Somebody with a browser."""

    def __init__(self, browser: Browser, email: str, person_id: str) -> None:
        self.browser = browser
        self.email = email
        self.person_id = person_id

    async def get(self, path: str, *, status: int = 200) -> Page:
        """Open a page."""
        answer = await self.browser.request("GET", path)
        assert answer.status == status, f"{path}: {answer.status}: {answer.text[-900:]}"
        return Page(answer, path)

    async def send(
        self, page: Page, action: str, typed: Mapping[str, str | Sequence[str]] | None = None, *, status: int = 303
    ) -> Page:
        """Fill a form of a page in and send it."""
        form = page.form(action)
        assert form.method == "post"
        return await self.post(form.action, form.filled(typed or {}), status=status)

    async def post(self, path: str, fields: Any = (), *, status: int = 303) -> Page:
        """Send a form, whether or not a page has it."""
        answer = await self.browser.request("POST", path, form=list(fields))
        assert answer.status == status, f"{path}: {answer.status}: {answer.text[-900:]}"
        return Page(answer, path)

    async def follow(self, page: Page) -> Page:
        """Where an answer sends the browser on to."""
        return await self.get(page.answer.location)
