"""A question with all that was answered, as JSON values for `page/question_view.js`. Pure.

Positions in texts are code points. Where the texts of a set are left out, what stays is ids, verdicts and counts:
neither the question nor what models or people wrote about it, and no letters, which would give the answer key away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from m1app.annotation.labels import Taxonomy
from m1app.benchmark.strategy_table import title_of
from m1app.publishing.verdicts import RIGHT, UNANSWERED, UNSCORED, WRONG, verdict_code
from m1app.runs.flips import flips
from m1app.runs.sweep_reading import PassSnapshot
from m1app.runs.trace_markdown import FINISH_WORDS
from storage.annotations.records import Annotation
from storage.benchmarks.records import BenchmarkItem, BenchmarkResult, BenchmarkStrategyResult
from storage.questions.records import Question
from storage.traces.records import COUNTED_AS_THINKING, Checkpoint, Segment

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one model of one run came to on a question."""

    source: int
    """Number of the source, from 0."""
    item: BenchmarkItem
    results: Sequence[BenchmarkResult]
    passes: Sequence[PassSnapshot]
    """Empty if they were erased, or the item failed before its first."""
    strategies: Sequence[BenchmarkStrategyResult]


@dataclass(frozen=True, slots=True)
class Marks:
    """Annotations that may be shown, and how."""

    taxonomy: Taxonomy
    letters: Mapping[str, str]
    """Name of an annotator who agreed -> letter."""
    by_trace: Mapping[str, Sequence[Annotation]] = field(default_factory=dict)


def question_texts(question: Question, *, has_texts: bool) -> Document:
    """The question itself."""
    known: Document = {"id": question.id}
    if not has_texts:
        return known
    return known | {
        "stem": question.stem,
        "options": [[letter, text] for letter, text in question.options.items()],
        "target": question.target,
        "reference": question.reference,
        "tags": list(question.tags),
    }


def answered_document(found: Answered, marks: Marks, *, has_texts: bool) -> list[Document]:
    """The passes of one model of one run."""
    snapshots = {each.trace.pass_number: each for each in found.passes}
    numbers = dict.fromkeys([*(each.pass_number for each in found.results), *snapshots])
    return [
        {"source": found.source}
        | _pass(found.item, number, [each for each in found.results if each.pass_number == number], has_texts=has_texts)
        | (written(snapshots[number], marks, has_texts=has_texts) if number in snapshots else {})
        for number in sorted(numbers)
    ]


def _pass(item: BenchmarkItem, number: int, results: Sequence[BenchmarkResult], *, has_texts: bool) -> Document:
    cells = []
    for each in results:
        cell: Document = {
            "budget": each.budget_tokens,
            "rounds": each.force_rounds,
            "verdict": verdict_code(item, each),
            "tokens": each.thinking_tokens,
            "answer": each.checkpoint_id,
        }
        cells.append(cell | ({"letter": each.letter, "m1": each.m1_letter} if has_texts else {}))
    return {"pass": number, "state": item.state.value, "cells": cells}


def written(run: PassSnapshot, marks: Marks, *, has_texts: bool) -> Document:
    """Thinking, answers, flips and marks of a pass, as `answered_document` has them."""
    found = flips(run)
    of_trace = marks.by_trace.get(run.trace.id, ())
    known: Document = {
        "seed": run.trace.seed,
        "thinking_tokens": run.trace.thinking_tokens,
        "answers": {each.id: _answer(each, has_texts=has_texts) for each in run.checkpoints},
        "flips": [
            {"kind": each.kind.value, "tokens": [each.before.cut_tokens, each.after.cut_tokens]}
            | (
                {
                    "letters": [each.before.letter, each.after.letter],
                    "span": [each.start, each.end],
                    "sentence": each.sentence,
                    "why": each.why,
                }
                if has_texts
                else {}
            )
            for each in found
        ],
        "marks": [mark_document(each, marks, has_texts=has_texts) for each in of_trace],
    }
    return known | ({"segments": segments_of(run.trace.segments)} if has_texts else {})


def segments_of(segments: Sequence[Segment]) -> list[list[Any]]:
    """The thinking in parts: kind, text, tokens."""
    return [[each.kind.value, each.text, each.token_count] for each in segments if each.kind in COUNTED_AS_THINKING]


def _answer(kept: Checkpoint, *, has_texts: bool) -> Document:
    known: Document = {
        "tokens": kept.cut_tokens,
        "ended": FINISH_WORDS[kept.thinking_finish_reason],
        "is_failed": bool(kept.error),
    }
    if not has_texts:
        return known
    shares = kept.option_probabilities or {}
    return known | {
        "cut": kept.cut_characters,
        "text": kept.text,
        "shares": [[letter, round(share, 4)] for letter, share in shares.items()],
    }


def mark_document(each: Annotation, marks: Marks, *, has_texts: bool) -> Document:
    """An annotation, its annotator as a letter; of others who agreed with it, only those who agreed to be shown."""
    names = [found.name if (found := marks.taxonomy.label(label)) else label for label in each.labels]
    known: Document = {
        "who": marks.letters[each.annotator],
        "part": each.part.value,
        "labels": names,
        "severity": each.severity,
        "state": each.state.value,
        "is_omission": each.is_omission,
        "answer": each.checkpoint_id,
        "agreed": [marks.letters[name] for name in each.agreed_by if name in marks.letters],
    }
    if not has_texts:
        return known
    selector = each.selector
    return known | {
        "span": [selector.start, selector.end] if selector else None,
        "quote": selector.exact if selector else "",
        "comment": each.comment,
        "correction": each.corrected_fact,
        "evidence": [f"{source.kind.value}: {source.value}" for source in each.evidence],
    }


def strategy_documents(found: Answered, *, has_texts: bool) -> list[Document]:
    """What the run's strategies came to."""
    return [
        {
            "source": found.source,
            "name": title_of(each.choice),
            "choice": each.choice,
            "verdict": _strategy_verdict(each),
            "generated": each.generated,
            "shared": each.shared,
            "is_from_pool": each.is_from_pool,
        }
        | ({"letter": each.letter} if has_texts else {})
        for each in found.strategies
    ]


def _strategy_verdict(result: BenchmarkStrategyResult) -> str:
    if result.is_correct is None:
        return UNSCORED
    if result.is_correct:
        return RIGHT
    return WRONG if result.letter else UNANSWERED
