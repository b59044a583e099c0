"""Has a model judge the answer of a trace to an open question, and keeps persons' verdicts beside the model's.

A model's verdict is an opinion: it is never scored as `is_correct`, and whoever shows it says which model it is of and
whether a person has confirmed any.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from m1app.access.audit import record
from m1app.access.person import Permission, current_person, needs
from m1app.judging.agreement import VerdictAgreement
from m1app.judging.errors import JudgingRefused
from m1app.privacy.service import IdentifierCheck, record_allowed
from m1app.question.library import load_library
from m1app.strategies.drivers.driver import Driver
from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.drivers.observer import Observer
from m1app.strategies.drivers.served_models import Models, ServedModel
from m1app.strategies.methods.verifying.open_answer import judge_open_answer
from m1app.strategies.methods.verifying.verification import Judge
from m1app.strategies.protocol import Request
from models.engine.protocol import TokenIds
from models.thinking.budget_forcing import Marker
from storage.database import Database, Session
from storage.open_verdicts.records import Judgement, NewOpenVerdict, OpenVerdict
from storage.open_verdicts.repository import OpenVerdictRepository, open_answer
from storage.questions.records import Question
from storage.questions.repository import QuestionRepository
from storage.traces.records import Trace, TraceState
from storage.traces.repository import TraceRepository

JUDGE_TOKENS = 256
"""Thinking budget of the judge."""
MOST_OF_A_VERDICT = Judge("", JUDGE_TOKENS).cost_tokens
"""Most tokens that a judge generates for one answer."""
MAX_REFERENCE_CHARACTERS = 2_000
MAX_RUNNING = 4
"""Answers that are judged at once."""


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """An answer to an open question with its verdicts."""

    trace_id: str
    reference: str
    """The reference answer; empty if none is known."""
    verdicts: tuple[OpenVerdict, ...]
    """By this reference answer, the newest first."""
    agreement: VerdictAgreement
    """Of models and persons over all answers."""


@dataclass(frozen=True, slots=True)
class SweepAnswer:
    """An answer of a sweep."""

    trace_id: str
    checkpoint_id: str
    text: str


class _Asked(Observer):
    """Remembers which model was asked."""

    def __init__(self) -> None:
        self.model = ""

    def began(self, request: Request, model: ServedModel, prompt_ids: TokenIds, close: Marker | None = None) -> None:
        self.model = model.name


class JudgingService:
    """Verdicts on answers to open questions. Every method may also raise `storage.errors.StorageError`."""

    def __init__(self, database: Database, models: Models, identifiers: IdentifierCheck | None = None) -> None:
        self._database = database
        self._models = models
        self._identifiers = identifiers or IdentifierCheck()
        self._running = 0

    @needs(Permission.READ)
    async def on(self, trace_id: str) -> JudgedAnswer | None:
        """The verdicts on a trace's answer; None if there is nothing to judge.

        That is a question with options, or a trace without an answer, or one that is not stored.
        """

        def read(session: Session) -> JudgedAnswer | None:
            repository = TraceRepository(session)
            trace = repository.get(trace_id) if repository.exists(trace_id) else None
            return _judged(session, trace) if trace and _can_be_judged(trace) else None

        return await self._database.read(read)

    @needs(Permission.ASK)
    async def judge(self, trace_id: str, reference: str, model: str = "") -> JudgedAnswer:
        """Have a model judge the answer of a trace, and keep its verdict and the reference answer.

        Args:
            trace_id: a trace that has ended, of an open question.
            reference: what a right answer says.
            model: a served model; empty for the engine's default.

        Raises:
            JudgingRefused: there is nothing to judge, no reference answer, the judge failed, or too many are running.
            IdentifiersFound: the reference answer may identify a person, and M1_IDENTIFIERS blocks that.
            ModelsError: the default model's engine cannot be reached.
        """
        given = _checked_reference(reference)
        allowed = await asyncio.to_thread(self._identifiers.require, (given,), is_allowed=True)
        trace = await self._database.read(lambda session: _answered(session, trace_id))
        if self._running >= MAX_RUNNING:
            raise JudgingRefused(
                "", f"{self._running} answers are already being judged. Wait until one is done, then try again."
            )
        self._running += 1
        try:
            new = await self._ask(trace, given, model)
        finally:
            self._running -= 1

        def keep(session: Session) -> JudgedAnswer:
            QuestionRepository(session).set_reference(trace.question.id, given)
            OpenVerdictRepository(session).put(new)
            record(session, "answer.judge", trace_id)
            record_allowed(session, trace_id, allowed)
            return _judged(session, _answered(session, trace_id))

        return await self._database.write(keep)

    @needs(Permission.ANNOTATE)
    async def say(self, trace_id: str, reference: str, judgement: Judgement) -> JudgedAnswer:
        """Keep the current person's verdict on the answer of a trace.

        Raises:
            JudgingRefused: there is nothing to judge, or no reference answer.
            IdentifiersFound: as `judge`.
        """
        given = _checked_reference(reference)
        allowed = await asyncio.to_thread(self._identifiers.require, (given,), is_allowed=True)

        def keep(session: Session) -> JudgedAnswer:
            trace = _answered(session, trace_id)
            QuestionRepository(session).set_reference(trace.question.id, given)
            person = NewOpenVerdict(
                trace_id=trace_id,
                judgement=judgement,
                reference=given,
                is_person=True,
                judged_by=current_person().account_id,
            )
            OpenVerdictRepository(session).put(person)
            record(session, "answer.verdict", trace_id)
            record_allowed(session, trace_id, allowed)
            return _judged(session, _answered(session, trace_id))

        return await self._database.write(keep)

    @needs(Permission.ASK)
    async def judge_checkpoints(self, question: Question, answers: Sequence[SweepAnswer], model: str) -> int:
        """Have a model judge answers of a sweep, one after another, and keep each verdict as soon as it is there.

        Those that this model has judged by the same reference answer are left out, so that this can be repeated.

        Args:
            question: an open question.
            answers: to it.
            model: a served model.

        Returns:
            Tokens that the judge generated; 0 if the question has no reference answer.

        Raises:
            JudgingRefused: the judge failed; verdicts before are kept.
            ModelsError: the model's engine cannot be reached.
        """
        reference, tokens = question.reference, 0
        for each in answers if reference else ():
            assert reference is not None
            known = await self._database.read(partial(_is_judged, each, reference, model))
            if known or not each.text.strip():
                continue
            new, spent = await self._verdict(question.stem, reference, each.text, each.trace_id, model)
            kept = replace(new, checkpoint_id=each.checkpoint_id, judged_by=model)
            await self._database.write(partial(_put, kept))
            tokens += spent
        return tokens

    @needs(Permission.ANNOTATE)
    async def say_of_checkpoint(self, checkpoint_id: str, judgement: Judgement) -> None:
        """Keep the current person's verdict on an answer of a sweep, by its question's reference answer.

        Raises:
            JudgingRefused: it is no answer to an open question with a reference answer.
        """

        def keep(session: Session) -> None:
            answer = open_answer(session, checkpoint_id)
            if answer is None:
                raise JudgingRefused(
                    "",
                    f"Answer {checkpoint_id[:40]!r} does not belong to an open question with a reference answer, so "
                    "it cannot have a verdict.",
                )
            person = NewOpenVerdict(
                trace_id=answer.trace_id,
                checkpoint_id=checkpoint_id,
                judgement=judgement,
                reference=answer.reference,
                is_person=True,
                judged_by=current_person().account_id,
            )
            OpenVerdictRepository(session).put(person)
            record(session, "answer.verdict", answer.trace_id)

        await self._database.write(keep)

    async def _ask(self, trace: Trace, reference: str, model: str) -> NewOpenVerdict:
        found, _ = await self._verdict(trace.question.stem, reference, trace.answer_text, trace.id, model)
        return found

    async def _verdict(
        self, stem: str, reference: str, answer: str, trace_id: str, model: str
    ) -> tuple[NewOpenVerdict, int]:
        """A verdict to keep, and the tokens that it took."""
        judge, observer = Judge(model, JUDGE_TOKENS), _Asked()
        strategy = judge_open_answer(stem, reference, answer, judge)
        ledger = Ledger(judge.cost_tokens)
        driver = Driver(strategy, self._models, ledger, (), options={}, temperature=0.0, observer=observer)
        verdict = await driver.run()
        if not verdict.answer:
            raise JudgingRefused("", f"The answer could not be judged: {verdict.why}")
        new = NewOpenVerdict(
            trace_id=trace_id,
            judgement=Judgement(verdict.answer),
            reference=reference,
            is_person=False,
            judged_by=observer.model,
            reason=verdict.why,
        )
        return new, ledger.generated


def _is_judged(answer: SweepAnswer, reference: str, model: str, session: Session) -> bool:
    found = OpenVerdictRepository(session).on(answer.trace_id, answer.checkpoint_id)
    return any(not each.is_person and each.judged_by == model and each.reference == reference for each in found)


def _put(new: NewOpenVerdict, session: Session) -> None:
    OpenVerdictRepository(session).put(new)


def _can_be_judged(trace: Trace) -> bool:
    is_over = trace.state is not TraceState.RUNNING
    return is_over and not trace.question.options and bool(trace.answer_text.strip())


def _answered(session: Session, trace_id: str) -> Trace:
    trace = TraceRepository(session).get(trace_id)
    if not _can_be_judged(trace):
        raise JudgingRefused(
            "",
            "Only a finished answer to a question without options can be judged. Options are scored by their letters.",
        )
    return trace


def _judged(session: Session, trace: Trace) -> JudgedAnswer:
    question = QuestionRepository(session).get(trace.question.id)
    reference = question.reference or _library_answer(question.stem)
    repository = OpenVerdictRepository(session)
    verdicts = tuple(each for each in repository.on(trace.id) if each.reference == reference)
    return JudgedAnswer(trace.id, reference, verdicts, VerdictAgreement(repository.pairs()))


def _library_answer(stem: str) -> str:
    return next((each.expected or "" for each in load_library() if each.question.strip() == stem.strip()), "")


def _checked_reference(typed: str) -> str:
    given = typed.strip()
    if not given:
        raise JudgingRefused("reference", "There is no reference answer. Describe a right answer, then judge.")
    if len(given) > MAX_REFERENCE_CHARACTERS:
        raise JudgingRefused(
            "reference",
            f"The reference answer has {len(given):,} characters; the limit is {MAX_REFERENCE_CHARACTERS:,}. Shorten "
            "it.",
        )
    return given
