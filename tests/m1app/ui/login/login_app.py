"""An app of nothing but the gate, the login and one page, and its database."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI

from m1app.access.person import current_person
from m1app.access.provider_http import ProviderHttp
from m1app.access.service import Access
from m1app.settings import Settings
from m1app.ui.login.gate import CONFIRMED, LOGIN, OPEN_PATHS, Gate
from m1app.ui.login.pages import add_login
from m1app.ui.login.provider import add_provider
from m1app.ui.shell.requests import Admission, Limits
from m1app.ui.shell.visitor import NamedByProxy
from storage.database import Database


@contextmanager
def access_in(folder: Path, settings: Settings) -> Iterator[Access]:
    """Accounts in a database of their own."""
    database = Database(f"sqlite:///{folder / 'm1.sqlite3'}")
    database.migrate()
    try:
        yield Access(settings, database)
    finally:
        database.dispose()


def app_of(access: Access, settings: Settings, http: ProviderHttp | None = None) -> Any:
    """The app; its page shows id, name, role and address of the person."""
    app = FastAPI()
    app.add_middleware(Gate, access=access, pages=frozenset({"/"}), open_paths=OPEN_PATHS)
    add_login(app, access, settings)
    if settings.oidc_issuer:
        add_provider(app, access, settings, http)

    @app.get("/")
    async def page() -> dict[str, str]:
        person = current_person()
        return {"id": person.id, "name": person.name, "role": str(person.role), "address": person.address}

    return NamedByProxy(Admission(app, ["/", LOGIN, CONFIRMED], Limits()), settings)


def browser(app: Any, address: str, peer: str = "192.0.2.7") -> httpx2.AsyncClient:
    """A browser, without a network between it and the app."""
    transport = httpx2.ASGITransport(app=app, client=(peer, 1234))
    return httpx2.AsyncClient(transport=transport, base_url=address)
