"""A benchmark run with everything that belongs to one, and ways to look at what is left of it."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Select, Table, insert, select

from storage.annotations.assessments import AssessmentRepository
from storage.annotations.cases import CaseRepository
from storage.annotations.records import AnnotationAction, AnnotationState, Origin
from storage.annotations.repository import AnnotationRepository
from storage.benchmarks.records import BenchmarkRun, ItemState
from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.tables import BenchmarkItemRow, BenchmarkStrategyResultRow
from storage.database import Database
from storage.strategies.records import NewStrategyRun
from storage.strategies.repository import StrategyRepository
from storage.sweeps.repository import SweepRepository
from storage.tables import metadata
from storage.traces.records import TraceOutcome, TraceState
from storage.traces.repository import TraceRepository
from storage.trash.tables import WITH_TRASH
from tests.m1app.annotation.cases import note
from tests.storage.benchmarks.test_repository import LARGE, SMALL, planned, result, strategy_result
from tests.storage.samples import a_checkpoint, a_sweep, a_trace, think

Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Item:
    sweep_id: str
    """Also the item's id."""
    trace_ids: tuple[str, ...]
    checkpoint_ids: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    run: BenchmarkRun
    items: tuple[Item, ...]

    @property
    def trace_ids(self) -> set[str]:
        return {trace_id for item in self.items for trace_id in item.trace_ids}


def asked_run(database: Database, *stems: str, passes: int = 2) -> Asked:
    """A finished run with a sweep for each question, each of some passes with one answer."""
    run = planned(database, stems or ("heart", "lung"))
    with database.session() as session:
        waiting = BenchmarkRepository(session).waiting(run.id)
        items = tuple(_asked(session, each.id, each.question_id, passes) for each in waiting)
        for item in items:
            results = [result(item.sweep_id, cell, "A") for cell in (SMALL, LARGE)]
            BenchmarkRepository(session).finish(
                item.sweep_id, ItemState.DONE, results, tokens_generated=100, tokens_if_separate=192, attempts=1
            )
        return Asked(BenchmarkRepository(session).get(run.id), items)


def _asked(session: Any, item_id: str, question_id: str, passes: int) -> Item:
    SweepRepository(session).add(a_sweep(question_id, asked_by="ada"), item_id)
    traces = TraceRepository(session)
    made = [
        traces.add(a_trace(question_id, sweep_id=item_id, pass_number=number, model="m1-7b")).id
        for number in range(passes)
    ]
    for trace_id in made:
        traces.close(trace_id, TraceOutcome(state=TraceState.COMPLETED), [think("tachycardia explains it")])
    return Item(item_id, tuple(made), tuple(traces.add_checkpoint(a_checkpoint(each)).id for each in made))


def strategy_run(database: Database, question_id: str, run_id: str = "") -> str:
    """A run of strategies without passes; returns its id."""
    new = NewStrategyRun(
        question_id=question_id,
        choices=("vote:k=2",),
        model="m1-7b",
        profile="",
        system_prompt=None,
        budget_tokens=600,
        thinking_tokens=100,
        force_rounds=0,
        temperature=0.6,
        top_p=1.0,
        seed=0,
        answer_cap_tokens=20,
        engine_kind="vllm",
        engine_version="1",
        engine_name="remote",
        prompt_sha256="0" * 64,
        owner="host:1",
    )
    with database.session() as session:
        return StrategyRepository(session).add(new, run_id).id


def strategies_of(database: Database, item_id: str) -> str:
    """An item's run of strategies, with one pass of its own and its answer, and its result; returns the answer's id."""
    with database.session() as session:
        item = session.get_one(BenchmarkItemRow, item_id)
        question_id, of = item.question_id, {"run_id": item.run_id, "set_number": 0, "model_number": 0}
        session.execute(insert(BenchmarkStrategyResultRow), [asdict(strategy_result(item_id)) | of])
    strategy_run(database, question_id, item_id)
    with database.session() as session:
        traces = TraceRepository(session)
        made = traces.add(a_trace(question_id, strategy_run_id=item_id, model="m1-7b")).id
        traces.close(made, TraceOutcome(state=TraceState.COMPLETED), [think("tachycardia explains it")])
        return traces.add_checkpoint(a_checkpoint(made)).id


def annotate(database: Database, case_id: str, who: str = "Ada") -> None:
    """A submitted annotation, which has two revisions."""
    with database.session() as session:
        case = CaseRepository(session).get(case_id)
        annotations = AnnotationRepository(session)
        made = annotations.add(case, who, note("bias", comment="No."), Origin.PERSON, 1)
        annotations.change(made, who, AnnotationAction.SUBMITTED, state=AnnotationState.SUBMITTED)
        AssessmentRepository(session).save(case, who, is_submitted=True)


def rows(database: Database) -> Rows:
    """Every row of every table, by plain SQL: also what is in the trash."""
    with database.session(is_read_only=True) as session:
        return {
            name: sorted((tuple(row) for row in session.connection().execute(everything(table))), key=repr)
            for name, table in metadata.tables.items()
        }


def everything(table: Table) -> Select[Any]:
    return select(table).execution_options(**{WITH_TRASH: True})


def counts(database: Database, *names: str) -> tuple[int, ...]:
    found = rows(database)
    return tuple(len(found[name]) for name in names)
