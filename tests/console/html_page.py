"""What stands on a page, read as a browser would read it, by the standard library's parser."""

from html.parser import HTMLParser
from typing import Final

from tests.people.browser import Answer, Browser

# Tags that have no end.
_EMPTY: Final = frozenset({"input", "meta", "link", "br", "img", "hr"})


class Element:
    """A tag with its attributes and all text inside it."""

    def __init__(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tag = tag
        self.attributes = {name: value or "" for name, value in attributes}
        self.text = ""

    def __getitem__(self, name: str) -> str:
        return self.attributes.get(name, "")


class Page(HTMLParser):
    """The elements of a page in their order."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(convert_charrefs=True)
        self.answer = answer
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(answer.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, attrs)
        self.elements.append(element)
        if tag not in _EMPTY:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop().tag != tag:
            pass

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Those of a tag that have these attributes."""
        return [
            element
            for element in self.elements
            if element.tag == tag and all(element[name] == value for name, value in attributes.items())
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        """The only one."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of {tag} {attributes}"
        return found[0]

    @property
    def title(self) -> str:
        return self.one("title").text

    @property
    def heading(self) -> str:
        return self.one("h1").text

    @property
    def said(self) -> str:
        """The text of what the page is about, blanks in one."""
        return " ".join(self.one("main").text.split())

    @property
    def problem(self) -> str:
        """What the form was refused for; '': it was not."""
        found = self.all("div", id="problem")
        return " ".join(found[0].text.split()) if found else ""

    def value(self, name: str) -> str:
        """What stands in a field; of the hidden ones all forms have the same in it."""
        shown = self.all("input", id=f"field-{name}")
        values = {element["value"] for element in shown or self.all("input", name=name)}
        assert len(values) == 1, f"{values} in {name}"
        return values.pop()

    def error_of(self, name: str) -> str:
        """The error that a field is described by."""
        field = self.one("input", id=f"field-{name}")
        assert field["aria-invalid"] == "true"
        ids = field["aria-describedby"].split()
        errors = [element for element in self.elements if element["id"] in ids and element["class"] == "error"]
        assert len(errors) == 1
        return errors[0].text


async def open_page(browser: Browser, path: str, *, status: int = 200) -> Page:
    """GET a page."""
    answer = await browser.request("GET", path)
    assert answer.status == status, f"{answer.status} {answer.headers.get('location', '')} {answer.text[:500]}"
    return Page(answer)


async def send_form(browser: Browser, path: str, **fields: str) -> Answer:
    """Press the button of a form."""
    return await browser.request("POST", path, form=fields)


async def refused_form(browser: Browser, path: str, status: int, **fields: str) -> Page:
    """The page that a refused form comes back as."""
    answer = await send_form(browser, path, **fields)
    assert answer.status == status, f"{answer.status} {answer.headers.get('location', '')} {answer.text[:500]}"
    return Page(answer)


async def taken_form(browser: Browser, path: str, **fields: str) -> str:
    """Where the browser is sent after a form was taken."""
    answer = await send_form(browser, path, **fields)
    assert answer.status == 303, f"{answer.status} {answer.text[:500]}"
    return answer.location
