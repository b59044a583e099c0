"""What a browser is shown at an address where there is nothing; programs are answered with JSON."""

from fastapi import FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException

from m1app.ui.login.plain_pages import plain_page

_NO_PAGE = "This page does not exist. It may have been deleted, or its address may be incomplete."


def add_missing_page(app: FastAPI) -> None:
    """Answer 404 with a page where the address was opened in a browser."""

    @app.exception_handler(HTTPException)
    async def answer(request: Request, error: HTTPException) -> Response:
        is_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
        if error.status_code != 404 or not is_page:
            return await http_exception_handler(request, error)
        said = str(error.detail)
        return plain_page("missing", 404, message=_NO_PAGE if said == "Not Found" else said)
