"""What all pages of a site share: its name, its static files, the frame around the content."""

import gzip
import hashlib
import os
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import rjsmin
from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import PathLike, StaticFiles
from starlette.types import Scope

import live
from live import render
from live.errors import NotFound
from live.web.cache import takes_gzip


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

    def file_response(
        self, full_path: PathLike, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        if isinstance(response, FileResponse) and Path(full_path).suffix in (".js", ".css"):
            response = _lean_response(Path(full_path), stat_result.st_mtime_ns, response, Headers(scope=scope))
        current = scope["path_params"].get("digest") == self._digest
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if current else "no-cache"
        response.headers["Access-Control-Allow-Origin"] = "*"  # other sites' pages load the modules of an embed
        return response


def _lean_response(path: Path, changed: int, response: FileResponse, wanted: Headers) -> Response:
    zips = takes_gzip(wanted.get("accept-encoding", ""))
    content = lean(path, changed)[zips]
    headers = {"ETag": f"W/{response.headers['etag']}", "Vary": "Accept-Encoding"}
    if zips:
        headers["Content-Encoding"] = "gzip"
    return Response(content, headers=headers, media_type=response.media_type)


@lru_cache(maxsize=256)
def lean(path: Path, changed: int) -> tuple[bytes, bytes]:
    """A script or style sheet without what is only for those who read its source, plain and zipped.

    `changed` is when the file did, in any unit.
    """
    text = path.read_text(encoding="utf-8")
    content = (rjsmin.jsmin(text) if path.suffix == ".js" else text).encode()
    return content, gzip.compress(content, 9, mtime=0)
