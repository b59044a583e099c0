"""What a person asks to be tested, and checks made before any engine is asked. Pure."""

from dataclasses import dataclass

from m1app.control_characters import control_character, is_blank
from m1app.fact_tests.design import LEAST_SEEDS, MOST_SEEDS
from m1app.fact_tests.errors import FactTestRefused
from m1app.runs.strategy_request import StrategyRunRequest
from storage.annotations.records import Case
from storage.traces.records import Trace

MOST_CHARACTERS = 2_000
"""Of a fact."""
TEMPERATURE = 0.6
"""Where the trace was greedy: at 0 all seeds would be alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactTestRequest:
    """A fact, and the stretch of a wrong thinking where it was missing."""

    case_id: str
    """Of the wrong answer: a checkpoint, or a trace."""
    mark_start: int
    """In code points of the thinking."""
    mark_end: int
    fact: str
    annotation_id: str = ""
    """The annotation that it is the corrected fact of; empty if it was typed."""
    seeds: int = LEAST_SEEDS
    """Of each arm."""
    has_prompt_arm: bool = True
    """Whether arm D is asked."""
    wrong_fact: str = ""
    """Of arm E; empty without it."""
    budget_tokens: int | None = None
    """Thinking budget of the test; None takes the smallest whose answer this is."""
    first_seed: int | None = None
    """None draws one."""
    study_id: str = ""
    """The study that makes the test; empty for a person."""


def check(request: FactTestRequest, case: Case, trace: Trace) -> None:
    """Refuse what cannot be tested, whatever the engine says; raises FactTestRefused."""
    _check_case(case, trace)
    if not 0 <= request.mark_start < request.mark_end <= len(case.thinking_text):
        raise FactTestRefused(
            "mark",
            f"The mark from {request.mark_start:,} to {request.mark_end:,} is outside the thinking of "
            f"{len(case.thinking_text):,} characters. Select the text again.",
        )
    _check_fact(request.fact, "fact", "fact")
    if request.wrong_fact:
        _check_fact(request.wrong_fact, "wrong_fact", "wrong fact")
    if type(request.seeds) is not int or not LEAST_SEEDS <= request.seeds <= MOST_SEEDS:
        raise FactTestRefused(
            "seeds", f"{request.seeds} seeds were requested; choose from {LEAST_SEEDS} to {MOST_SEEDS}."
        )


def _check_case(case: Case, trace: Trace) -> None:
    if not case.question.options or not case.question.target:
        raise FactTestRefused(
            "case",
            "This question has no options or no target, so there is no way to tell which answers are right. Test a "
            "fact on a question that has both.",
        )
    if case.is_correct:
        raise FactTestRefused("case", "This answer is right. Choose a wrong answer to test a fact on.")
    if not trace.prompt_token_ids:
        raise FactTestRefused(
            "case",
            "This answer was imported, so the tokens of its thinking are not known. Ask the question on Probe, and "
            "mark the new trace.",
        )


def _check_fact(fact: str, field: str, name: str) -> None:
    if is_blank(fact) and not control_character(fact):
        raise FactTestRefused(field, f"The {name} is empty. Write one or two sentences.")
    if len(fact) > MOST_CHARACTERS:
        raise FactTestRefused(
            field, f"The {name} has {len(fact):,} characters; shorten it to {MOST_CHARACTERS:,} at most."
        )
    if found := control_character(fact):
        raise FactTestRefused(field, f"The {name} has the control character {found}. Delete it.")


def run_request(trace: Trace, case: Case) -> StrategyRunRequest:
    """The run that asks what the case was asked, with the budget and the rounds that it had."""
    return StrategyRunRequest(
        stem=trace.question.stem,
        options=dict(trace.question.options),
        target=trace.question.target,
        model=trace.model,
        profile="" if trace.profile_is_guess else trace.profile,
        temperature=trace.temperature or TEMPERATURE,
        top_p=trace.top_p,
        system_prompt=trace.system_prompt,
        answer_cap_tokens=trace.answer_cap_tokens,
        source=trace.question.source,
        title=trace.question.title,
        thinking_tokens=case.thinking_budget_tokens,
        force_rounds=case.force_rounds,
    )
