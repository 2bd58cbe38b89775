"""Pages: templates, what goes around every page, and the files that pages load. No domain.

Templates are Jinja2 with autoescape, and a name that is not given is an error. Pages load scripts and styles from here
alone; `/assets/<hash>/<name>` may be kept for ever, because another content has another address.
"""

import hashlib
import importlib.resources
import mimetypes
from collections.abc import Mapping
from typing import Any, Final

import jinja2
from litestar import Response

from farebox.web.shown import FILTERS

_ASSET_CACHE: Final = "public, max-age=31536000, immutable"


class Assets:
    """The files of one package folder, by name."""

    def __init__(self, package: str, folder: str = "assets") -> None:
        root = importlib.resources.files(package).joinpath(folder)
        found = {entry.name: entry.read_bytes() for entry in root.iterdir() if entry.is_file()}
        self._files: Mapping[str, bytes] = found
        # Of all files together, because modules name each other without a hash.
        self.version = hashlib.sha256(b"\0".join(found[name] for name in sorted(found))).hexdigest()[:16]

    def url(self, name: str) -> str:
        """Where a page loads it from. Raises KeyError."""
        assert self._files[name] is not None
        return f"/assets/{self.version}/{name}"

    def answer(self, version: str, name: str) -> Response[bytes] | None:
        """The file; None: there is none of that name. One of another version is this one's, not to be kept."""
        body = self._files.get(name)
        if body is None:
            return None
        cache = _ASSET_CACHE if version == self.version else "no-cache"
        return Response(body, media_type=media_type_of(name), headers={"cache-control": cache})


def media_type_of(name: str) -> str:
    """`text/javascript` and the like."""
    kind, _ = mimetypes.guess_type(name)
    return {"application/javascript": "text/javascript"}.get(str(kind), kind or "application/octet-stream")


class Templates:
    """The templates of some packages' folders `pages`; the first that has one wins."""

    def __init__(self, *packages: str, **globals_: Any) -> None:
        loaders = [jinja2.PackageLoader(package, "pages") for package in packages]
        self._environment = jinja2.Environment(
            loader=jinja2.ChoiceLoader(loaders),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(globals_)
        self._environment.filters.update(FILTERS)

    def page(self, name: str, status: int = 200, **values: Any) -> Response[str]:
        """A whole page. Pages show what belongs to somebody, so they are kept nowhere."""
        text = self._environment.get_template(name).render(**values)
        headers = {"cache-control": "no-store"}
        return Response(text, status_code=status, media_type="text/html", headers=headers)
