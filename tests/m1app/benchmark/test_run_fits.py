"""Fits of stored runs: where curves with known answers saturate, what points cost, and runs that say too little."""

import csv
import io
import json

import pytest
from sqlalchemy import select

from m1app.benchmark.charts.saturation import saturation_figure
from m1app.benchmark.errors import NoStrategies
from m1app.benchmark.fit_table import (
    fit_notes,
    fit_table,
    fits_csv_file,
    fits_json_file,
    payoff_sentence,
    saturation_sentence,
)
from m1app.benchmark.model_shapes import shape_of
from m1app.benchmark.run_fits import Along, FitReading
from m1app.strategies.choosing.kinetics import ModelShape, cost
from m1app.strategies.errors import FitRefused
from models.weights.catalog import Catalog
from models.weights.gguf_check import GgufHeader
from storage.benchmarks.tables import BenchmarkItemRow, BenchmarkResultRow
from storage.database import Database
from storage.traces.tables import CheckpointRow, TraceRow
from tests.m1app.benchmark.benchmark_samples import a_run, questions_of, store_run
from tests.m1app.benchmark.stored_passes import ANSWER_TOKENS, store_passes
from tests.m1app.benchmark.test_strategy_comparison import choice
from tests.m1app.strategies.test_kinetics import QWEN_7B

BUDGETS = (100, 200, 400, 800)


def passes(right: str):
    """One pass: a letter at each budget, "A" being right."""
    return [(letter, budget, None) for letter, budget in zip(right, BUDGETS, strict=True)]


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    database.migrate()
    yield database
    database.dispose()


@pytest.fixture
def reading(database, tmp_path):
    return FitReading(database, Catalog.load, tmp_path / "models")


def curve_of(fits, along):
    return next(each for each in fits.curves if each.along is along)


async def test_a_budget_curve_that_rises_once_stops_paying_there(database, reading):
    """Half of the questions are right from 200 tokens on, a quarter at once, the others never."""
    pool = [[passes("AAAA")]] * 10 + [[passes("BAAA")]] * 20 + [[passes("BBBB")]] * 10
    fits = await reading.fits(choice(store_passes(database, pool, budgets=BUDGETS)), gain=0.02)
    (budget,) = fits.curves
    assert [each.accuracy.value for each in budget.points] == [0.25, 0.75, 0.75, 0.75]
    assert (budget.payoff.stops_at, budget.unit) == (200, 100)
    assert payoff_sentence(budget, 0.02) == (
        "From 200 tokens on, no doubling gains 2 points (95% interval 200 tokens to 200 tokens)."
    )
    assert "asked each question once" in " ".join(fit_notes(fits))


async def test_passes_that_are_right_by_chance_saturate_by_the_law(database, reading):
    """Each pass is right with one chance in two, so any of N is right with 1 - 0.5^N: the law itself."""
    pool = [[passes("AAAA"), passes("BBBB")] * 8] * 30
    fits = await reading.fits(choice(store_passes(database, pool, budgets=BUDGETS)))
    ceiling = curve_of(fits, Along.CEILING)
    # Drawn without replacement from eight right and eight wrong ones, a little faster than with it.
    assert ceiling.saturation.p == pytest.approx(0.5, abs=0.02)
    assert ceiling.saturation.highest == pytest.approx(1, abs=0.01)
    assert ceiling.saturation.saturates_at(0.01) in (5, 6)
    said = saturation_sentence(ceiling, 0.01)
    assert "one more pass would add less than 1 point" in said
    assert "extrapolation" not in said


async def test_a_flat_curve_and_one_that_falls_are_said_to_be(database, reading):
    flat = await reading.fits(
        choice(store_passes(database, [[passes("AAAA")], [passes("BBBB")]] * 10, budgets=BUDGETS))
    )
    assert saturation_sentence(flat.curves[0], 0.01) == (
        "The curve is flat: every point has 50.0%. More does not pay here."
    )
    falling = store_passes(database, [[passes("AABB")], [passes("AAAA")]] * 10, budgets=BUDGETS)
    fits = await reading.fits(choice(falling))
    assert "falls by 50.0 points at its end" in saturation_sentence(fits.curves[0], 0.01)


async def test_a_run_that_is_too_small_or_never_right_says_so_and_the_rest_is_shown(database, reading):
    two = store_passes(database, [[[("A", 50, None), ("A", 60, None)]]] * 5, budgets=(100, 200))
    (budget,) = (await reading.fits(choice(two))).curves
    assert budget.saturation is None
    assert "2 different points; 3 are needed" in saturation_sentence(budget, 0.01)
    assert budget.payoff.stops_at == 100
    wrong = await reading.fits(choice(store_passes(database, [[passes("BBBB")]] * 5, budgets=BUDGETS)))
    assert "No answer was right at any point" in saturation_sentence(wrong.curves[0], 0.01)
    one = await reading.fits(choice(store_passes(database, [[passes("AAAA")]], budgets=BUDGETS)))
    assert "rests on 1 questions" in saturation_sentence(one.curves[0], 0.01)
    table = fit_table(one.curves[0], one)
    assert [row.cells[3].text for row in table.rows] == ["–"] * 4
    assert saturation_figure(one.curves[0])[0]["data"][0]["x"] == list(BUDGETS)


async def test_what_cannot_be_read_is_refused(database, reading):
    run = store_passes(database, [[passes("AAAA")]], done=0, budgets=BUDGETS)
    with pytest.raises(NoStrategies, match="No question has all its passes scored"):
        await reading.fits(choice(run))
    for gain in (0.0, 0.9, float("nan")):
        with pytest.raises(FitRefused, match=r"enter 0\.1 to 50 points"):
            await reading.fits(choice(run), gain)


async def test_costs_follow_the_law_where_the_models_shape_is_known(database, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(QWEN_7B))
    pool = [[passes("AAAA"), passes("BBBB"), passes("AABB")]] * 4
    run = store_passes(database, pool, budgets=BUDGETS, models=(str(tmp_path),))
    fits = await FitReading(database, Catalog.load, tmp_path).fits(choice(run))
    assert fits.no_cost == ""
    shape = ModelShape.from_config(json.dumps(QWEN_7B).encode())
    prompt_tokens = 3  # of a stored sample
    found = [each.cost for each in curve_of(fits, Along.BUDGET).points]
    assert found == [float(cost(shape, prompt_tokens, each + ANSWER_TOKENS).total) for each in BUDGETS]
    votes = [each.cost for each in curve_of(fits, Along.VOTE).points]
    assert votes[2] == float(cost(shape, prompt_tokens, 800 + ANSWER_TOKENS, 3).total)
    assert fit_table(fits.curves[0], fits).heads[-1] == "Cost per question, TFLOP"


async def test_questions_that_are_not_scored_cost_nothing(database, tmp_path):
    """As open ones: the curves have only the others."""
    (tmp_path / "config.json").write_text(json.dumps(QWEN_7B))
    run = store_passes(database, [[passes("AAAA")]] * 4, budgets=BUDGETS, models=(str(tmp_path),))
    fitting = FitReading(database, Catalog.load, tmp_path)
    before = curve_of(await fitting.fits(choice(run)), Along.BUDGET)
    with database.session() as session:
        item = session.scalars(select(BenchmarkItemRow.id).order_by(BenchmarkItemRow.position)).first()
        for result in session.scalars(select(BenchmarkResultRow).where(BenchmarkResultRow.item_id == item)):
            result.is_correct = None
            checkpoint = session.get_one(CheckpointRow, result.checkpoint_id)
            session.get_one(TraceRow, checkpoint.trace_id).prompt_token_ids = tuple(range(500))
    after = curve_of(await fitting.fits(choice(run)), Along.BUDGET)
    assert [each.cost for each in after.points] == [each.cost for each in before.points]


async def test_without_the_models_files_the_cost_is_missing_and_said_to_be(database, reading):
    run = store_passes(database, [[passes("AAAA")]] * 3, budgets=BUDGETS)
    fits = await reading.fits(choice(run))
    assert "neither the config.json nor the GGUF file of m1-7b is on this machine" in fits.no_cost
    assert len(fit_table(fits.curves[0], fits).heads) == 6


async def test_traces_without_prompts_have_no_cost(database, reading):
    run = store_run(database, a_run(question_sets=("MedQA",)), {"MedQA": questions_of("MedQA", 3)})
    assert "traces of this run are gone" in (await reading.fits(choice(run))).no_cost


def test_a_shape_is_read_from_a_gguf_header():
    numbers = {
        "block_count": 30,
        "embedding_length": 576,
        "feed_forward_length": 1_536,
        "vocab_size": 49_152,
        "attention.head_count": 9,
        "attention.head_count_kv": 3,
    }
    metadata = {"general.architecture": "llama", **{f"llama.{name}": value for name, value in numbers.items()}}
    shape = ModelShape.from_gguf(GgufHeader(dict(metadata), 0))
    assert (shape.layers, shape.heads, shape.shared_heads, shape.head_size) == (30, 9, 3, 64)
    assert shape.parameters == pytest.approx(134.5e6, rel=0.01), "as SmolLM2-135M says of itself"
    for name in ("expert_count", "attention.kv_lora_rank"):
        with pytest.raises(FitRefused, match="latent attention, or a mixture of experts"):
            ModelShape.from_gguf(GgufHeader(metadata | {f"llama.{name}": 8}, 0))
    with pytest.raises(FitRefused, match="its GGUF header has no vocab_size"):
        ModelShape.from_gguf(GgufHeader({k: v for k, v in metadata.items() if "vocab" not in k}, 0))


def test_the_shape_of_a_model_that_is_not_here_is_not_known(tmp_path):
    for model in ("smollm2-135m", "nobody/knows", "/nowhere/at/all", "", "../../etc"):
        with pytest.raises(FitRefused, match="cost"):
            shape_of(model, Catalog.load(), tmp_path)


async def test_files_have_every_point_and_no_formula(database, reading):
    pool = [[passes("AAAA"), passes("BBBB"), passes("BAAA")]] * 6
    run = store_passes(database, pool, budgets=BUDGETS, name="=1+1")
    fits = await reading.fits(choice(run))
    rows = list(csv.DictReader(io.StringIO(fits_csv_file(fits).decode("utf-8-sig"), newline="")))
    assert [(row["curve"], row["n"]) for row in rows[:5]] == [
        *(("thinking budget", str(budget)) for budget in BUDGETS),
        ("passes of a vote", "1"),
    ]
    assert {row["run"] for row in rows} == {"'=1+1"}
    content = json.loads(fits_json_file(fits))
    assert [len(each["points"]) for each in content["curves"]] == [4, 3, 3]
    assert content["curves"][0]["saturation"]["saturates_at"] == fits.curves[0].saturation.saturates_at(0.01)
    assert float(rows[1]["residual"]) == content["curves"][0]["points"][1]["residual"]
