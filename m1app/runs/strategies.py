"""Strategy runs: one question, asked by each within the same budget, side by side.

Like a sweep, a run belongs to the service, not to the tab that started it. It is saved every second and closed in
`finally`; one that was stopped, failed or lost its process goes on from its finished requests.
"""

import asyncio
import hashlib
import secrets
import struct
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace

from m1app.access.audit import record
from m1app.access.person import Permission, current_person, needs
from m1app.access.quota import Quota
from m1app.errors import AppError
from m1app.knowledge.guard import may_read_facts
from m1app.knowledge.service import CorpusService
from m1app.privacy.service import IdentifierCheck, record_allowed
from m1app.runs.corpora import QuestionCorpora, require_readable
from m1app.runs.errors import PromptChanged
from m1app.runs.live_strategies import LiveStrategyRun
from m1app.runs.naming import require_own
from m1app.runs.owners import this_process
from m1app.runs.pass_plan import PassPlan, PassPlanner, new_question
from m1app.runs.policies import PolicyLibrary
from m1app.runs.probe_request import MAX_SEED, texts_of
from m1app.runs.run_service import JobRunService
from m1app.runs.stored_passes import StoredPass
from m1app.runs.stored_strategies import ELSEWHERE, read_run, reopened, store_reopened
from m1app.runs.strategy_needs import AskedModels, StrategyNeeds, require_some
from m1app.runs.strategy_records import passages_in
from m1app.runs.strategy_request import (
    StrategyRunRequest,
    check_strategies,
    request_of_run,
)
from m1app.runs.strategy_snapshots import KeptStrategy, StrategyRunSnapshot, StrategySnapshot
from m1app.strategies.catalogue import Choice
from m1app.strategies.choosing.policy import Policy
from m1app.strategies.starting import refusals
from models.engine.protocol import TokenIds
from storage.database import Database, Session
from storage.errors import RecordNotFound
from storage.questions.repository import QuestionRepository
from storage.strategies.records import (
    NewStrategyRun,
    StrategyRun,
    StrategyRunSummary,
)
from storage.strategies.repository import StrategyRepository
from storage.traces.records import TraceState

MAX_RUNNING = 32


@dataclass(frozen=True, slots=True)
class OwnStrategies:
    """Strategies of a run that no catalogue has, made by the service that starts it."""

    choices: Sequence[Choice]
    store: Callable[[Session, str], None]
    """Stores what it has to keep about the run of this id, in the transaction that stores the run."""
    texts: tuple[str, ...] = ()
    """What is sent besides the question and that somebody has written."""


class StrategyService(JobRunService[LiveStrategyRun, StrategyRunSnapshot]):
    """Runs strategies and lets any number of pages follow them.

    Every method may also raise `storage.errors.StorageError`.
    """

    _going_on = "This run is in progress"

    def __init__(
        self,
        planner: PassPlanner,
        database: Database,
        max_running: int = MAX_RUNNING,
        identifiers: IdentifierCheck | None = None,
        quota: Quota | None = None,
        policies: PolicyLibrary | None = None,
        corpora: CorpusService | None = None,
    ) -> None:
        super().__init__(database, "strategy run", max_running, lambda snapshot: snapshot.run, quota)
        self._planner = planner
        self._needed = StrategyNeeds(database, planner, policies, corpora)
        self._identifiers = identifiers or IdentifierCheck()

    @needs(Permission.ASK)
    async def start(
        self,
        request: StrategyRunRequest,
        run_id: str = "",
        *,
        allows_identifiers: bool = False,
        stored: Sequence[StoredPass] = (),
        own: OwnStrategies | None = None,
    ) -> StrategyRunSnapshot:
        """Start a run; return its state before the first token.

        Args:
            request: question and strategies.
            run_id: 32 hexadecimal digits; empty generates one.
            allows_identifiers: as in `ProbeService.start`.
            stored: passes of the question that strategies need not sample again.
            own: in place of the strategies that the request names.

        Raises:
            IdentifiersFound: the question may identify a person; it was neither sent nor stored.
            InvalidQuestion, ProbeRefused: the request is invalid, or a strategy names a model that is not served;
                nothing was stored.
            ModelsError: the engine cannot be reached or does not serve the model.
            QuotaReached: the person has as many running as one person may have.
        """
        choices = tuple(own.choices) if own else check_strategies(request)
        has_facts = may_read_facts()
        await self._needed.check_corpora(choices, has_facts=has_facts)
        texts = (*texts_of(request.probe), *(own.texts if own else ()))
        allowed = await asyncio.to_thread(self._identifiers.require, texts, is_allowed=allows_identifiers)
        with self._runs.place():
            plan = await self._planner.plan(request.probe)
            await self._needed.check_models(choices, plan)
            policies = await self._needed.policies_of(choices, plan.model)
            seed = secrets.randbelow(MAX_SEED // 2) if request.seed is None else request.seed
            if not run_id and own is None:  # A benchmark's strategies are checked, and counted, one by one.
                task = request.task(plan.prompt.text, seed, plan.most_thinking_tokens)
                require_some(choices, refusals(choices, replace(task, policies=policies)))

            def store(session: Session) -> StrategyRun:
                asked = QuestionRepository(session).upsert(new_question(request.probe))
                written = tuple(each.text for each in choices)
                new = _new_run(replace(request, choices=written), plan, seed, asked.id)
                run = StrategyRepository(session).add(new, run_id)
                if not run_id:  # A benchmark's runs have ids already, and its job is recorded.
                    record(session, "strategies.ask", run.id)
                record_allowed(session, run.id, allowed)
                if own is not None:
                    own.store(session, run.id)
                return run

            run = await self._database.write(store)
            finder = self._needed.corpora_for(run.question, has_facts=has_facts)
            kept = [KeptStrategy(each) for each in run.results]
            return self._run_live(run, choices, plan, kept, policies, stored, finder)

    @needs(Permission.READ)
    async def refusals(self, request: StrategyRunRequest) -> Mapping[str, str]:
        """Why strategies of a request cannot be asked, see `StrategyNeeds.missing`."""
        return await self._needed.missing(request)

    @needs(Permission.ASK)
    async def resume(
        self,
        run_id: str,
        *,
        stored: Sequence[StoredPass] = (),
        with_failed: bool = False,
        own: Sequence[Choice] | None = None,
    ) -> StrategyRunSnapshot:
        """Go on with a run that ended before all its strategies had; return its state.

        Requests that had ended are not made again; what others had generated is charged as wasted.

        Args:
            run_id: id of the run.
            stored: as in `start`.
            with_failed: whether strategies that have ended without some of their requests, which the engine failed,
                ask for these again.
            own: its strategies, if no catalogue has them.

        Raises:
            RecordNotFound: no record has that id.
            AccessRefused: somebody else has asked for it, and the person is no admin.
            AppError: it is running, or complete, or the engine would be asked something else.
            ProbeRefused: a strategy would search a corpus that is gone, or facts that whoever started or resumes it may
                not read.
            ModelsError: like `start`.
        """
        async with self._place_to_resume(run_id):
            return await self._resume(run_id, stored, own, with_failed=with_failed)

    async def _resume(
        self, run_id: str, stored: Sequence[StoredPass], own: Sequence[Choice] | None, *, with_failed: bool
    ) -> StrategyRunSnapshot:
        kept = await self._stored(run_id)
        require_own(kept.run.asked_by)
        if kept.run.state is TraceState.RUNNING:
            raise AppError(ELSEWHERE)
        if not stored and any(request.is_shared for each in kept.strategies for request in each.requests):
            raise AppError("This run belongs to a benchmark run. Resume the benchmark run instead; it has the passes.")
        strategies = reopened(kept, with_failed=with_failed)
        if not any(_goes_on(each) for each in strategies):
            raise AppError("This run is complete; use Run again for a new one.")
        plan = await self._planner.plan(request_of_run(kept.run).probe)
        if _hash_of(plan.prompt.token_ids) != kept.run.prompt_sha256:
            raise PromptChanged("the run started")
        choices = tuple(own) if own else check_strategies(request_of_run(kept.run))
        has_facts = await self._needed.may_search_facts(kept.run)
        # One that has searched goes on with what it found, though the corpus may be gone since.
        to_search = [
            choice
            for choice, each in zip(choices, strategies, strict=True)
            if _goes_on(each) and all(passages_in(request) is None for request in each.requests)
        ]
        await self._needed.check_corpora(to_search, has_facts=has_facts)
        policies = await self._needed.policies_of(choices, plan.model)
        await self._database.write(lambda session: store_reopened(session, kept, strategies))
        return self._run_live(
            kept.run,
            choices,
            plan,
            [KeptStrategy(each.result, each.requests, kept.traces) for each in strategies],
            policies,
            stored,
            self._needed.corpora_for(kept.run.question, has_facts=has_facts),
        )

    @needs(Permission.READ)
    async def check_corpora(self, choices: Sequence[Choice]) -> None:
        """Raise ProbeRefused where strategies would search corpora that are not there."""
        await self._needed.check_corpora(choices, has_facts=may_read_facts())

    def _run_live(
        self,
        run: StrategyRun,
        choices: Sequence[Choice],
        plan: PassPlan,
        kept: Sequence[KeptStrategy],
        policies: Mapping[str, Policy],
        stored: Sequence[StoredPass],
        finder: QuestionCorpora | None,
    ) -> StrategyRunSnapshot:
        request = request_of_run(run)
        task = replace(request.task(plan.prompt.text, run.seed, plan.most_thinking_tokens), policies=policies)
        live = LiveStrategyRun(
            run,
            choices,
            kept,
            plan,
            task,
            AskedModels(self._planner, plan),
            self._database,
            stored,
            finder,
        )
        self._runs.start(live)
        return live.snapshot()

    @needs(Permission.READ)
    async def get(self, run_id: str) -> StrategyRunSnapshot:
        """Return the current state of a run.

        Raises:
            RecordNotFound: no record has that id.
            AccessRefused: it has read corrected facts that the person may not read.
        """
        snapshot = await self._runs.get(run_id)
        require_readable(snapshot)
        return snapshot

    @needs(Permission.READ)
    async def follow(self, run_id: str) -> AsyncGenerator[StrategyRunSnapshot, None]:
        """Yield snapshots of a run until it is over, see `LiveRuns.follow`; raises like `get`, also later on."""
        async with aclosing(self._runs.follow(run_id)) as snapshots:
            async for snapshot in snapshots:
                require_readable(snapshot)
                yield snapshot

    @needs(Permission.READ)
    async def recent(
        self, limit: int, text: str = "", *, is_running: bool | None = None
    ) -> Sequence[StrategyRunSummary]:
        """Runs whose question contains the words of `text`, newest first."""
        return await self._database.read(lambda s: StrategyRepository(s).recent(limit, text, is_running=is_running))

    @needs(Permission.READ)
    async def running_now(self, text: str = "") -> Sequence[StrategyRunSummary]:
        """Runs that go on now, in any process, newest first; those whose process is gone are marked and left out."""
        return await self._without_abandoned(lambda: self.recent(MAX_RUNNING, text, is_running=True))

    def _mark_stored(self, session: Session, is_owner_alive: Callable[[str], bool], stale_after_seconds: float) -> int:
        return StrategyRepository(session).mark_interrupted(is_owner_alive, stale_after_seconds)

    async def _stored(self, run_id: str) -> StrategyRunSnapshot:
        return await self._database.read(lambda session: read_run(session, run_id))

    async def _save(self, runs: Sequence[LiveStrategyRun]) -> None:
        for each in runs:
            # One that was erased meanwhile says so at its end; the others are saved all the same.
            with suppress(RecordNotFound):
                await each.save()


def _new_run(request: StrategyRunRequest, plan: PassPlan, seed: int, question_id: str) -> NewStrategyRun:
    return NewStrategyRun(
        question_id=question_id,
        choices=request.choices,
        model=plan.model,
        profile=request.profile,
        system_prompt=request.system_prompt,
        budget_tokens=request.budget_tokens,
        thinking_tokens=request.thinking_tokens,
        force_rounds=request.force_rounds,
        temperature=request.temperature,
        top_p=request.top_p,
        seed=seed,
        answer_cap_tokens=request.answer_cap_tokens,
        engine_kind=plan.info.kind.value,
        engine_version=plan.info.version,
        engine_name=plan.engine_name,
        prompt_sha256=_hash_of(plan.prompt.token_ids),
        owner=this_process(),
        asked_by=current_person().account_id,
    )


def _hash_of(token_ids: TokenIds) -> str:
    return hashlib.sha256(struct.pack(f"<{len(token_ids)}I", *token_ids)).hexdigest()


def _goes_on(strategy: StrategySnapshot) -> bool:
    return strategy.result.state is TraceState.RUNNING
