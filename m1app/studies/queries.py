"""Reads what a study has come to: its parts, curves, readings, and the verdicts on its claims."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from m1app.access.person import Permission, needs
from m1app.benchmark.cell_summaries import CellSummary
from m1app.benchmark.model_pairs import Verdicts
from m1app.benchmark.queries import BenchmarkReading
from m1app.benchmark.recipe import recipe_of
from m1app.fact_tests.service import FactTestService
from m1app.fact_tests.shares import shares_of
from m1app.fact_tests.verdict import VerdictKind
from m1app.studies.comparison import ComparedStudies, compare_studies, shared_runs
from m1app.studies.errors import StudyRefused
from m1app.studies.outcome import fact_outcomes, protocol_differences, readings_of, set_checks
from m1app.studies.paper_numbers import number_of_claim
from m1app.studies.records import ClaimOutcome, StudyOutcome, StudyPart
from m1app.studies.service import StudyService, StudySummary, missing_run_note, study_of
from m1app.studies.study_file import Claim, ClaimKind, Side, Study
from m1app.wording import counted
from storage.benchmarks.question_scores import QuestionScores, cell_scores, strategy_scores
from storage.benchmarks.results import BenchmarkResultRepository
from storage.database import Database, Session
from storage.fact_tests.records import FactTestSummary

if TYPE_CHECKING:
    from m1app.studies.claims import ClaimData

_MOST_KEPT = 8
"""Outcomes in memory; those of large studies take seconds to compute."""


class StudyReading:
    """Reads outcomes. May raise RecordNotFound and StorageError."""

    def __init__(
        self, database: Database, studies: StudyService, benchmarks: BenchmarkReading, fact_tests: FactTestService
    ) -> None:
        self._database = database
        self._studies = studies
        self._benchmarks = benchmarks
        self._fact_tests = fact_tests
        self._kept: OrderedDict[str, tuple[object, StudyOutcome]] = OrderedDict()

    @needs(Permission.READ)
    async def outcome(self, study_id: str) -> StudyOutcome:
        """All that a started study has come to so far."""
        summary = await self._studies.summary(study_id)
        tests = await self._fact_tests.of_study(study_id) if summary.facts.fact_tests else ()
        explained = await self._explained(summary, tests)
        version = (_version(summary), explained)
        kept = self._kept.get(study_id)
        if kept is not None and kept[0] == version:
            return kept[1]
        found = await self._read(summary, explained, tests)
        self._kept[study_id] = (version, found)
        self._kept.move_to_end(study_id)
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return found

    @needs(Permission.READ)
    async def compare(self, first_id: str, second_id: str) -> ComparedStudies:
        """Two studies beside each other; raises StudyRefused if they are the same, or share no run."""
        if first_id == second_id:
            raise StudyRefused("name", "A study cannot be compared with itself. Name two studies.")
        first, second = await self.outcome(first_id), await self.outcome(second_id)
        runs = [run.id for pair in shared_runs(first, second).values() for run in pair]
        if not runs:
            raise StudyRefused(
                "name", f"{first.name} and {second.name} have no run in common: no run id is in both files."
            )

        def read(session: Session) -> dict[str, Verdicts]:
            results = BenchmarkResultRepository(session)
            return {each: results.first_verdicts(each, is_m1=first.study.rule == "m1") for each in runs}

        return await asyncio.to_thread(compare_studies, first, second, await self._database.read(read))

    async def _cells(self, summary: StudySummary, rule: str) -> dict[str, tuple[CellSummary, ...]]:
        return {run_id: await self._benchmarks.cells([run.id], rule) for run_id, run in summary.runs.items()}

    async def _explained(
        self, summary: StudySummary, tests: Sequence[FactTestSummary]
    ) -> Mapping[str, tuple[int, int]]:
        """Model -> failures that the missing fact turned right, and tested failures.

        Those that the study tested itself, if it has facts of its own; otherwise those that people have tested.
        """
        is_own = summary.facts.fact_tests > 0
        shares = await asyncio.to_thread(shares_of, tests) if is_own else await self._fact_tests.shares()
        right = VerdictKind.KNOWLEDGE_MISSING.value
        return {each.name: (each.verdicts.get(right, 0), each.explained.n) for each in shares.by_model}

    async def _read(
        self, summary: StudySummary, explained: Mapping[str, tuple[int, int]], tests: Sequence[FactTestSummary]
    ) -> StudyOutcome:
        stored = summary.stored
        study, facts = study_of(stored)
        # Both read every answer: together, as each has a thread and a connection.
        cells, data = await asyncio.gather(
            self._cells(summary, study.rule), self._database.read(lambda session: _sides(session, study, summary))
        )
        claims, level = await asyncio.to_thread(_judged, study, summary, data, explained, facts.look)
        checks = set_checks(study, stored.sets, facts)
        parts = tuple(_part(study, summary, run.id) for run in study.runs)
        return StudyOutcome(
            id=stored.id,
            name=stored.name,
            study=study,
            state=summary.state.value,
            created_at=stored.created_at,
            updated_at=max([stored.updated_at, *(each.updated_at for each in summary.runs.values())]),
            models=stored.models,
            sets=stored.sets,
            parts=parts,
            cells=cells,
            readings=await asyncio.to_thread(readings_of, study, stored.models, stored.sets, cells),
            claims=claims,
            facts=fact_outcomes(study, facts, tests),
            set_checks=checks,
            training=facts.training,
            protocol_differences=protocol_differences(
                study, checks, [each.run_id for each in parts if each.benchmark is None]
            ),
            look=facts.look,
            level=level,
            is_demo=facts.is_demo,
            text=stored.text,
        )


def _version(summary: StudySummary) -> object:
    """Differs if anything that an outcome rests on does."""
    return (summary.stored, summary.state, tuple(sorted(summary.runs.items())))


def _part(study: Study, summary: StudySummary, run_id: str) -> StudyPart:
    run, title = summary.runs.get(run_id), study.run(run_id).title or run_id
    if run is not None:
        return StudyPart(run_id=run_id, title=title, benchmark=run, recipe=recipe_of(run))
    note = missing_run_note(summary, run_id)
    return StudyPart(run_id=run_id, title=title, benchmark=None, recipe=None, note=note)


def _sides(session: Session, study: Study, summary: StudySummary) -> dict[str, tuple[QuestionScores, ...]]:
    """The scores of each claim's settings, by claim; none where one of them was not asked."""
    read: dict[object, QuestionScores] = {}

    def scores(claim: Claim, side: Side) -> QuestionScores:
        key = (side, claim.question_sets)
        if key not in read:
            read[key] = _scores(session, study, summary, claim.question_sets, side)
        return read[key]

    return {
        claim.id: tuple(scores(claim, side) for side in claim.sides)
        for claim in study.claims
        if claim.sides and not _missing(study, summary, claim)
    }


def _scores(session: Session, study: Study, summary: StudySummary, names: Sequence[str], side: Side) -> QuestionScores:
    run = summary.runs[side.run or ""]
    model = summary.stored.models[side.model or ""]
    sets = [summary.stored.sets[name] for name in names]
    if side.strategy:
        return strategy_scores(session, run.id, model, side.strategy, question_sets=sets)
    cell = (side.budget or 0, side.force_rounds)
    return cell_scores(session, run.id, model, cell, question_sets=sets, is_m1=study.rule == "m1")


def _missing(study: Study, summary: StudySummary, claim: Claim) -> str:
    """Why a claim cannot be measured; empty if it can."""
    roles = [claim.model] if claim.kind is ClaimKind.ONE_FACT_EXPLAINS else [side.model for side in claim.sides]
    for role in roles:
        if role not in summary.stored.models:
            return f"No model plays the role {role!r} in this study."
    for side in claim.sides:
        if side.run not in summary.runs:
            return f"The run {side.run!r} was skipped, or its benchmark run was deleted."
    return ""


def _no_fact_decided(study: Study, summary: StudySummary, claim: Claim, of_model: tuple[int, int]) -> str:
    """Why no test of the study's own facts says anything of a claim; empty if one does, or if it has none."""
    if study.fact_tests is None or claim.kind is not ClaimKind.ONE_FACT_EXPLAINS or of_model[1]:
        return ""
    tested = [each for each in summary.facts.tested if each.role == claim.model]
    if not tested:
        return "The study has not tested its facts yet."
    made = sum(bool(each.run_id) for each in tested)
    return f"Of the study's {counted(len(tested), 'fact')}, {made:,} could be tested, and no test was decided."


def _judged(
    study: Study,
    summary: StudySummary,
    sides: Mapping[str, tuple[QuestionScores, ...]],
    explained: Mapping[str, tuple[int, int]],
    look: int,
) -> tuple[tuple[ClaimOutcome, ...], float]:
    """The outcomes of a study's claims, and the level of their intervals."""
    # Imported here: the statistics take seconds to load.
    from m1app.studies.claim_statistics import ALPHA, alpha_of_look
    from m1app.studies.claims import outcomes_of

    alpha = ALPHA if study.extension is None else alpha_of_look(look)
    found = outcomes_of(
        [_data(study, summary, claim, sides.get(claim.id, ()), explained) for claim in study.claims], alpha
    )
    return found, 1 - 2 * alpha


def _data(
    study: Study,
    summary: StudySummary,
    claim: Claim,
    sides: tuple[QuestionScores, ...],
    explained: Mapping[str, tuple[int, int]],
) -> "ClaimData":
    from m1app.studies.claims import ClaimData

    of_model = explained.get(summary.stored.models.get(claim.model or "", ""), (0, 0))
    missing = _missing(study, summary, claim) or _no_fact_decided(study, summary, claim, of_model)
    return ClaimData(claim, sides, of_model, missing, number_of_claim(study, claim))
