"""Publishes benchmark runs as static sites, and single traces and sweeps as HTML files."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from m1app.access.audit import record
from m1app.access.person import Permission, needs
from m1app.annotation.labels import Taxonomy
from m1app.benchmark.queries import BenchmarkReading
from m1app.benchmark.report import report_content
from m1app.benchmark.strategy_comparison import StrategyReading
from m1app.privacy.service import IdentifierCheck
from m1app.publishing.errors import PublishRefused
from m1app.publishing.licences import SetTerms, stored_set, terms_of
from m1app.publishing.question_document import Marks
from m1app.publishing.question_reading import QuestionReader
from m1app.publishing.site import OnProgress, PublishedSite, SiteBuilder, SiteReport, annotator_letters
from m1app.publishing.site_folder import new_site
from m1app.publishing.site_plan import SitePlan, plan_of
from m1app.runs.sweeps import SweepService
from storage.annotations.assessments import AssessmentRepository
from storage.database import Database, Session
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import Question


class SiteService:
    """Makes sites from benchmark runs."""

    def __init__(
        self,
        database: Database,
        reading: BenchmarkReading,
        strategies: StrategyReading,
        sweeps: SweepService,
        taxonomy: Taxonomy,
        identifiers: IdentifierCheck,
    ) -> None:
        """Args:
        database: has everything that is published.
        reading: reads the runs' results.
        strategies: evaluates their strategies.
        sweeps: reads how they were asked.
        taxonomy: names the labels of annotations.
        identifiers: looks for what may identify a person in sets that people here have made.
        """
        self._database = database
        self._reading = reading
        self._strategies = strategies
        self._sweeps = sweeps
        self._taxonomy = taxonomy
        self._identifiers = identifiers

    @needs(Permission.MANAGE)
    async def publish(
        self,
        site: PublishedSite,
        target: Path,
        *,
        on_progress: OnProgress = lambda *_: None,
        is_stopping: asyncio.Event | None = None,
    ) -> SiteReport:
        """Make a site; an earlier one in the same folder is replaced when the new one is complete.

        Only questions of the runs' sets are read: what people ask in Probe and Compare is in none of them.

        Args:
            site: what it shows.
            target: its folder; new, empty, or that of an earlier site.
            on_progress: called as questions are written.
            is_stopping: set it to stop; nothing is left of the site then.

        Raises:
            PublishRefused: something cannot be published, or the folder cannot be written.
            PublishStopped: `is_stopping` was set.
            RecordNotFound: no such run.
            StorageError: the database cannot be read.
        """
        site.check()
        runs = [await self._reading.get(run_id) for run_id in dict.fromkeys(site.runs)]
        await self._check_annotators(site.annotators)
        plan = await self._database.read(lambda s: plan_of(s, runs, site.include_texts))
        async with new_site(target) as writer:
            contents = [
                await report_content(run.id, self._reading, self._sweeps, self._strategies) for run in plan.runs
            ]
            marks = Marks(self._taxonomy, annotator_letters(site.annotators))
            reader = QuestionReader(plan, marks, self._identifiers)
            builder = SiteBuilder(site, plan, contents, reader, self._database)
            await builder.write(writer, on_progress, is_stopping)
        await self._database.write(lambda s: _note(s, plan, builder.marks))
        return SiteReport(
            folder=target,
            files=writer.files,
            bytes=writer.bytes,
            questions=len(plan.entries),
            sets=plan.sets,
            marks=builder.marks,
            findings=reader.findings.by_set,
        )

    @needs(Permission.READ)
    async def terms_of_question(self, question: Question) -> SetTerms | None:
        """Whether the texts of a question's set may be published; None if there is no set of this name."""

        def read(session: Session) -> SetTerms | None:
            if QuestionSetRepository(session).find(question.source) is None:
                return None
            kept = stored_set(session, question.source, [question.id])
            return terms_of(question.source, kept, is_allowed=False)

        return await self._database.read(read)

    async def _check_annotators(self, names: Sequence[str]) -> None:
        known = await self._database.read(lambda s: AssessmentRepository(s).annotators()) if names else ()
        if unknown := [name for name in names if name not in known]:
            there = ", ".join(known) or "nobody yet"
            raise PublishRefused(f"Nobody has annotated as {unknown[0]!r}. Annotators: {there}.")


def _note(session: Session, plan: SitePlan, marks: int) -> None:
    with_texts = sum(each.has_texts for each in plan.sets)
    for run in plan.runs:
        record(session, "benchmark_run.publish", run.id, sets_with_texts=with_texts, annotations=marks)
