"""What all pages of a site share: its name, its static files, the frame around the content."""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

import live
from live import render
from live.errors import NotFound


class Site(NamedTuple):
    """The site as its templates know it. `base` is the address readers know it by, '' when nobody said."""

    name: str
    language: str
    base: str = ""

    def at(self, target: str) -> str:
        """A path of this site, or an address elsewhere, as an absolute address; without a base a path stays one."""
        return self.base + target if target.startswith("/") else target

    def require_base(self) -> str:
        """The base. Raises NotFound where there is none: what is asked for is made of absolute addresses."""
        if not self.base:
            raise NotFound("This site does not know its own address; its operator sets LIVE_PUBLIC_URL.")
        return self.base


def static_directory() -> Path:
    """Where the static files are: inside the installed package, or beside it in a checkout."""
    package = Path(live.__file__).parent
    return next(path for path in (package / "static", package.parent / "static") if path.is_dir())


class Layout:
    """Renders templates with what every page has.

    Static files have a digest of them all in their address, so that they may be cached for ever, and ES modules find
    each other by relative address all the same.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.directory = static_directory()

    @cached_property
    def digest(self) -> str:
        """Changes whenever any static file does."""
        digest = hashlib.sha256()
        for path in sorted(self.directory.rglob("*")):
            if path.is_file():
                digest.update(str(path.relative_to(self.directory)).encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()[:12]

    def static(self, path: str) -> str:
        """The address of a static file."""
        return f"/static/{self.digest}/{path}"

    def page(self, template: str, **context: Any) -> str:
        """A whole page; what is not given is empty."""
        common: dict[str, Any] = {
            "site": self.site, "lang": self.site.language, "title": self.site.name, "description": "", "path": "",
            "cursor": "", "topics": "", "sections": [], "notice": None, "promo": None,
        }  # fmt: skip
        return render.page(template, self.static, **(common | context))


class LastingFiles(StaticFiles):
    """Static files under an address that changes with their content: cached for ever, unless the digest is an old one
    (a page of the version before, during a deploy)."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(directory=layout.directory)
        self._digest = layout.digest

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        scope: Scope = kwargs.get("scope") or args[2]
        current = scope["path_params"].get("digest") == self._digest
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if current else "no-cache"
        response.headers["Access-Control-Allow-Origin"] = "*"  # other sites' pages load the modules of an embed
        return response
