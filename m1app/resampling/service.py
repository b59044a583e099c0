"""Resamplings: started, followed, stopped, resumed and read. Each is a strategy run of its own kind.

Stop, kill, resume and the ledger are those of strategy runs; see `m1app.runs.strategies`. What it says is about the
letter that the case answered, and never about the right one.
"""

import asyncio
import itertools
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from m1app.access.audit import record
from m1app.access.person import Permission, needs
from m1app.fact_tests.design import LEAST_SEEDS, MOST_SEEDS
from m1app.fact_tests.request import run_request
from m1app.fact_tests.statistics import Paired, compare
from m1app.resampling.errors import ResamplingRefused
from m1app.resampling.strategy import SIDES, Resampled, resample
from m1app.runs.cutting import KeptThinking, cut_before, require_same_prompt
from m1app.runs.errors import CutRefused
from m1app.runs.pass_plan import PassPlan, PassPlanner
from m1app.runs.probe_request import MAX_SEED
from m1app.runs.strategies import OwnStrategies, StrategyService
from m1app.runs.strategy_snapshots import StrategyRunSnapshot
from m1app.strategies.catalogue import Choice, choice_beyond_the_table
from storage.annotations.cases import CaseRepository
from storage.annotations.records import Case
from storage.database import Database, Session
from storage.resamplings.records import NewResampling, Resampling
from storage.resamplings.repository import ResamplingRepository
from storage.strategies.records import StrategyRun
from storage.traces.records import Trace
from storage.traces.repository import TraceRepository

KIND = "resampling"


@dataclass(frozen=True, slots=True)
class ResamplingSnapshot:
    """A resampling at one moment."""

    of: Resampling
    run: StrategyRunSnapshot

    @property
    def rollouts(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Those of each side, see the picture of `strategy`."""
        shown: Mapping[str, Any] = self.run.strategies[0].result.picture.get("rollouts", {})
        return {side: shown.get(side, ()) for side in SIDES}

    @property
    def compared(self) -> Paired:
        """How often the case's letter is answered with the sentence, against without it, by seed."""
        pairs = [
            (after, before)
            for before, after in zip(*(self.rollouts[side] for side in SIDES), strict=True)
            if before["state"] == after["state"] == "answered"
        ]
        letter = self.of.letter
        return compare(
            [after["letter"] == letter for after, _ in pairs], [before["letter"] == letter for _, before in pairs]
        )


_LOOK_SECONDS = 0.5
_LOOKS_FOR_THE_DEAD = 60
"""Every so many looks, runs whose process is gone are found."""


class ResamplingService:
    """Resamples sentences. Every method may also raise `storage.errors.StorageError`."""

    def __init__(self, database: Database, planner: PassPlanner, strategies: StrategyService) -> None:
        """Args:
        database: migrated.
        planner: finds the engine that the trace was asked on.
        strategies: runs the rollouts.
        """
        self._database = database
        self._planner = planner
        self._strategies = strategies

    @needs(Permission.ASK)
    async def start(
        self, case_id: str, start: int, end: int, seeds: int = LEAST_SEEDS, *, allows_identifiers: bool = False
    ) -> ResamplingSnapshot:
        """Start to resample a sentence; return its state before the first token.

        Args:
            case_id: a trace, or an answer of a sweep.
            start: of the sentence, in code points of the thinking.
            end: of the sentence.
            seeds: rollouts from each side.
            allows_identifiers: as in `ProbeService.start`.

        Raises:
            ResamplingRefused: it cannot be resampled; nothing was stored.
            RecordNotFound: no such case.
            ProbeRefused, ModelsError, QuotaReached: as `StrategyService.start`.
        """
        case, trace = await self._database.read(lambda session: _read(session, case_id))
        _check(case, trace, start, end, seeds)
        asked = run_request(trace, case)
        plan = await self._planner.plan(asked.probe)
        new = await _new(case, trace, plan, (start, end, seeds))
        resampled = Resampled(
            new,
            secrets.randbelow(MAX_SEED // 2),
            case.thinking_budget_tokens,
            asked.temperature,
            trace.answer_cap_tokens,
        )
        choice = _choice(resampled)
        asked = replace(asked, choices=(choice.text,), seed=resampled.first_seed, budget_tokens=resampled.most_tokens)

        def store(session: Session, run_id: str) -> None:
            ResamplingRepository(session).add(run_id, new)
            record(session, "resampling.start", run_id)

        own = OwnStrategies((choice,), store)
        run = await self._strategies.start(asked, allows_identifiers=allows_identifiers, own=own)
        return ResamplingSnapshot(await self._kept(run.run.id), run)

    @needs(Permission.ASK)
    async def resume(self, run_id: str) -> ResamplingSnapshot:
        """Go on with one that was stopped, failed or lost its process; raises like `StrategyService.resume`."""
        kept = await self._kept(run_id)
        choice = _choice(_resampled(kept, (await self._strategies.get(run_id)).run))
        return ResamplingSnapshot(kept, await self._strategies.resume(run_id, own=(choice,), with_failed=True))

    @needs(Permission.ASK)
    async def stop(self, run_id: str) -> None:
        """Stop one; what was answered is kept. Raises RecordNotFound, AccessRefused."""
        await self._kept(run_id)
        self._strategies.stop(run_id)

    @needs(Permission.READ)
    async def get(self, run_id: str) -> ResamplingSnapshot:
        """One as it is now; raises RecordNotFound."""
        return ResamplingSnapshot(await self._kept(run_id), await self._strategies.get(run_id))

    @needs(Permission.READ)
    async def of_case(self, case_id: str) -> Sequence[ResamplingSnapshot]:
        """Those of a case, newest first, as they are now."""
        kept = await self._database.read(lambda session: ResamplingRepository(session).of_case(case_id))
        return [ResamplingSnapshot(each, await self._strategies.get(each.run_id)) for each in kept]

    @needs(Permission.READ)
    async def follow_case(self, case_id: str) -> AsyncGenerator[Sequence[ResamplingSnapshot], None]:
        """Those of a case, newest first, twice a second until none runs; what is over is read once."""
        found: Sequence[ResamplingSnapshot] = ()
        for look in itertools.count():
            if look % _LOOKS_FOR_THE_DEAD == 0:
                await asyncio.to_thread(self._strategies.mark_interrupted, is_at_start=False)
                found = await self.of_case(case_id)
            else:
                found = [await self._now(each) for each in found]
            yield found
            if all(each.run.is_over for each in found):
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _now(self, of: ResamplingSnapshot) -> ResamplingSnapshot:
        return of if of.run.is_over else ResamplingSnapshot(of.of, await self._strategies.get(of.of.run_id))

    async def _kept(self, run_id: str) -> Resampling:
        return await self._database.read(lambda session: ResamplingRepository(session).get(run_id))


def _choice(resampled: Resampled) -> Choice:
    summary = "The thinking continues from before a sentence, and from after it."
    return choice_beyond_the_table(
        KIND, "Resampling", summary, "docs/branches.md", lambda task: resample(task, resampled)
    )


def _read(session: Session, case_id: str) -> tuple[Case, Trace]:
    case = CaseRepository(session).get(case_id)
    return case, TraceRepository(session).get(case.trace_id)


def _check(case: Case, trace: Trace, start: int, end: int, seeds: int) -> None:
    if not case.question.options or not case.letter:
        raise ResamplingRefused(
            "case",
            "This answer chose no option, so rollouts cannot be compared with it. Choose an answer that names an "
            "option.",
        )
    if not trace.prompt_token_ids:
        raise ResamplingRefused(
            "case", "This answer was imported, so the tokens of its thinking are not known. Ask the question on Probe."
        )
    if not 0 <= start < end <= len(case.thinking_text):
        raise ResamplingRefused("sentence", "This sentence is not part of the thinking. Reload the trace.")
    if isinstance(seeds, bool) or not LEAST_SEEDS <= seeds <= MOST_SEEDS:
        raise ResamplingRefused(
            "seeds", f"{seeds} rollouts were requested; choose from {LEAST_SEEDS} to {MOST_SEEDS} on each side."
        )


async def _new(case: Case, trace: Trace, plan: PassPlan, sentence: tuple[int, int, int]) -> NewResampling:
    start, end, seeds = sentence
    try:
        require_same_prompt(plan.prompt.token_ids, trace, "Ask the question again.")
        before = await cut_before(plan.engine, trace.segments, start)
        after = await cut_before(plan.engine, trace.segments, end)
    except CutRefused as exc:
        raise ResamplingRefused("case", str(exc)) from exc
    if len(after.token_ids) >= case.thinking_budget_tokens:
        raise ResamplingRefused(
            "sentence",
            "The budget is used up after this sentence, so nothing could follow it. Choose an earlier sentence.",
        )

    def rounds(kept: KeptThinking) -> int:
        return max(0, case.force_rounds - len(kept.waits))

    return NewResampling(
        trace_id=trace.id,
        checkpoint_id=case.checkpoint_id,
        start=start,
        end=end,
        sentence=case.thinking_text[start:end],
        letter=case.letter or "",
        seeds=seeds,
        before_ids=before.token_ids,
        after_ids=after.token_ids,
        before_text=before.text_before,
        after_text=after.text_before,
        before_rounds=rounds(before),
        after_rounds=rounds(after),
    )


def _resampled(kept: Resampling, run: StrategyRun) -> Resampled:
    """What a stored resampling has asked."""
    return Resampled(kept, run.seed, run.thinking_tokens or 1, run.temperature, run.answer_cap_tokens)
