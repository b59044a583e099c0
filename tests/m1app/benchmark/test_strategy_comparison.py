import numpy as np
import pytest
from scipy.stats import ttest_rel
from statsmodels.stats.proportion import proportion_confint

from m1app.benchmark import strategy_comparison
from m1app.benchmark.charts.equal_cost import equal_cost_figure
from m1app.benchmark.errors import NoStrategies
from m1app.benchmark.statistics import mean_chance, paired_difference
from m1app.benchmark.strategy_comparison import PassChoice, StrategyReading
from m1app.benchmark.strategy_table import strategy_notes, strategy_table
from m1app.strategies.evaluation import NEED_PROBABILITIES, Strategy
from storage.database import Database
from tests.m1app.benchmark.benchmark_samples import a_run, questions_of, store_run
from tests.m1app.benchmark.stored_passes import store_passes

SURE_A, SURE_B = {"A": 0.97, "B": 0.01, "C": 0.01, "D": 0.01}, {"A": 0.01, "B": 0.97, "C": 0.01, "D": 0.01}
UNSURE = {"A": 0.3, "B": 0.3, "C": 0.2, "D": 0.2}
EASY = [[("A", 60, SURE_A), ("A", 60, SURE_A)]] * 4
SHORT_IS_RIGHT = [[("A", 50, UNSURE), ("A", 50, UNSURE)]] + [[("B", 100, UNSURE), ("B", 200, UNSURE)]] * 3


def choice(run, **changes):
    wanted = {"model": run.models[0], "question_set": "", "force_rounds": 0, "budget_tokens": run.budgets[-1]}
    return PassChoice(run_id=run.id, **(wanted | changes))


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
    race = point(found, Strategy.FIRST_TO_FINISH, passes=4)
    assert (race.accuracy.value, race.tokens) == (1, 50 + 10 + 3 * 50)
    # A vote of as many tokens takes 1 or 2 passes, 172.5 tokens each, and is right with one chance in four at both.
    assert race.against_vote.difference == pytest.approx(0.75)
    assert race.against_vote.low > 0 and race.corrected_p < 0.001


async def test_accuracies_are_those_of_the_stored_verdicts_by_either_rule(database, reading):
    unread = [[(None, 60, UNSURE), ("B", 60, UNSURE)]] * 4
    run = store_passes(database, [EASY, unread], budgets=(100, 200))
    strict = await reading.compare(choice(run, budget_tokens=100))
    m1 = await reading.compare(choice(run, budget_tokens=100, rule="m1"))
    at_100 = {"budget_tokens": 100}
    assert point(strict, Strategy.CHAIN, **at_100).accuracy.value == 0.5
    assert point(m1, Strategy.CHAIN, **at_100).accuracy.value == 1
    assert point(strict, Strategy.CHAIN, budget_tokens=200).accuracy.value == 0.5


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
    assert point(found, Strategy.VOTE, passes=4).accuracy.value == 1
    assert set(found.lacking) == NEED_PROBABILITIES
    assert "several right options" in " ".join(strategy_notes(found))


async def test_a_run_of_single_passes_says_what_to_do(database, reading):
    run = store_run(database, a_run(question_sets=("MedQA",)), {"MedQA": questions_of("MedQA", 3)})
    with pytest.raises(NoStrategies, match="4 or more passes and a temperature above 0"):
        await reading.compare(choice(run))


async def test_a_run_without_a_complete_question_says_so(database, reading):
    run = store_passes(database, [EASY], done=0, budgets=(100, 200))
    with pytest.raises(NoStrategies, match="No question has all its passes yet"):
        await reading.compare(choice(run))


async def test_the_table_and_the_chart_have_every_strategy_and_compare_some(database, reading):
    run = store_passes(database, [EASY, SHORT_IS_RIGHT] * 20, budgets=(100, 200))
    found = await reading.compare(choice(run))
    table = strategy_table(found)
    settings = [(row.cells[0].text, row.cells[1].text) for row in table.rows]
    assert [how for name, how in settings if name == "First to finish"] == ["1 pass", "2 passes", "4 passes"]
    compared = [row for row in table.rows if row.cells[-1].text != "–"]
    assert {row.cells[0].text for row in compared} >= {"One pass, at each budget", "First to finish"}
    assert not {"Majority vote", "Any pass right (ceiling)"} & {row.cells[0].text for row in compared}
    figure, key = equal_cost_figure(found)
    drawn = {trace["name"]: trace for trace in figure["data"]}
    assert drawn["Any pass right (ceiling)"]["line"]["dash"] == "dash"
    assert len(key) == len(drawn) == 10
    best = max(point.accuracy.value for point in found.points if point.strategy is not Strategy.CEILING)
    assert max(drawn["Pareto front"]["y"]) == best


def test_an_interval_of_chances_is_wilsons_where_passes_agree_and_narrower_where_they_differ():
    certain = mean_chance(np.array([1.0] * 12 + [0.0] * 8), passes=8)
    assert (certain.low, certain.high) == pytest.approx(proportion_confint(12, 20, method="wilson"), abs=1e-6)
    mixed = mean_chance(np.full(20, 0.6) + np.tile([0.1, -0.1], 10), passes=8)
    assert certain.low < mixed.low < mixed.high < certain.high
    assert (mixed.low, mixed.high) == pytest.approx(proportion_confint(96, 160, method="wilson"), abs=1e-6)


def test_a_paired_difference_is_the_t_test_over_questions():
    one, other = np.array([1, 1, 0.5, 0.25, 1]), np.array([0, 1, 0.5, 0.75, 0.5])
    found = paired_difference(one, other)
    assert found.difference == pytest.approx(0.2)
    test = ttest_rel(one, other)
    assert found.p_value == pytest.approx(test.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(test.confidence_interval()))


def test_strategies_that_never_differ_have_an_interval_of_their_own():
    same = np.array([1.0, 0.0, 1.0])
    found = paired_difference(same, same)
    assert (found.difference, found.p_value) == (0, 1)
    assert found.low < 0 < found.high
