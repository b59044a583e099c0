"""`/passages/ID`: a passage that a run quotes, with all that is known of it."""

from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse

from m1app.bootstrap import Services
from m1app.ui.shell.downloads import found
from storage.corpora.records import Passage


def add_passage_page(app: FastAPI, services: Services) -> None:
    """Plain text: no browser takes anything in a passage for markup."""

    @app.get("/passages/{passage_id}")
    async def read_passage(passage_id: str) -> Response:
        return PlainTextResponse(passage_text(await found(lambda: services.corpora.passage(passage_id))))


def passage_text(passage: Passage) -> str:
    """A passage below a line for each thing that is known of it."""
    version = f", version {passage.version}" if passage.version else ""
    facts = [
        ("Corpus", f"{passage.corpus}{version}"),
        ("Source", passage.source),
        ("Page", passage.page),
        ("Heading", passage.heading),
        ("Id in the file", passage.key if passage.version else ""),
    ]
    return "\n".join([*(f"{name}: {value}" for name, value in facts if value), "", passage.text, ""])
