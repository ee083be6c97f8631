"""Our own styles and scripts, from the package, with a version in their URL so that browsers may keep them."""

from __future__ import annotations

import functools
import hashlib
from importlib import resources
from typing import Any

from twisted.web import resource

from buildmaster.www.resource import ErrorPage

_TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".mjs": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".png": b"image/png",
    ".txt": b"text/plain; charset=utf-8",
}


@functools.cache
def files() -> dict[str, bytes]:
    """Path below ``static`` → content; read once, they are small."""
    found: dict[str, bytes] = {}

    def walk(directory: Any, prefix: str) -> None:
        for entry in directory.iterdir():
            if entry.is_dir():
                walk(entry, f"{prefix}{entry.name}/")
            elif entry.name[entry.name.rfind(".") :] in _TYPES:
                found[prefix + entry.name] = entry.read_bytes()

    walk(resources.files("buildmaster.www.pages").joinpath("static"), "")
    return found


@functools.cache
def version() -> str:
    """Changes when any of the files does."""
    digest = hashlib.blake2b(digest_size=6)
    for name, content in sorted(files().items()):
        digest.update(name.encode() + content)
    return digest.hexdigest()


class StaticResource(resource.Resource):
    """``/static/<version>/<path>``; the version is not looked at, it only makes the URL new."""

    isLeaf = True

    def render_GET(self, request: Any) -> Any:
        path = b"/".join(request.postpath[1:]).decode("utf-8", "replace")
        content = files().get(path)
        if content is None:
            return ErrorPage(404, "No such file").render(request)
        request.setHeader(b"content-type", _TYPES[path[path.rfind(".") :]])
        request.setHeader(b"cache-control", b"public, max-age=31536000, immutable")
        request.setHeader(b"content-length", b"%d" % len(content))
        return content
