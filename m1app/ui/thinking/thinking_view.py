"""A stored thinking as the Thinking page shows it. Pure: values in, dictionaries out."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from m1app.question.sentences import sentences
from m1app.runs.anchors import SentenceChange
from m1app.runs.branches import MOST_CHARACTERS, Editable
from m1app.targets import letters_of
from m1app.wording import counted, verdict_label
from storage.annotations.records import Case
from storage.traces.records import COUNTED_AS_THINKING


def editor_value(of: Editable | None, problem: str = "", changes: Sequence[SentenceChange] = ()) -> dict[str, Any]:
    """What the editor is filled with; without anything to edit, only why.

    Args:
        of: what can be edited.
        problem: why nothing can.
        changes: of its sentences.
    """
    if of is None:
        return {"problem": problem}
    case, trace = of.case, of.trace
    question, targets = case.question, letters_of(case.question.target)
    return {
        "problem": problem,
        "case": case.id,
        "start": of.start,
        "end": of.end,
        "question": question.stem,
        "options": [
            f"{letter}. {text}{' (target)' if letter in targets else ''}" for letter, text in question.options.items()
        ],
        "verdict_label": verdict_label(case.letter, case.is_correct, question.target, bool(question.options)),
        "model": f"{case.model}, {counted(case.thinking_budget_tokens, 'token')} budget",
        "text": case.thinking_text,
        "pieces": list(_pieces(case)),
        "changes": [each.change for each in changes],
        "tokens": _tokens(of),
        "budget": case.thinking_budget_tokens,
        "seed": trace.seed,
        "is_greedy": trace.temperature == 0,
        "most_characters": MOST_CHARACTERS,
        "case_link": f"/annotate/?case={case.id}",
        "trace_link": f"/compare/?sweep={case.sweep_id}" if case.sweep_id else f"/?trace={case.trace_id}",
    }


def _pieces(case: Case) -> Iterator[dict[str, Any]]:
    """The text in order, divided where sentences and inserted stretches begin and end."""
    text = case.thinking_text
    spans = sentences(text)
    kinds = [("wait", span) for span in case.waits] + [("edit", span) for span in case.edits]
    edges = {0, len(text), *(edge for span in spans for edge in span), *(edge for _, span in kinds for edge in span)}
    number = 0
    for start, end in pairwise(sorted(edges)):
        while number < len(spans) and spans[number][1] <= start:
            number += 1
        is_in = number < len(spans) and spans[number][0] <= start
        kind = next((kind for kind, span in kinds if span[0] <= start < span[1]), "")
        yield {"start": start, "end": end, "sentence": number if is_in else None, "kind": kind}


def _tokens(of: Editable) -> Sequence[tuple[int, int]]:
    """Characters and tokens of the thinking up to the end of each segment."""
    found, characters, tokens = [(0, 0)], 0, 0
    for each in of.trace.segments:
        if each.kind in COUNTED_AS_THINKING:
            characters, tokens = characters + len(each.text), tokens + each.token_count
            found.append((characters, tokens))
    return found
