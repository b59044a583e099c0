"""A trace as Markdown, for reading: who wrote each part of it, the verdict, the probabilities, the settings.

Texts are put in fenced blocks and names are escaped, so that model or engine output is never rendered as Markdown.
"""

import itertools
from collections.abc import Iterator, Sequence

from m1app import __version__
from m1app.runs.markdown_text import escaped, fenced, settings_table, table
from m1app.targets import has_several, letters_of
from m1app.wording import FIRST_NAMED_NOTE, percent, state_label, verdict_of, verdict_with_letter
from storage.questions.records import Question
from storage.traces.records import COUNTED_AS_THINKING, Segment, SegmentKind, ThinkingFinishReason, Trace, TraceState

DISCLAIMER = "Research use only; not medical advice."
FINISH_WORDS = {
    ThinkingFinishReason.NATURAL: "the model ended its thinking",
    ThinkingFinishReason.BUDGET: "the budget was used up",
    ThinkingFinishReason.EARLY_EXIT: "a person had the model answer",
    ThinkingFinishReason.STOPPED: "a person stopped it",
    ThinkingFinishReason.FAILED: "an error ended it",
}
_ENDED = {"natural": ", natural stop", "budget": ", token limit", "early_exit": ", closed by a person"}


def trace_markdown(trace: Trace) -> str:
    """The trace as Markdown."""
    verdict = verdict_of(trace.answer_letter, trace.is_correct, bool(trace.question.options))
    parts = [
        f"# {escaped(trace.name) or f'Trace {trace.id}'}",
        *tags_lines(trace.tags),
        DISCLAIMER,
        *question_lines(trace.question),
        f"## Thinking ({trace.thinking_tokens:,} of {trace.thinking_budget_tokens:,} tokens)",
        *thinking_lines(trace.segments),
        f"Thinking ended: {_finish_words(trace)}.",
        "## Answer",
        *_answer_lines(trace),
        f"Verdict: {escaped(verdict_with_letter(trace.answer_letter, verdict, trace.question.target))}",
        *_basis_lines(trace),
        *_probability_lines(trace),
        "## Settings",
        settings_table(trace_settings(trace)),
        "## Prompt (from the app, not the model)",
        fenced(trace.prompt_text),
    ]
    return "\n\n".join(parts) + "\n"


def tags_lines(tags: Sequence[str]) -> list[str]:
    """A line with the tags, if there are any."""
    return [f"Tags: {', '.join(map(escaped, tags))}"] if tags else []


def question_lines(question: Question) -> list[str]:
    """The question with its options and target."""
    options = "\n".join(f"{letter}. {text}" for letter, text in question.options.items())
    return [
        "## Question",
        fenced(f"{question.stem}\n{options}".strip()),
        f"Target: {escaped(question.target) or 'none'}",
    ]


def thinking_lines(segments: Sequence[Segment]) -> Iterator[str]:
    """Each round of thinking and each inserted text under a heading that says who wrote it."""
    rounds, inserted = itertools.count(1), itertools.count(1)
    for segment in segments:
        if segment.kind not in COUNTED_AS_THINKING:
            continue
        if segment.kind is SegmentKind.WAIT:
            yield f"### Force round {next(inserted)}: inserted by the app ({_counted(segment)})"
        elif segment.kind is SegmentKind.EDIT:
            yield f"### Edit: written by a person ({_counted(segment)})"
        else:
            yield f"### Round {next(rounds)}: the model ({_counted(segment)})"
        yield fenced(segment.text)


def probability_rows(letters: Sequence[str], probabilities: dict[str, float]) -> list[tuple[str, str]]:
    """Each option with its probability, and what went to tokens that are no option's letter."""
    rows = [(letter, percent(probabilities[letter])) for letter in letters if letter in probabilities]
    return [*rows, ("no option", percent(max(0.0, 1.0 - sum(probabilities.values()))))]


def _counted(segment: Segment) -> str:
    unit = "token" if segment.token_count == 1 else "tokens"
    return f"{segment.token_count:,} {unit}{_ENDED.get(segment.finish_reason or '', '')}"


def _finish_words(trace: Trace) -> str:
    if trace.thinking_finish_reason:
        return FINISH_WORDS[trace.thinking_finish_reason]
    return "not yet" if trace.state is TraceState.RUNNING else "not known"


def _answer_lines(trace: Trace) -> Iterator[str]:
    for segment in trace.segments:
        if segment.kind is SegmentKind.CLOSE:
            yield f"### Closing: inserted by the app ({_counted(segment)})"
            yield fenced(segment.text)
    answered = [segment for segment in trace.segments if segment.kind is SegmentKind.ANSWER]
    yield f"### The model ({_counted(answered[-1]) if answered else 'no answer yet'})"
    yield fenced(trace.answer_text)


def _basis_lines(trace: Trace) -> list[str]:
    if not trace.letter_words:
        return []
    return [f"The letter rests on the rule “{escaped(trace.letter_rule)}”:", fenced(trace.letter_words)]


def _probability_lines(trace: Trace) -> list[str]:
    if not trace.option_probabilities:
        return []
    rows = probability_rows(list(trace.question.options), dict(trace.option_probabilities))
    marked = [(*row, _option_marks(trace, row[0])) for row in rows]
    several = [FIRST_NAMED_NOTE] if has_several(trace.question.target) else []
    return ["## Option probabilities at the end of thinking", table(["Option", "Probability", ""], marked), *several]


def _option_marks(trace: Trace, letter: str) -> str:
    marks = {"chosen": trace.answer_letter, "target": trace.question.target}
    return ", ".join(mark for mark, letters in marks.items() if letter in letters_of(letters))


def trace_settings(trace: Trace) -> dict[str, object]:
    """What it was asked with and what it cost, by name; None for what there is not."""
    engine = f"{trace.engine_name} ({trace.engine_kind} {trace.engine_version})".replace(" )", ")")
    return {
        "model": trace.model,
        "engine": engine,
        "profile": trace.profile + (" (a guess)" if trace.profile_is_guess else ""),
        "thinking budget": f"{trace.thinking_budget_tokens:,} tokens",
        "force rounds": trace.force_rounds,
        "answer cap": f"{trace.answer_cap_tokens:,} tokens",
        "temperature": trace.temperature,
        "top-p": trace.top_p,
        "seed": "none (greedy)" if trace.seed is None else trace.seed,
        "thinking ended": _finish_words(trace),
        "state": state_label(trace.state),
        "error": trace.error or None,
        "note": trace.note or None,
        "tokens generated": f"{trace.tokens_generated:,}",
        "seconds": None if trace.seconds is None else round(trace.seconds, 2),
        "started": trace.created_at.isoformat(timespec="seconds"),
        "trace": trace.id,
        "exported by": f"m1app {__version__}",
    }
