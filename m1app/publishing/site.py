"""A published site: what was asked for, and how its files are made."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from m1app.benchmark.descriptions import run_name
from m1app.benchmark.report import ReportContent, plotly_program
from m1app.privacy.identifiers import IdentifierKind
from m1app.publishing.errors import PublishRefused, PublishStopped
from m1app.publishing.licences import SetTerms
from m1app.publishing.pages import (
    ExtraPage,
    Frame,
    extra_page,
    overview_page,
    questions_page,
    report_page,
    site_style,
)
from m1app.publishing.question_files import QuestionData, QuestionFiles
from m1app.publishing.question_reading import QuestionReader
from m1app.publishing.scripts import page_script
from m1app.publishing.site_folder import SiteWriter
from m1app.publishing.site_plan import SitePlan
from storage.database import Database

_QUESTIONS_AT_ONCE = 20
_MAX_TITLE = 200
_PAGE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")
_TAKEN = re.compile(r"index|questions|report-\d+")

OnProgress = Callable[[int, int], None]
"""Called with the questions that are written, and all of them."""


@dataclass(frozen=True, slots=True)
class PublishedSite:
    """What a site shows."""

    title: str
    """At the top of every page."""
    runs: Sequence[str]
    """Ids of benchmark runs, at least one; the same question of the same set stands side by side."""
    extra_pages: Sequence[ExtraPage] = ()
    include_texts: Sequence[str] = ()
    """Question sets whose texts are shown whatever their licence: whoever publishes them says that they may be."""
    annotators: Sequence[str] = ()
    """Names of annotators who agreed that their annotations are shown; they become A, B, and so on, in this order."""

    def check(self) -> None:
        """Refuse what makes no site.

        Raises:
            PublishRefused: no title or run, or pages with names that cannot be used.
        """
        if not self.title.strip() or len(self.title) > _MAX_TITLE:
            raise PublishRefused(f"A site needs a title of at most {_MAX_TITLE} characters.")
        if not self.runs:
            raise PublishRefused("Name at least one benchmark run by its id, which is in the address of its page.")
        names = [page.name for page in self.extra_pages]
        for name in names:
            if not _PAGE_NAME.fullmatch(name) or _TAKEN.fullmatch(name) or names.count(name) > 1:
                raise PublishRefused(f"{name!r} is not a valid page name. Use lower-case letters, digits and hyphens.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteReport:
    """What was published."""

    folder: Path
    files: int
    bytes: int
    questions: int
    sets: Sequence[SetTerms]
    marks: int
    """Annotations that are shown."""
    findings: Mapping[str, Mapping[IdentifierKind, int]] = field(default_factory=dict)
    """What may identify a person in published texts of sets that people here made, by set."""


class SiteBuilder:
    """Writes the files of one site, some questions at a time."""

    def __init__(
        self,
        site: PublishedSite,
        plan: SitePlan,
        contents: Sequence[ReportContent],
        reader: QuestionReader,
        database: Database,
    ) -> None:
        self._site = site
        self._plan = plan
        self._contents = contents
        self._reader = reader
        self._database = database
        self.marks = 0

    async def write(self, writer: SiteWriter, on_progress: OnProgress, is_stopping: asyncio.Event | None) -> None:
        """Write everything.

        Raises:
            PublishStopped: `is_stopping` was set.
            PublishRefused: a file cannot be written, or a text must not be published.
            StorageError: the database cannot be read.
        """
        files = QuestionFiles(writer, self._plan)
        total = len(self._plan.entries)
        on_progress(0, total)
        for start in range(0, total, _QUESTIONS_AT_ONCE):
            if is_stopping is not None and is_stopping.is_set():
                raise PublishStopped("Stopped; nothing was written.")
            entries = self._plan.entries[start : start + _QUESTIONS_AT_ONCE]
            found = await self._database.read(partial(self._reader.read, entries=entries))
            await asyncio.to_thread(_add, files, found)
            self.marks += sum(each.marks for each in found)
            on_progress(min(start + _QUESTIONS_AT_ONCE, total), total)
        await asyncio.to_thread(self._finish, writer, files)

    def _finish(self, writer: SiteWriter, files: QuestionFiles) -> None:
        files.finish()
        site, plan = self._site, self._plan
        frame = Frame(
            title=site.title.strip(),
            runs=[run_name(run) for run in plan.runs],
            extra_pages=site.extra_pages,
            made_at=datetime.now(UTC),
        )
        letters = annotator_letters(site.annotators).values()
        writer.write("index.html", overview_page(frame, plan, self._contents, files, list(letters)))
        writer.write("questions.html", questions_page(frame))
        for number, content in enumerate(self._contents):
            writer.write(f"report-{number + 1}.html", report_page(frame, number, content, plan))
        for page in site.extra_pages:
            writer.write(f"{page.name}.html", extra_page(frame, page))
        writer.write("assets/site.css", site_style())
        writer.write("assets/site.js", page_script())
        writer.write("assets/plotly.js", plotly_program().read_bytes())
        writer.write_manifest(
            title=frame.title,
            made_at=frame.made_at.isoformat(timespec="seconds"),
            runs=[run.id for run in plan.runs],
            questions=len(plan.entries),
            sets=[{"name": each.name, "licence": each.licence, "has_texts": each.has_texts} for each in plan.sets],
        )


def annotator_letters(names: Sequence[str]) -> Mapping[str, str]:
    """A letter for each annotator, in this order; after Z come AA, AB, and so on."""
    return {name: _letters(number) for number, name in enumerate(dict.fromkeys(names))}


def _letters(number: int) -> str:
    rest, last = divmod(number, 26)
    return (_letters(rest - 1) if rest else "") + chr(ord("A") + last)


def _add(files: QuestionFiles, found: Sequence[QuestionData]) -> None:
    for each in found:
        files.add(each)
