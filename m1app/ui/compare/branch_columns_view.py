"""A trace and its branches side by side, from where they begin to differ. Pure: values in, dictionaries out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from m1app.targets import letters_of
from m1app.ui.probe.branch_tree_view import node_name
from m1app.wording import counted, state_label, verdict_label, verdict_of
from storage.annotations.records import Case
from storage.branches.records import TreeNode
from storage.questions.records import Question
from storage.traces.records import COUNTED_AS_THINKING, Trace, TraceState

MOST_COLUMNS = 12


@dataclass(frozen=True, slots=True)
class BranchColumn:
    """A trace of the tree, as it is now."""

    node: TreeNode
    trace: Trace
    case: Case | None = None
    """The answer of a sweep whose thinking the column shows; None for the trace's own."""

    @property
    def text(self) -> str:
        """Its thinking."""
        return self.case.thinking_text if self.case else self.trace.thinking_text


def branch_columns_value(columns: Sequence[BranchColumn], total: int) -> dict[str, Any]:
    """The columns, with what all have in common once.

    Args:
        columns: the first is the one that the tree grows from.
        total: traces of the tree.
    """
    kept = [each.node.branch.kept_characters for each in columns if each.node.branch]
    common = min((*kept, *(len(each.text) for each in columns)), default=0)
    hidden = total - len(columns)
    return {
        "question": columns[0].trace.question.stem if columns else "",
        "options": _options(columns[0].trace.question) if columns else [],
        "again": f"/compare/?trace={columns[0].trace.id}" if columns else "",
        "prefix": columns[0].text[:common] if columns else "",
        "columns": [_column(each, common) for each in columns],
        "notice": f"{counted(hidden, 'more branch', 'more branches')} not shown." if hidden > 0 else "",
        "is_running": any(each.trace.state is TraceState.RUNNING for each in columns),
    }


def _options(question: Question) -> list[str]:
    targets = letters_of(question.target)
    return [f"{letter}. {text}{' (target)' if letter in targets else ''}" for letter, text in question.options.items()]


def _column(column: BranchColumn, common: int) -> dict[str, Any]:
    node, trace, case = column.node, column.trace, column.case
    answer, letter, is_correct = (
        (case.answer_text, case.letter, case.is_correct)
        if case
        else (trace.answer_text, trace.answer_letter, trace.is_correct)
    )
    question = trace.question
    is_over = case is not None or trace.state is TraceState.COMPLETED
    verdict = verdict_of(letter, is_correct, bool(question.options))
    label = verdict_label(letter, is_correct, question.target, bool(question.options))
    return {
        "id": node.trace_id,
        "title": node_name(node),
        "link": f"/compare/?sweep={node.sweep_id}" if node.sweep_id else f"/?trace={node.trace_id}",
        "edit": f"/thinking/?case={case.id if case else node.trace_id}" if is_over else "",
        "verdict": verdict.value if is_over else trace.state.value,
        "verdict_label": label if is_over else state_label(trace.state),
        "tokens": f"{trace.thinking_tokens:,} thinking tokens" if case is None else "",
        "pieces": _pieces(trace, common, len(column.text)),
        "answer": answer.strip(),
    }


def _pieces(trace: Trace, start: int, end: int) -> list[dict[str, str]]:
    """The thinking between two places, by who wrote it."""
    pieces, at = [], 0
    for each in trace.segments:
        if each.kind not in COUNTED_AS_THINKING:
            continue
        text = each.text[max(0, start - at) : max(0, end - at)]
        at += len(each.text)
        if text:
            pieces.append({"kind": each.kind.value, "text": text})
    return pieces
