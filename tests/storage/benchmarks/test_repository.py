"""Benchmark runs: items are finished once, whoever tries, and counted as they were finished."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from storage.annotations.queue import QueueRepository
from storage.annotations.records import CaseFilter
from storage.benchmarks.records import (
    BenchmarkResult,
    BenchmarkRun,
    BenchmarkStrategyResult,
    ItemState,
    NewBenchmarkRun,
    RunState,
)
from storage.benchmarks.repository import BenchmarkRepository, PlannedItem
from storage.benchmarks.results import BenchmarkResultRepository, VerdictFilter
from storage.benchmarks.tables import BenchmarkItemRow
from storage.database import Database
from storage.errors import RecordNotFound
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.sweeps.repository import SweepRepository
from storage.sweeps.tables import SweepRow
from storage.traces.repository import TraceRepository
from storage.trash.records import TrashKind
from tests.m1app.annotation.cases import stored_sweep
from tests.storage.samples import a_checkpoint, a_sweep, a_trace, discard, purge

SMALL, LARGE = (64, 0), (128, 0)


def a_run(**changes: object) -> NewBenchmarkRun:
    standard: dict[str, object] = {
        "name": "First run",
        "question_sets": ("cards", "lungs"),
        "models": ("m1-7b", "smollm2-135m"),
        "budgets": (64, 128),
        "force_rounds": (0,),
        "passes": 1,
        "temperature": 0.0,
        "top_p": 1.0,
        "seed": None,
        "answer_cap_tokens": 8,
        "system_prompt": None,
        "profile": "",
        "limit": None,
        "in_flight": 0,
    }
    return NewBenchmarkRun(**(standard | changes))  # type: ignore[arg-type]


def planned(database: Database, stems: tuple[str, ...] = ("heart", "lung", "liver", "spleen")) -> BenchmarkRun:
    """A run of one question of each stem for the first model; the last two are of the second set."""
    with database.session() as session:
        options = {"A": "yes", "B": "no"}
        asked = [
            QuestionRepository(session).upsert(
                NewQuestion(stem=f"Is the {stem} ill?", options=options, target="A", tags=("é",))
            )
            for stem in stems
        ]
        items = [PlannedItem(number // 2, 0, each.id) for number, each in enumerate(asked)]
        return BenchmarkRepository(session).add(a_run(), items)


def result(item_id: str, cell: tuple[int, int], letter: str | None, *, m1: str | None = "A") -> BenchmarkResult:
    return BenchmarkResult(
        item_id=item_id,
        pass_number=0,
        budget_tokens=cell[0],
        force_rounds=cell[1],
        letter=letter,
        is_correct=letter == "A",
        m1_letter=m1,
        m1_is_correct=m1 == "A",
        thinking_tokens=cell[0] // 2,
        tokens_if_separate=cell[0],
        checkpoint_id=None,
    )


def strategy_result(item_id: str, choice: str = "vote:k=2", **changes: object) -> BenchmarkStrategyResult:
    standard: dict[str, object] = {
        "item_id": item_id,
        "choice": choice,
        "letter": "A",
        "is_correct": True,
        "generated": 90,
        "injected": 4,
        "prompt_new": 30,
        "prompt_cached": 60,
        "wasted": 5,
        "shared": 70,
        "seconds": 1.5,
        "is_from_pool": False,
    }
    return BenchmarkStrategyResult(**(standard | changes))  # type: ignore[arg-type]


def finish(database: Database, item_id: str, small: str | None, large: str | None) -> bool:
    with database.session() as session:
        return BenchmarkRepository(session).finish(
            item_id,
            ItemState.DONE,
            [result(item_id, SMALL, small), result(item_id, LARGE, large)],
            tokens_generated=100,
            tokens_if_separate=192,
            attempts=1,
        )


def test_a_planned_run_waits_with_its_items_in_order(database: Database) -> None:
    run = planned(database)
    assert (run.state, run.items, run.items_done, run.owner) == (RunState.WAITING, 4, 0, "")
    with database.session(is_read_only=True) as session:
        items = BenchmarkRepository(session).waiting(run.id)
        assert [item.position for item in items] == [0, 1, 2, 3]
        assert [item.question_set for item in items] == ["cards", "cards", "lungs", "lungs"]
        assert {item.model for item in items} == {"m1-7b"}
        assert [each.position for each in BenchmarkRepository(session).waiting(run.id, after=1, limit=1)] == [2]


def test_an_item_is_finished_once_and_counted_once(database: Database) -> None:
    run = planned(database)
    with database.session(is_read_only=True) as session:
        first = BenchmarkRepository(session).waiting(run.id)[0]
    assert finish(database, first.id, "B", "A")
    assert not finish(database, first.id, "A", "A")
    with database.session(is_read_only=True) as session:
        kept = BenchmarkRepository(session).get(run.id)
        assert (kept.items_done, kept.tokens_generated, kept.tokens_if_separate) == (1, 100, 192)
        assert len(BenchmarkRepository(session).waiting(run.id)) == 3
        assert len(list(BenchmarkResultRepository(session).rows(run.id, range(4)))) == 2


def test_one_owner_at_a_time(database: Database) -> None:
    run = planned(database)

    def claim(owner: str, *, is_alive: bool) -> bool:
        with database.session() as session:
            return BenchmarkRepository(session).claim(run.id, owner, lambda *_: is_alive)

    assert claim("here:1", is_alive=True)
    assert not claim("here:2", is_alive=True)
    assert claim("here:2", is_alive=False)
    with database.session() as session:
        runs = BenchmarkRepository(session)
        assert not runs.heartbeat(run.id, "here:1", 3.0)
        assert runs.heartbeat(run.id, "here:2", 5.0)
        runs.end(run.id, "here:1", RunState.COMPLETED, "", 1.0)
        assert runs.get(run.id).state is RunState.RUNNING
        assert runs.mark_interrupted(lambda *_: True) == 0
        assert runs.mark_interrupted(lambda *_: False) == 1
        assert (runs.get(run.id).state, runs.get(run.id).seconds) == (RunState.INTERRUPTED, 5.0)
        assert runs.heartbeat(run.id, "here:2", 6.0)
        assert runs.get(run.id).state is RunState.RUNNING


def test_failed_items_count_as_unanswered_and_can_wait_again(database: Database) -> None:
    run = planned(database)
    with database.session() as session:
        runs = BenchmarkRepository(session)
        first = runs.waiting(run.id)[0]
        nothing = [result(first.id, cell, None, m1=None) for cell in (SMALL, LARGE)]
        runs.finish(
            first.id, ItemState.FAILED, nothing, tokens_generated=0, tokens_if_separate=0, attempts=3, error="too long"
        )
        counts = BenchmarkResultRepository(session).cell_counts([run.id])
        assert [(each.n, each.correct, each.answered) for each in counts] == [(1, 0, 0), (1, 0, 0)]
        (found,), total = BenchmarkResultRepository(session).verdicts(
            run.id, VerdictFilter(cell=LARGE, verdict="failed")
        )
        assert (total, found.error, found.item_state) == (1, "too long", ItemState.FAILED)
        assert runs.reopen_failed(run.id) == 1
        assert runs.get(run.id).items_failed == 0
        assert len(runs.waiting(run.id)) == 4
        assert BenchmarkResultRepository(session).cell_counts([run.id]) == ()


def test_tokens_of_a_failed_item_that_is_asked_again_are_counted_once(database: Database) -> None:
    run = planned(database)
    with database.session() as session:
        runs, sweeps = BenchmarkRepository(session), SweepRepository(session)
        first, second, *_ = runs.waiting(run.id)
        for item, state, tokens in ((first, ItemState.FAILED, 70), (second, ItemState.DONE, 30)):
            sweeps.add(a_sweep(item.question_id), item.id)
            session.execute(
                update(SweepRow).where(SweepRow.id == item.id).values(tokens_generated=tokens, tokens_if_separate=90)
            )
            runs.finish(item.id, state, (), tokens_generated=tokens, tokens_if_separate=90, attempts=1)
        runs.reopen_failed(run.id)
        runs.finish(first.id, ItemState.DONE, (), tokens_generated=110, tokens_if_separate=200, attempts=1)
        kept = runs.get(run.id)
    assert (kept.tokens_generated, kept.tokens_if_separate) == (140, 290)


def test_two_models_are_compared_on_the_same_questions(database: Database) -> None:
    with database.session() as session:
        question = NewQuestion(stem="Is the heart ill?", options={"A": "yes", "B": "no"}, target="A")
        asked = [
            QuestionRepository(session).upsert(each)
            for each in (question, replace(question, stem="Is the lung ill?"), replace(question, stem="And the liver?"))
        ]
        # The first question belongs to both sets.
        items = [
            PlannedItem(of_set, model, each.id)
            for of_set, of_this in enumerate((asked, asked[:1]))
            for each in of_this
            for model in (0, 1)
        ]
        run = BenchmarkRepository(session).add(a_run(), items)
        waiting = BenchmarkRepository(session).waiting(run.id)
    for item, letter in zip(waiting, "ABBAAABA", strict=True):
        finish(database, item.id, "B", letter)
    with database.session(is_read_only=True) as session:
        results = BenchmarkResultRepository(session)
        base, tuned = run.models
        changes = results.transition_counts(run.id, base, "", LARGE, LARGE, other_model=tuned)
        assert changes == {(True, False): 1, (False, True): 2, (True, True): 1}
        assert results.transition_counts(run.id, base, "lungs", LARGE, LARGE, other_model=tuned) == {(False, True): 1}
        assert results.transition_counts(run.id, base, "", LARGE, LARGE, other_model=base) == {
            (True, True): 2, (False, False): 2,
        }  # fmt: skip
        assert results.transition_counts(run.id, base, "", LARGE, LARGE, other_model="nobody") == {}
        # A question of both sets counts once.
        by_series = results.first_verdicts(run.id)
        ids = [each.id for each in asked]
        assert by_series[base, LARGE] == dict(zip(ids, (True, False, True), strict=True))
        assert by_series[tuned, LARGE] == dict(zip(ids, (False, True, True), strict=True))
        lost = VerdictFilter(model=tuned, cell=LARGE, before=LARGE, before_model=base, verdict="right-wrong")
        (found,), total = results.verdicts(run.id, lost)
        assert (found.item_id, found.letter, found.before_letter, total) == (waiting[1].id, "B", "A", 1)
        shown, _ = results.verdicts(run.id, replace(lost, verdict="", model=""))
        assert [each.before_letter for each in shown] == ["A", "A", "B", "B", "A", "A", "B", "B"]


def test_transitions_are_those_of_the_first_pass(database: Database) -> None:
    run = planned(database, ("heart", "lung"))
    with database.session() as session:
        for item in BenchmarkRepository(session).waiting(run.id):
            of_passes = [
                replace(result(item.id, cell, letter), pass_number=number)
                for number, letters in enumerate(("AB", "BA", "BA"))
                for cell, letter in zip((SMALL, LARGE), letters, strict=True)
            ]
            BenchmarkRepository(session).finish(
                item.id, ItemState.DONE, of_passes, tokens_generated=1, tokens_if_separate=1, attempts=1
            )
        changes = BenchmarkResultRepository(session).transition_counts(run.id, "m1-7b", "", SMALL, LARGE)
        verdicts = BenchmarkResultRepository(session).first_verdicts(run.id)
    assert changes == {(True, False): 2}
    assert [set(verdicts["m1-7b", cell].values()) for cell in (SMALL, LARGE)] == [{True}, {False}]


def test_counts_transitions_and_questions_of_finished_items(database: Database) -> None:
    run = planned(database)
    with database.session(is_read_only=True) as session:
        items = BenchmarkRepository(session).waiting(run.id)
    for item, small, large in zip(items, ("A", "A", "B", "B"), ("A", "B", "A", None), strict=True):
        finish(database, item.id, small, large)
    with database.session(is_read_only=True) as session:
        results = BenchmarkResultRepository(session)
        counts = {(each.question_set, each.budget_tokens): each for each in results.cell_counts([run.id])}
        assert {key: each.correct for key, each in counts.items()} == {
            ("cards", 64): 2, ("cards", 128): 1, ("lungs", 64): 0, ("lungs", 128): 1,
        }  # fmt: skip
        assert counts["lungs", 128].answered == 1
        assert (counts["cards", 64].thinking_tokens, counts["cards", 64].tokens_if_separate) == (64, 128)
        assert {each.correct for each in results.cell_counts([run.id], is_m1=True)} == {2}
        changes = results.transition_counts(run.id, "m1-7b", "", SMALL, LARGE)
        assert changes == {(True, True): 1, (True, False): 1, (False, True): 1, (False, False): 1}
        assert results.transition_counts(run.id, "m1-7b", "cards", SMALL, LARGE) == {(True, True): 1, (True, False): 1}
        assert results.transition_counts(run.id, "nobody", "", SMALL, LARGE) == {}
        lost = VerdictFilter(cell=LARGE, before=SMALL, verdict="right-wrong")
        (found,), total = results.verdicts(run.id, lost)
        assert (found.item_id, found.letter, found.before_letter, total) == (items[1].id, "B", "A", 1)
        (unanswered,), _ = results.verdicts(run.id, VerdictFilter(cell=LARGE, verdict="unanswered"))
        assert unanswered.item_id == items[3].id
        _, wrong = results.verdicts(run.id, VerdictFilter(cell=LARGE, verdict="wrong"))
        assert wrong == 1
        (by_word,), _ = results.verdicts(run.id, VerdictFilter(cell=LARGE, text="live"))
        assert by_word.item_id == items[2].id
        page, total = results.verdicts(run.id, VerdictFilter(cell=LARGE), limit=2, offset=3)
        assert ([each.item_id for each in page], total) == ([items[3].id], 4)


def test_questions_of_a_run_are_found_by_the_words_that_find_questions(database: Database) -> None:
    stems = [f"Fever on day {number}" for number in range(40)] + ["Cough on day 4", "Féverish for an hour"]
    with database.session() as session:
        asked = QuestionRepository(session).upsert_all([NewQuestion(stem=stem) for stem in stems])
        items = [PlannedItem(number % 2, number % 3 % 2, each) for number, each in enumerate(asked)]
        run = BenchmarkRepository(session).add(a_run(), items[:-1])
        BenchmarkRepository(session).add(a_run(), items)
    texts = ("fever", "fever day", "day 4", "day 3", "4 day fever", "fever cough", "hour", "on", "?!")
    with database.session(is_read_only=True) as session:
        results, questions = BenchmarkResultRepository(session), QuestionRepository(session)
        for text in texts:
            wanted = [each.id for each in questions.recent(100, text) if each.id != asked[-1]]
            page, total = results.verdicts(run.id, VerdictFilter(cell=LARGE, text=text), limit=100)
            assert sorted(each.question_id for each in page) == sorted(wanted), text
            assert total == len(wanted)
            first, total = results.verdicts(run.id, VerdictFilter(cell=LARGE, text=text), limit=1)
            assert (first, total) == (page[:1], len(wanted))
        page, _ = results.verdicts(
            run.id, VerdictFilter(cell=LARGE, text="day", model="smollm2-135m", question_set="lungs"), limit=100
        )
        chosen = [
            asked[place] for place, item in enumerate(items[:-1]) if (item.set_number, item.model_number) == (1, 1)
        ]
        assert [each.question_id for each in page] == chosen


def test_runs_are_named_tagged_archived_listed_and_deleted(database: Database) -> None:
    run = planned(database)
    with database.session() as session:
        runs = BenchmarkRepository(session)
        item = runs.waiting(run.id)[0]
        sweeps = SweepRepository(session)
        sweeps.add(a_sweep(item.question_id), item.id)
        assert sweeps.recent() == ()  # a run's sweeps are not a person's
        described = runs.describe(run.id, name="100% of it", tags=("b", "a", "b"), is_archived=True)
        assert (described.name, described.tags, described.is_archived) == ("100% of it", ("b", "a"), True)
        assert runs.recent() == ()
        assert [each.id for each in runs.recent(text="0% OF", with_archived=True)] == [run.id]
        assert runs.recent(text="1_0", with_archived=True) == ()
    deletion = discard(database, TrashKind.BENCHMARK_RUN, run.id)
    is_gone(database, run.id, item.id)
    purge(database, deletion)
    is_gone(database, run.id, item.id)


def is_gone(database: Database, run_id: str, item_id: str) -> None:
    with database.session() as session:
        runs, sweeps = BenchmarkRepository(session), SweepRepository(session)
        with pytest.raises(RecordNotFound, match=r"Benchmark run .* not found"):
            runs.get(run_id)
        with pytest.raises(RecordNotFound):
            sweeps.get(item_id)
        with pytest.raises(RecordNotFound):
            BenchmarkResultRepository(session).verdicts(run_id, VerdictFilter(cell=LARGE))
    assert not finish(database, item_id, "A", "A")


def test_the_rate_is_that_of_the_newest_run_of_the_same_models(database: Database) -> None:
    run = planned(database)
    with database.session() as session:
        runs = BenchmarkRepository(session)
        models = ("smollm2-135m", "m1-7b")
        assert runs.tokens_per_second(models) is None
        runs.claim(run.id, "here:1", lambda *_: True)
        runs.heartbeat(run.id, "here:1", 4.0)
    finish(database, item_of(database, run), "A", "A")
    with database.session(is_read_only=True) as session:
        assert BenchmarkRepository(session).tokens_per_second(models) == 25.0
        assert BenchmarkRepository(session).tokens_per_second(("m1-7b",)) is None


def item_of(database: Database, run: BenchmarkRun) -> str:
    with database.session(is_read_only=True) as session:
        return BenchmarkRepository(session).waiting(run.id)[0].id


def test_the_annotation_queue_can_be_that_of_a_run(database: Database) -> None:
    sweep_id, *answers = stored_sweep(database)
    run = planned(database)

    def queued() -> set[str]:
        with database.session(is_read_only=True) as session:
            queue = QueueRepository(session, CaseFilter(sweep_id=run.id))
            groups = queue.page("", 50, None).groups
            return {case.id for group in groups for case in queue.cases(group.key, "")}

    assert queued() == set()
    with database.session() as session:
        first = BenchmarkRepository(session).waiting(run.id)[0]
        session.execute(update(BenchmarkItemRow).where(BenchmarkItemRow.id == first.id).values(id=sweep_id))
    assert queued() == set(answers)


def test_a_result_comes_with_what_its_letter_rests_on(database: Database) -> None:
    run = planned(database)
    with database.session() as session:
        item = BenchmarkRepository(session).waiting(run.id)[0]
        asked = TraceRepository(session).add(a_trace(item.question_id))
        read = {"letter_rule": "stated: answer is (en)", "letter_start": 4, "letter_end": 15, "strict_version": 2}
        kept = TraceRepository(session).add_checkpoint(a_checkpoint(asked.id, **read))
        results = [replace(result(item.id, cell, "B"), checkpoint_id=kept.id) for cell in (SMALL, LARGE)]
        BenchmarkRepository(session).finish(
            item.id, ItemState.DONE, results, tokens_generated=1, tokens_if_separate=1, attempts=1
        )
    with database.session(is_read_only=True) as session:
        rows = BenchmarkResultRepository(session).rows(run.id, range(1))
        assert {(each["letter_rule"], each["letter_words"], each["strict_version"]) for each in rows} == {
            ("stated: answer is (en)", "answer is B", 2)
        }
        assert {(each["answer"], each["options"], each["tags"]) for each in rows} == {
            (kept.text, '{"A": "yes", "B": "no"}', '["é"]')
        }
        [first, *others], _ = BenchmarkResultRepository(session).verdicts(run.id, VerdictFilter(cell=SMALL))
        assert (first.letter_rule, first.letter_words) == ("stated: answer is (en)", "answer is B")
        assert {each.letter_words for each in others} == {None}
        [by_m1, *_], _ = BenchmarkResultRepository(session).verdicts(run.id, VerdictFilter(cell=SMALL, is_m1=True))
        assert by_m1.letter_words is None


def test_a_run_from_before_versions_were_recorded_was_read_by_the_first_one(database: Database) -> None:
    assert planned(database).strict_version == 1


def test_what_the_published_scorer_does_not_score_counts_under_the_other_rule_only(database: Database) -> None:
    run = planned(database)
    with database.session() as session:
        runs = BenchmarkRepository(session)
        unscored, scored, *_ = runs.waiting(run.id)
        results = [replace(result(unscored.id, cell, "A", m1=None), m1_is_correct=None) for cell in (SMALL, LARGE)]
        runs.finish(unscored.id, ItemState.DONE, results, tokens_generated=1, tokens_if_separate=1, attempts=1)
    finish(database, scored.id, "B", "A")
    with database.session(is_read_only=True) as session:
        found = BenchmarkResultRepository(session)
        for is_m1, n in ((False, 2), (True, 1)):
            assert {each.n for each in found.cell_counts([run.id], is_m1=is_m1)} == {n}
            assert {len(each) for each in found.right_by_item(run.id, is_m1=is_m1).values()} == {n}
            changes = found.transition_counts(run.id, run.models[0], "", SMALL, LARGE, is_m1=is_m1)
            assert sum(changes.values()) == n
        assert found.count_unscored_by_m1([run.id]) == 1
        for verdict in ("right", "wrong", "unanswered", "right-right", "wrong-wrong"):
            shown, _ = found.verdicts(run.id, VerdictFilter(cell=LARGE, before=SMALL, verdict=verdict, is_m1=True))
            assert unscored.id not in [each.item_id for each in shown]
        every, _ = found.verdicts(run.id, VerdictFilter(cell=LARGE, is_m1=True))
        assert [(each.is_scored, each.is_correct) for each in every[:2]] == [(False, None), (True, True)]
