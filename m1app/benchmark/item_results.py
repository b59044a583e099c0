"""Results of one item: its sweep's answers scored by both rules, one result per cell and pass. Pure."""

from m1app.question.answers.scoring import SEVERAL_NOT_SCORED, score
from m1app.runs.sweep_reading import PassSnapshot, SweepSnapshot, leading_of
from m1app.targets import has_several
from models.profiles import Profile, Profiles
from models.thinking.sweep import Cell, grid
from storage.benchmarks.records import BenchmarkResult
from storage.questions.records import Question
from storage.traces.records import Checkpoint


def answered(each: PassSnapshot) -> dict[Cell, Checkpoint]:
    """The answers of the cells that have one."""
    return {Cell(*cell): kept for kept in each.checkpoints if not kept.error for cell in kept.cells}


def missing_cells(snapshot: SweepSnapshot) -> int:
    """Number of cells in a sweep's passes without an answer."""
    return sum(len(set(snapshot.cells) - set(answered(each))) for each in snapshot.passes)


def results_of(item_id: str, snapshot: SweepSnapshot, profiles: Profiles) -> list[BenchmarkResult]:
    """Return one result for each cell of each pass.

    Args:
        item_id: id of the item and of its sweep.
        snapshot: the sweep; a cell without an answer counts as unanswered, and wrong.
        profiles: the app's profiles.
    """
    found: list[BenchmarkResult] = []
    for each in snapshot.passes:
        kept = answered(each)
        for cell in snapshot.cells:
            checkpoint = kept.get(cell)
            if checkpoint is None:
                found.append(unanswered(item_id, each.trace.pass_number, cell, each.trace.question))
                continue
            profile = profiles.get(each.trace.profile)
            found.append(_judged(item_id, each.trace.pass_number, cell, checkpoint, each.trace.question, profile))
    return found


def unanswered(item_id: str, pass_number: int, cell: Cell, question: Question) -> BenchmarkResult:
    """Return the result of an unanswered cell."""
    is_scored = bool(question.options)
    return BenchmarkResult(
        item_id=item_id,
        pass_number=pass_number,
        budget_tokens=cell.budget_tokens,
        force_rounds=cell.force_rounds,
        letter=None,
        is_correct=False if is_scored else None,
        m1_letter=None,
        m1_is_correct=None if has_several(question.target) or not is_scored else False,
        thinking_tokens=0,
        tokens_if_separate=0,
        checkpoint_id=None,
    )


def all_unanswered(
    item_id: str, budgets: tuple[int, ...], rounds: tuple[int, ...], passes: int, question: Question
) -> list[BenchmarkResult]:
    """Return the results of an item that never started."""
    return [unanswered(item_id, number, cell, question) for number in range(passes) for cell in grid(budgets, rounds)]


def _judged(
    item_id: str, pass_number: int, cell: Cell, checkpoint: Checkpoint, question: Question, profile: Profile
) -> BenchmarkResult:
    text = leading_of(checkpoint.thinking_finish_reason, profile) + checkpoint.text
    m1 = score(text, dict(question.options), question.target, "m1")
    is_scored_by_m1 = bool(question.options) and m1.how != SEVERAL_NOT_SCORED
    return BenchmarkResult(
        item_id=item_id,
        pass_number=pass_number,
        budget_tokens=cell.budget_tokens,
        force_rounds=cell.force_rounds,
        letter=checkpoint.letter,
        is_correct=bool(checkpoint.is_correct) if question.options else None,
        m1_letter=m1.letter,
        m1_is_correct=bool(m1.is_correct) if is_scored_by_m1 else None,
        thinking_tokens=checkpoint.cut_tokens,
        tokens_if_separate=checkpoint.tokens_if_separate,
        checkpoint_id=checkpoint.id,
    )
