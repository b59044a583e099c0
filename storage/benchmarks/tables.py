"""The tables of question sets, benchmark runs and their results."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base, Discardable, Id, trash_index
from storage.benchmarks.records import ItemState, RunState
from storage.columns import JsonTuple, PersonText


class BenchmarkRunRow(Discardable, Base):
    """A benchmark run without its items."""

    __tablename__ = "benchmark_run"
    __table_args__ = (
        trash_index("benchmark_run"),
        Index(None, "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    name: Mapped[str] = mapped_column(PersonText("the run's name"))
    state: Mapped[RunState]
    error: Mapped[str]
    owner: Mapped[str]
    tags: Mapped[tuple[str, ...]] = mapped_column(JsonTuple())
    is_archived: Mapped[bool]
    question_sets: Mapped[tuple[str, ...]] = mapped_column(JsonTuple())
    models: Mapped[tuple[str, ...]] = mapped_column(JsonTuple())
    budgets: Mapped[tuple[int, ...]] = mapped_column(JsonTuple())
    force_rounds: Mapped[tuple[int, ...]] = mapped_column(JsonTuple())
    passes: Mapped[int]
    temperature: Mapped[float]
    top_p: Mapped[float]
    seed: Mapped[int | None] = mapped_column(BigInteger)
    answer_cap_tokens: Mapped[int]
    system_prompt: Mapped[str | None] = mapped_column(PersonText("the system prompt"))
    asks_probabilities: Mapped[bool]
    profile: Mapped[str]
    limit: Mapped[int | None]
    in_flight: Mapped[int]
    strategies: Mapped[tuple[str, ...]] = mapped_column(JsonTuple())
    strategy_budget_tokens: Mapped[int | None]
    strict_version: Mapped[int]
    judge: Mapped[str]
    speculation: Mapped[str | None]
    items: Mapped[int]
    items_done: Mapped[int]
    items_failed: Mapped[int]
    tokens_generated: Mapped[int] = mapped_column(BigInteger)
    tokens_if_separate: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float]


class BenchmarkItemRow(Base):
    """One question of a run, for one model."""

    __tablename__ = "benchmark_item"
    __table_args__ = (
        Index(None, "run_id", "position", unique=True),
        Index(None, "run_id", "state", "position"),
        Index("ix_benchmark_item_found", "run_id", "question_number", "model_number", "set_number"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Also the id of its sweep, which is created when the item starts."""
    run_id: Mapped[str] = mapped_column(Id, ForeignKey("benchmark_run.id", ondelete="CASCADE"))
    position: Mapped[int]
    set_number: Mapped[int]
    """Position of its set in the run's `question_sets`."""
    model_number: Mapped[int]
    """Position of its model in the run's `models`."""
    question_id: Mapped[str] = mapped_column(Id, ForeignKey("question.id"), index=True)
    question_number: Mapped[int]
    """The question by `search_entry.number`, as the search index does, so that search hits are counted without another
    table."""
    state: Mapped[ItemState]
    attempts: Mapped[int]
    error: Mapped[str]


class BenchmarkResultRow(Base):
    """The answer to one item in one cell."""

    __tablename__ = "benchmark_result"
    __table_args__ = (
        # Covers everything a curve needs, so that a million results are counted without reading the table.
        Index(
            "ix_benchmark_result_curves",
            "run_id",
            "model_number",
            "set_number",
            "force_rounds",
            "budget_tokens",
            "is_correct",
            "m1_is_correct",
            "is_answered",
            "m1_is_answered",
            "thinking_tokens",
            "tokens_if_separate",
            # And what a count by tag needs.
            "item_id",
        ),
    )

    item_id: Mapped[str] = mapped_column(Id, ForeignKey("benchmark_item.id", ondelete="CASCADE"), primary_key=True)
    pass_number: Mapped[int] = mapped_column(primary_key=True)
    budget_tokens: Mapped[int] = mapped_column(primary_key=True)
    force_rounds: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(Id)
    set_number: Mapped[int]
    model_number: Mapped[int]
    letter: Mapped[str | None]
    is_correct: Mapped[bool | None]
    """None: no rule can score it, as it answers an open question."""
    is_answered: Mapped[bool]
    m1_letter: Mapped[str | None]
    m1_is_correct: Mapped[bool | None]
    """None: the rule cannot score it."""
    m1_is_answered: Mapped[bool]
    thinking_tokens: Mapped[int]
    tokens_if_separate: Mapped[int]
    checkpoint_id: Mapped[str | None] = mapped_column(Id)


class BenchmarkStrategyResultRow(Base):
    """What one strategy came to on one item."""

    __tablename__ = "benchmark_strategy_result"
    __table_args__ = (Index(None, "run_id", "model_number", "set_number"),)

    item_id: Mapped[str] = mapped_column(Id, ForeignKey("benchmark_item.id", ondelete="CASCADE"), primary_key=True)
    choice: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(Id)
    set_number: Mapped[int]
    model_number: Mapped[int]
    letter: Mapped[str | None]
    is_correct: Mapped[bool | None]
    generated: Mapped[int]
    injected: Mapped[int]
    prompt_new: Mapped[int]
    prompt_cached: Mapped[int]
    wasted: Mapped[int]
    shared: Mapped[int]
    seconds: Mapped[float]
    is_from_pool: Mapped[bool]
    error: Mapped[str]


class BenchmarkImportRow(Base):
    """A file that answers of a run come from."""

    __tablename__ = "benchmark_import"

    run_id: Mapped[str] = mapped_column(Id, ForeignKey("benchmark_run.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    file_name: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    beside_sha256: Mapped[str] = mapped_column(String(64))
    tool: Mapped[str]
    tool_version: Mapped[str]
    stated: Mapped[Mapping[str, str]]
    questions: Mapped[int]
    matched: Mapped[int]
    notes: Mapped[tuple[str, ...]] = mapped_column(JsonTuple())


class BenchmarkImportedAnswerRow(Base):
    """The answer to one item in one cell of an imported run."""

    __tablename__ = "benchmark_imported_answer"

    item_id: Mapped[str] = mapped_column(Id, ForeignKey("benchmark_item.id", ondelete="CASCADE"), primary_key=True)
    pass_number: Mapped[int] = mapped_column(primary_key=True)
    budget_tokens: Mapped[int] = mapped_column(primary_key=True)
    force_rounds: Mapped[int] = mapped_column(primary_key=True)
    own_is_correct: Mapped[bool | None]
    own_letter: Mapped[str | None]
    own_rule: Mapped[str]
    generated_tokens: Mapped[int | None]
    thinking_tokens: Mapped[int | None]
    letter_rule: Mapped[str | None]
    letter_start: Mapped[int | None]
    letter_end: Mapped[int | None]
    # Long columns last: SQLite then finds the others without reading overflow pages.
    thinking: Mapped[str | None]
    answer: Mapped[str]
