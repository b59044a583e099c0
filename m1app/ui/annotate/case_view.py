"""Cases on the Annotate page: texts and annotations. Pure: values in, dictionaries out.

Positions are code points, as stored; the page code converts them to the browser's units.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from m1app.annotation.cases import CaseView
from m1app.annotation.labels import Taxonomy
from m1app.annotation.suggestions import Suggestion
from m1app.question.sentences import Span, sentences
from m1app.targets import letters_of
from m1app.wording import counted, verdict_label, verdict_of
from storage.annotations.records import (
    Annotation,
    AnnotationContent,
    AnnotationRevision,
    AnnotationState,
    Case,
    Part,
)

_STATE_LABELS = {
    AnnotationState.DRAFT: "Draft",
    AnnotationState.SUBMITTED: "Submitted",
    AnnotationState.DISPUTED: "Disputed",
    AnnotationState.WITHDRAWN: "Withdrawn",
}
_SHOWN_SETS = 3
_SHOWN_OF_REVISION = (
    ("state", ""),
    ("labels", "labels "),
    ("severity", "severity "),
    ("comment", "comment: "),
    ("corrected_fact", "correction: "),
)


def taxonomy_value(taxonomy: Taxonomy) -> dict[str, Any]:
    """Labels, including retired ones, and severities."""
    return {
        "version": taxonomy.version,
        "labels": [
            {
                "id": label.id,
                "group": label.group,
                "name": label.name,
                "definition": label.definition,
                "example": label.example,
                "source": label.source,
                "retired": label.retired,
            }
            for label in taxonomy.labels
        ],
        "severities": [{"id": each.id, "definition": each.definition} for each in taxonomy.severities],
    }


def case_value(case: Case) -> dict[str, Any]:
    """The immutable part of a case: question, texts, answer."""
    question = case.question
    verdict = verdict_of(case.letter, case.is_correct, bool(question.options))
    return {
        "id": case.id,
        "stem": question.stem,
        "options": [
            {"letter": letter, "text": text, "tags": _tags(case, letter)} for letter, text in question.options.items()
        ],
        "verdict": verdict,
        "verdict_label": verdict_label(case.letter, case.is_correct, question.target, bool(question.options)),
        "facts": f"{case.model}, {_settings(case)}",
        "source": f"/compare/?sweep={case.sweep_id}" if case.sweep_id else f"/?trace={case.trace_id}",
        "texts": {
            "thinking": _text(case.thinking_text, case.waits, case.edits),
            "answer": _text(case.answer_text),
        },
    }


def evaluated_words(sets: Sequence[str]) -> str:
    """What becomes of a correction of a question that is evaluated here, and what can be learned; empty if in no set.

    Args:
        sets: names of the question sets that have it.
    """
    if not sets:
        return ""
    named = ", ".join(sets[:_SHOWN_SETS]) + (
        f" and {len(sets) - _SHOWN_SETS:,} more" if len(sets) > _SHOWN_SETS else ""
    )
    return (
        f"This question is in the evaluation set{'s' if len(sets) > 1 else ''} {named}. Training data leave out its "
        "correction, because scores there would then show what was memorised. A model can learn the corrected fact "
        "without the question (Corrected facts alone, when the data set is built), or from one half of a set that was "
        "split (questions split) and be measured with the other."
    )


def work_value(view: CaseView) -> dict[str, Any]:
    """The changing part of a case: marks, suggestions, draft."""
    hashes = {Part.THINKING: text_hash(view.case.thinking_text), Part.ANSWER: text_hash(view.case.answer_text)}

    def shown(marks: Sequence[Annotation]) -> list[dict[str, Any]]:
        return [mark_value(mark) | {"is_stale": _is_stale(mark, hashes)} for mark in marks]

    return {
        "own": shown(view.own),
        "others": shown(view.others),
        "reviewers": list(view.reviewers),
        "hidden": view.hidden,
        "suggestions": [_suggestion(each, hashes) for each in view.suggestions],
        "is_submitted": bool(view.assessment and view.assessment.is_submitted),
        "draft": dict(view.assessment.draft) if view.assessment else {},
    }


def mark_value(mark: Annotation) -> dict[str, Any]:
    """A stored annotation, with the form's fields."""
    upheld = {True: "Adjudicated: upheld", False: "Adjudicated: rejected", None: "Adjudicated"}[mark.is_upheld]
    key = {True: "upheld", False: "rejected", None: "adjudicated"}[mark.is_upheld]
    is_decided = mark.state is AnnotationState.ADJUDICATED
    return content_value(mark) | {
        "id": mark.id,
        "revision": mark.revision,
        "annotator": mark.annotator,
        "state": mark.state.value,
        "state_key": key if is_decided else mark.state.value,
        "state_label": upheld if is_decided else _STATE_LABELS[mark.state],
        "agreed_by": list(mark.agreed_by),
        "origin": mark.origin.value,
    }


def content_value(content: AnnotationContent) -> dict[str, Any]:
    """The content of an annotation, with the form's fields."""
    selector = content.selector
    return {
        "part": content.part.value,
        "start": selector.start if selector else None,
        "end": selector.end if selector else None,
        "exact": selector.exact if selector else "",
        "text_sha256": selector.text_sha256 if selector else "",
        "labels": list(content.labels),
        "severity": content.severity,
        "comment": content.comment,
        "corrected_fact": content.corrected_fact,
        "evidence": [{"kind": each.kind.value, "value": each.value} for each in content.evidence],
        "confidence": content.confidence.value if content.confidence else "",
        "is_omission": content.is_omission,
        "changed_answer": content.changed_answer,
    }


def revision_value(revision: AnnotationRevision) -> dict[str, Any]:
    """One state of an annotation's history, in words."""
    said = []
    for field, name in _SHOWN_OF_REVISION:
        value = revision.document.get(field)
        if value:
            said.append(name + (", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)))
    return {
        "revision": revision.revision,
        "action": revision.action.value,
        "made_by": revision.made_by,
        "made_at": revision.made_at.isoformat(),
        "reason": revision.reason,
        "says": said,
    }


def text_hash(text: str) -> str:
    """SHA-256 (hex) of a text, as used by selectors."""
    return hashlib.sha256(text.encode("utf-8", errors="replace")).hexdigest()


def _text(text: str, waits: Sequence[Span] = (), edits: Sequence[Span] = ()) -> dict[str, Any]:
    inserted = {"waits": [list(each) for each in waits], "edits": [list(each) for each in edits]}
    return inserted | {"text": text, "sentences": sentences(text), "sha256": text_hash(text)}


def _settings(case: Case) -> str:
    if not case.thinking_budget_tokens:
        return "imported"  # Only this app's own runs have a budget.
    return f"budget {case.thinking_budget_tokens:,} tokens, {counted(case.force_rounds, 'force round')}"


def _tags(case: Case, letter: str) -> str:
    tags = ["chosen"] if letter in letters_of(case.letter) else []
    return ", ".join([*tags, "target"] if letter in letters_of(case.question.target) else tags)


def _is_stale(content: AnnotationContent, hashes: dict[Part, str]) -> bool:
    return content.selector is not None and content.selector.text_sha256 != hashes.get(content.part)


def _suggestion(each: Suggestion, hashes: dict[Part, str]) -> dict[str, Any]:
    # The severity is left to the annotator.
    mark = content_value(each.content) | {"severity": "", "is_stale": _is_stale(each.content, hashes)}
    return {"key": each.key, "label": each.label, "reason": each.reason, "mark": mark}
