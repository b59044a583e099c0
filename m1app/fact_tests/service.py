"""Fact tests: started, followed, resumed and read. Each is a strategy run of its own kind.

Stop, kill, resume and the ledger are those of strategy runs; see `m1app.runs.strategies`.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import islice

from m1app.access.audit import record
from m1app.access.person import Permission, needs
from m1app.fact_tests.annotations import annotation_to_test, blind_reader, hidden, may_see, stretch_of
from m1app.fact_tests.design import COMPARED, Arm, Design, Insertion
from m1app.fact_tests.designing import Designed, make_design
from m1app.fact_tests.errors import FactTestOvertaken, FactTestRefused
from m1app.fact_tests.request import FactTestRequest, check, run_request
from m1app.fact_tests.shares import FactShares, shares_of
from m1app.fact_tests.strategy import fact_test
from m1app.fact_tests.words import names_target
from m1app.privacy.service import IdentifierCheck
from m1app.runs.branches import Editable
from m1app.runs.pass_plan import PassPlanner
from m1app.runs.strategies import OwnStrategies, StrategyService
from m1app.runs.strategy_snapshots import StrategyRunSnapshot
from m1app.strategies.catalogue import Choice, choice_beyond_the_table
from m1app.strategies.protocol import most_generated
from storage.annotations.cases import CaseRepository
from storage.annotations.records import Case
from storage.database import Database, Session
from storage.fact_tests.records import FactTest, FactTestSummary, NewFactTest
from storage.fact_tests.repository import FactTestRepository
from storage.strategies.records import StrategyRun
from storage.traces.records import Trace
from storage.traces.repository import TraceRepository

KIND = "fact-test"
_MOST_COUNTED = 20_000
"""Tests that are counted, the newest ones."""
MOST_DISAGREEMENTS = 50
"""Marks whose label and test disagree, as listed for a reader."""


@dataclass(frozen=True, slots=True)
class FactTestSnapshot:
    """A test at one moment."""

    test: FactTest
    run: StrategyRunSnapshot


@dataclass(frozen=True, slots=True)
class TestableFact:
    """What a test can be made of: a case with a marked stretch, and perhaps the corrected fact of an annotation."""

    case: Case
    mark_start: int
    mark_end: int
    fact: str = ""
    annotation_id: str = ""


@dataclass(frozen=True, slots=True)
class FactOutlook:
    """What can be said of a test before it starts."""

    names_target: str
    """See `m1app.fact_tests.words.names_target`."""
    answers: int
    tokens_at_most: int
    """About: how many tokens the cut leaves is known only once the engine has counted."""
    model: str


class FactTestService:
    """Tests facts. Every method may also raise `storage.errors.StorageError`."""

    def __init__(
        self,
        database: Database,
        planner: PassPlanner,
        strategies: StrategyService,
        identifiers: IdentifierCheck | None = None,
    ) -> None:
        """Args:
        database: migrated.
        planner: finds the engine that the trace was asked on.
        strategies: runs the tests.
        identifiers: what a fact is checked for before an engine gets it.
        """
        self._database = database
        self._planner = planner
        self._strategies = strategies
        self._identifiers = identifiers or IdentifierCheck()

    @needs(Permission.ASK)
    async def start(
        self, request: FactTestRequest, *, allows_identifiers: bool = False, newest: str | None = None
    ) -> FactTestSnapshot:
        """Start a test; return its state before the first token.

        Args:
            request: what is tested.
            allows_identifiers: as in `ProbeService.start`.
            newest: id of the newest test of the annotation that the caller knows of, empty for none; a newer one is a
                reason not to start. None starts whatever there is.

        Raises:
            FactTestRefused: it cannot be tested; nothing was stored.
            FactTestOvertaken: there is a newer test of the annotation than `newest`.
            RecordNotFound: no such case or annotation.
            IdentifiersFound: the fact may identify a person.
            ProbeRefused, ModelsError, QuotaReached: as `StrategyService.start`.
        """
        case, trace = await self._database.read(lambda session: _read(session, request))
        check(request, case, trace)
        # Before the engine counts its tokens.
        texts = (request.fact, request.wrong_fact)
        await asyncio.to_thread(self._identifiers.require, texts, is_allowed=allows_identifiers)
        designed = await make_design(request, case, trace, self._planner)
        new = _new_test(request, case, designed)
        design = designed.design
        choice = _choice(design)
        asked = replace(
            run_request(trace, case),
            choices=(choice.text,),
            seed=design.first_seed,
            thinking_tokens=design.thinking_tokens,
            force_rounds=design.force_rounds,
            budget_tokens=most_tokens(design),
        )
        own = OwnStrategies(
            (choice,),
            lambda session, run_id: _store(session, run_id, new, newest),
            texts=texts,
        )
        run = await self._strategies.start(asked, allows_identifiers=allows_identifiers, own=own)
        return FactTestSnapshot(await self._test(run.run.id), run)

    @needs(Permission.ASK)
    async def resume(self, run_id: str) -> FactTestSnapshot:
        """Go on with a test that was stopped, failed or lost its process.

        Raises like `StrategyService.resume`, and FactTestRefused: the annotation was withdrawn or rejected.
        """
        test = await self._test(run_id)
        if annotation_id := test.annotation_id:
            await self._database.read(lambda session: annotation_to_test(session, annotation_id))
        kept = await self._strategies.get(run_id)
        run = await self._strategies.resume(run_id, own=(_choice(_design_of(test, kept.run)),), with_failed=True)
        return FactTestSnapshot(test, run)

    @needs(Permission.ASK)
    async def stop(self, run_id: str) -> None:
        """Stop a test; what was answered is kept. Raises RecordNotFound, AccessRefused."""
        await self._test(run_id)
        self._strategies.stop(run_id)

    @needs(Permission.READ)
    async def get(self, run_id: str) -> FactTestSnapshot:
        """A test as it is now; raises RecordNotFound, FactTestRefused."""
        return FactTestSnapshot(await self._test(run_id), await self._strategies.get(run_id))

    @needs(Permission.READ)
    async def require_readable(self, run_id: str) -> None:
        """Raise FactTestRefused if a strategy run is a fact test that the person may not see yet; else do nothing.

        A fact test is a strategy run, and would be found as one too.
        """

        def is_hidden(session: Session) -> bool:
            test = FactTestRepository(session).find(run_id)
            return test is not None and not may_see(session, test.annotation_id)

        if await self._database.read(is_hidden):
            raise hidden()

    @needs(Permission.READ)
    async def follow(self, run_id: str) -> AsyncGenerator[FactTestSnapshot, None]:
        """A test at each change until it is over; raises RecordNotFound, FactTestRefused."""
        test = await self._test(run_id)
        async with aclosing(self._strategies.follow(run_id)) as snapshots:
            async for run in snapshots:
                yield FactTestSnapshot(test, run)

    @needs(Permission.READ)
    async def recent(
        self, limit: int = 25, *, case_id: str = "", annotation_id: str = "", study_id: str | None = None
    ) -> Sequence[FactTestSummary]:
        """Tests that the person may see, newest first; see `FactTestRepository.recent`."""

        return await self._database.read(
            lambda session: FactTestRepository(session).recent(
                limit, case_id=case_id, annotation_id=annotation_id, study_id=study_id, seen_by=blind_reader()
            )
        )

    @needs(Permission.READ)
    async def latest(self, annotation_id: str) -> FactTestSnapshot | None:
        """The newest test of an annotation, or None; one whose process is gone is marked as interrupted first."""
        await asyncio.to_thread(self._strategies.mark_interrupted, is_at_start=False)
        found = await self.recent(1, annotation_id=annotation_id)
        return await self.get(found[0].run_id) if found else None

    @needs(Permission.READ)
    async def latest_of_study(self, study_id: str, case_id: str, fact: str) -> FactTestSnapshot | None:
        """The newest test that a study made of a fact on a case, or None; see `latest`."""
        await asyncio.to_thread(self._strategies.mark_interrupted, is_at_start=False)
        found = await self.recent(_MOST_COUNTED, case_id=case_id, study_id=study_id)
        newest = next((each for each in found if each.fact == fact), None)
        return await self.get(newest.run_id) if newest else None

    @needs(Permission.READ)
    async def of_study(self, study_id: str) -> Sequence[FactTestSummary]:
        """All tests that a study made, newest first."""
        return await self.recent(_MOST_COUNTED, study_id=study_id)

    @needs(Permission.READ)
    async def shares(self) -> FactShares:
        """All tests that people made, of facts that were not withdrawn or rejected since, counted.

        Also those on whose texts another annotator is still at work.
        The disagreements are only those that the person may see, at most `MOST_DISAGREEMENTS`.
        """

        tests = await self._database.read(
            lambda session: FactTestRepository(session).recent(_MOST_COUNTED, study_id="", is_standing=True)
        )
        found = await asyncio.to_thread(shares_of, tests)

        def visible(session: Session) -> Sequence[FactTestSummary]:
            seen = (each for each in found.agreement.disagreements if may_see(session, each.annotation_id))
            return tuple(islice(seen, MOST_DISAGREEMENTS))

        seen = await self._database.read(visible)
        return replace(found, agreement=replace(found.agreement, disagreements=seen))

    @needs(Permission.READ)
    async def of_annotation(self, annotation_id: str) -> TestableFact:
        """What an annotation lets be tested.

        Raises:
            RecordNotFound: no such annotation.
            FactTestRefused: it was withdrawn or rejected, or is on no stretch of the thinking.
        """

        def read(session: Session) -> TestableFact:
            annotation = annotation_to_test(session, annotation_id)
            case = CaseRepository(session).get(annotation.case_id)
            start, end = stretch_of(annotation)
            return TestableFact(case, start, end, annotation.corrected_fact, annotation.id)

        return await self._database.read(read)

    @needs(Permission.READ)
    async def of_case(self, case_id: str, mark_start: int, mark_end: int) -> TestableFact:
        """What a stretch of a case lets be tested; raises RecordNotFound."""
        case = await self._database.read(lambda session: CaseRepository(session).get(case_id))
        length = len(case.thinking_text)
        start = min(max(0, mark_start), length)
        return TestableFact(case, start, min(max(start, mark_end), length))

    @needs(Permission.READ)
    async def of_test(self, run_id: str) -> TestableFact:
        """What was tested, to be tested again; raises RecordNotFound, FactTestRefused."""
        test = await self._test(run_id)
        found = await self.of_case(test.checkpoint_id or test.trace_id, test.mark_start, test.mark_end)
        return replace(found, fact=test.fact, annotation_id=test.annotation_id or "")

    @needs(Permission.READ)
    async def outlook(self, request: FactTestRequest) -> FactOutlook:
        """What is known of a test that is being written; raises RecordNotFound, FactTestRefused."""
        case, trace = await self._database.read(lambda session: _read(session, request))
        before = Editable(case, trace, request.mark_start, request.mark_end).tokens_before(request.mark_start)
        thinking = max(0, case.thinking_budget_tokens - before)
        each = most_generated(thinking=thinking, answer=trace.answer_cap_tokens)
        answers = request.seeds * (len(COMPARED) + request.has_prompt_arm + bool(request.wrong_fact.strip()))
        naming = names_target(request.fact, case.question.target or "", dict(case.question.options))
        return FactOutlook(naming, answers, answers * each, case.model)

    async def _test(self, run_id: str) -> FactTest:
        def read(session: Session) -> FactTest:
            test = FactTestRepository(session).get(run_id)
            if not may_see(session, test.annotation_id):
                raise hidden()
            return test

        return await self._database.read(read)


def most_tokens(design: Design) -> int:
    """The most that a test generates: thinking, answers, and a look at the options in each arm."""
    each = most_generated(thinking=design.thinking_tokens, answer=design.answer_cap_tokens)
    return len(design.arms) * (design.seeds * each + most_generated(looks=1))


def _choice(design: Design) -> Choice:
    summary = "The thinking continues from before a mark, with and without a fact."
    return choice_beyond_the_table(
        KIND, "Fact test", summary, "docs/missing-fact.md", lambda task: fact_test(task, design)
    )


def _read(session: Session, request: FactTestRequest) -> tuple[Case, Trace]:
    if request.annotation_id:
        annotation = annotation_to_test(session, request.annotation_id)
        stretch_of(annotation)
        if annotation.case_id != request.case_id:
            raise FactTestRefused(
                "case", "This annotation belongs to another answer. Open the test from its case again."
            )
    case = CaseRepository(session).get(request.case_id)
    if request.budget_tokens is not None:
        case = replace(case, thinking_budget_tokens=request.budget_tokens)
    return case, TraceRepository(session).get(case.trace_id)


def _store(session: Session, run_id: str, new: NewFactTest, newest: str | None) -> None:
    tests = FactTestRepository(session)
    if newest is not None and new.annotation_id and tests.newest_of(new.annotation_id) != newest:
        raise FactTestOvertaken
    tests.add(run_id, new)
    record(session, "fact_test.start", run_id)


def _new_test(request: FactTestRequest, case: Case, designed: Designed) -> NewFactTest:
    design, asked = designed.design, case.question
    return NewFactTest(
        trace_id=case.trace_id,
        checkpoint_id=case.checkpoint_id,
        annotation_id=request.annotation_id or None,
        study_id=request.study_id or None,
        mark_start=request.mark_start,
        mark_end=request.mark_end,
        marked=case.thinking_text[request.mark_start : request.mark_end],
        fact=request.fact,
        unrelated_fact=designed.unrelated_fact,
        wrong_fact=request.wrong_fact,
        prompt=design.prompt,
        names_target=names_target(request.fact, design.target, dict(asked.options)),
        insertions={
            arm.value: {"text": each.text, "token_ids": list(each.token_ids)} for arm, each in design.insertions.items()
        },
        kept_ids=design.kept_ids,
        kept_characters=designed.kept.characters,
        text_before=design.text_before,
        seeds=design.seeds,
        first_letter=case.letter,
    )


def _design_of(test: FactTest, run: StrategyRun) -> Design:
    """The design of a stored test, as it was asked."""
    return Design(
        kept_ids=test.kept_ids,
        text_before=test.text_before,
        insertions={
            Arm(arm): Insertion(each["text"], tuple(each["token_ids"])) for arm, each in test.insertions.items()
        },
        prompt=test.prompt,
        target=run.question.target or "",
        seeds=test.seeds,
        first_seed=run.seed,
        thinking_tokens=run.thinking_tokens or 1,
        force_rounds=run.force_rounds,
        temperature=run.temperature,
        answer_cap_tokens=run.answer_cap_tokens,
    )
