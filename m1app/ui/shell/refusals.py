"""Answers to requests that a service refuses, or that the database cannot serve."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from m1app.access.errors import AccessRefused, NotLoggedIn
from storage.errors import StorageError


def add_refusals(app: FastAPI) -> None:
    """Answer with the message: 401 or 403 when a service refuses the person, 503 for the database."""

    @app.exception_handler(AccessRefused)
    async def refuse(_: Request, refusal: AccessRefused) -> JSONResponse:
        status = 401 if isinstance(refusal, NotLoggedIn) else 403
        return JSONResponse({"error": str(refusal)}, status_code=status)

    @app.exception_handler(StorageError)
    async def unavailable(_: Request, error: StorageError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=503)
