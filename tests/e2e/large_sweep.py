"""A stored sweep of 108 cells and 3 passes: every cell has a cut of its own, and the thinking is long."""

from pathlib import Path

from storage.database import Database
from storage.sweeps.records import SweepOutcome
from storage.sweeps.repository import SweepRepository
from storage.traces.records import ThinkingFinishReason, TraceOutcome, TraceState
from storage.traces.repository import TraceRepository
from tests.storage.samples import a_checkpoint, a_sweep, a_trace, save_question, think

BUDGETS = tuple(range(640, 640 * 12 + 1, 640))
ROUNDS = tuple(range(9))
PASSES = 3
CELLS = len(BUDGETS) * len(ROUNDS)
LAST_WORDS = "so nothing else is left"
_SENTENCE = "the patient has a low haemoglobin and pale skin, which suggests that iron is missing in the diet"
_LINE_WORDS = 24


def store_large_sweep(home: Path) -> str:
    """Store the sweep; return its id."""
    database = Database(f"sqlite:///{home / 'm1.sqlite3'}")
    database.migrate()
    try:
        question = save_question(database)
        with database.session() as session:
            sweeps = SweepRepository(session)
            wanted = a_sweep(
                question.id,
                budgets=BUDGETS,
                force_rounds=ROUNDS,
                models=("m1-7b",),
                passes=PASSES,
                temperature=0.7,
                seed=1,
            )
            sweep = sweeps.add(wanted)
            for number in range(PASSES):
                _add_pass(TraceRepository(session), question.id, sweep.id, number)
            outcome = SweepOutcome(
                state=TraceState.COMPLETED, error="", tokens_generated=90_000, tokens_if_separate=900_000, seconds=60.0
            )
            sweeps.save(sweep.id, outcome, "host:1")
            return sweep.id
    finally:
        database.dispose()


def _add_pass(traces: TraceRepository, question_id: str, sweep_id: str, number: int) -> None:
    tokens = BUDGETS[-1]
    vocabulary = _SENTENCE.split()
    words = [vocabulary[(at + number) % len(vocabulary)] for at in range(tokens)]
    lines = [" ".join(words[at : at + _LINE_WORDS]) + ".\n" for at in range(0, tokens, _LINE_WORDS)]
    text = "".join(lines) + LAST_WORDS
    trace = traces.add(
        a_trace(
            question_id,
            sweep_id=sweep_id,
            pass_number=number,
            model="m1-7b",
            seed=1 + number,
            thinking_budget_tokens=tokens,
        )
    )
    outcome = TraceOutcome(state=TraceState.COMPLETED, thinking_finish_reason=ThinkingFinishReason.BUDGET)
    traces.close(trace.id, outcome, [think(text, token_count=tokens)])
    cells = [(budget, rounds) for budget in BUDGETS for rounds in ROUNDS]
    for place, cell in enumerate(cells, 1):
        letter = "ABC"[place // 7 % 3]
        share = place / CELLS
        traces.add_checkpoint(
            a_checkpoint(
                trace.id,
                cells=(cell,),
                cut_tokens=tokens * place // CELLS,
                cut_characters=len(text) * place // CELLS,
                forced_rounds=cell[1],
                letter=letter,
                is_correct=letter == "B",
                option_probabilities={"A": share / 2, "B": 1 - share, "C": share / 3},
            )
        )
