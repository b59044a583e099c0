"""The pages' own code, `m1app/ui/<room>/<name>.js`: ES modules that the browser imports from here.

Every address contains a hash of all modules, so that browsers can cache modules permanently without mixing versions:
modules import each other by relative paths, under the same hash. The code is the same for everyone and contains no
data, so even the Admin page's code is not behind its gate.
"""

import hashlib
from functools import cache
from pathlib import Path

from fastapi import FastAPI, HTTPException, Response

_PAGES = Path(__file__).parents[1]
_YEAR_SECONDS = 365 * 24 * 3600
_HASH_DIGITS = 16


@cache
def _modules() -> dict[str, bytes]:
    """Content by "room/name.js"; nothing else is served."""
    return {path.relative_to(_PAGES).as_posix(): path.read_bytes() for path in sorted(_PAGES.glob("*/*.js"))}


@cache
def _version() -> str:
    digest = hashlib.sha256()
    for name, content in _modules().items():
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:_HASH_DIGITS]


def page_code_address(name: str) -> str:
    """Return the address of the module `m1app/ui/<name>.js`.

    Raises:
        KeyError: no such module.
    """
    file = f"{name}.js"
    if file not in _modules():
        raise KeyError(f'there is no page code "{name}": expected m1app/ui/{file}')
    return f"/page-code/{_version()}/{file}"


def add_page_code(app: FastAPI) -> None:
    """`/page-code/HASH/room/name.js`."""

    @app.api_route("/page-code/{version}/{room}/{file}", methods=["GET", "HEAD"])
    async def page_code(version: str, room: str, file: str) -> Response:
        content = _modules().get(f"{room}/{file}")
        if content is None or version != _version():
            raise HTTPException(404, "Page code not found; reload the page.")
        headers = {"Cache-Control": f"public, max-age={_YEAR_SECONDS}, immutable"}
        return Response(content, media_type="text/javascript", headers=headers)
