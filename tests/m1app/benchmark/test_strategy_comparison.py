import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from m1app.benchmark import strategy_comparison
from m1app.benchmark.charts.equal_cost import equal_cost_figure, facet_figure
from m1app.benchmark.errors import NoStrategies
from m1app.benchmark.measured_strategies import measured
from m1app.benchmark.statistics import clustered_accuracy, mean_chance
from m1app.benchmark.strategy_comparison import PassSelection, StrategyReading
from m1app.benchmark.strategy_table import measured_notes, measured_table, strategy_notes, strategy_table
from m1app.strategies.evaluating.evaluation import NEED_PROBABILITIES, StrategyName
from storage.benchmarks.strategies import StrategyResults
from storage.database import Database
from tests.m1app.benchmark.benchmark_samples import a_run, questions_of, store_run
from tests.m1app.benchmark.stored_passes import store_passes
from tests.storage.benchmarks.test_repository import strategy_result

SURE_A, SURE_B = {"A": 0.97, "B": 0.01, "C": 0.01, "D": 0.01}, {"A": 0.01, "B": 0.97, "C": 0.01, "D": 0.01}
UNSURE = {"A": 0.3, "B": 0.3, "C": 0.2, "D": 0.2}
EASY = [[("A", 60, SURE_A), ("A", 60, SURE_A)]] * 4
SHORT_IS_RIGHT = [[("A", 50, UNSURE), ("A", 50, UNSURE)]] + [[("B", 100, UNSURE), ("B", 200, UNSURE)]] * 3


def choice(run, **changes):
    wanted = {"model": run.models[0], "question_set": "", "force_rounds": 0, "budget_tokens": run.budgets[-1]}
    return PassSelection(run_id=run.id, **(wanted | changes))


def point(comparison, strategy, **wanted):
    found = [each for each in comparison.points if each.strategy is strategy]
    (only,) = [each for each in found if all(getattr(each, name) == value for name, value in wanted.items())]
    return only


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    database.migrate()
    yield database
    database.dispose()


@pytest.fixture
def reading(database):
    return StrategyReading(database)


async def test_a_race_beats_the_vote_of_equal_cost_where_short_thinking_is_right(database, reading):
    run = store_passes(database, [SHORT_IS_RIGHT] * 40, budgets=(100, 200))
    found = await reading.compare(choice(run))
    race = point(found, StrategyName.FIRST_FINISH, passes=4)
    assert (race.accuracy.value, race.tokens) == (1, 50 + 10 + 3 * (50 + 1))
    # A vote of as many tokens takes 1 or 2 passes, 172.5 tokens each, and is right with one chance in four at both.
    assert race.against_vote.difference == pytest.approx(0.75)
    assert race.against_vote.low > 0 and race.corrected_p < 0.001


async def test_accuracies_are_those_of_the_stored_verdicts_by_either_rule(database, reading):
    unread = [[(None, 60, UNSURE), ("B", 60, UNSURE)]] * 4
    run = store_passes(database, [EASY, unread], budgets=(100, 200))
    strict = await reading.compare(choice(run, budget_tokens=100))
    m1 = await reading.compare(choice(run, budget_tokens=100, rule="m1"))
    at_100 = {"budget_tokens": 100}
    assert point(strict, StrategyName.BUDGET_FORCING, **at_100).accuracy.value == 0.5
    assert point(m1, StrategyName.BUDGET_FORCING, **at_100).accuracy.value == 1
    assert point(strict, StrategyName.BUDGET_FORCING, budget_tokens=200).accuracy.value == 0.5


async def test_a_run_in_progress_is_evaluated_from_its_complete_questions(database, reading):
    run = store_passes(database, [EASY, SHORT_IS_RIGHT, EASY], done=2, budgets=(100, 200))
    found = await reading.compare(choice(run))
    assert (found.questions, found.questions_stored, found.passes) == (2, 2, 4)
    assert "2 questions, 4 passes each." in " ".join(strategy_notes(found))


async def test_of_more_answers_than_fit_the_questions_are_thinned_evenly(database, reading, monkeypatch):
    monkeypatch.setattr(strategy_comparison, "MOST_ANSWERS", 3 * 8)
    run = store_passes(database, [EASY] * 9, budgets=(100, 200))
    found = await reading.compare(choice(run))
    assert (found.questions, found.questions_stored) == (3, 9)


async def test_without_probabilities_the_strategies_that_need_them_are_named(database, reading):
    plain = [[("A", 60, None), ("A", 60, None)]] * 4
    run = store_passes(database, [plain, EASY], budgets=(100, 200))
    found = await reading.compare(choice(run))
    assert set(found.lacking) == NEED_PROBABILITIES
    assert "vote by probability" in " ".join(strategy_notes(found))


async def test_sets_of_letters_are_voted_on_but_probabilities_of_single_letters_say_nothing_of_them(database, reading):
    several = [[("A, C", 60, SURE_A), ("A, C", 60, SURE_A)]] * 3 + [[("A", 60, SURE_A), ("A", 60, SURE_A)]]
    run = store_passes(database, [several], target="A, C", budgets=(100, 200))
    found = await reading.compare(choice(run))
    assert point(found, StrategyName.VOTE, passes=4).accuracy.value == 1
    assert set(found.lacking) == NEED_PROBABILITIES
    assert "several right options" in " ".join(strategy_notes(found))


async def test_a_run_of_single_passes_says_what_to_do(database, reading):
    run = store_run(database, a_run(question_sets=("MedQA",)), {"MedQA": questions_of("MedQA", 3)})
    with pytest.raises(NoStrategies, match="4 or more passes and a temperature above 0"):
        await reading.compare(choice(run))


async def test_a_run_without_a_complete_question_says_so(database, reading):
    run = store_passes(database, [EASY], done=0, budgets=(100, 200))
    with pytest.raises(NoStrategies, match="No question has all its passes scored"):
        await reading.compare(choice(run))


async def test_the_table_and_the_chart_have_every_strategy_and_compare_some(database, reading):
    run = store_passes(database, [EASY, SHORT_IS_RIGHT] * 20, budgets=(100, 200))
    found = await reading.compare(choice(run))
    table = strategy_table(found)
    settings = [(row.cells[0].text, row.cells[1].text) for row in table.rows]
    assert [how for name, how in settings if name == "First to finish"] == ["1 pass", "2 passes", "4 passes"]
    compared = [row for row in table.rows if row.cells[-1].text != "–"]
    assert {row.cells[0].text for row in compared} >= {"One chain", "First to finish"}
    assert not {"Vote", "Any pass right (ceiling)"} & {row.cells[0].text for row in compared}
    figure, key = equal_cost_figure(found)
    drawn = {trace["name"]: trace for trace in figure["data"]}
    assert drawn["Any pass right (ceiling)"]["line"]["dash"] == "dash"
    assert len(key) == len(drawn) == 11
    best = max(point.accuracy.value for point in found.points if point.strategy is not StrategyName.CEILING)
    assert max(drawn["Pareto front"]["y"]) == best


OWN = ("judged:k=2", "vote:k=2", "weighted-vote:k=4")


def own_results(item_id, number):
    """A judge that is right on every question for as much as 2 passes cost; a vote; and what was asked every other."""
    judged = strategy_result(item_id, OWN[0], generated=345, shared=300, prompt_new=55, seconds=2.0, wasted=5)
    from_pool = {"is_from_pool": True, "prompt_new": 0, "seconds": 0.0}
    vote = strategy_result(item_id, OWN[1], is_correct=number % 4 == 0, generated=345, shared=345, **from_pool)
    unasked = {"letter": None, "is_correct": None, "error": "Several are right."} if number % 2 else {}
    weighted = strategy_result(item_id, OWN[2], generated=690, shared=690, **(from_pool | unasked))
    return judged, vote, weighted


def test_seconds_are_those_of_the_questions_for_which_the_engine_was_asked():
    asked = strategy_result("1" * 32, "vote:k=2", seconds=4.0)
    from_pool = strategy_result("2" * 32, "vote:k=2", seconds=0.0, is_from_pool=True)
    (mixed,) = measured(StrategyResults(("vote:k=2",), (asked, from_pool)))
    assert (mixed.questions, mixed.is_from_pool, mixed.seconds) == (2, False, 4.0)


async def test_the_runs_own_strategies_stand_beside_the_vote_of_equal_cost(database, reading):
    run = store_passes(database, [SHORT_IS_RIGHT] * 40, budgets=(100, 200), own=own_results, strategies=OWN)
    found = await reading.compare(choice(run, budget_tokens=100))
    judged, vote, weighted = found.measured
    assert (judged.questions, judged.tokens, judged.computed, judged.seconds, judged.wasted) == (40, 345, 400, 2.0, 5)
    assert (judged.accuracy.value, judged.is_from_pool) == (1, False)
    # A vote of 2 passes of 172.5 tokens, at the largest budget whatever is drawn at: right with one chance in four.
    assert judged.against_vote.difference == pytest.approx(0.75)
    assert judged.corrected_p > judged.against_vote.p_value > 0, "corrected for all comparisons of the page"
    assert (vote.accuracy.value, vote.is_from_pool, vote.computed, vote.seconds) == (0.25, True, None, None)
    assert vote.against_vote is None
    assert (weighted.questions, weighted.unasked, weighted.accuracy.value) == (20, 20, 1)
    table = measured_table(found)
    assert [[cell.text for cell in row.cells[:8]] for row in table.rows] == [
        ["judged:k=2", "measured", "40", "345", "400", "5", "2.0", "100.0% (91.2% to 100.0%)"],
        ["Vote (passes 2)", "from the pool", "40", "345", "–", "5", "–", "25.0% (14.2% to 40.2%)"],
        ["Vote by probability (passes 4)", "from the pool", "20", "690", "–", "5", "–", "100.0% (83.9% to 100.0%)"],
    ]
    # Of all 4 passes, 3 agree on the wrong answer: that vote is never right.
    assert [row.cells[8].text for row in table.rows] == ["+75.0", "–", "+100.0"]
    assert "Not asked: 20 questions" in " ".join(measured_notes(found))


async def test_a_strategy_that_loses_to_the_vote_loses_here(database, reading):
    def wrong(item_id, number):
        return [strategy_result(item_id, OWN[0], is_correct=False, letter="B", generated=140)]

    run = store_passes(database, [EASY] * 30, budgets=(100, 200), own=wrong, strategies=OWN[:1])
    (judged,) = (await reading.compare(choice(run))).measured
    assert judged.against_vote.difference == -1
    assert judged.corrected_p < 0.001


async def test_a_cost_that_no_vote_of_these_passes_has_is_not_compared(database, reading):
    def dear(item_id, number):
        return [strategy_result(item_id, OWN[0], generated=10_000)]

    run = store_passes(database, [EASY] * 30, budgets=(100, 200), own=dear, strategies=OWN[:1])
    (judged,) = (await reading.compare(choice(run))).measured
    assert (judged.against_vote, judged.corrected_p) == (None, None)


async def test_strategies_are_not_scored_by_the_published_rule(database, reading):
    run = store_passes(database, [EASY] * 4, budgets=(100, 200), own=own_results, strategies=OWN)
    assert (await reading.compare(choice(run, rule="m1"))).measured == ()


async def test_one_pass_is_enough_for_a_run_with_strategies(database, reading):
    def chain(item_id, number):
        return [strategy_result(item_id, "budget-forcing", generated=70, is_from_pool=True)]

    run = store_passes(database, [EASY[:1]] * 3, budgets=(100, 200), own=chain, strategies=("budget-forcing",))
    (only,) = (await reading.compare(choice(run))).measured
    assert (only.accuracy.value, only.tokens) == (1, 70)


async def test_questions_are_sorted_by_how_many_passes_are_right(database, reading):
    run = store_passes(
        database, [EASY, SHORT_IS_RIGHT, EASY, EASY] * 5, budgets=(100, 200), own=own_results, strategies=OWN
    )
    found = await reading.compare(choice(run))
    assert [(each.name.partition(":")[0], each.questions) for each in found.facets] == [("Hard", 5), ("Easy", 15)]
    hard, easy = found.facets
    by_vote = [each for each in easy.points if each.strategy is StrategyName.VOTE]
    assert {each.accuracy.value for each in by_vote} == {1}
    assert [each.tokens for each in by_vote] == [70, 140, 210, 280]
    # Of the hard ones, numbers 1, 5, 9, 13 and 17, the vote of the run was never right, the judge always.
    shown = {written: found.value for written, _, _, found in hard.measured}
    assert shown == {"judged:k=2": 1, "vote:k=2": 0}
    figure = facet_figure(hard)
    marks = {trace["name"]: trace for trace in figure["data"] if trace["mode"] == "markers"}
    assert (marks["measured"]["y"], marks["from the pool"]["y"]) == ([1], [0])
    whole, key = equal_cost_figure(found)
    assert len(key) == len(whole["data"]) == 13


def test_an_interval_of_chances_contains_wilsons_where_passes_agree_and_is_narrower_where_they_differ():
    certain = mean_chance(np.array([1.0] * 12 + [0.0] * 8), passes=8)
    low, high = proportion_confint(12, 20, method="wilson")
    assert certain.low <= low + 1e-9
    assert certain.high >= high - 1e-9
    mixed = mean_chance(np.full(20, 0.6) + np.tile([0.1, -0.1], 10), passes=8)
    assert certain.low < mixed.low < mixed.high < certain.high
    assert (mixed.low, mixed.high) == pytest.approx(proportion_confint(96, 160, method="wilson"), abs=1e-6)


def test_one_accuracy_has_the_interval_of_the_other_tables():
    right = [0, 8, 3, 5, 8, 8, 1, 6, 2, 7, 8, 0, 4, 4]
    verdicts = [(question, number < count) for question, count in enumerate(right) for number in range(8)]
    verdicts.sort(key=lambda each: (each[1], each[0]))
    table = clustered_accuracy([verdict for _, verdict in verdicts], [str(question) for question, _ in verdicts])
    assert mean_chance(np.array(right) / 8, passes=8) == table
    assert (table.n, table.questions) == (112, 14)
