"""Tests a study's own facts: where a model has a fact's question wrong, it is asked again with and without the fact.

Nobody has read these thinkings, so nobody knows where the fact was missing: it is inserted before their first word. And
nothing is annotated. The tests are kept as the study's, apart from those that people make: they are in no queue, no
agreement, no count of people's tests and no training data, and go to the trash with the study.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from m1app.errors import AppError
from m1app.fact_tests.completing import complete
from m1app.fact_tests.design import COMPARED
from m1app.fact_tests.errors import FactTestOvertaken, FactTestRefused
from m1app.fact_tests.request import FactTestRequest
from m1app.fact_tests.service import FactTestService
from m1app.privacy.errors import IdentifiersFound
from m1app.strategies.protocol import most_generated
from m1app.studies.errors import StudyRefused
from m1app.studies.start_facts import StartFacts, TriedFact
from m1app.studies.study_file import FactTesting, Study, StudyFact
from m1app.wording import counted
from storage.benchmarks.first_answers import first_answers
from storage.database import Database, Session
from storage.errors import RecordNotFound
from storage.question_sets.repository import QuestionSetRepository
from storage.studies.records import StoredStudy
from storage.studies.repository import StudyRepository

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class FactTask:
    """One fact, to be tested on one model."""

    role: str
    number: int
    """Place of the fact in the file, from 0."""
    fact: StudyFact


def fact_tasks(study: Study, models: Mapping[str, str]) -> tuple[FactTask, ...]:
    """The tests that a study makes, in order.

    Args:
        study: the study.
        models: role -> served model; roles that are not in it are left out.
    """
    roles = study.fact_tests.models if study.fact_tests else ()
    return tuple(
        FactTask(role, number, fact) for role in roles if role in models for number, fact in enumerate(study.facts)
    )


def most_tokens_of_a_fact(testing: FactTesting, answer_cap_tokens: int) -> int:
    """The most that one test generates."""
    answers = testing.seeds * most_generated(thinking=testing.budget, answer=answer_cap_tokens)
    return len(COMPARED) * (answers + most_generated(looks=1))


def check_facts(session: Session, study: Study, sets: Mapping[str, str]) -> None:
    """Refuse facts whose question is not in its set; raises StudyRefused.

    Args:
        session: the database.
        study: the study.
        sets: the study's name of each set -> that of the set of this installation.
    """
    kept = QuestionSetRepository(session)
    stems = {
        name: [_plain(each.stem) for each in kept.questions(kept.get(sets[name]).id)]
        for name in dict.fromkeys(each.question_set for each in study.facts)
    }
    problems, meant = [], Counter[tuple[str, str]]()
    for each in study.facts:
        found = [stem for stem in stems[each.question_set] if stem.startswith(_plain(each.question))]
        if len(found) == 1:
            meant[each.question_set, found[0]] += 1
            continue
        how_many = f"{len(found):,} questions begin" if found else "no question begins"
        problems.append(
            f"{each.question_set}: {how_many} with {each.question[:_SHOWN_CHARACTERS]!r}, of which the study has a "
            "fact. Correct the question in its file."
        )
    problems += [
        f"{name}: the study has {times} facts on {stem[:_SHOWN_CHARACTERS]!r}. Keep one, or join them."
        for (name, stem), times in meant.items()
        if times > 1
    ]
    if problems:
        raise StudyRefused("sets", "\n".join(problems))


class StudyFactTests:
    """Makes the tests."""

    def __init__(self, database: Database, tests: FactTestService) -> None:
        self._database = database
        self._tests = tests

    async def run(
        self, study: Study, stored: StoredStudy, on_tested: Callable[[int], None], stopping: asyncio.Event
    ) -> bool:
        """Make the tests that are not over yet.

        Args:
            study: the study.
            stored: as it was started; its benchmark runs are complete.
            on_tested: called with the number of tests that are over.
            stopping: set it to stop; the test under way is kept, and resumed next time.

        Returns:
            Whether all are over; False if it was stopped.

        Raises:
            AppError: some did not come to their end, and can be resumed.
            ModelsError: the engine cannot be reached.
        """
        over = {(each.role, each.fact): each for each in StartFacts.of(stored.facts).tested}
        unfinished: list[str] = []
        for task in fact_tasks(study, stored.models):
            if stopping.is_set():
                return False
            on_tested(len(over))
            key = (task.role, task.number)
            if key in over and over[key].run_id:
                continue
            found, problem = await self._test(study, stored, task, stopping)
            if problem and stopping.is_set():
                return False
            if problem:
                unfinished.append(problem)
            else:
                over[key] = found
                await self._note(stored.id, list(over.values()))
        on_tested(len(over))
        if unfinished:
            raise AppError(
                f"{counted(len(unfinished), 'fact')} could not be tested whole: {unfinished[0]} Resume the study to "
                "go on."
            )
        return True

    async def _test(
        self, study: Study, stored: StoredStudy, task: FactTask, stopping: asyncio.Event
    ) -> tuple[TriedFact, str]:
        """What became of a fact, and why it is not over yet; empty if it is."""
        try:
            case_id, why = await self._database.read(lambda session: _wrong_answer(session, study, stored, task))
            if why:
                return TriedFact(role=task.role, fact=task.number, note=why), ""
            request = await self._request(study, stored, task, case_id)
            earlier = await self._tests.latest_of_study(stored.id, case_id, task.fact.fact)
            run_id, problem = await complete(self._tests, request, earlier, stopping)
        except (FactTestRefused, IdentifiersFound, RecordNotFound) as exc:
            return TriedFact(role=task.role, fact=task.number, note=str(exc)), ""
        except FactTestOvertaken as exc:
            return TriedFact(role=task.role, fact=task.number), str(exc)
        return TriedFact(role=task.role, fact=task.number, run_id=run_id), problem

    async def _request(self, study: Study, stored: StoredStudy, task: FactTask, case_id: str) -> FactTestRequest:
        testing = study.fact_tests
        assert testing is not None
        whole = await self._tests.of_case(case_id, 0, 2**31)
        return FactTestRequest(
            case_id=case_id,
            mark_start=0,
            mark_end=whole.mark_end,
            fact=task.fact.fact,
            seeds=testing.seeds,
            # Before the first word, the fact stands where the prompt ends.
            has_prompt_arm=False,
            budget_tokens=testing.budget,
            first_seed=testing.seed,
            study_id=stored.id,
        )

    async def _note(self, study_id: str, tested: Sequence[TriedFact]) -> None:
        facts = {"tested": [each.model_dump(mode="json") for each in tested]}
        await self._database.write(lambda session: StudyRepository(session).touch(study_id, facts))


def _wrong_answer(session: Session, study: Study, stored: StoredStudy, task: FactTask) -> tuple[str, str]:
    """The case that a fact is tested on, and why there is none; one of them is empty. Raises RecordNotFound."""
    testing = study.fact_tests
    assert testing is not None
    answers = first_answers(
        session,
        stored.runs[testing.run],
        stored.models[task.role],
        stored.sets[task.fact.question_set],
        (testing.budget, 0),
        is_m1=study.rule == "m1",
    )
    found = next((each for each in answers if _plain(each.stem).startswith(_plain(task.fact.question))), None)
    if found is None:
        return "", "Its question is not among those that were asked."
    if found.checkpoint_id is None:
        return "", "Its question was not answered."
    if found.is_correct:
        return "", "Its question was answered right: there is nothing to explain."
    return found.checkpoint_id, ""


def _plain(text: str) -> str:
    return " ".join(text.split())
