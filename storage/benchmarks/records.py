"""Question sets, benchmark runs, their items and results, as plain values: standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RunState(StrEnum):
    """Lifecycle state of a benchmark run."""

    WAITING = "waiting"
    """Planned; not started yet."""
    RUNNING = "running"
    """Questions are being asked; `updated_at` is its heartbeat."""
    COMPLETED = "completed"
    """Every item is done or has permanently failed."""
    STOPPED = "stopped"
    """Stopped by a user; can be resumed."""
    FAILED = "failed"
    """Ended by an error; can be resumed."""
    INTERRUPTED = "interrupted"
    """Its process disappeared; can be resumed."""
    IMPORTED = "imported"
    """Made elsewhere: its answers come from files. Never run or resumed."""


class ItemState(StrEnum):
    """State of one question in a run."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    """Failed repeatedly; counts as unanswered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBenchmarkRun:
    """Question sets over a grid of budgets and force rounds, for one or more models."""

    name: str
    question_sets: tuple[str, ...]
    """Names of the sets at the time the run was planned."""
    models: tuple[str, ...]
    budgets: tuple[int, ...]
    """Thinking budgets in tokens, ascending."""
    force_rounds: tuple[int, ...]
    """Ascending."""
    passes: int
    """Passes per question, each with its own seed."""
    temperature: float
    """0 is greedy."""
    top_p: float
    seed: int | None
    """Seed of the first pass; None when the temperature is 0."""
    answer_cap_tokens: int
    system_prompt: str | None
    """None uses the profile's own."""
    asks_probabilities: bool = True
    """Whether the probabilities of the options are asked for at each cut."""
    profile: str
    """Empty uses the one that matches each model."""
    limit: int | None
    """Maximum questions per set; None takes all."""
    in_flight: int
    """Questions asked concurrently; 0 uses the engine's capacity."""
    strategies: tuple[str, ...] = ()
    """Strategies that every question is answered by too, as they are written: "vote:k=8"."""
    strategy_budget_tokens: int | None = None
    """Most tokens that each strategy may generate for a question; None without strategies."""
    strict_version: int = 1
    """Version of the scoring rule `strict` when it was planned: that of its oldest results."""
    judge: str = ""
    """The served model that judges answers to open questions; empty for the model that answers."""
    speculation: str | None = None
    """How its engine guesses tokens, "ngram", or "" if it does not; None if nobody knows, as of earlier runs and remote
    engines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkRun(NewBenchmarkRun):
    """A stored run."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    created_at: datetime
    """Aware, UTC."""
    updated_at: datetime
    """Last heartbeat, aware, UTC."""
    state: RunState
    error: str
    """Error message for the user; empty unless it failed."""
    owner: str
    """"host:pid" of the process that runs or last ran it; empty before the first."""
    tags: tuple[str, ...]
    is_archived: bool
    items: int
    """Questions times models."""
    items_done: int
    items_failed: int
    tokens_generated: int
    """All tokens generated for its finished items."""
    tokens_if_separate: int
    """Tokens that separate runs of the same cells would have generated."""
    seconds: float
    """Total wall-clock time, including before interruptions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkItem:
    """One question of a run, for one model: one sweep."""

    id: str
    """Also the id of its sweep, once started."""
    run_id: str
    position: int
    """Position in the run, from 0."""
    question_set: str
    model: str
    question_id: str
    state: ItemState
    attempts: int
    error: str
    """Why it failed; otherwise empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkResult:
    """The answer to one item in one cell, scored by both rules."""

    item_id: str
    pass_number: int
    budget_tokens: int
    force_rounds: int
    letter: str | None
    """By the strict rule; None when unanswered. Several, where several are right, as "A, C"."""
    is_correct: bool | None
    """By the strict rule; unanswered counts as wrong. None for an open question, which it cannot score."""
    m1_letter: str | None
    """By the published scorer."""
    m1_is_correct: bool | None
    """By the published scorer; None if it cannot score the question, which has several right options."""
    thinking_tokens: int
    """Thinking tokens available to the answer."""
    tokens_if_separate: int
    """Cost: tokens that running this cell alone would generate."""
    checkpoint_id: str | None
    """None for an item that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFile:
    """A file that answers of a run come from."""

    file_name: str
    """Without its folder."""
    sha256: str
    """Hex digest."""
    beside_sha256: str
    """Of the file beside it that says its settings; empty without one. Other settings make it another log."""
    tool: str
    """What wrote it, such as "lm-evaluation-harness"."""
    tool_version: str
    """Empty if nothing says it."""
    stated: Mapping[str, str]
    """Settings as it states them, by name."""
    questions: int
    """Questions that its answers are to."""
    matched: int
    """How many of these were in a question set already."""
    notes: tuple[str, ...]
    """For people: what was left out, and how it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedAnswer:
    """The answer to one item in one cell of an imported run, as its file has it."""

    pass_number: int
    budget_tokens: int
    """0 if the file does not say it."""
    force_rounds: int
    thinking: str | None
    """None if nothing tells it from the answer."""
    answer: str
    own_is_correct: bool | None
    """The file's own verdict; None without one."""
    own_letter: str | None
    """What the file's own scorer read, a letter or other words."""
    own_rule: str
    """The metric or scorer of that verdict."""
    generated_tokens: int | None
    """As the file counts them; None if it does not."""
    thinking_tokens: int | None
    letter_rule: str | None
    """What our letter rests on, by the strict rule, as for a checkpoint."""
    letter_start: int | None
    letter_end: int | None

    @property
    def cell(self) -> tuple[int, int, int]:
        """(pass number, thinking budget, force rounds)."""
        return self.pass_number, self.budget_tokens, self.force_rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnVerdicts:
    """The verdicts of a run's files beside ours."""

    answers: int
    """Answers with a verdict of their file."""
    correct: int
    """Right by their file."""
    differ_strict: int
    """Answers on which the strict rule says otherwise."""
    differ_m1: int
    """The same by the published scorer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkStrategyResult:
    """What one strategy came to on one item, and what it cost."""

    item_id: str
    choice: str
    """As it is written."""
    letter: str | None
    """None if it gave none."""
    is_correct: bool | None
    """None if the strategy could not be asked this question: `error` says why."""
    generated: int
    """Tokens that the strategy generates, cancelled ones too; those of `shared` included."""
    injected: int
    prompt_new: int
    prompt_cached: int
    wasted: int
    shared: int
    """Generated tokens that the run's own passes had generated already."""
    seconds: float
    """Wall-clock time of what was asked; 0 from the pool."""
    is_from_pool: bool
    """Whether the run's own passes were all that it needed."""
    error: str = ""
    """For people: why it was not asked, or what was not answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCount:
    """Totals over the results of one model, set and cell."""

    run_id: str
    model: str
    question_set: str
    budget_tokens: int
    force_rounds: int
    n: int
    """Number of results that the rule scores, including failed items."""
    correct: int
    """Correct by the requested rule."""
    answered: int
    """Results with a letter by that rule."""
    thinking_tokens: int
    """Sum."""
    tokens_if_separate: int
    """Sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagCount:
    """Right answers of one model to the questions with one tag."""

    tag: str
    """Empty for the questions without a tag."""
    questions: int
    """Questions asked, failed ones included."""
    right: tuple[tuple[int, ...], ...]
    """For each budget, the number of questions by their right passes: none, one, and so on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionVerdict:
    """A question of a run in one cell, or in two compared cells."""

    item_id: str
    """Also the id of its sweep."""
    question_id: str
    stem: str
    """The first 160 characters."""
    question_set: str
    model: str
    target: str | None
    item_state: ItemState
    error: str
    letter: str | None
    is_correct: bool | None
    """None while the item is still queued, and if the rule does not score it."""
    is_scored: bool = True
    """False if it is answered, but the rule does not score it."""
    thinking_tokens: int | None
    checkpoint_id: str | None
    """Id of the answer; the case to annotate."""
    letter_rule: str | None = None
    """What the letter rests on, by the strict rule; None if that was not recorded."""
    letter_words: str | None = None
    """The words of the answer that it rests on."""
    is_imported: bool = False
    """Whether the answer comes from a file: then there is no sweep to open."""
    before_letter: str | None = None
    """Verdict in the cell it is compared with, if any."""
    before_is_correct: bool | None = None
